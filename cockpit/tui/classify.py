"""Lets a run's network say what an image file shows, beside the picture as the network sees it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from cockpit import results, tasks
from cockpit.errors import CockpitError
from cockpit.store import Run
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.messages import ImageClassified
from cockpit.tui.path_input import PathInput
from cockpit.tui.pictures import Picture
from cockpit.tui.report_views import guess_bars
from cockpit.tui.screen import Dialog
from cockpit.tui.text import cells, plain, words

if TYPE_CHECKING:
    import numpy as np

_LOOK_S = 0.05
_HINT = "Any image file: PNG, JPEG, WebP, TIFF… It is made 32×32, as the network has learnt from."


class ClassifyScreen(Dialog[None]):
    """Classifies one file after another."""

    BINDINGS = bindings("classify")

    def __init__(self, run: Run) -> None:
        """Ask this run's best network."""
        super().__init__()
        self._run = run

    def compose(self) -> ComposeResult:
        """Lay out the line for the path, the picture and the guesses."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(f"What is it? asks {plain(self._run.id, 60)}")
            yield PathInput(placeholder="path of an image file", id="path", compact=True)
            yield Static(_HINT, id="classify-state")
            with Horizontal(id="classified"):
                yield Picture(id="classify-picture")
                yield Static(id="guesses")
            yield KeyBar("classify")

    def on_mount(self) -> None:
        """Begin without a picture, in the line."""
        self.query_one("#classified").display = False
        self.query_one(PathInput).focus()

    def on_unmount(self) -> None:
        """Give up what is not answered yet."""
        self.workers.cancel_node(self)

    @on(PathInput.Completed)
    def _show_names(self, event: PathInput.Completed) -> None:
        if len(event.names) > 1:
            self._say(Content(cells("  ".join(event.names[:30]), 300)))
        elif not event.names:
            self._say(words(("there is nothing of that name", "$text-warning")))

    @on(Input.Submitted)
    def action_classify(self) -> None:
        """Classify the file that was typed."""
        typed = self.query_one(PathInput).value.strip()
        if typed:
            self._say(words(("the network is asked; torch takes a few seconds to load", "$text-accent")))
            self._classify(Path(os.path.expanduser(typed)))

    @work(thread=True, exclusive=True, exit_on_error=False, group="classify")
    def _classify(self, path: Path) -> None:
        from cockpit.ingest.pictures import Unusable, any_formats, read_picture

        try:
            image = read_picture(path, formats=any_formats())
        except Unusable as error:
            self.post_message(ImageClassified(path, None, (), f"{path} cannot be classified: {error}"))
            return
        self.post_message(ImageClassified(path, image, (), ""))
        worker = get_current_worker()
        try:
            process = tasks.start_classify(self._run, [path])
        except CockpitError as error:
            self.post_message(ImageClassified(path, image, (), str(error)))
            return
        with process:
            while process.poll() is None:
                if worker.cancelled_event.wait(_LOOK_S):
                    process.kill()
                    return
            told, said = process.communicate()
        self.post_message(ImageClassified(path, image, *_answer(told, said)))

    def on_image_classified(self, event: ImageClassified) -> None:
        """Show the picture and what is known of it."""
        if event.reason:
            self._say(words((plain(event.reason), "$text-error")))
        self._show(event.image, event.guesses)
        if event.guesses:
            best = event.guesses[0]
            sentence = f"{cells(str(event.path.name), 40)}: {cells(best.name, 30)}, {100 * best.probability:.1f} %"
            self._say(words((sentence, "bold $text-success")))

    def _show(self, image: "np.ndarray | None", guesses: tuple[results.Answer, ...]) -> None:
        self.query_one("#classified").display = image is not None
        self.query_one(Picture).show(image)
        bars = guess_bars([guess.name for guess in guesses], [guess.probability for guess in guesses], 38)
        self.query_one("#guesses", Static).update(Content("\n\n").join(bars))

    def _say(self, content: Content) -> None:
        self.query_one("#classify-state", Static).update(content)

    def action_complete(self) -> None:
        """Complete the path."""
        self.query_one(PathInput).complete()

    def action_back(self) -> None:
        """Return."""
        self.dismiss()


def _answer(told: bytes, said: bytes) -> tuple[tuple[results.Answer, ...], str]:
    """Return the guesses and the reason why there are none, from what the process wrote."""
    try:
        (one,) = msgspec.json.decode(told, type=list[results.Classified])
    except (msgspec.DecodeError, ValueError):
        *_, last = said.decode("utf-8", "replace").strip().splitlines() or ["the network said nothing"]
        return (), last.removeprefix("cockpit: ")
    return tuple(one.guesses), one.error
