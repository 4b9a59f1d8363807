"""What the workers tell the screens: frozen values that never change once they are posted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:  # a screen that is opened brings what it reads; the first paint waits for none of it
    from pathlib import Path

    import numpy as np

    from cockpit.datasets import DatasetSpec
    from cockpit.dispatch.look import Look
    from cockpit.dispatch.slots import Slot
    from cockpit.errands import Errand
    from cockpit.gallery import ClassCount
    from cockpit.recipe import Recipe
    from cockpit.rehearsal import Outlook
    from cockpit.reports import Report
    from cockpit.results import Answer, TestReport
    from cockpit.settings import Settings
    from cockpit.status import RunInfo
    from cockpit.store import Run
    from cockpit.tui.compare_reader import ComparedRun
    from cockpit.tui.preflight import Subject
    from cockpit.tui.run_reader import RunView
    from cockpit.tui.watch import RunsLook


class RunsRead(Message):
    """The list of runs is not what it was."""

    def __init__(self, look: RunsLook) -> None:
        """Carry all rows."""
        super().__init__()
        self.look = look


class RunRead(Message):
    """The open run is not what it was."""

    def __init__(self, view: RunView) -> None:
        """Carry all that the Run screen shows."""
        super().__init__()
        self.view = view


class RunsCompared(Message):
    """One of the runs that are compared is not what it was."""

    def __init__(self, runs: tuple[ComparedRun, ...]) -> None:
        """Carry all that is shown of each, in the order of the comparison."""
        super().__init__()
        self.runs = runs


class LogRead(Message):
    """A log is not what it was."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        """Carry its last lines, made harmless."""
        super().__init__()
        self.lines = lines


class ChoicesRead(Message):
    """What this machine offers a new run is known."""

    def __init__(
        self,
        datasets: tuple[tuple[DatasetSpec, bool], ...],
        devices: dict[str, tuple[tuple[str, str], ...]],
        settings: Settings | None = None,
        mistake: str = "",
    ) -> None:
        """Carry what there is to choose from.

        Args:
            datasets: The datasets, each with whether its images are here.
            devices: The devices of each place, as (value, what it is).
            settings: What a job would ask of Slurm; None where that is not known.
            mistake: What is wrong with the file of these settings, if anything.
        """
        super().__init__()
        self.datasets = datasets
        self.devices = devices
        self.settings = settings
        self.mistake = mistake


class DevicesRead(Message):
    """What the devices of each place have free is known anew."""

    def __init__(self, devices: dict[str, tuple[tuple[str, str], ...]]) -> None:
        """Carry the devices of each place, as (value, what it is)."""
        super().__init__()
        self.devices = devices


class SlotsRead(Message):
    """Who has the devices of this machine is known."""

    def __init__(self, slots: tuple[Slot, ...]) -> None:
        """Carry them, the best first."""
        super().__init__()
        self.slots = slots


class SlurmHeard(Message):
    """Whether Slurm answers is known."""

    def __init__(self, trouble: str) -> None:
        """Carry why it does not; empty when it does."""
        super().__init__()
        self.trouble = trouble


class LikeRead(Message):
    """The run that a new one is to be like is read."""

    def __init__(self, run_id: str, recipe: Recipe, place: str, device: str, possible: bool) -> None:
        """Carry its recipe, where it was trained, and whether a run may ask for that here."""
        super().__init__()
        self.run_id = run_id
        self.recipe = recipe
        self.place = place
        self.device = device
        self.possible = possible


class PreflightTold(Message):
    """A preflight is in another stage."""

    def __init__(self, subject: Subject, stage: tuple[int, int, str]) -> None:
        """Carry what it is of, and (stages done, of how many, what is being done)."""
        super().__init__()
        self.subject = subject
        self.stage = stage


class PreflightEnded(Message):
    """A preflight is over."""

    def __init__(self, subject: Subject, outlook: Outlook | None, trouble: str) -> None:
        """Carry what it is of and what it found, or why it found nothing."""
        super().__init__()
        self.subject = subject
        self.outlook = outlook
        self.trouble = trouble


class ClassesRead(Message):
    """The classes of a dataset are read."""

    def __init__(self, classes: tuple[ClassCount, ...], trouble: str) -> None:
        """Carry the classes, or why they cannot be read."""
        super().__init__()
        self.classes = classes
        self.trouble = trouble


class ExamplesRead(Message):
    """Pictures of a class are read."""

    def __init__(self, label: int, images: np.ndarray) -> None:
        """Carry the class's number and its pictures, (N, 32, 32, 3) uint8."""
        super().__init__()
        self.label = label
        self.images = images


class ErrandChecked(Message):
    """Whether a dataset can be got is known."""

    def __init__(self, errand: Errand, mistake: str) -> None:
        """Carry what is wanted and what is wrong with it; nothing when it can be done."""
        super().__init__()
        self.errand = errand
        self.mistake = mistake


class ErrandTold(Message):
    """A download or an import has come further."""

    def __init__(self, done: int, total: int, what: str) -> None:
        """Carry how much is done, of how much (0 while unknown), and what is being done."""
        super().__init__()
        self.done = done
        self.total = total
        self.what = what


class ErrandEnded(Message):
    """A download or an import is over."""

    def __init__(self, errand: Errand, notes: tuple[str, ...], trouble: str) -> None:
        """Carry what the user should know of it, or why it failed."""
        super().__init__()
        self.errand = errand
        self.notes = notes
        self.trouble = trouble


class RunLaunched(Message):
    """A new run has a trainer, or Slurm was asked for one."""

    def __init__(self, run: Run) -> None:
        """Carry the run."""
        super().__init__()
        self.run = run


class RunQueued(Message):
    """A new run waits in the queue."""


class QueueRead(Message):
    """The queue is not what it was."""

    def __init__(self, look: Look) -> None:
        """Carry all that the Queue screen shows."""
        super().__init__()
        self.look = look


class RowRead(Message):
    """A run that was seen going on does so no more."""

    def __init__(self, row: RunInfo) -> None:
        """Carry its row of the listing."""
        super().__init__()
        self.row = row


class EndTold(Message):
    """Runs have ended, and the user asked to be told."""

    def __init__(self, sequence: str) -> None:
        """Carry what the terminal is to be sent."""
        super().__init__()
        self.sequence = sequence


class LaunchRefused(Message):
    """A new run could not be launched; nothing of it is left."""


class TestEnded(Message):
    """A test that this cockpit started is over."""

    __test__ = False

    def __init__(self, run: Run, report: TestReport | None, last_words: str) -> None:
        """Carry the report, or None and what the test said last."""
        super().__init__()
        self.run = run
        self.report = report
        self.last_words = last_words


class ReportRead(Message):
    """A run's test was read."""

    def __init__(
        self,
        report: Report | None,
        reason: str = "",
        test: TestReport | None = None,
        best_epoch: int | None = None,
    ) -> None:
        """Carry the report, or None and why, the figures of the test if there was one, and the best checkpoint's."""
        super().__init__()
        self.report = report
        self.reason = reason
        self.test = report.test if report else test
        self.best_epoch = best_epoch


class ImageClassified(Message):
    """More is known of an image file that was to be classified."""

    def __init__(self, path: Path, image: np.ndarray | None, guesses: tuple[Answer, ...], reason: str) -> None:
        """Carry the picture as the network sees it, its guesses once they are there, and what went wrong."""
        super().__init__()
        self.path = path
        self.image = image
        self.guesses = guesses
        self.reason = reason
