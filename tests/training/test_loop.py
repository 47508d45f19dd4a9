"""The loop with fakes for all it drives: no network, no device, no files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ferjax.training.loop import Diverged, fit
from ferjax.training.loop_interface import HostState, LoopFunctions, LoopPlan
from ferjax.training.metrics import Evaluation
from ferjax.training.optimizers.plateau import Plateau
from ferjax.training.state import TrainState
from ferjax.training.train_step import NEVER, EpochSums, zero_sums
from ferjax.training.wall_time import SecondsByKind, lap_timer, zero_seconds

STEPS = 2
PLAN = LoopPlan(
    last_epoch=9, all_epochs=9, steps_per_epoch=STEPS, batch_size=4, eval_every=1, save_seconds=1e9
)


@dataclass
class Fakes:
    """Stand-ins for the loop's parts, which write down what they are asked.

    Attributes:
      scores: val accuracies in hundredths, one an evaluation.
      broken: the step, from 0, whose loss is not finite.
      stop_at: how many steps are taken when the user asks to stop.
      losing: evaluation whose loss is not finite, from 0.
      watch: told of every evaluation.
    """

    scores: Sequence[int] = ()
    broken: int = NEVER
    stop_at: int = -1
    losing: int = -1
    watch: Callable[[int, float], None] = lambda epoch, accuracy: None
    scales: list[float] = field(default_factory=list)
    saves: list[tuple[TrainState, HostState, float | None]] = field(default_factory=list)
    lines: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    spent: SecondsByKind = field(default_factory=zero_seconds)
    seconds: list[dict[str, float]] = field(default_factory=list)
    lap: Callable[[], SecondsByKind] | None = None

    def parts(self) -> LoopFunctions:
        """Returns them as the loop takes them."""
        return LoopFunctions(
            train_step=self.train_step,
            zero_sums=zero_sums,
            place=lambda number: ("placed", number),
            batches=iter(range(1000)),
            evaluate=self.evaluate,
            save=self.save,
            spent=self.spent,
            log_train=self.log_train,
            log_eval=lambda epoch, step, result, raw: self.lines.append(("val", epoch, step)),
            interrupted=lambda: len(self.scales) == self.stop_at,
            agree=lambda say: say(),
            watch=self.told,
        )

    def train_step(
        self, state: TrainState, sums: EpochSums, batch: Any, scale: Any
    ) -> tuple[TrainState, EpochSums]:
        placed, number = scale
        assert placed == "placed"
        self.scales.append(number)
        broken = np.minimum(sums.broken, state.step if state.step == self.broken else NEVER)
        sums = sums._replace(
            loss=sums.loss + 4, weight=sums.weight + 4, count=sums.count + 4, broken=broken
        )
        return state.replace(step=state.step + 1), sums

    def evaluate(self, state: TrainState) -> tuple[Evaluation, Evaluation | None]:
        number = self.events.count("evaluate")
        self.events.append("evaluate")
        right = self.scores[number] if self.scores else number
        predicted = (np.arange(100) < right).astype(int)
        loss = np.nan if number == self.losing else 1.0
        return Evaluation(np.ones(100, int), np.eye(2)[predicted], loss), None

    def save(self, state: TrainState, host: HostState, accuracy: float | None) -> None:
        self.events.append("save")
        self.saves.append((state, host, accuracy))

    def log_train(self, epoch: int, step: int, sums: EpochSums, speed: float, scale: float) -> None:
        self.lines.append(("train", epoch, step, int(sums.count), scale))
        if self.lap:
            self.seconds.append(self.lap())

    def told(self, epoch: int, accuracy: float) -> None:
        self.events.append("watch")
        self.watch(epoch, accuracy)


def start(step: int = 0) -> TrainState:
    return TrainState(step=np.int32(step), params={}, batch_stats={}, opt_state={})


def run(fakes: Fakes, plan: LoopPlan = PLAN, step: int = 0, **host: Any) -> tuple[int, HostState]:
    """Returns the epochs finished and the host at the end of the phase."""
    state, after = fit(start(step), HostState(zero_sums(), **host), plan, fakes.parts())
    return int(state.step) // STEPS, after


def test_a_phase_is_epochs_of_steps_lines_evaluations_and_saves() -> None:
    fakes = Fakes(scores=(10, 30, 20))
    epochs, host = run(fakes, replace(PLAN, last_epoch=3))
    assert epochs == 3
    assert fakes.events == ["evaluate", "save", "watch"] * 3
    assert fakes.lines == [
        line
        for epoch in (1, 2, 3)
        for line in (("train", epoch, 2 * epoch, 8, 1.0), ("val", epoch, 2 * epoch))
    ]
    assert [accuracy for *_, accuracy in fakes.saves] == [0.1, 0.3, 0.2]
    assert host.best == {"epoch": 2, "step": 4, "accuracy": 0.3}
    # What was saved last is what is returned, with the sums of the next epoch.
    assert fakes.saves[-1][1] == host
    assert host.sums == zero_sums()
    assert host.seconds > 0


def test_of_equals_the_earlier_is_the_best() -> None:
    _, host = run(Fakes(scores=(30, 50, 50, 40)), replace(PLAN, last_epoch=4))
    assert host.best == {"epoch": 2, "step": 4, "accuracy": 0.5}
    assert host.waited == (2, 0.5)


def test_the_best_is_of_the_whole_run_and_waiting_of_the_phase() -> None:
    best = {"epoch": 1, "step": 2, "accuracy": 0.9}
    _, host = run(
        Fakes(scores=(30, 40)), replace(PLAN, last_epoch=4), step=4, best=best, starts=(0, 2)
    )
    assert host.best == best
    assert host.waited == (0, 0.4)


@pytest.mark.parametrize(
    ("scores", "patience", "ends"),
    [
        ((10, 20, 20, 15, 90), 2, 4),
        ((50, 40, 60, 60, 59, 61, 1, 1, 1), 3, 9),
        ((0, 0, 0), 1, 2),
        ((50, 40, 90), None, 9),
    ],
)
def test_patience_ends_a_phase_early(
    scores: tuple[int, ...], patience: int | None, ends: int
) -> None:
    fakes = Fakes(scores=(*scores, *[0] * 9))
    epochs, host = run(fakes, replace(PLAN, patience=patience))
    assert epochs == ends
    assert len(fakes.saves) == ends
    assert fakes.saves[-1][1].waited == host.waited


def test_who_has_waited_long_enough_stops_at_once() -> None:
    """As saved by the evaluation that ended the phase."""
    fakes = Fakes()
    epochs, host = run(fakes, replace(PLAN, patience=2), step=8, waited=(2, 0.5))
    assert epochs == 4
    assert (fakes.scales, fakes.events) == ([], [])
    assert host.waited == (2, 0.5)
    # One evaluation short of it, one epoch is left.
    assert run(Fakes(scores=(50,)), replace(PLAN, patience=2), step=8, waited=(1, 0.5))[0] == 5


def test_patience_counts_evaluations() -> None:
    plan = replace(PLAN, patience=2, eval_every=3, last_epoch=30)
    epochs, _ = run(Fakes(scores=(50, 40, 30)), plan)
    assert epochs == 9


def test_eval_every_evaluates_the_last_epoch_too() -> None:
    fakes = Fakes(scores=(10, 20, 30))
    run(fakes, replace(PLAN, eval_every=3, last_epoch=7))
    assert [line[1] for line in fakes.lines if line[0] == "val"] == [3, 6, 7]
    # Each epoch is saved.
    kept = [accuracy for *_, accuracy in fakes.saves]
    assert kept == [None, None, 0.1, None, None, 0.2, 0.3]
    assert fakes.events.count("watch") == 3


def test_the_plateaus_scale_reaches_the_step() -> None:
    fakes = Fakes(scores=(50, 50, 50, 60, 1, 1, 1))
    _, host = run(fakes, replace(PLAN, last_epoch=7, plateau=(1, 0.5)))
    # Patience 1: the second evaluation without gain lowers the rate of the epochs after it.
    assert fakes.scales[::STEPS] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert fakes.scales[1::STEPS] == fakes.scales[::STEPS]
    assert [line[-1] for line in fakes.lines if line[0] == "train"] == fakes.scales[::STEPS]
    assert host.plateau == Plateau(best=0.6, waited=1, scale=0.25)
    # A resumed host goes on where it was.
    again = Fakes(scores=(1,))
    _, host = run(
        again, replace(PLAN, last_epoch=8, plateau=(1, 0.5)), step=14, plateau=host.plateau
    )
    assert again.scales == [0.25, 0.25]
    assert host.plateau.scale == 0.125


def test_a_run_that_was_taken_back_goes_on_at_a_tenth() -> None:
    fakes = Fakes()
    run(fakes, replace(PLAN, last_epoch=1), retries=1, plateau=Plateau(0.5, 0, 0.5))
    assert fakes.scales == pytest.approx([0.05, 0.05])


def test_watch_is_told_after_the_save_which_its_exception_leaves_in_place() -> None:
    told = []

    def prune(epoch: int, accuracy: float) -> None:
        told.append((epoch, accuracy))
        if epoch == 2:
            raise RuntimeError("pruned")

    fakes = Fakes(scores=(10, 20, 30), watch=prune)
    with pytest.raises(RuntimeError, match="pruned"):
        run(fakes)
    assert told == [(1, 0.1), (2, 0.2)]
    assert fakes.events == ["evaluate", "save", "watch"] * 2
    state, host, _ = fakes.saves[-1]
    assert state.step == 4
    assert host.best["epoch"] == 2


@pytest.mark.parametrize(("broken", "step", "epoch"), [(0, 1, 1), (1, 2, 1), (2, 3, 2), (5, 6, 3)])
def test_a_loss_that_is_not_finite_ends_the_run_before_its_epoch_is_saved(
    broken: int, step: int, epoch: int
) -> None:
    fakes = Fakes(broken=broken)
    with pytest.raises(Diverged, match=rf"not finite at step {step} \(epoch {epoch}\)"):
        run(fakes)
    assert len(fakes.saves) == epoch - 1
    assert len(fakes.lines) == 2 * (epoch - 1)


def test_a_val_loss_that_is_not_finite_ends_the_run_too() -> None:
    fakes = Fakes(losing=1)
    with pytest.raises(Diverged, match=r"not finite at step 4 \(epoch 2\)"):
        run(fakes)
    assert len(fakes.saves) == 1
    assert [line for line in fakes.lines if line[0] == "val"] == [("val", 1, 2)]


def test_broken_sums_are_never_saved_on_request() -> None:
    fakes = Fakes(broken=2, stop_at=3)
    with pytest.raises(Diverged):
        run(fakes)
    assert [int(state.step) for state, *_ in fakes.saves] == [2]


# 2 and 4 lie between an epoch's last step and its evaluation.
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_ctrl_c_saves_and_what_was_saved_goes_on_to_the_same_end(steps: int) -> None:
    plan = replace(PLAN, last_epoch=3)
    fakes = Fakes(scores=(10, 30, 20))
    _, expected = run(fakes, plan)
    stopped = Fakes(scores=(10, 30, 20), stop_at=steps)
    with pytest.raises(KeyboardInterrupt):
        run(stopped, plan)
    state, host, accuracy = stopped.saves[-1]
    assert (int(state.step), accuracy) == (steps, None)
    assert host.sums.count == 4 * (steps - steps // 3 * STEPS)
    resumed = Fakes(scores=(10, 30, 20)[stopped.events.count("evaluate") :])
    after, found = fit(state, host, plan, resumed.parts())
    assert after.step == 6
    untimed = dict(seconds=0, spent={})
    assert replace(found, **untimed) == replace(expected, **untimed)
    assert stopped.lines + resumed.lines == fakes.lines


def test_saves_within_an_epoch_are_due_by_the_clock() -> None:
    fakes = Fakes()
    run(fakes, replace(PLAN, last_epoch=2, steps_per_epoch=4, save_seconds=-1.0))
    # Not at an epoch's last step: that save comes with its evaluation.
    assert [(int(s.step), a is None) for s, _, a in fakes.saves] == [
        (1, True),
        (2, True),
        (3, True),
        (4, False),
        (5, True),
        (6, True),
        (7, True),
        (8, False),
    ]
    assert [int(host.sums.count) for _, host, _ in fakes.saves] == [4, 8, 12, 0] * 2


def test_the_time_of_a_run_is_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(np.arange(0.0, 1e4, 1.0))
    for clock in ("monotonic", "perf_counter"):
        monkeypatch.setattr(f"time.{clock}", lambda: float(next(now)))
    fakes = Fakes()
    fakes.lap = lap_timer(fakes.spent)
    _, host = run(fakes, replace(PLAN, last_epoch=3))
    # Each look at the clock takes a second here: what a block takes is what it looks.
    assert host.spent["evaluate"] == 3
    assert host.spent["data"] == 3 * STEPS
    assert host.spent["compile"] == 0
    # The last save is not in the account that it saves.
    assert (host.spent["save"], fakes.spent["save"]) == (2, 3)
    for line, seconds in enumerate(fakes.seconds):
        assert seconds["data"] == STEPS
        # Of the epoch before: its line was written first.
        assert (seconds["evaluate"], seconds["save"]) == ((1, 1) if line else (0, 0))
        assert seconds["step"] > 0
    assert sum(sum(seconds.values()) for seconds in fakes.seconds) < host.seconds


def test_a_resumed_run_goes_on_with_its_account() -> None:
    fakes = Fakes(spent=zero_seconds({"compile": 7.0}))
    _, host = run(fakes, replace(PLAN, last_epoch=1), seconds=50.0)
    assert host.spent["compile"] == 7
    assert host.seconds > 50
