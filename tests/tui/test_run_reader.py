"""What a run's screen is told of it, read from its files."""

from itertools import count

import msgspec
from folders import device, live, make_run, write

from cockpit.tui.run_reader import RunReader


def test_the_hardware_is_that_of_the_newest_sample(store):
    """A run that went from one card to another and back trains on the first."""
    run, seconds = live(make_run(store)), count(1.0)
    for name in ("cuda:0 NVIDIA H100", "cuda:1 NVIDIA H200", "cuda:0 NVIDIA H100"):
        write(run, msgspec.structs.replace(device(name), time=next(seconds)))
    (view,) = RunReader(run).look()
    assert view.device is not None
    assert view.device.name == "cuda:0 NVIDIA H100"
