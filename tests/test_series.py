"""What a run recorded becomes curves and figures."""

import itertools
import math
from typing import get_args

import msgspec
import numpy as np
import pytest

from cockpit.records import Device, Epoch, Phase, Step
from cockpit.series import Series, eta_s
from cockpit.series.curves import Metric, XAxis
from cockpit.series.reduction import reduce_minmax
from cockpit.series.smoothing import Ema, ema

STEPS_PER_EPOCH = 10
NAN = float("nan")


def step(at: int, loss: float | None = 1.0, elapsed_s: float | None = None, lr: float = 0.1, time: float = 0.0) -> Step:
    return Step(
        time=time,
        epoch=at / STEPS_PER_EPOCH,
        step=at,
        loss=loss,
        acc=None if loss is None else 1 / (1 + loss),
        lr=lr,
        img_per_s=100.0 + at,
        elapsed_s=float(at) if elapsed_s is None else elapsed_s,
    )


def epoch(number: int, val_acc: float | None = 0.5, elapsed_s: float | None = None) -> Epoch:
    return Epoch(
        time=0.0,
        epoch=number,
        step=number * STEPS_PER_EPOCH,
        train_loss=1.0 / number,
        train_acc=0.4,
        val_loss=2.0 / number,
        val_acc=val_acc,
        lr=0.05,
        epoch_s=10.0,
        img_per_s=90.0,
        elapsed_s=float(number * STEPS_PER_EPOCH) if elapsed_s is None else elapsed_s,
        best_val_acc=val_acc,
        best_epoch=number,
    )


def running(attempt: int = 1, at: int = 0, elapsed_s: float = 0.0) -> Phase:
    return Phase(time=0.0, state="running", attempt=attempt, step=at, elapsed_s=elapsed_s)


def two_attempts() -> list:
    """Return a run that was stopped at step 27 and continued from its checkpoint at step 20."""
    first = [running(), *(step(at) for at in range(1, 11)), epoch(1, 0.3), *(step(at) for at in range(11, 21))]
    first += [epoch(2, 0.4), *(step(at, loss=9.0) for at in range(21, 28))]
    return [*first, running(2, at=20, elapsed_s=20.0), *(step(at, loss=0.5) for at in range(21, 31)), epoch(3, 0.35)]


@pytest.mark.parametrize(
    ("metric", "x", "expected_x", "expected_y"),
    [
        ("loss", "epoch", [0.1, 0.2], [3.0, NAN]),
        ("loss", "step", [1, 2], [3.0, NAN]),
        ("loss", "time", [1.0, 2.0], [3.0, NAN]),
        ("acc", "epoch", [0.1, 0.2], [0.25, NAN]),
        ("lr", "epoch", [0.1, 0.2], [0.1, 0.1]),
        ("val_loss", "epoch", [1, 2], [2.0, 1.0]),
        ("val_acc", "step", [10, 20], [NAN, 0.6]),
        ("train_loss", "time", [10.0, 20.0], [1.0, 0.5]),
        ("train_acc", "epoch", [1, 2], [0.4, 0.4]),
    ],
)
def test_records_become_curves(metric, x, expected_x, expected_y):
    series = Series([step(1, 3.0), step(2, None), epoch(1, None), epoch(2, 0.6)])
    curve = series.curve(metric, x)
    assert curve.name == metric
    np.testing.assert_allclose(curve.x, expected_x)
    np.testing.assert_allclose(curve.y, expected_y)


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_records_may_come_in_parts_of_any_size(size):
    records = two_attempts()
    whole, parts = Series(records), Series()
    for start in range(0, len(records), size):
        parts.extend(records[start : start + size])
    for metric in ("loss", "lr", "val_acc"):
        np.testing.assert_array_equal(parts.curve(metric).x, whole.curve(metric).x)
        np.testing.assert_array_equal(parts.curve(metric).y, whole.curve(metric).y)
    assert (parts.resumes, parts.best, parts.phase) == (whole.resumes, whole.best, whole.phase)


def test_where_a_resume_stands_does_not_depend_on_the_portions_that_were_read():
    """Within an epoch whose last batch is small, steps over epochs done is not yet the steps that an epoch has."""
    partial = msgspec.structs.replace(step(11), epoch=1.05)
    content = [running(), step(10), epoch(1), running(2, at=10), partial]
    at_once, in_two = Series(content), Series(content[:4])
    in_two.extend(content[4:])
    assert in_two.resumes == at_once.resumes
    assert at_once.resumes[0].epoch == 1.0


def test_many_records_grow_beyond_the_first_buffer():
    series = Series()
    for start in range(0, 3000, 500):
        series.extend(step(at, loss=float(at)) for at in range(start, start + 500))
    np.testing.assert_array_equal(series.curve("loss", "step").y, np.arange(3000.0))


def test_a_resume_supersedes_later_records_and_is_marked():
    series = Series(two_attempts())
    curve = series.curve("loss", "step")
    np.testing.assert_array_equal(curve.x, np.arange(1, 31))
    assert set(curve.y) == {1.0, 0.5}
    (joint,) = series.resumes
    assert (joint.epoch, joint.step, joint.elapsed_s) == (2.0, 20, 20.0)


def test_a_resume_from_an_earlier_checkpoint_supersedes_the_later_joint():
    series = Series([*two_attempts(), running(3, at=13, elapsed_s=13.0), step(14)])
    assert [joint.step for joint in series.resumes] == [13]
    assert (series.step, series.num_epochs) == (14, 1)


def test_a_run_that_was_never_resumed_has_no_joint():
    assert (
        Series([running(), step(1), Phase(time=0.0, state="testing"), Phase(time=0.0, state="finished")]).resumes == ()
    )


def test_a_start_over_is_joined_at_the_beginning():
    series = Series([running(), step(1), step(2), running(2), step(1, loss=4.0)])
    assert [(joint.epoch, joint.step) for joint in series.resumes] == [(0.0, 0)]
    np.testing.assert_array_equal(series.curve("loss").y, [4.0])


def test_a_curve_that_was_handed_out_never_changes():
    series = Series(two_attempts()[:-12])
    before = series.curve("loss", "step")
    x, y = before.x.copy(), before.y.copy()
    series.extend(two_attempts()[-12:])
    series.extend(step(at) for at in range(31, 2000))
    np.testing.assert_array_equal(before.x, x)
    np.testing.assert_array_equal(before.y, y)
    with pytest.raises(ValueError, match="read-only"):
        before.y[0] = 5.0


@pytest.mark.parametrize(
    ("val_accs", "best"),
    [
        ([], None),
        ([None, None], None),
        ([0.2, 0.5, 0.4], (2, 0.5)),
        ([0.2, 0.5, 0.5], (2, 0.5)),
        ([None, 0.1, None], (2, 0.1)),
    ],
)
def test_best_is_the_highest_validation_accuracy_and_ties_go_to_the_earlier(val_accs, best):
    series = Series(epoch(number, val_acc) for number, val_acc in enumerate(val_accs, start=1))
    assert (series.best and (series.best.epoch, series.best.val_acc)) == best


def test_best_forgets_what_a_resume_supersedes():
    series = Series([epoch(1, 0.3), epoch(2, 0.9), running(2, at=10)])
    assert series.best is not None
    assert series.best.epoch == 1


def test_newest_figures_follow_the_newest_record():
    series = Series()
    assert (series.step, series.epoch, series.num_epochs, series.lr, series.img_per_s) == (0, 0.0, 0, None, None)
    series.extend([running(elapsed_s=2.0)])
    assert series.elapsed_s == 2.0
    series.extend([step(8, lr=0.2), epoch(1)])
    assert (series.step, series.epoch, series.num_epochs) == (10, 1.0, 1)
    assert (series.lr, series.img_per_s, series.elapsed_s) == (0.05, 90.0, 10.0)
    series.extend([step(11, lr=0.3)])
    assert (series.step, series.lr, series.img_per_s, series.num_epochs) == (11, 0.3, 111.0, 1)


def test_devices_keep_their_last_sample():
    series = Series(
        Device(time=t, name=name, busy=t / 10) for t, name in ((1.0, "cuda:0"), (2.0, "cuda:1"), (3.0, "cuda:0"))
    )
    assert {name: device.busy for name, device in series.devices.items()} == {"cuda:0": 0.3, "cuda:1": 0.2}


def test_phases_of_a_newer_trainer_are_kept_as_they_are():
    series = Series([step(1), Phase(time=0.0, state="compressing", step=0)])
    assert series.phase is not None
    assert (series.phase.state, series.step) == ("compressing", 1)


@pytest.mark.parametrize("half_life", [1, 2.5, 40])
def test_ema_is_the_weighted_mean_of_the_present_samples(half_life):
    rng = np.random.default_rng(0)
    y = rng.standard_normal(1500)  # longer than a block at half-life 1 and 2.5
    y[[3, 700, 701]] = NAN
    y[5] = math.inf
    smoothed = ema(y, half_life)
    for index in (0, 1, 2, 4, 6, 399, 400, 401, 702, 1499):
        weights = 0.5 ** (np.arange(index, -1, -1) / half_life) * np.isfinite(y[: index + 1])
        values = np.where(np.isfinite(y[: index + 1]), y[: index + 1], 0.0)
        assert smoothed[index] == pytest.approx(np.sum(weights * values) / np.sum(weights), rel=1e-9, abs=1e-12)
    assert np.isnan(smoothed[[3, 5, 700, 701]]).all()


def test_ema_of_a_constant_is_the_constant_from_the_first_sample():
    np.testing.assert_allclose(ema(np.full(5000, 2.5), 10), 2.5)


def test_ema_that_begins_with_nan_or_has_nothing():
    np.testing.assert_array_equal(ema(np.array([NAN, 3.0]), 4), [NAN, 3.0])
    assert ema(np.empty(0), 4).size == 0


def test_ema_refuses_a_half_life_below_one_sample():
    with pytest.raises(ValueError, match=r"0\.5"):
        ema(np.ones(3), 0.5)


def test_smoothing_continues_with_new_records_and_begins_anew_after_a_resume():
    records = two_attempts()
    series = Series()
    for record in records:
        series.extend([record])
        smoothed = series.smooth("loss", 3, "step")
        raw = series.curve("loss", "step")
        np.testing.assert_array_equal(smoothed.x, raw.x)
        np.testing.assert_allclose(smoothed.y, ema(raw.y, 3))
    np.testing.assert_allclose(series.smooth("loss", 8).y, ema(series.curve("loss").y, 8))


def test_reduction_keeps_every_spike():
    x, y = np.linspace(0, 30, 100_000), np.zeros(100_000)
    y[[777, 55_555]] = 9.0, -4.0
    reduced_x, reduced_y = reduce_minmax(x, y, 60, 0.0, 30.0)
    assert (reduced_y.max(), reduced_y.min()) == (9.0, -4.0)
    assert reduced_x.size <= 120
    assert reduced_x[reduced_y.argmax()] == pytest.approx(x[777], abs=0.5)


@pytest.mark.parametrize("num_points", [1, 2, 59, 5000])
@pytest.mark.parametrize("nan_share", [0.0, 0.5, 1.0])
def test_reduction_has_the_lowest_and_highest_of_each_column_in_order(num_points, nan_share):
    rng = np.random.default_rng(num_points)
    x = np.sort(rng.uniform(-1.0, 11.0, num_points))
    y = np.where(rng.uniform(size=num_points) < nan_share, NAN, rng.standard_normal(num_points))
    reduced_x, reduced_y = reduce_minmax(x, y, 7, 0.0, 10.0)
    assert (np.diff(reduced_x) >= 0).all()
    edges = np.linspace(0.0, 10.0, 8)
    edges[-1] = np.nextafter(10.0, 11.0)
    for left, right in itertools.pairwise(edges):
        samples = y[(x >= left) & (x < right)]
        points = reduced_y[(reduced_x >= left) & (reduced_x < right)]
        assert points.size == min(samples.size, 2)
        finite = samples[np.isfinite(samples)]
        if finite.size:
            assert {finite.min(), finite.max()} == set(points[np.isfinite(points)])
        else:
            assert np.isnan(points).all()


def test_reduction_of_few_points_gives_them_back():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([5.0, NAN, 4.0])
    reduced_x, reduced_y = reduce_minmax(x, y, 40, 0.0, 30.0)
    np.testing.assert_array_equal(reduced_x, x)
    np.testing.assert_array_equal(reduced_y, y)


def test_reduction_of_a_falling_pair_keeps_its_direction():
    _, reduced = reduce_minmax(np.array([0.1, 0.2]), np.array([5.0, 4.0]), 1, 0.0, 1.0)
    np.testing.assert_array_equal(reduced, [5.0, 4.0])


def test_eta_follows_the_recent_pace():
    slow_start = [step(at, elapsed_s=10.0 * at) for at in range(1, 41)]
    then_fast = [step(at, elapsed_s=400.0 + (at - 40)) for at in range(41, 81)]
    assert eta_s(Series([running(), *slow_start, *then_fast]), 100) == pytest.approx(20.0)


def test_eta_includes_validation():
    records = [running()]
    for number in range(1, 5):
        base = 15.0 * (number - 1)
        records += [step(10 * (number - 1) + at, elapsed_s=base + at) for at in range(1, 11)]
        records += [epoch(number, elapsed_s=base + 15.0)]
    records += [step(41, elapsed_s=61.0)]
    assert eta_s(Series(records), 61) == pytest.approx(30.0)


def test_eta_is_the_same_whatever_the_wall_clock_does():
    steady = [step(at, time=1000.0 + at) for at in range(1, 21)]
    jumping = [step(at, time=1000.0 - 86400.0 * at) for at in range(1, 21)]
    assert eta_s(Series(steady), 50) == eta_s(Series(jumping), 50) == pytest.approx(30.0)


def test_eta_after_a_resume_counts_only_the_new_attempt():
    records = [running(), *(step(at, elapsed_s=50.0 * at) for at in range(1, 21)), running(2, at=20, elapsed_s=1000.0)]
    series = Series(records)
    series.extend([step(21, elapsed_s=1002.0)])
    assert eta_s(series, 31) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("records", "planned", "expected"),
    [
        ([], 100, None),
        ([running(), step(0, elapsed_s=3.0)], 100, None),
        ([running(), step(4, elapsed_s=8.0)], 10, 12.0),
        ([running(), step(10)], 10, 0.0),
        ([running(), step(12)], 10, 0.0),
    ],
)
def test_eta_at_the_edges(records, planned, expected):
    assert eta_s(Series(records), planned) == expected


def test_smoothing_goes_on_from_where_it_was_whatever_the_half_life(monkeypatch):
    computed = []
    extend = Ema.extend

    def count(self, y):
        computed.append(y.size)
        return extend(self, y)

    monkeypatch.setattr(Ema, "extend", count)
    series = Series(step(at, loss=float(at)) for at in range(1, 101))
    for half_life in (2, 8, 32, 2, 8, 32):
        series.smooth("loss", half_life)
    assert computed == [100, 100, 100], "one that was computed before is kept"
    series.extend([step(101, loss=1.0)])
    newest = [series.smooth("loss", half_life).y[-1] for half_life in (2, 8)]
    assert computed[3:] == [1, 1], "the new sample alone"
    np.testing.assert_allclose(newest, [ema(series.curve("loss").y, half_life)[-1] for half_life in (2, 8)])


def test_a_snapshot_keeps_all_curves_on_all_axes_as_they_were():
    series = Series(two_attempts()[:-12])
    snapshot = series.snapshot({"loss": 3})
    before = {(metric, x): snapshot.curve(metric, x).y.copy() for metric in get_args(Metric) for x in get_args(XAxis)}
    smooth = snapshot.smooth("loss", "step")
    assert smooth is not None
    np.testing.assert_allclose(smooth.y, ema(series.curve("loss").y, 3))
    assert snapshot.smooth("val_loss") is None
    series.extend(two_attempts()[-12:])
    for (metric, x), y in before.items():
        np.testing.assert_array_equal(snapshot.curve(metric, x).y, y)
        assert snapshot.curve(metric, x).x.size == y.size


@pytest.mark.parametrize(
    ("value", "x", "place"),
    [
        (2.0, "epoch", (2.0, 20, 20.0)),
        (0.05, "epoch", (0.05, 0.5, 0.5)),
        (15, "step", (1.5, 15, 15.0)),
        (15.5, "time", (1.55, 15.5, 15.5)),
        (99, "step", (3.0, 30, 30.0)),
    ],
)
def test_a_moment_has_a_place_on_every_axis(value, x, place):
    snapshot = Series(step(at) for at in range(1, 31)).snapshot()
    assert snapshot.place(value, x) == pytest.approx(place)


def test_a_moment_of_a_run_without_records_is_its_beginning():
    assert Series().snapshot().place(3.0, "epoch") == (0.0, 0.0, 0.0)


def test_the_history_of_devices_is_bounded():
    series = Series(Device(time=float(t), name=f"cuda:{t % 40}") for t in range(4000))
    assert len(series.devices) == len(series.history) == 16
    series.extend(Device(time=float(t), name="cuda:39") for t in range(500))
    assert [len(series.history["cuda:39"]), series.history["cuda:39"][-1].time] == [60, 499.0]
