import pytest

from firebit.search.milvus.expression import among, expression
from firebit.search.store.where import parse


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"label": 3}, 'payload["label"] == 3'),
        ({"na'me": 'say "so"'}, 'payload["na\'me"] == "say \\"so\\""'),
        ({"flag": True}, 'payload["flag"] == true'),
        ({"label": None}, 'not (exists payload["label"])'),
        ({"label": {"ne": 3}}, 'not (payload["label"] == 3)'),
        ({"label": {"in": [3, None]}}, '(payload["label"] == 3) or (not (exists payload["label"]))'),
        ({"label": {"in": []}}, 'id == ""'),
        ({"year": {"ge": 2020, "lt": 2022}}, '(payload["year"] >= 2020) and (payload["year"] < 2022)'),
        ({"tags": {"contains": "x"}}, 'json_contains(payload["tags"], "x")'),
        ({"not": {"or": [{"a": 1}, {"b": "ü"}]}}, 'not ((payload["a"] == 1) or (payload["b"] == "ü"))'),
        ({}, 'id != ""'),
        ({"or": []}, 'id == ""'),
    ],
)
def test_filters_as_milvus_says_them(where: dict[str, object], says: str) -> None:
    assert expression(parse(where)) == says


def test_ids_cannot_end_their_quotes() -> None:
    assert among(['a"] or id != "', "b\n"]) == 'id in ["a\\"] or id != \\"", "b\\n"]'
