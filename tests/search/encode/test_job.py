"""Jobs: their shards, their manifest, how they go on, and the same on Ray."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from PIL import Image

import firebit as fb
from firebit.errors import DataError, FirebitError, ModelFileError, UsageError
from firebit.pretrained import find as model_file
from firebit.search.encode import Progress, Summary, prepare, read_manifest, read_shards, run
from firebit.search.encode import job as jobs
from firebit.search.encode.shard import shard_file

LENET = model_file("mnist-lenet")
Made = dict[str, bytes]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 digits in two folders, two files that are no pictures, and one of 100 megapixels."""
    folder = tmp_path_factory.mktemp("photos")
    digits = fb.data.load("digits", "test").images
    for number in range(20):
        path = folder / ("even" if number % 2 == 0 else "o'd\nd") / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(digits[number, 0]).save(path)
    (folder / "even" / "03 no picture.png").write_bytes(b"not a picture")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    Image.new("1", (10_000, 10_000)).save(folder / "huge.png")
    return folder


def files(folder: Path) -> Made:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def quiet(_: Progress) -> None:
    pass


@pytest.fixture
def encode(photos: Path, tmp_path: Path) -> Callable[..., Summary]:
    def work(
        name: str = "codes", workers: int = 1, report: Callable[[Progress], None] = quiet, **options: bool
    ) -> Summary:
        return run(prepare(photos, LENET, tmp_path / name, size=6), workers, report, **options)

    return work


def test_codes_are_those_of_the_network(encode: Callable[..., Summary], photos: Path, tmp_path: Path) -> None:
    summary = encode()
    assert (summary.pictures, summary.shards, summary.resumed) == (20, 4, 0)
    assert [bad.id for bad in summary.bad] == ["even/03 no picture.png", "huge.png", "torn.jpg"]
    assert "100" in summary.bad[1].reason or "pixels" in summary.bad[1].reason
    network, seen = fb.load(LENET), {}
    for ids, codes, payloads in read_shards(tmp_path / "codes"):
        for ident, code, payload in zip(ids, codes, payloads, strict=True):
            assert np.array_equal(code, network.codes(photos / ident)[0])
            assert payload == {"file": ident, "label": ident.rpartition("/")[0]}
            seen[ident] = code
    assert len(seen) == 20 and "o'd\nd/01.png" in seen
    manifest = read_manifest(tmp_path / "codes")
    assert (manifest["bits"], manifest["pictures"], len(manifest["bad"])) == (500, 20, 3)
    assert manifest["fingerprint"] == f"{network.fingerprint}:{network.layers[-1]}"


def test_shards_are_plain_parquet(encode: Callable[..., Summary], tmp_path: Path) -> None:
    encode()
    schema = parquet.read_table(shard_file(tmp_path / "codes", 0)).schema
    assert [(field.name, str(field.type)) for field in schema] == [
        ("id", "string"),
        ("code", "fixed_size_binary[63]"),
        ("payload", "string"),
    ]


def test_any_number_of_workers_writes_the_same_bytes(encode: Callable[..., Summary], tmp_path: Path) -> None:
    encode("one")
    encode("two", workers=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_stopped_job_goes_on(encode: Callable[..., Summary], tmp_path: Path) -> None:
    encode("whole")

    def stop(progress: Progress) -> None:
        if progress.done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(report=stop)
    with pytest.raises(DataError, match="not finished"):
        read_manifest(tmp_path / "codes")
    kept = shard_file(tmp_path / "codes", 1).stat().st_mtime_ns
    # Damage of any kind is made good; so is a half-written file of a killed process.
    shard_file(tmp_path / "codes", 0).write_bytes(b"torn")
    (tmp_path / "codes" / f".{shard_file(tmp_path, 2).name}.abcdefgh.part").write_bytes(b"half")
    seen: list[Progress] = []
    summary = encode(report=seen.append)
    assert summary.resumed == 1
    assert shard_file(tmp_path / "codes", 1).stat().st_mtime_ns == kept
    assert files(tmp_path / "codes") == files(tmp_path / "whole")
    assert [progress.done for progress in seen] == [12, 18, 23]
    assert seen[-1].bad == 3 and seen[-1].seconds_left == 0 and seen[0].rate > 0


def test_a_finished_job_has_nothing_to_do(encode: Callable[..., Summary], tmp_path: Path) -> None:
    first = encode()
    before = files(tmp_path / "codes")
    again = encode(report=lambda _: pytest.fail("nothing was to be done"))
    assert (again.pictures, again.bad, again.resumed) == (first.pictures, first.bad, 4)
    assert files(tmp_path / "codes") == before


def test_a_bad_picture_ends_a_strict_job(encode: Callable[..., Summary], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture"):
        encode(strict=True)
    assert encode().pictures == 20


def test_a_folder_of_another_job_is_refused(encode: Callable[..., Summary], photos: Path, tmp_path: Path) -> None:
    encode()
    for options in ({"layer": "act2"}, {"size": 5}):
        with pytest.raises(UsageError, match="other pictures"):
            prepare(photos, LENET, tmp_path / "codes", **{"size": 6, **options})  # type: ignore[arg-type]
    (tmp_path / "codes" / "manifest.json").write_text("{")
    with pytest.raises(UsageError, match="other pictures"):
        encode()


def test_what_cannot_be_prepared(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no hidden layer"):
        prepare(photos, LENET, tmp_path / "codes", layer="none")
    with pytest.raises(UsageError, match="size=0"):
        prepare(photos, LENET, tmp_path / "codes", size=0)
    with pytest.raises(ModelFileError):
        prepare(photos, photos / "torn.jpg", tmp_path / "codes")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        prepare(photos, LENET, tmp_path / "file")


def test_a_worker_that_dies_is_an_error_that_says_how_to_go_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prepare(photos, LENET, tmp_path / "codes", size=6)
    # A worker that cannot find its network ends at once.
    broken = jobs.Job(jobs.Work("none", job.work.layer, job.work.job), *list(vars(job).values())[1:])
    with pytest.raises(FirebitError, match="worker ended"):
        run(broken, 2, quiet)
    assert run(job, 2, quiet).pictures == 20


def test_a_data_set_is_encoded_by_threads_the_same(tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        summary = run(prepare("digits", LENET, tmp_path / name, size=300), workers, quiet)
        assert summary.shards >= 3 and not summary.bad
    assert files(tmp_path / "one") == files(tmp_path / "two")
    digits = fb.data.load("digits", "train")
    ids, codes, payloads = next(read_shards(tmp_path / "one"))
    network = fb.load(LENET)
    known = {f"{split}/{n:07}": (split, n) for split in ("train", "test") for n in range(len(digits))}
    for ident, code, payload in list(zip(ids, codes, payloads, strict=True))[::40]:
        split, number = known[ident]
        pictures = fb.data.load("digits", split)
        assert np.array_equal(code, network.codes(pictures.images[number])[0])
        assert payload == {"file": ident, "label": pictures.classes[pictures.labels[number]]}


@pytest.mark.parametrize("damage", ["gone", "torn", "other"])
def test_shards_that_are_damaged(encode: Callable[..., Summary], tmp_path: Path, damage: str) -> None:
    encode()
    file = shard_file(tmp_path / "codes", 2)
    content = file.read_bytes()
    file.unlink() if damage == "gone" else file.write_bytes(content[:-50])
    if damage == "other":
        file.write_bytes(content)
        manifest = tmp_path / "codes" / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"fingerprint": "other"}))
    with pytest.raises(DataError, match=r"codes-0000"):
        list(read_shards(tmp_path / "codes"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 9}', "9"])
def test_manifests_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError):
        read_manifest(tmp_path)


@pytest.mark.slow
def test_ray_writes_the_same_bytes(
    encode: Callable[..., Summary], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    # A busy machine is no reason to fail.
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "400")
    from firebit.search.encode.cluster import execute

    encode("here")
    summary = run(prepare(photos, LENET, tmp_path / "ray", size=6), 2, quiet, execute=execute)
    assert len(summary.bad) == 3
    assert files(tmp_path / "ray") == files(tmp_path / "here")
