import json

import numpy as np
import pytest

from firebit.errors import UsageError
from firebit.search.codes import pack
from firebit.search.evaluate import split
from firebit.search.evaluate.study import Subject, records, summary

RANDOM = np.random.default_rng(0)
TRAIN, TEST = np.arange(80) % 4, np.arange(20) % 4
LABELS = np.concatenate([TRAIN, TEST])
SUBJECT = Subject(LABELS, split("cifar10-2", TRAIN, TEST))


def test_only_the_parts_of_the_split_are_judged() -> None:
    codes = pack(np.eye(16, dtype=bool)[LABELS])
    unseen = Subject(LABELS, split("unseen", TRAIN, TEST))
    codes[~np.isin(np.arange(100), np.concatenate([unseen.split.queries, unseen.split.database]))] = 255
    found = unseen.judge(codes, 16)
    assert (found.queries, found.database, found.mean_average_precision["ALL"]) == (5, 20, 1)


def test_prefixes_are_judged_as_codes_of_their_length() -> None:
    bits = np.concatenate([RANDOM.integers(0, 2, (100, 8)), np.eye(8, dtype=int)[LABELS]], axis=1)
    found = SUBJECT.prefixes(pack(bits), 16, (8, 12, 16, 32))
    assert list(found) == [8, 12, 16]
    assert found[8].bits == 8
    assert found[8].mean_average_precision == SUBJECT.judge(pack(bits[:, :8]), 8).mean_average_precision
    assert found[16].mean_average_precision["ALL"] > found[8].mean_average_precision["ALL"]


def test_baselines_find_what_is_easy_and_leave_out_what_cannot_be() -> None:
    features = np.eye(8)[LABELS] * 10 + RANDOM.normal(size=(100, 8))
    found = SUBJECT.baselines(features, 8)
    assert set(found) == {"LSH", "ITQ"}
    assert min(each.mean_average_precision["ALL"] for each in found.values()) > 0.7
    assert set(SUBJECT.baselines(features, 9)) == {"LSH"}


def test_a_code_for_each_picture_is_wanted() -> None:
    with pytest.raises(UsageError, match="99 codes for 100 pictures"):
        SUBJECT.judge(np.zeros((99, 1), np.uint8), 8)


def test_summaries_are_per_cent_and_records_json() -> None:
    metrics = SUBJECT.judge(pack(np.eye(16, dtype=bool)[LABELS]), 16)
    assert summary(metrics)["mAP@ALL"] == pytest.approx(100)
    assert summary(metrics)["distinct"] == pytest.approx(5)
    assert json.loads(json.dumps(records({"codes": metrics})))["codes"]["bits"] == 16
