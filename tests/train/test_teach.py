"""Where a teacher comes from, what is refused, and that it does not train."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from firebit.data import ImageSet, to_float
from firebit.errors import ModelFileError, UsageError
from firebit.train import Recipe, RunFolder, load_model
from firebit.train.teach import TEACHER_FILE, ask, check_teacher, keep_teacher, load_teacher

Tiny = Callable[..., Recipe]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_without_distillation_there_is_none(tiny: Tiny, folder: RunFolder, train_set: ImageSet) -> None:
    recipe = tiny(loss={"teacher": "nowhere"}, baseline={"enabled": False})
    check_teacher(recipe, folder, train_set)
    keep_teacher(recipe, folder)
    assert load_teacher(recipe, folder) is None
    assert not folder.path.exists()


def test_a_run_is_taught_by_its_own_baseline(tiny: Tiny, finished: RunFolder, train_set: ImageSet) -> None:
    recipe = tiny(loss={"distillation": 0.5})
    check_teacher(recipe, finished, train_set)
    keep_teacher(recipe, finished)
    assert not (finished.path / TEACHER_FILE).exists()
    found, expected = load_teacher(recipe, finished), load_model(finished.path, "relu")
    assert found is not None
    assert not any(module.training for module in found.modules())
    assert not any(parameter.requires_grad for parameter in found.parameters())
    pictures = torch.rand(3, 1, 28, 28)
    assert torch.allclose(found(pictures), expected(pictures), atol=1e-5)


@pytest.mark.parametrize("baseline", [{"enabled": False}, {"epochs": None}])
def test_a_run_without_a_baseline_has_no_teacher(
    tiny: Tiny, folder: RunFolder, train_set: ImageSet, baseline: dict[str, object]
) -> None:
    none = {"epochs": 0}
    recipe = tiny(loss={"distillation": 0.5}, baseline=baseline, phase1=none, phase2=none)
    with pytest.raises(UsageError, match=r"loss.distillation = 0.5 has no teacher") as caught:
        check_teacher(recipe, folder, train_set)
    assert "baseline.enabled=true" in caught.value.remedy
    assert "loss.teacher" in caught.value.remedy


def test_another_run_is_copied_and_the_copy_counts(
    tiny: Tiny, finished: RunFolder, folder: RunFolder, train_set: ImageSet, tmp_path: Path
) -> None:
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    content = finished.model_file("relu").read_bytes()
    other.model_file("relu").write_bytes(content)
    recipe = tiny(loss={"distillation": 0.5, "teacher": str(other.path)}, baseline={"enabled": False})
    check_teacher(recipe, folder, train_set)
    keep_teacher(recipe, folder)
    other.model_file("relu").write_bytes(b"something else")
    keep_teacher(recipe, folder)
    assert (folder.path / TEACHER_FILE).read_bytes() == content
    other.model_file("relu").unlink()
    check_teacher(recipe, folder, train_set)
    assert load_teacher(recipe, folder) is not None


def test_what_is_no_teacher(tiny: Tiny, folder: RunFolder, train_set: ImageSet, tmp_path: Path) -> None:
    recipe = tiny(loss={"distillation": 1, "teacher": str(tmp_path / "none")})
    with pytest.raises(UsageError, match="is not a run directory"):
        check_teacher(recipe, folder, train_set)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "recipe.toml").write_text("")
    with pytest.raises(UsageError, match="has no trained ReLU baseline"):
        check_teacher(recipe, folder, train_set)
    (tmp_path / "none" / "relu.safetensors").write_bytes(b"half a file")
    with pytest.raises(ModelFileError, match=r"relu\.safetensors"):
        check_teacher(recipe, folder, train_set)
    assert not folder.path.exists()


def test_a_teacher_of_other_classes_or_pictures_is_refused(
    tiny: Tiny, finished: RunFolder, folder: RunFolder, train_set: ImageSet
) -> None:
    recipe = tiny(loss={"distillation": 0.5, "teacher": str(finished.path)})
    check_teacher(recipe, folder, train_set)
    for other in (
        replace(train_set, classes=tuple(reversed(train_set.classes))),
        replace(train_set, images=train_set.images[..., :20]),
        replace(train_set, images=train_set.images.repeat(3, 1)),
    ):
        with pytest.raises(UsageError, match="knows 10 classes of pictures of 1×28×28") as caught:
            check_teacher(recipe, folder, other)
        assert "same data" in caught.value.remedy


def test_it_is_asked_of_every_picture_in_their_order(tiny: Tiny, finished: RunFolder, train_set: ImageSet) -> None:
    teacher = load_teacher(tiny(loss={"distillation": 0.5}), finished)
    assert teacher is not None
    answers = ask(teacher, train_set)
    expected = teacher(torch.from_numpy(to_float(train_set.images)))
    assert answers.dtype == torch.float32 and not answers.requires_grad
    assert torch.allclose(answers, expected, atol=1e-5)
