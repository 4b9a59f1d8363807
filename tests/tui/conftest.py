"""An app over an empty folder of runs."""

import os
from collections.abc import Iterator

import pytest

from cockpit import launch
from cockpit.store import RunStore
from cockpit.tui.app import CockpitApp


@pytest.fixture
def store(tmp_path) -> Iterator[RunStore]:
    """A folder without runs; whatever a test left training in it is killed."""
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        if not any(one.pid == os.getpid() for one in run.launches()):  # `live` makes the test itself a trainer
            launch.send(run, "kill")


@pytest.fixture
def app(store) -> CockpitApp:
    """The cockpit over `store`, not yet running."""
    return CockpitApp(store)
