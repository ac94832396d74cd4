"""The teacher of a run: a ReLU network whose outputs are learned along with the labels."""

from pathlib import Path

import torch
from torch import Tensor, nn

from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.files import write_atomically
from firebit.train.evaluate import Batches
from firebit.train.precision import FLOAT32, Precision
from firebit.train.recipe import Recipe
from firebit.train.run import RunFolder, load_model_file

TEACHER_FILE = "teacher.safetensors"


def check_teacher(recipe: Recipe, folder: RunFolder, data: ImageSet) -> None:
    """See that a recipe with distillation has a teacher for these pictures, before anything is trained.

    Raises:
        UsageError: there is no teacher, or it was trained on pictures or classes of another kind.
        ModelFileError: the teacher's file is damaged.
    """
    if not recipe.loss.distillation:
        return
    if recipe.loss.teacher is None:
        _check_baseline(recipe)
        return
    path = _kept(folder) if _kept(folder).exists() else _source(recipe.loss.teacher)
    loaded = load_model_file(path)
    shape = tuple(loaded.example.shape[1:])
    if (shape, loaded.classes) != (tuple(data.images.shape[1:]), data.classes):
        raise UsageError(
            f"The teacher {path} knows {len(loaded.classes)} classes of pictures of {_size(shape)}; "
            f"{data.name} has {len(data.classes)} of {_size(data.images.shape[1:])}, or others.",
            "Set loss.teacher to a run on the same data.",
        )


def keep_teacher(recipe: Recipe, folder: RunFolder) -> None:
    """Copy the teacher of another run into this one, so that a resumed run learns from the very same.

    A copy that is there already stays.
    """
    if recipe.loss.distillation and recipe.loss.teacher is not None and not _kept(folder).exists():
        write_atomically(_kept(folder), _source(recipe.loss.teacher).read_bytes())


def load_teacher(recipe: Recipe, folder: RunFolder) -> nn.Module | None:
    """The teacher in eval mode; None without distillation.

    Raises:
        ModelFileError: its file is missing or damaged.
    """
    if not recipe.loss.distillation:
        return None
    path = folder.model_file("relu") if recipe.loss.teacher is None else _kept(folder)
    teacher = load_model_file(path).model.requires_grad_(False)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    return teacher.to(memory_format=layout)  # type: ignore[no-any-return, call-overload]


@torch.no_grad()
def ask(teacher: nn.Module, data: ImageSet, precision: Precision = FLOAT32) -> Tensor:
    """The teacher's logits of every picture of a set, float32 (N, classes), on the teacher's device.

    They are worked out in batches of the set's own order, so that a run that goes on learns from the very same numbers.
    """
    place = next(teacher.parameters())
    with precision.context():
        batches = (teacher(images.to(place.device, place.dtype)).float() for images, _ in Batches(data))
        return torch.cat(list(batches))


def _check_baseline(recipe: Recipe) -> None:
    if not (recipe.baseline.enabled and recipe.baseline_epochs):
        raise UsageError(
            f"loss.distillation = {recipe.loss.distillation} has no teacher: the run trains no ReLU baseline.",
            "Set baseline.enabled=true, or loss.teacher to the directory of a run with a ReLU baseline.",
        )


def _kept(folder: RunFolder) -> Path:
    return folder.path / TEACHER_FILE


def _source(teacher: str) -> Path:
    """The ReLU baseline of another run."""
    run = RunFolder(Path(teacher))
    path = run.model_file("relu")
    if not path.is_file():
        what = "has no trained ReLU baseline" if run.recipe_file.is_file() else "is not a run directory"
        raise UsageError(
            f"The teacher {teacher!r} {what}.",
            "Set loss.teacher to the directory of a run with a ReLU baseline, or leave it out to use this run's own.",
        )
    return path


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
