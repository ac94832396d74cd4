"""`firebit encode`, `index` and `search`, as a user meets them."""

import json
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firebit as fb
from firebit.search import CodeStore

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def firebit(command_line: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return command_line


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 digits in a folder per class, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("digits") / "photos"
    digits = fb.data.load("digits", "test")
    for number in range(40):
        path = folder / digits.classes[digits.labels[number]] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.images[number, 0]).save(path)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def indexed(firebit: Run, photos: Path) -> Run:
    """A store photos.db of the pictures."""
    code, out, err = firebit("index", photos, "--model", "mnist-lenet", "--workers", 1)
    assert code == 0, err
    assert out.startswith("40 pictures put into photos.db, which holds 40 now. 1 could not be read.")
    assert "skipped broken.png: Not a whole PNG or JPEG picture" in err
    return firebit


def test_a_picture_finds_itself_and_others_of_its_class(indexed: Run, photos: Path) -> None:
    query = sorted(photos.rglob("0*.png"))[0]
    code, out, _ = indexed("search", query, "-k", 3, "--json")
    assert code == 0
    found = json.loads(out)
    (answer,) = found["queries"]
    assert found["store"] == "photos.db" and answer["file"] == str(query)
    first = answer["hits"][0]
    assert first["id"] == query.relative_to(photos).as_posix()
    assert first["distance"] == 0
    state = query.stat()
    assert first["payload"] == {
        **{"file": first["id"], "label": query.parent.name, "path": str(query.resolve())},
        **{"source": str(photos.resolve()), "size": state.st_size, "modified": state.st_mtime_ns},
    }
    assert [hit["distance"] for hit in answer["hits"]] == sorted(hit["distance"] for hit in answer["hits"])


def test_a_table_per_picture(indexed: Run, photos: Path) -> None:
    one, two = sorted(photos.rglob("0*.png"))[:2]
    code, out, _ = indexed("search", one, two, "-k", 2, "--rerank")
    assert code == 0
    assert out.count("bits") == out.count("cost") == 2
    assert re.search(rf"1 │ +0 │ +0\.00 │ {re.escape(one.relative_to(photos).as_posix())}", out)


def test_filters_and_radius(indexed: Run, photos: Path) -> None:
    query = sorted(photos.rglob("0*.png"))[0]
    wanted = {"label": query.parent.name}
    _, out, _ = indexed("search", query, "-k", 99, "--where", json.dumps(wanted), "--json", "--exact")
    hits = json.loads(out)["queries"][0]["hits"]
    assert len(hits) == len(list(query.parent.iterdir()))
    assert {hit["payload"]["label"] for hit in hits} == {query.parent.name}
    _, out, _ = indexed("search", query, "--radius", 0, "--json")
    assert [hit["distance"] for hit in json.loads(out)["queries"][0]["hits"]] == [0]


def test_the_network_is_the_one_of_the_store(indexed: Run, photos: Path, tmp_path: Path) -> None:
    with CodeStore.open(tmp_path / "photos.db") as store:
        assert store.model == "mnist-lenet"
        assert store.capabilities().fields == ("label",)
    code, out, _ = indexed("index", photos, "--workers", 1)
    assert code == 0 and "which holds 40 now" in out
    code, _, err = indexed("search", photos / "broken.png", "--model", "cifar10-quick")
    assert (code == 2 and "no hidden layer" in err) or "holds codes of" in err


def test_only_what_changed_is_encoded_again(firebit: Run, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "growing"
    shutil.copytree(photos, folder)
    words = ("index", folder, "--workers", 1)
    assert firebit(*words, "--model", "mnist-lenet")[0] == 0
    first, second, third = sorted(folder.rglob("0*.png"))[:3]
    first.unlink()
    shutil.copy(third, second)
    shutil.copy(third, folder / "new.png")
    code, out, err = firebit(*words, "--json")
    assert code == 0, err
    found = json.loads(out)
    counts = {name: found[name] for name in ("pictures", "new", "changed", "unchanged", "removed", "items")}
    assert counts == {"pictures": 2, "new": 1, "changed": 1, "unchanged": 38, "removed": 0, "items": 41}
    code, out, _ = firebit(*words, "--prune")
    assert code == 0
    assert out.startswith("0 pictures put into photos.db, which holds 40 now. 40 were there already.")
    assert "1 that are no more were removed. 1 could not be read." in out


def test_codes_are_not_pruned(firebit: Run, photos: Path) -> None:
    assert firebit("encode", photos, "--out", "codes", "--model", "mnist-lenet", "--workers", 1)[0] == 0
    code, _, err = firebit("index", "codes", "--prune")
    assert (code, "holds codes" in err) == (2, True)


def test_damaged_codes_leave_no_store(firebit: Run, photos: Path) -> None:
    assert firebit("encode", photos, "--out", "codes", "--model", "mnist-lenet", "--workers", 1)[0] == 0
    Path("codes/codes-000000.parquet").write_bytes(b"torn")
    code, _, err = firebit("index", "codes")
    assert (code, "codes-000000.parquet" in err) == (3, True)
    assert not Path("photos.db").exists()


def test_codes_of_encode_are_indexed_without_the_pictures(firebit: Run, photos: Path, tmp_path: Path) -> None:
    code, out, _ = firebit("encode", photos, "--out", "codes", "--model", "mnist-lenet", "--workers", 1, "--json")
    assert code == 0
    summary = json.loads(out)
    assert (summary["pictures"], len(summary["bad"]), summary["shards"]) == (40, 1, 1)
    code, out, _ = firebit("encode", photos, "--out", "codes", "--model", "mnist-lenet")
    assert code == 0 and "1 of them were there" in out
    code, _, err = firebit("index", "codes", "--store", "other.db")
    assert code == 0, err
    code, _, err = firebit("search", next(photos.rglob("0*.png")), "--store", "other.db")
    assert (code, "does not name its network" in err) == (2, True)
    assert firebit("search", next(photos.rglob("0*.png")), "--store", "other.db", "--model", "mnist-lenet")[0] == 0


def test_a_strict_job_ends_at_a_bad_picture(firebit: Run, photos: Path) -> None:
    code, _, err = firebit("encode", photos, "--out", "codes", "--model", "mnist-lenet", "--workers", 1, "--strict")
    assert code == 3 and "broken.png" in err


def test_the_page_needs_nothing_but_itself(indexed: Run, photos: Path, tmp_path: Path) -> None:
    odd = tmp_path / "<b>&\"'.png"
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(odd)
    query = sorted(photos.rglob("0*.png"))[0]
    code, out, err = indexed("search", query, odd, "-k", 4, "--html", "page.html")
    assert code == 0, err
    assert "The page is page.html." in out
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "<b>&" not in text and "&lt;b&gt;&amp;&#34;&#39;.png" in text
    assert not re.search(r'(src|href)="(?!data:)', text) and "<script" not in text and "@import" not in text
    assert text.count("<figure") == 2 + 2 * 4 == text.count("data:image/png;base64,")
    assert "No bit differs" in text
    # The bits that differ are named, and as many as the distance says.
    cards = [
        re.search(r"<b>(\d+) bits?</b>.*Bits that differ: ([\d, ]+)<", card, re.S) for card in text.split("<figure")
    ]
    named = [(int(card[1]), len(card[2].split(", "))) for card in cards if card]
    assert len(named) >= 6 and all(distance == count for distance, count in named)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("search", "q.png"), 6, "no store photos.db"),
        (("search", "q.png", "--store", "milvus://127.0.0.1:x/a"), 2, "no address"),
        (("search", "q.png", "--where", "{"), 2, "no JSON"),
        (("index", "none", "--model", "mnist-lenet"), 3, "no folder, archive or data set none"),
        (("index", "none"), 2, "which network"),
        (("index", ".", "--model", "none"), 4, "none"),
        (("encode", "none", "--out", "codes"), 3, "none"),
        (("encode", ".", "--out", "codes", "--layer", "x"), 2, "no hidden layer"),
    ],
)
def test_what_goes_wrong(firebit: Run, words: tuple[str, ...], code: int, says: str) -> None:
    found, _, err = firebit(*words)
    assert (found, says in err) == (code, True), err
    assert not Path("codes").exists() and not Path("photos.db").exists()


def test_a_server_that_is_away(firebit: Run, photos: Path) -> None:
    pytest.importorskip("pymilvus")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    store = f"milvus://127.0.0.1:{port}/photos"
    for words in (("search", next(photos.rglob("0*.png"))), ("index", photos)):
        code, out, err = firebit(*words, "--store", store, "--model", "mnist-lenet")
        assert (code, out) == (6, "") and f"127.0.0.1:{port} is away" in err


def test_a_query_that_is_no_picture(indexed: Run, photos: Path) -> None:
    code, _, err = indexed("search", photos / "broken.png")
    assert code == 3 and "broken.png" in err


def test_a_store_that_is_damaged(firebit: Run, tmp_path: Path) -> None:
    (tmp_path / "photos.db").write_bytes(b"no database" * 100)
    code, _, err = firebit("search", "q.png")
    assert code == 3 and "photos.db" in err
