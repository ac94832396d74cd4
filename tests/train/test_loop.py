"""The loop: the same order every time, growth after each step, and a stop before the weights are spoilt."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from firebit.data import Augmentation, ImageSet, epoch_order, load, to_float
from firebit.errors import DivergedError
from firebit.nn.growth import entropy_penalty, grow, rectifiers
from firebit.nn.noise import PreActivationNoise
from firebit.train.average import Average
from firebit.train.checkpoint import Progress
from firebit.train.distributed import Ranks
from firebit.train.feed import Batch
from firebit.train.hold import Hold
from firebit.train.loop import Loop, Silent
from firebit.train.precision import precision_of
from firebit.train.recipe import Recipe
from firebit.train.stage import Stage, build_network, make_growth, make_optimizer
from firebit.train.teach import ask

Tiny = Callable[..., Recipe]


def make_loop(recipe: Recipe, data: ImageSet, stage: Stage, progress: Progress | None = None) -> Loop:
    model = build_network(recipe, data, stage.network)
    optimizer = make_optimizer(stage, model, recipe.optimizer)
    growth = make_growth(stage, model, ["act1", "act2", "act3"])
    return Loop(recipe, stage, data, model, optimizer, growth, progress or Progress(), precision=precision_of(recipe))


def batch_of(data: ImageSet, indices: np.ndarray) -> Batch:
    return Batch(torch.from_numpy(data.images[indices]), torch.from_numpy(data.labels[indices]))


def seen_by(loop: Loop) -> list[torch.Tensor]:
    """The inputs of the model in one epoch."""
    inputs: list[torch.Tensor] = []
    hook = loop.model.register_forward_pre_hook(lambda _m, args: inputs.append(args[0].clone()))
    loop.run_epoch(lambda _loss: None)
    hook.remove()
    return inputs


PHASE1 = Stage("phase1", "rectifier", 2, 0.05, "linear", 1e-3)


def test_pictures_come_in_the_order_of_seed_and_epoch_augmented(tiny: Tiny, train_set: ImageSet) -> None:
    loop = make_loop(tiny(seed=5), train_set, PHASE1, Progress(epoch=1))
    inputs = seen_by(loop)
    order = epoch_order(120, 5, 1)
    assert len(inputs) == loop.batches == 6
    for at, found in enumerate(inputs):
        chosen = order[20 * at : 20 * at + 20]
        expected = to_float(Augmentation(crop=2)(train_set.images[chosen], 5, 1, chosen))
        assert np.array_equal(found.numpy(), expected)


def test_pictures_beyond_the_last_full_batch_wait(tiny: Tiny, train_set: ImageSet) -> None:
    assert [len(x) for x in seen_by(make_loop(tiny(batch=50), train_set, PHASE1))] == [50, 50]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("relu", "phase1", True), ("phase1", "phase2", False), ("phase2", "classifier", False)],
)
def test_stages_have_orders_of_their_own_but_baseline_and_phase_1(
    tiny: Tiny, train_set: ImageSet, left: str, right: str, same: bool
) -> None:
    first = [
        seen_by(make_loop(tiny(), train_set, Stage(name, "relu", 1, 0.1, "constant")))[0] for name in (left, right)
    ]
    assert torch.equal(*first) is same


def test_growth_follows_every_step(tiny: Tiny, train_set: ImageSet) -> None:
    recipe = tiny(optimizer={"momentum": 0.0})
    grown, plain = (
        make_loop(recipe, train_set, stage) for stage in (PHASE1, Stage("phase1", "rectifier", 2, 0.05, "linear"))
    )
    slopes = {}
    for name, loop in (("grown", grown), ("plain", plain)):
        loop._train_batch(batch_of(train_set, np.arange(20)))
        slopes[name] = loop.model.get_submodule("act2").slope.detach()  # type: ignore[operator]
    assert torch.equal(slopes["grown"], grow(slopes["plain"], 1e-3))
    assert grown.growth is not None
    assert grown.growth.steps == 1


def test_the_learning_rate_falls_with_every_batch(tiny: Tiny, train_set: ImageSet) -> None:
    loop = make_loop(tiny(), train_set, PHASE1)
    rates: list[float] = []
    for _ in range(2):
        loop.run_epoch(lambda _loss: rates.append(loop.optimizer.param_groups[0]["lr"]))
    assert rates == pytest.approx([0.05 * (1 - step / 12) for step in range(12)])
    assert [group["lr"] for group in loop.optimizer.param_groups] == [rates[-1]] * 3


def test_an_epoch_is_recorded_and_progress_moves_on(tiny: Tiny, train_set: ImageSet) -> None:
    loop, losses = make_loop(tiny(), train_set, PHASE1), []
    record = loop.run_epoch(losses.append)
    assert record["train_loss"] == pytest.approx(sum(losses) / 6, rel=1e-12)
    assert record["lr"] == pytest.approx(0.05 * (1 - 5 / 12))
    assert loop.progress == Progress(epoch=1, batch=0, steps=6, loss_sum=0.0)
    assert loop.model.training


def test_an_epoch_stopped_in_the_middle_goes_on_where_it_was(tiny: Tiny, train_set: ImageSet) -> None:
    whole, parted = make_loop(tiny(), train_set, PHASE1), make_loop(tiny(), train_set, PHASE1)
    expected = whole.run_epoch(lambda _loss: None)

    def stop(_loss: float) -> None:
        if parted.progress.batch == 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        parted.run_epoch(stop)
    assert parted.progress.batch == 4
    found = parted.run_epoch(lambda _loss: None)
    assert found["train_loss"] == expected["train_loss"]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(parted.model.state_dict()[name], value), name


def test_two_loops_give_the_same_numbers(tiny: Tiny, train_set: ImageSet) -> None:
    states = []
    for _ in range(2):
        loop = make_loop(tiny(), train_set, PHASE1)
        loop.run_epoch(lambda _loss: None)
        states.append(loop.model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_weights_change(
    tiny: Tiny, train_set: ImageSet, poison: float
) -> None:
    loop = make_loop(tiny(), train_set, PHASE1, Progress(epoch=1))
    with torch.no_grad():
        loop.model.get_submodule("fc4").bias[3] = poison  # type: ignore[operator, index]
    before = {name: value.clone() for name, value in loop.model.named_parameters()}
    with pytest.raises(DivergedError, match=r"in phase1, epoch 2, batch 1\.") as caught:
        loop.run_epoch(lambda _loss: None)
    assert "phase1.lr" in caught.value.remedy
    assert caught.value.exit_code == 5
    assert loop.progress == Progress(epoch=1)
    assert loop.growth is not None
    assert loop.growth.steps == 0
    for name, value in loop.model.named_parameters():
        assert torch.equal(value.nan_to_num(7), before[name].nan_to_num(7)), name


def one_loss(loop: Loop) -> float:
    """The training loss of the first batch."""
    return loop._train_batch(next(loop.feed.epoch(0, 0)))


@pytest.mark.parametrize("name", ["relu", "phase1"])
def test_labels_are_smoothed_in_every_network(tiny: Tiny, train_set: ImageSet, name: str) -> None:
    stage = Stage(name, "relu" if name == "relu" else "rectifier", 1, 0.05, "constant")
    loop = make_loop(tiny(loss={"label_smoothing": 0.3}, augment={"crop": 0}), train_set, stage)
    chosen = epoch_order(120, 0, 0)[:20]
    loop.model.train()
    with torch.no_grad():
        chances = loop.model(torch.from_numpy(to_float(train_set.images[chosen]))).log_softmax(1)
    labels = torch.from_numpy(train_set.labels[chosen])
    expected = -0.7 * chances.gather(1, labels[:, None]).mean() - 0.3 * chances.mean()
    assert one_loss(loop) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("network", "weight"), [("rectifier", 0.0), ("rectifier", 0.3), ("relu", 0.3)])
def test_the_entropy_of_activations_is_part_of_the_loss(
    tiny: Tiny, train_set: ImageSet, network: str, weight: float
) -> None:
    recipe = tiny(augment={"crop": 0})
    loop = make_loop(recipe, train_set, Stage("phase1", network, 1, 0.1, "constant", entropy=weight))
    batch = epoch_order(len(train_set), recipe.seed, 0)[:20]
    with torch.no_grad():
        found = {}
        for name, layer in rectifiers(loop.model).items():
            layer.register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out}))
        logits = loop.model.train()(torch.from_numpy(to_float(train_set.images[batch])))
        plain = F.cross_entropy(logits, torch.from_numpy(train_set.labels[batch])).item()
        penalty = sum(entropy_penalty(out).item() for out in found.values())
    assert one_loss(loop) == pytest.approx(plain + weight * penalty, rel=1e-5)
    assert bool(found) is (network == "rectifier")


def test_the_teacher_sees_the_very_pictures_of_the_student(tiny: Tiny, train_set: ImageSet) -> None:
    recipe = tiny(loss={"distillation": 1.0, "temperature": 2.0})
    loop = make_loop(recipe, train_set, PHASE1)
    loop.teacher = build_network(recipe, train_set, "relu").eval()
    seen: dict[str, list[torch.Tensor]] = {"student": [], "teacher": []}
    for name, net in (("student", loop.model), ("teacher", loop.teacher)):
        net.register_forward_hook(lambda _m, args, out, name=name: seen[name].extend([args[0], out.detach()]))
    loss = one_loss(loop)
    assert torch.equal(seen["student"][0], seen["teacher"][0])
    softened = [(seen[name][1] / 2).log_softmax(1) for name in ("student", "teacher")]
    expected = 4 * F.kl_div(*softened, reduction="sum", log_target=True) / 20
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert all(parameter.grad is None for parameter in loop.teacher.parameters())
    assert not loop.teacher.training


@pytest.mark.parametrize("accumulate", [1, 4])
def test_answers_take_the_place_of_a_teacher_who_is_not_asked(tiny: Tiny, train_set: ImageSet, accumulate: int) -> None:
    recipe = tiny(loss={"distillation": 0.7}, augment={"crop": 0}, accumulate=accumulate)
    losses = []
    for answered in (False, True):
        loop = make_loop(recipe, train_set, PHASE1)
        torch.manual_seed(1)
        loop.teacher = build_network(recipe, train_set, "relu").eval()
        if answered:
            loop.answers = ask(loop.teacher, train_set)
            loop.teacher.register_forward_hook(lambda *_: pytest.fail("it is asked"))
        losses.append(one_loss(loop))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_weight_decay_falls_with_every_batch(tiny: Tiny, train_set: ImageSet) -> None:
    recipe = tiny(optimizer={"weight_decay": 0.12, "weight_decay_end": 0.0})
    loop = make_loop(recipe, train_set, PHASE1)
    found: list[list[float]] = []
    for _ in range(2):
        loop.run_epoch(lambda _loss: found.append([group["weight_decay"] for group in loop.optimizer.param_groups]))
    assert found == [[pytest.approx(0.12 * (1 - step / 12)), 0, 0] for step in range(12)]


@pytest.mark.parametrize(("start", "averaged"), [(0.0, 12), (0.5, 6), (0.6, 5), (0.99, 1)])
def test_averaging_begins_after_its_share_of_the_steps(
    tiny: Tiny, train_set: ImageSet, start: float, averaged: int
) -> None:
    loop = make_loop(tiny(average={"decay": 0.5, "start": start}), train_set, PHASE1)
    loop.average = Average(loop.model, 0.5)
    states: list[torch.Tensor] = []
    begun: list[bool] = []

    def after(_loss: float) -> None:
        states.append(loop.model.get_submodule("fc4").weight.detach().clone())  # type: ignore[operator, union-attr]
        begun.append(loop.averaged is not None)

    assert loop.outcome is loop.model
    for _ in range(2):
        loop.run_epoch(after)
    assert begun == [step >= 12 - averaged for step in range(12)]
    expected = states[12 - averaged]
    for state in states[13 - averaged :]:
        expected = (expected + state) / 2
    assert loop.outcome is loop.averaged
    torch.testing.assert_close(loop.outcome.get_submodule("fc4").weight.detach(), expected)  # type: ignore[operator, union-attr]


def test_an_average_comes_after_growth(tiny: Tiny, train_set: ImageSet) -> None:
    loop = make_loop(tiny(average={"decay": 0.5, "start": 0.0}), train_set, PHASE1)
    loop.average = Average(loop.model, 0.5)
    one_loss(loop)
    assert torch.equal(loop.outcome.get_submodule("act1").slope, loop.model.get_submodule("act1").slope)  # type: ignore[arg-type]


class Every(Hold):
    """Holds after every other step."""

    def grows_after(self, loss: float) -> bool:
        self.losses.append(loss)
        waits = len(self.losses) % 2 == 0
        self.held += waits
        return not waits


def test_a_held_step_grows_nothing_and_leaves_the_schedule_where_it_is(tiny: Tiny, train_set: ImageSet) -> None:
    # No learning rate to speak of: what moves the slopes is growth.
    loop = make_loop(tiny(), train_set, Stage("phase1", "rectifier", 2, 1e-30, "constant", 0.5))
    loop.hold, losses = Every(0.5), []
    slopes: list[float] = []

    def after(loss: float) -> None:
        losses.append(loss)
        slopes.append(loop.model.get_submodule("act1").slope[0].item() ** 2)  # type: ignore[operator, union-attr, index]

    record = loop.run_epoch(after)
    assert loop.growth is not None
    assert (record["held"], loop.growth.steps) == (3, 3)
    assert list(loop.hold.losses) == losses
    assert np.diff([0.25, *slopes]) == pytest.approx([1, 0, 1, 0, 1, 0], abs=1e-5)


def test_training_on_real_digits_learns(tiny: Tiny) -> None:
    data = load("digits").subset(np.arange(400))
    loop, losses = make_loop(tiny(augment={"crop": 0}), data, Stage("phase1", "rectifier", 3, 0.1, "constant")), []
    for _ in range(3):
        loop.run_epoch(losses.append)
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_the_silent_reporter_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    silent.stage(PHASE1, 3)
    silent.batch(Progress(), 0.5)
    silent.epoch({})
    silent.note("x")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1.2, 0.0, [0.1 * at for at in range(12, 0, -1)]),
        (0.6, 0.6, [0.6] * 12),
        (0.0, 1.2, [0.1 * at for at in range(12)]),
    ],
)
def test_noise_goes_in_a_straight_line_to_the_end_of_the_stage(
    tiny: Tiny,
    train_set: ImageSet,
    monkeypatch: pytest.MonkeyPatch,
    start: float,
    end: float,
    expected: list[float],
) -> None:
    widths: list[float] = []

    class Recording(PreActivationNoise):
        def __init__(self, model: torch.nn.Module, width: float) -> None:
            widths.append(width)
            super().__init__(model, width)

    monkeypatch.setattr("firebit.train.loop.PreActivationNoise", Recording)
    loop = make_loop(tiny(), train_set, Stage("phase1", "rectifier", 2, 0.05, "linear", noise=start, noise_end=end))
    for _ in range(2):
        loop.run_epoch(lambda _loss: None)
    assert widths == pytest.approx(expected)


def test_autocast_computes_convolutions_in_bfloat16_and_the_loss_in_float32(
    tiny: Tiny, train_set: ImageSet, bfloat16: None
) -> None:
    loop = make_loop(tiny(autocast=True), train_set, PHASE1)
    found: list[torch.dtype] = []
    loop.model.get_submodule("conv1").register_forward_hook(lambda _m, _args, output: found.append(output.dtype))
    losses: list[float] = []
    loop.run_epoch(losses.append)
    assert set(found) == {torch.bfloat16}
    assert all(parameter.dtype == torch.float32 for parameter in loop.model.parameters())
    assert all(loss == loss for loss in losses)


@pytest.mark.parametrize("parts", [2, 5, 20])
def test_micro_batches_add_up_to_the_batch(tiny: Tiny, train_set: ImageSet, parts: int) -> None:
    """In float64, without batch norm and dropout."""
    losses: dict[int, list[float]] = {1: [], parts: []}
    for accumulate, found in losses.items():
        recipe = tiny(accumulate=accumulate, net={"batch_norm": False, "centred": True})
        loop = make_loop(recipe, train_set, PHASE1)
        loop.model.double()
        for _ in range(2):
            loop.run_epoch(found.append)
    assert losses[parts] == pytest.approx(losses[1], abs=1e-12)


def test_all_ranks_stop_on_the_signal_that_one_has_got(tiny: Tiny, train_set: ImageSet) -> None:
    class Two(Ranks):
        def gathered(self, values: Sequence[float]) -> list[list[float]]:
            return [list(values), [values[0] + 1, 15.0]]

    loop = make_loop(tiny(), train_set, PHASE1)
    alone = one_loss(make_loop(tiny(), train_set, PHASE1))
    loop.ranks = Two()
    assert one_loss(loop) == alone + 0.5
    assert loop.stopped == 15
    assert loop.stop.signal is None
