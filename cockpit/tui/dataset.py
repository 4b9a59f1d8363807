"""A dataset: its classes and superclasses, how many images each has, and ten real pictures of the one under the cursor.

Pictures cost bytes, so they are drawn only where the cursor rests.
"""

from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, OptionList, Static

from cockpit.datasets import DatasetSpec
from cockpit.errors import CockpitError
from cockpit.gallery import NUM_EXAMPLES, ClassCount, examples, list_classes
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.menus import Menu
from cockpit.tui.messages import ClassesRead, ExamplesRead
from cockpit.tui.pictures import Picture
from cockpit.tui.screen import CockpitScreen
from cockpit.tui.text import cells, plain, words

if TYPE_CHECKING:
    import numpy as np

_REST_S = 0.15
_WIDEST, _NARROWEST = 16, 12
"""Cells of a picture: more would be slow over a link, fewer show nothing."""
_MOST_CLASSES = 1_000
"""Lines of the list; `/` finds the others."""
_LEAST_ROOM, _USUAL_ROOM = 26, 34
"""Cells of the list of classes: those of its title, and those it has on a wide screen at least."""
_FRAME = 3
"""Cells of it beside the text: its frame and a scrollbar."""
_WIDE = 100
"""Columns of a screen that has room for long names of superclasses, too."""
_MOST_NAME = 18


class DatasetScreen(CockpitScreen[str]):
    """The classes of a dataset; returns the name of a dataset that was got meanwhile."""

    PLACE = "dataset"
    BINDINGS = bindings("dataset")

    def __init__(self, spec: DatasetSpec) -> None:
        """Show this dataset."""
        super().__init__()
        self._spec = spec
        self._counted: tuple[ClassCount, ...] = ()
        self._pictures: ExamplesRead | None = None
        self._rest: Timer | None = None
        self._got: str | None = None

    def compose(self) -> ComposeResult:
        """Lay out the title, the classes, the pictures and the keys."""
        yield Static(_title(self._spec), id="title")
        with Horizontal(id="gallery"):
            with Vertical(id="classes"):
                yield Menu(id="class", title="Class · train · test")
                yield Input(placeholder="words of a class or group", id="class-filter", compact=True)
            with VerticalScroll(id="examples", classes="pane"), Grid(id="pictures"):
                for place in range(NUM_EXAMPLES):
                    yield Picture(id=f"picture-{place}")
        yield Static(id="explanation")
        yield KeyBar("dataset")

    def on_mount(self) -> None:
        """Read the classes."""
        self._menu.focus()
        self.query_one("#explanation", Static).update(_origin(self._spec))
        self._read()

    @property
    def _menu(self) -> Menu:
        return self.query_one("#class", Menu)

    @work(thread=True, exclusive=True, exit_on_error=False, group="classes")
    def _read(self) -> None:
        try:
            self.post_message(ClassesRead(tuple(list_classes(self._spec)), ""))
        except CockpitError as error:
            self.post_message(ClassesRead((), str(error)))

    def on_classes_read(self, event: ClassesRead) -> None:
        """List the classes, or say why that cannot be done."""
        self._counted = event.classes
        trouble = words((plain(event.trouble), "$text-error")) if event.trouble else _origin(self._spec)
        self.query_one("#explanation", Static).update(trouble)
        self._list()

    @on(Input.Changed, "#class-filter")
    def _list(self) -> None:
        sought = self.query_one("#class-filter", Input).value.lower().split()
        room = self._make_room()
        self._menu.fill(_lines(self._counted, sought, room - _FRAME), self._menu.chosen)
        self._menu.border_subtitle = f"of the first {_MOST_CLASSES:,}" if len(self._counted) > _MOST_CLASSES else ""
        if self._menu.chosen is None:
            self._show(None)

    @on(OptionList.OptionHighlighted)
    def _wait_for_rest(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(_REST_S, self._look)

    def _look(self) -> None:
        one = self._chosen()
        if one is None or (self._pictures is not None and self._pictures.label == one.label):
            return
        if one.train is None:
            self._show(None)
        else:
            self._read_examples(one.label)

    @work(thread=True, exclusive=True, exit_on_error=False, group="examples")
    def _read_examples(self, label: int) -> None:
        self.post_message(ExamplesRead(label, examples(self._spec, label)))

    def on_examples_read(self, event: ExamplesRead) -> None:
        """Show the pictures, unless the cursor has gone on."""
        one = self._chosen()
        if one is not None and one.label == event.label:
            self._show(event)

    def _make_room(self) -> int:
        """Leave the pictures what the list does not need, where that is scarce; return the cells of the list."""
        least = _USUAL_ROOM if self.size.width >= _WIDE else _LEAST_ROOM
        room = max(least, _FRAME + sum(_widths(self._counted)))
        self.query_one("#classes").styles.width = room
        return room

    def on_resize(self) -> None:
        """Fit the pictures to the room there is."""
        self._list()
        self.call_after_refresh(lambda: self._show(self._pictures))

    def _show(self, event: ExamplesRead | None) -> None:
        """Draw pictures as large as all of them can be."""
        self._pictures = event
        pane = self.query_one("#examples")
        one = self._chosen()
        images = event.images if event is not None else ()
        width, columns, gap = _fit(pane.scrollable_content_region.width, pane.size.height, max(1, len(images)))
        grid = self.query_one("#pictures", Grid)
        grid.styles.grid_size_columns = columns
        grid.styles.grid_gutter_vertical, grid.styles.grid_gutter_horizontal = 1, gap
        grid.styles.grid_columns, grid.styles.grid_rows = str(width), str(width // 2)
        grid.styles.width = columns * (width + 1) - 1
        for place, picture in enumerate(self.query(Picture)):
            picture.display = place < len(images)
            picture.styles.width, picture.styles.height = width, width // 2
            picture.show(_shrink(images[place], width) if place < len(images) else None)
        pane.border_title = _caption(one, len(images))
        pane.border_subtitle = "" if one is None or one.train is not None else "ctrl+g gets the images"

    def _chosen(self) -> ClassCount | None:
        chosen = self._menu.chosen
        return next((one for one in self._counted if str(one.label) == chosen), None)

    def action_filter(self) -> None:
        """Ask for words to look for among the classes."""
        self.query_one("#class-filter").display = True
        self.query_one("#class-filter").focus()

    def action_other_pane(self) -> None:
        """Go from the classes to the pictures, or back."""
        other = self._menu if self.query_one("#examples").has_focus else self.query_one("#examples")
        other.focus()

    @on(Input.Submitted, "#class-filter")
    def _leave_filter(self) -> None:
        self._menu.focus()

    def action_get(self) -> None:
        """Download the images, or import others."""
        from cockpit.tui.get_data import GetDataScreen

        not_here = any(one.train is None for one in self._counted)
        self.app.push_screen(GetDataScreen(self._spec.name if not_here else ""), self._data_changed)

    def _data_changed(self, name: str | None) -> None:
        self._got = name or self._got
        if name:
            self._read()

    def action_back(self) -> None:
        """Leave the filter, or return to the form."""
        class_filter = self.query_one("#class-filter", Input)
        if class_filter.display:
            class_filter.value = ""
            class_filter.display = False
            self._menu.focus()
        else:
            self.dismiss(self._got)


def _title(spec: DatasetSpec) -> Content:
    groups = f" in {len(spec.superclasses)} groups" if spec.superclasses else ""
    counts = f"{spec.train_images:,} + {spec.test_images:,} images"
    classes = f"{spec.num_classes:,} classes{groups}"
    return words((plain(spec.title, 40), "bold $text-accent"), counts, classes, between=" · ")


def _origin(spec: DatasetSpec) -> Content:
    held_out = "the test images were cut from the training images here" if spec.held_out else ""
    mirrored = "" if spec.hflip_ok else "never mirrored"
    return words((words(plain(spec.source), held_out, mirrored, between=" · ").plain, "dim"))


def _lines(classes: tuple[ClassCount, ...], sought: list[str], width: int) -> list[tuple[str | None, Content]]:
    """Return the classes that contain every word sought, under headings of their superclasses."""
    lines: list[tuple[str | None, Content]] = []
    _, train_width, test_width = _widths(classes)
    name_width = width - train_width - test_width
    group = ""
    shown = [one for one in classes if all(word in f"{one.name} {one.group}".lower() for word in sought)]
    for one in shown[:_MOST_CLASSES]:
        if one.group != group:
            group = one.group
            lines.append((None, words((cells(group, width), "bold"))))
        name = cells(one.name, name_width)
        name += " " * (name_width - Content(name).cell_length)
        counts = f"{one.train:>{train_width},}{one.test or 0:>{test_width},}" if one.train is not None else ""
        lines.append((str(one.label), words(name, counts)))
    if sought and not lines:
        lines.append((None, words(("no class fits; esc: all", "$text-warning"))))
    return lines


def _widths(classes: tuple[ClassCount, ...]) -> tuple[int, int, int]:
    """Return the cells of a name and of both counts, each with the gap before it."""
    name = max((Content(cells(one.name, _MOST_NAME)).cell_length for one in classes), default=0)
    train = max((len(f"{one.train or 0:,}") for one in classes), default=0)
    test = max((len(f"{one.test or 0:,}") for one in classes), default=0)
    return name, 2 + train, 2 + test


def _caption(one: ClassCount | None, num: int) -> Content:
    if one is None:
        return Content("")
    if one.train is None:
        return words(plain(one.name, 40), " · the images are not here")
    return words(plain(one.name, 40), f" · {num} of {one.train:,} training images" if num else "")


def _fit(width: int, height: int, num: int) -> tuple[int, int, int]:
    """Return (cells a picture is wide, pictures a row, empty rows between) so that all are seen, if large enough."""
    best, layout = (0, False, 0, 0), (0, 1, 0)
    for columns in range(1, num + 1):
        rows = -(-num // columns)
        for gap in (1, 0):
            across = (width + 1) // columns - 1
            down = 2 * ((height + gap) // rows - gap)
            size = min(_WIDEST, across, down) // 2 * 2
            rank = (size, num % columns == 0, columns, gap)
            if rank > best:
                best, layout = rank, (size, columns, gap)
    if layout[0] >= _NARROWEST:
        return layout
    columns = max(1, (width + 1) // (_NARROWEST + 1))  # what has no room is scrolled to
    return max(2, min(_WIDEST, (width + 1) // columns - 1) // 2 * 2), columns, 1


def _shrink(image: "np.ndarray", width: int) -> "np.ndarray":
    """Return a picture of as many pixels as cells show, each the mean of those it stands for."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width, width), Image.Resampling.BOX))
