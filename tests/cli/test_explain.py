"""`firebit explain`: what it prints and writes, and what it refuses."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firebit as fb
from firebit.engine.plan import Input, Layer, Logits, Plan, Term

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command_line: Run) -> Run:
    """Run a command: exit code, standard output, standard error."""
    return command_line


def plan(names: tuple[str, ...] = ()) -> Plan:
    """Of 8 × 8 pixels unit 0 fires where the left half is bright, unit 1 where the right is, unit 2 where not 0."""
    left = np.zeros((8, 8), np.int16)
    left[:, :4] = 1
    weights = np.stack([left.reshape(-1), left[:, ::-1].reshape(-1), left.reshape(-1)])
    thresholds, directions = np.array([[4000, 4000, 3999]], np.int32), np.array([1, 1, -1], np.int8)
    layer = Layer("sides", (Term("input", np.ascontiguousarray(weights)),), thresholds, directions)
    votes = Term("sides", np.array([[1, -1, 0], [-1, 1, 0]], np.int16))
    return Plan(Input((1, 8, 8)), (layer,), Logits("out", (votes,), 1.0, np.zeros(2)), names)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "sides.firebit"
    plan().save(path)
    return path


@pytest.fixture
def sides(tmp_path: Path) -> Path:
    """A folder of pictures, bright on the left or on the right, of two sizes."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("left", "right"):
            folder = tmp_path / "sides" / split / label
            folder.mkdir(parents=True)
            for index in range(12):
                size = (8, 8) if index % 2 else (16, 16)
                picture = rng.integers(0, 60, size, np.uint8)
                half = slice(None, size[1] // 2) if label == "left" else slice(size[1] // 2, None)
                picture[:, half] += 180
                Image.fromarray(picture).save(folder / f"{index}.png")
    return tmp_path / "sides"


def test_a_table_of_units_and_of_classifiers(run: Run, network: Path, sides: Path) -> None:
    code, out, err = run("explain", network, "--data", sides, "--unit", "1")
    assert (code, err) == (0, "")
    assert "sides: 3 units, 24 pictures of 2 classes (sides-test)" in out
    assert "by all pictures of a class, or by none, and q ≤ 0.05: 3 positive and 3 negative classes" in out
    assert "With shuffled labels (20×)" in out
    assert "opposite of 0" in out
    assert "Classifiers of one neuron" in out
    assert "sides, unit 1" in out
    assert out.count("0.0 … 22.1") == 1
    assert out.count("77.9 … 100.0") == 1


def test_json_is_everything_about_the_units_asked_for(run: Run, network: Path, sides: Path) -> None:
    code, out, _ = run("explain", network, "--data", sides, "--json", "--permutations", "0")
    values = json.loads(out)
    assert code == 0
    assert (values["data"], values["layer"], values["pictures"], values["null"]) == ("sides-test", "sides", 24, None)
    assert [unit["counts"] for unit in values["units"]] == [[12, 0], [0, 12], [0, 12]]
    assert values["classifiers"][0]["accuracy"] == 1
    _, out, _ = run("explain", network, "--data", sides, "--json", "--unit", "2", "--permutations", "0")
    (only,) = json.loads(out)["units"]
    assert (only["unit"], only["flag"]) == (2, "opposite of 0")


def test_names_from_a_hierarchy_of_the_users(run: Run, network: Path, sides: Path, tmp_path: Path) -> None:
    (tmp_path / "names.toml").write_text('[concepts]\nsinister = ["left"]\n', "utf-8")
    code, out, _ = run("explain", network, "--data", sides, "--names", tmp_path / "names.toml", "--permutations", "0")
    assert code == 0
    # One class is no group that a concept could be common to.
    assert "no name" in out
    code, _, err = run("explain", network, "--data", sides, "--names", "wordnet")
    assert (code, "'left' is no class of ImageNet" in err) == (2, True)


def test_tables_figures_and_pictures_in_a_folder(run: Run, network: Path, sides: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ("--out", folder, "--count", 2, "--segments", 16, "--mode", "exact", "--permutations", "0")
    code, out, err = run("explain", network, "--data", sides, *options)
    assert (code, err) == (0, "")
    # Nothing must be there for unit 2 to fire, nor for units 0 and 1 to stay off, unless the filling is bright.
    smallest = json.loads((folder / "explanation.json").read_text("utf-8"))["smallest"]
    assert f"Written to {folder}: {len(smallest)} smallest pictures of 3 units." in out
    assert not any(each["blank"] for each in smallest)
    assert "are blank" not in out
    rows = list(csv.reader((folder / "firing.csv").open(encoding="utf-8")))
    assert rows == [
        ["class", "pictures", "0", "1", "2"],
        ["left", "12", "12", "0", "0"],
        ["right", "12", "0", "12", "12"],
    ]
    assert fb.explain.load_firing(folder / "firing.safetensors").counts.tolist() == [[12, 0, 0], [0, 12, 12]]
    first = [each for each in smallest if each["unit"] == 0 and each["fires"]]
    assert [each["class"] for each in first] == ["left", "left"]
    assert all(0 < each["kept"] < each["segments"] == 16 for each in first)
    for name in ("matrix", "units", "smallest"):
        assert (folder / f"{name}.svg").is_file()
        assert (folder / f"{name}.png").is_file()
    tiles = sorted(path.name for path in (folder / "tiles").iterdir())
    assert len(tiles) == len(smallest)
    assert Image.open(folder / "tiles" / "unit-0-fires-1.png").size == (192, 192)


def test_what_a_blank_picture_does_is_said(run: Run, network: Path, sides: Path, tmp_path: Path) -> None:
    options = ("--out", tmp_path / "out", "--count", 1, "--fill", "black", "--permutations", "0")
    units = [word for unit in ("0", "1", "2", "0") for word in ("--unit", unit)]
    _, out, _ = run("explain", network, "--data", sides, *options, *units)
    # On black, unit 2 fires by itself, and units 0 and 1 stay off.
    assert "6 smallest pictures of 3 units." in out
    assert "3 of them are blank: on a blank picture these units say the same." in out


def test_a_pretrained_network_knows_its_data(run: Run, few_digits: Path) -> None:
    code, out, err = run("explain", "mnist-lenet", "--data", few_digits, "--permutations", "0", "--top", "2")
    assert (code, err) == (0, "")
    assert "act3: 500 units, 60 pictures of 10 classes" in out
    code, _, err = run("explain", "mnist-lenet", "--permutations", "0")
    assert (code, "The data set mnist is not in" in err) == (3, True)


def test_without_a_class_that_passes_a_hint_is_given(run: Run, network: Path, sides: Path) -> None:
    for label, other in (("left", "right"), ("right", "left")):
        Image.open(sides / "train" / other / "0.png").save(sides / "test" / label / "wrong.png")
    _, out, _ = run("explain", network, "--data", sides, "--permutations", "0")
    assert "0 positive and 0 negative classes" in out
    assert "See --share 0.9." in out
    _, out, _ = run("explain", network, "--data", sides, "--permutations", "0", "--share", "0.9")
    assert "3 positive and 3 negative classes" in out
    assert "See --share" not in out


def test_units_of_a_convolution_have_places(run: Run, few_digits: Path) -> None:
    options = ("--data", few_digits, "--layer", "act1", "--json", "--permutations", "0")
    _, out, _ = run("explain", "mnist-lenet", *options, "--unit", "3@5,7")
    (unit,) = json.loads(out)["units"]
    assert (unit["unit"], unit["place"]) == (3 * 144 + 5 * 12 + 7, "3@5,7")
    code, _, err = run("explain", "mnist-lenet", *options, "--unit", "3@12,0")
    assert (code, "--unit 3@12,0 is none of the 2,880 units" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--unit", "3"), "--unit 3 is none of the 3 units of layer 'sides'"),
        (("--unit", "one"), "--unit one is none"),
        (("--unit", "1@0,0"), "--unit 1@0,0 is none"),
        (("--layer", "side"), "no hidden layer 'side'"),
        (("--layer", "out"), "'out' is not binary"),
        (("--by", "pixel"), "by='pixel' is not known"),
        (("--share", "0.4"), "share=0.4"),
        (("--names", "nothing.toml"), "Cannot read nothing.toml"),
        (("--out", "x", "--mode", "slow"), "no mode 'slow'"),
        (("--out", "x", "--fill", "pink"), "no filling 'pink'"),
        (("--out", "x", "--method", "voronoi"), "no way 'voronoi'"),
        (("--split", "all"), "split='all'"),
    ],
)
def test_wrong_options(
    run: Run,
    network: Path,
    sides: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("explain", network, "--data", sides, *options)
    assert code in (2, 3)
    assert problem in err
    assert "Traceback" not in out + err
    assert not (tmp_path / "x").exists()


def test_a_file_does_not_say_which_data_set(run: Run, network: Path) -> None:
    code, _, err = run("explain", network)
    assert (code, "does not say which data set to use" in err) == (2, True)


def test_data_that_will_not_do(run: Run, network: Path, tmp_path: Path) -> None:
    unlabelled = tmp_path / "unlabelled"
    unlabelled.mkdir()
    Image.new("L", (8, 8)).save(unlabelled / "one.png")
    one_class = tmp_path / "one"
    (one_class / "test" / "only").mkdir(parents=True)
    Image.new("L", (8, 8)).save(one_class / "test" / "only" / "a.png")
    for folder in (unlabelled, one_class, tmp_path / "missing"):
        code, out, err = run("explain", network, "--data", folder)
        assert code == 3
        assert "error:" in err
        assert "Traceback" not in out + err


def test_networks_of_one_shape_and_pictures_of_another(run: Run, sides: Path, tmp_path: Path) -> None:
    weights = np.ones((2, 32), np.int16)
    layer = Layer("fc", (Term("input", weights),), np.ones((1, 2), np.int32), np.ones(2, np.int8))
    Plan(Input((1, 4, 8)), (layer,)).save(tmp_path / "wide.firebit")
    code, _, err = run("explain", tmp_path / "wide.firebit", "--data", sides)
    assert code in (2, 3)
    assert "error:" in err


def test_names_of_classes_stay_text(run: Run, network: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, half in (("[red]<script>", slice(None, 4)), ("b\x1b[31m", slice(4, None))):
        folder = tmp_path / "odd" / "test" / name.replace("/", "")
        folder.mkdir(parents=True)
        for index in range(12):
            picture = rng.integers(0, 60, (8, 8), np.uint8)
            picture[:, half] += 180
            Image.fromarray(picture).save(folder / f"{index}.png")
    _, out, _ = run("explain", network, "--data", tmp_path / "odd", "--unit", "0", "--permutations", "0")
    assert "[red]<script>" in out
    assert "\x1b" not in out
