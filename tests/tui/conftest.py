"""An app over an empty folder of runs."""

import os
from collections.abc import Iterator

import pytest
from folders import finished, make_run, with_test
from listed import A, B, C, D

from cockpit import places
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from cockpit.tui.app import CockpitApp


@pytest.fixture(scope="session")
def path_with_slurm() -> str:
    """This machine's PATH, as it is when the session begins."""
    return os.environ["PATH"]


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch, path_without_slurm) -> None:
    """The screens look alike on machines with Slurm and without."""
    monkeypatch.setenv("PATH", path_without_slurm)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch, tmp_path) -> None:
    """The screens begin as a newcomer sees them."""
    monkeypatch.setenv("COCKPIT_STATE", str(tmp_path / "screens.json"))


@pytest.fixture
def store(tmp_path) -> Iterator[RunStore]:
    """A folder without runs; whatever a test left training in it is killed."""
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        if not any(one.pid == os.getpid() for one in run.launches()):  # `live` makes the test itself a trainer
            places.send(run, "kill")


@pytest.fixture
def app(store) -> CockpitApp:
    """The cockpit over `store`, not yet running."""
    return CockpitApp(store)


@pytest.fixture
def four(store) -> list[Run]:
    """Runs A to D, the oldest first: two finished ones, one of another network, one created."""
    return [
        finished(make_run(store, A), val_acc=0.5),
        with_test(finished(make_run(store, B), val_acc=0.9)),
        finished(make_run(store, C, Recipe(model="vgg16_bn")), val_acc=0.7, state="failed", detail="loss is NaN"),
        make_run(store, D, Recipe(lr=0.3)),
    ]
