"""What the cockpit sends over the link: bytes on a real terminal of 120x40, where no clock decides."""

from pathlib import Path

import generator
import pytest
from folders import write
from load import Cockpit
from marks import rest_slow
from waiting import wait_for

from cockpit.store import RunStore

MANY_LOOKS_S = 3.0
"""The cockpit looks twice a second."""
QUIET_S = 0.3
"""A look has been painted when nothing more has come for so long."""


def bytes_a_look(root: Path, flags: list[str], num_looks: int, samples_a_look: int) -> float:
    """Follow the newest run on its screen; return the bytes that each look at new samples sends."""
    run, trainer = generator.make_long_run(RunStore(root), 2000)
    with Cockpit(root, *flags) as cockpit:
        cockpit.seconds_to(run.id)
        cockpit.press("\r")
        cockpit.seconds_until(lambda screen: "best val" in screen and "epochs" in screen, what="the charts")
        begun = len(cockpit.raw)
        for _ in range(num_looks):
            seen = len(cockpit.raw)
            for _ in range(samples_a_look):
                write(run, *trainer.sample())
            wait_for(lambda seen=seen: len(cockpit.raw) > seen, what="the new samples on the screen")
            cockpit.settle(QUIET_S)
        return (len(cockpit.raw) - begun) / num_looks


@pytest.mark.slow
def test_a_live_run_with_three_charts_takes_2_kb_a_second_at_two_looks_a_second(tmp_path):
    assert bytes_a_look(tmp_path / "runs", [], 16, 1) * 2 <= 2000


@pytest.mark.slow
def test_over_a_bad_link_it_takes_half_a_kb_a_second_at_a_look_every_four_seconds(tmp_path):
    assert bytes_a_look(tmp_path / "runs", ["--low-bandwidth"], 3, 8) / 4 <= 500


@pytest.mark.parametrize(
    "keys", rest_slow(["", "\r", "n", "w", "?"], "", "\r"), ids=["runs", "run", "new", "queue", "help"]
)
def test_a_screen_on_which_nothing_happens_sends_nothing_after_40_kb(tmp_path, keys):
    store = RunStore(tmp_path / "runs")
    generator.make_runs(store, 60)
    with Cockpit(store.root) as cockpit:
        cockpit.seconds_to("60 runs")
        cockpit.settle(QUIET_S)
        begun = len(cockpit.raw)
        assert begun <= 40_000
        if keys:
            cockpit.press(keys)
            wait_for(lambda: len(cockpit.raw) > begun, what="another screen")
        cockpit.settle(MANY_LOOKS_S)  # in vain while anything is sent
        assert len(cockpit.raw) - begun <= 40_000


def test_low_bandwidth_is_asked_for_by_flag_or_environment_and_told(tmp_path, monkeypatch):
    generator.make_runs(RunStore(tmp_path), 2)
    with Cockpit(tmp_path) as cockpit:
        cockpit.seconds_to("2 runs")
        assert "low bandwidth" not in cockpit.text()
    with Cockpit(tmp_path, "--low-bandwidth") as cockpit:
        cockpit.seconds_to("low bandwidth")
    monkeypatch.setenv("COCKPIT_LOW_BANDWIDTH", "1")
    with Cockpit(tmp_path) as cockpit:
        cockpit.seconds_to("low bandwidth")
