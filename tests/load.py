"""Measures the cockpit under load, each figure against its target: `python tests/load.py`, or with the names of cases.

A table of medians and ranges, in Markdown, goes to stdout. The cockpit runs in a real terminal of 120x40; its bytes
are timed as they arrive there. The other load of the machine is in the figures.
"""

import argparse
import contextlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import generator
import psutil
from terminal import Terminal, cockpit_words
from waiting import wait_for

from cockpit.store import RunStore

NUM_RUNS = 2000
NUM_RECORDS = 1_000_000
LOG_BYTES = 1_000_000_000
LINE_BYTES = 10_000_000
_QUIET_S = 0.4
_WINDOW_S = 15.0
_SCREEN_BYTES = 5000
"""No screen takes less when it is written whole, and no news of a live run take as much."""
_MB = 1e6


class Row(NamedTuple):
    """One figure."""

    what: str
    values: list[float]
    unit: str
    at_most: float | None
    """The target; None is a figure for comparison."""


class Cockpit(Terminal):
    """The cockpit on a terminal that nobody draws, with a stop-watch."""

    def __init__(self, runs: Path, *flags: str) -> None:
        self.begun = time.monotonic()
        super().__init__(*cockpit_words(runs, *flags), columns=120, rows=40, draws=False)
        self._drawn = 0
        self.process = psutil.Process(self.pid)

    def seconds_to(self, text: str, since: float | None = None) -> float:
        """Wait until the screen shows a text; return the seconds from `since`, or the start, to that moment."""
        return self.seconds_until(lambda screen: text in screen, since, text)

    def seconds_until(self, shown: Callable[[str], bool], since: float | None = None, what: str = "") -> float:
        """Wait until the screen is as wanted; return the seconds from `since`, or the start, to that moment."""
        try:
            moment = wait_for(lambda: self._moment_of(shown), 20, what)
            assert moment is not None
            return moment - (since or self.begun)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen:\n{self.text()}") from None

    def _moment_of(self, shown: Callable[[str], bool]) -> float | None:
        """Draw what has arrived, portion by portion, until the screen is as wanted; return when that came."""
        while self._drawn < len(self.arrivals):
            at, stop = self.arrivals[self._drawn]
            start = self.arrivals[self._drawn - 1][1] if self._drawn else 0
            self._stream.feed(bytes(self.raw[start:stop]))
            self._drawn += 1
            if shown(self.text()):
                return at
        return None

    def settle(self, quiet_s: float = _QUIET_S) -> float:
        """Wait until it has written nothing for a while; return when the last byte came."""
        wait_for(lambda: self.arrivals and time.monotonic() - self.arrivals[-1][0] > quiet_s, 120, "a quiet screen")
        return self.arrivals[-1][0]

    def seconds_of(self, keys: str) -> float:
        """Press keys on a screen that is else still; return the seconds to the last byte that they caused."""
        pressed, seen = time.monotonic(), len(self.raw)
        self.press(keys)
        wait_for(lambda: len(self.raw) > seen, what=f"an answer to {keys!r}")
        return self.settle() - pressed

    def seconds_to_move(self) -> float:
        """Move the cursor of the list a row down; return the seconds until that row is marked."""
        place, pressed = self._marked_row(), time.monotonic()
        self.press("j")
        return self.seconds_until(lambda _: self._marked_row() == place + 1, pressed, "the cursor a row down")

    def _marked_row(self) -> int:
        looks = [self._screen.buffer[y][5].bg for y in range(2, 36)]
        return next(y for y, look in enumerate(looks, 2) if look != looks[0])

    def seconds_to_redraw(self) -> float:
        """Ask for the whole screen anew; return the seconds until it has come."""
        pressed, seen = time.monotonic(), len(self.raw)
        self.press("\x0c")
        wait_for(lambda: len(self.raw) > seen + _SCREEN_BYTES, what="the whole screen")
        return next(at for at, total in self.arrivals if total > seen + _SCREEN_BYTES) - pressed

    def watch(self, seconds: float = _WINDOW_S) -> tuple[float, float]:
        """Leave it alone for a while; return the bytes it wrote a second and the per cent of a core that it used."""
        bytes_before, before, begun = len(self.raw), self._cpu_s(), time.monotonic()
        time.sleep(seconds)
        spent_s = time.monotonic() - begun
        return (len(self.raw) - bytes_before) / spent_s, 100 * (self._cpu_s() - before) / spent_s

    def peak_mb(self) -> float:
        """The most memory it ever had resident, in MB."""
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024 / _MB

    def _cpu_s(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system


def measure_start(folder: Path) -> Iterator[Row]:
    """The list of 2,000 runs: first paint, filter, stillness."""
    store = _many(folder)
    newest = store.list()[0].id
    painted, complete, sizes, keys, moves, idle_bytes, idle_cpu, peaks = ([] for _ in range(8))
    for _ in range(7):
        with Cockpit(store.root) as cockpit:
            painted.append(cockpit.seconds_to(newest))
            complete.append(cockpit.seconds_to(f"{NUM_RUNS:,} runs"))
            cockpit.settle(1.0)
            sizes.append(len(cockpit.raw) / 1000)
            moves += [1000 * cockpit.seconds_to_move() for _ in range(15)]
            cockpit.press("/")
            cockpit.settle()
            keys += [1000 * cockpit.seconds_of(letter) for letter in "resnet"]
            peaks.append(cockpit.peak_mb())
    for _ in range(3):
        with Cockpit(store.root) as cockpit:
            cockpit.seconds_to(f"{NUM_RUNS:,} runs")
            cockpit.settle(1.0)
            written, cpu = cockpit.watch()
            idle_bytes.append(written)
            idle_cpu.append(cpu)
            peaks.append(cockpit.peak_mb())
    yield Row("2,000 runs: start to the list", painted, "s", 1.0)
    yield Row("2,000 runs: start to all of them read", complete, "s", None)
    yield Row("2,000 runs: bytes at the start", sizes, "kB", 40)
    yield Row("2,000 runs: a letter of the filter", keys, "ms", 100)
    yield from _keys("2,000 runs: the cursor, a row down", moves)
    yield Row("2,000 runs: idle", idle_bytes, "B/s", 0)
    yield Row("2,000 runs: idle", idle_cpu, "% of a core", 5)
    yield Row("2,000 runs: peak memory", peaks, "MB", 200)


def measure_commands(folder: Path) -> Iterator[Row]:
    """The same listing from the command line."""
    store = _many(folder)
    for words in (["runs"], ["runs", "--json"]):
        spent = []
        for _ in range(5):
            begun = time.monotonic()
            subprocess.run(cockpit_words(store.root, *words), check=True, stdout=subprocess.DEVNULL)
            spent.append(time.monotonic() - begun)
        yield Row(f"2,000 runs: `cockpit {' '.join(words)}`", spent, "s", None)


def measure_empty(folder: Path) -> Iterator[Row]:
    """A start without runs."""
    painted, sizes, peaks = [], [], []
    for _ in range(7):
        with Cockpit(folder / "none") as cockpit:
            painted.append(cockpit.seconds_to("No runs yet"))
            cockpit.settle(1.0)
            sizes.append(len(cockpit.raw) / 1000)
            peaks.append(cockpit.peak_mb())
    yield Row("no runs: start to first paint", painted, "s", 0.6)
    yield Row("no runs: bytes at the start", sizes, "kB", 40)
    yield Row("no runs: peak memory", peaks, "MB", 200)


def measure_long(folder: Path) -> Iterator[Row]:
    """A run of 1,000,000 records, ended and going on."""
    store = RunStore(folder / "long")
    generator.make_long_run(store, NUM_RECORDS, live=False)
    yield from _open("1,000,000 records", store)
    with going_on(folder / "long-live", 1, "--records", str(NUM_RECORDS), "--hertz", "2") as root:
        yield from _watch_run("1,000,000 records, 2 Hz", root)


def measure_log(folder: Path) -> Iterator[Row]:
    """A log of 1 GB, and lines of 10 MB in log and records."""
    store = RunStore(folder / "log")
    run, _ = generator.make_long_run(store, 2000, live=False)
    generator.make_long_log(run, LOG_BYTES)
    yield from _open("log of 1 GB", store)
    generator.make_long_log(run, LOG_BYTES, last_line_bytes=LINE_BYTES)
    generator.insert_long_line(run, LINE_BYTES)
    yield from _open("lines of 10 MB", store)


def measure_wire(folder: Path) -> Iterator[Row]:
    """One run going on among few, as most days are; and the same over a bad link."""
    store = RunStore(folder / "few")
    generator.make_runs(store, 20)
    with going_on(store.root, 1, "--hertz", "2") as root:
        yield from _watch_run("a live run at 2 Hz", root)
        yield from _watch_bytes("the same, --low-bandwidth", root, "--low-bandwidth")
        yield from _press_keys(root)


def _watch_bytes(what: str, root: Path, *flags: str) -> Iterator[Row]:
    written, cpu = [], []
    for _ in range(3):
        with Cockpit(root, *flags) as cockpit:
            cockpit.seconds_to(RunStore(root).list()[0].id)
            _seconds_to_open(cockpit)
            time.sleep(2.0)
            bytes_a_second, cpu_percent = cockpit.watch(2 * _WINDOW_S)
            written.append(bytes_a_second / 1000)
            cpu.append(cpu_percent)
    yield Row(f"{what}: written", written, "kB/s", 0.5)
    yield Row(f"{what}: CPU", cpu, "% of a core", 5)


def _press_keys(root: Path) -> Iterator[Row]:
    """Keys of every kind while the newest run goes on."""
    moves, opened, back = [], [], []
    for _ in range(3):
        with Cockpit(root) as cockpit:
            cockpit.seconds_to("21 runs")
            for _ in range(15):
                moves.append(1000 * cockpit.seconds_to_move())
            cockpit.press("g")
            cockpit.settle()
            for _ in range(10):
                opened.append(1000 * _seconds_to_open(cockpit))
                pressed = time.monotonic()
                cockpit.press("\x1b")
                back.append(1000 * cockpit.seconds_to("21 runs", pressed))
                cockpit.settle()
    yield from _keys("a live run among 20: the cursor, a row down", moves)
    yield Row("a live run among 20: `enter` to its charts", opened, "ms", None)
    yield Row("a live run among 20: `esc` to the list", back, "ms", None)


def measure_live(folder: Path) -> Iterator[Row]:
    """Eight runs going on among 2,000."""
    with going_on(_many(folder).root, 8, "--hertz", "2") as root:
        written, cpu, peaks, moves = [], [], [], []
        total = len(RunStore(root).list())
        for _ in range(3):
            with Cockpit(root) as cockpit:
                cockpit.seconds_to(f"{total:,} runs")
                moves += [1000 * cockpit.seconds_to_move() for _ in range(30)]
                bytes_a_second, cpu_percent = cockpit.watch()
                written.append(bytes_a_second)
                cpu.append(cpu_percent)
                peaks.append(cockpit.peak_mb())
        yield Row("8 live runs among 2,000, listed: written", written, "B/s", 2000)
        yield Row("8 live runs among 2,000, listed: CPU", cpu, "% of a core", 5)
        yield from _keys("8 live runs among 2,000: the cursor, a row down", moves)
        yield Row("8 live runs among 2,000, listed: peak memory", peaks, "MB", 200)
        yield from _watch_run("one of 8 live runs, 2 Hz, three charts", root)


CASES: dict[str, Callable[[Path], Iterator[Row]]] = {
    "empty": measure_empty,
    "start": measure_start,
    "commands": measure_commands,
    "wire": measure_wire,
    "live": measure_live,
    "long": measure_long,
    "log": measure_log,
}


def _many(folder: Path) -> RunStore:
    store = RunStore(folder / "many")
    if not store.list():
        generator.make_runs(store, NUM_RUNS)
    return store


def _open(what: str, store: RunStore) -> Iterator[Row]:
    """Open the newest run, and again."""
    opened, peaks = [], []
    for _ in range(5):
        with Cockpit(store.root) as cockpit:
            cockpit.seconds_to(store.list()[0].id)
            cockpit.settle()
            opened.append(_seconds_to_open(cockpit))
            peaks.append(cockpit.peak_mb())
    yield Row(f"{what}: enter to the charts", opened, "s", 2.0)
    yield Row(f"{what}: peak memory", peaks, "MB", 200)


def _seconds_to_open(cockpit: Cockpit) -> float:
    pressed = time.monotonic()
    cockpit.press("\r")
    return cockpit.seconds_until(lambda screen: "best val" in screen and "epochs" in screen, pressed, "the charts")


def _watch_run(what: str, root: Path) -> Iterator[Row]:
    """Open the newest run, which goes on, watch it, and press keys meanwhile."""
    opened, written, cpu, redraws, helps, peaks = ([] for _ in range(6))
    for _ in range(3):
        with Cockpit(root) as cockpit:
            cockpit.seconds_to(RunStore(root).list()[0].id)
            opened.append(_seconds_to_open(cockpit))
            time.sleep(2.0)
            bytes_a_second, cpu_percent = cockpit.watch(2 * _WINDOW_S)
            written.append(bytes_a_second / 1000)
            cpu.append(cpu_percent)
            redraws += [1000 * cockpit.seconds_to_redraw() for _ in range(30)]
            for _ in range(10):
                pressed = time.monotonic()
                cockpit.press("?")
                helps.append(1000 * cockpit.seconds_to("A run is a folder", pressed))
                cockpit.press("\x1b")
                cockpit.seconds_until(lambda screen: "A run is a folder" not in screen, what="the help's end")
            peaks.append(cockpit.peak_mb())
    yield Row(f"{what}: enter to the charts", opened, "s", 2.0)
    yield Row(f"{what}: written", written, "kB/s", 2.0)
    yield Row(f"{what}: CPU", cpu, "% of a core", 5)
    yield from _keys(f"{what}: ctrl+l to the whole screen", redraws)
    yield Row(f"{what}: `?` to the help", helps, "ms", None)
    yield Row(f"{what}: peak memory", peaks, "MB", 200)


@contextlib.contextmanager
def going_on(root: Path, num_runs: int, *words: str) -> Iterator[Path]:
    """Add runs that go on in a process of their own."""
    command = [sys.executable, generator.__file__, str(root), "--live", str(num_runs), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writers:
        try:
            assert writers.stdout is not None
            assert writers.stdout.readline(), "no runs were made"
            yield root
        finally:
            writers.send_signal(signal.SIGINT)


def _keys(what: str, milliseconds: list[float]) -> Iterator[Row]:
    """Tell the usual and the worst of many key presses."""
    for share, target in ((50, 10), (99, 50)):
        percentile = statistics.quantiles(milliseconds, n=100, method="inclusive")[share - 1]
        yield Row(f"{what}, p{share}", [percentile], "ms", target)


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table as the figures come."""
    yield "| | median | range | target | held |"
    yield "|---|--:|--:|--:|---|"
    for row in rows:
        median, low, high = statistics.median(row.values), min(row.values), max(row.values)
        spread = f"{_number(low)}–{_number(high)}" if len(row.values) > 1 else ""
        target, held = "", ""
        if row.at_most is not None:
            target = f"≤ {row.at_most:g} {row.unit}"
            held = "yes" if median <= row.at_most else "no"
        yield f"| {row.what} | {_number(median)} {row.unit} | {spread} | {target} | {held} |"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """Measure the cases named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Measure the cockpit under load, each figure against its target.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    names = parser.parse_args().cases or [*CASES]
    sys.setswitchinterval(1e-4)  # what arrives is stamped at once, also while a screen is drawn
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        for line in table(row for name in names for row in CASES[name](Path(folder))):
            print(line, flush=True)


if __name__ == "__main__":
    main()
