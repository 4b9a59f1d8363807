"""Which network a new run trains: the list of all, with your own bests, and a line that finds some by words."""

from collections.abc import Mapping

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from cockpit.tui.menus import Menu, describe_model, model_lines, model_title
from cockpit.tui.watch import OwnBest
from nets.catalog import MODELS


class NetworksPane(Vertical):
    """The list of networks and its filter."""

    def __init__(self) -> None:
        """Begin with an empty list."""
        super().__init__(id="networks")
        self._own_bests: Mapping[tuple[str, str], OwnBest] = {}
        self._dataset: str | None = None
        self._before_filter: str | None = None

    def compose(self) -> ComposeResult:
        """Lay out the list above the filter."""
        yield Menu(id="model", title=model_title(columns=False))
        yield Input(placeholder="words of a name", id="model-filter", compact=True)

    def begin(self, own_bests: Mapping[tuple[str, str], OwnBest], model: str, dataset: str) -> None:
        """Offer all networks, with what the user reached on a dataset, highlight one of them, and take the focus."""
        self._own_bests, self._dataset = own_bests, dataset
        self._menu.fill(self._lines(), model)
        self._menu.focus()

    @property
    def chosen(self) -> str | None:
        """The highlighted network; None when the filter finds none."""
        return self._menu.chosen

    def choose(self, model: str) -> None:
        """Highlight a network."""
        self._menu.choose(model)

    def explain(self, width: int) -> Content:
        """Return what the highlighted network is."""
        spec = MODELS.get(self.chosen or "")
        return describe_model(spec, self._own_bests, width) if spec else Content("")

    def name_columns(self, *, wide: bool) -> None:
        """Name the columns that fit."""
        self._menu.border_title = model_title(columns=wide)
        self._menu.border_subtitle = "published, yours (v val, * changed)" if wide else ""

    def show_bests(self, dataset: str | None) -> None:
        """Show what the user reached on another dataset."""
        self._dataset = dataset
        if self._own_bests:
            self._find()

    def open_filter(self) -> None:
        """Ask for words to look for."""
        if not self._filter.display:
            self._before_filter = self.chosen
        self._filter.display = True
        self._filter.focus()

    def close_filter(self) -> bool:
        """Offer all networks again; False when that is so already."""
        if not self._filter.display:
            return False
        chosen = self.chosen
        if self._filter.has_focus or chosen is None:  # what was sought was not taken
            chosen = self._before_filter
        self._filter.value = ""
        self._filter.display = False
        self._menu.fill(self._lines(), chosen)
        self._menu.focus()
        return True

    @on(Input.Submitted)
    def _leave_filter(self, event: Input.Submitted) -> None:
        """Choose among what was found; enter launches only from there."""
        event.stop()
        self._menu.focus()

    @on(Input.Changed)
    def _find(self) -> None:
        self._menu.fill(self._lines(), self.chosen)

    def _lines(self) -> list[tuple[str | None, Content]]:
        return model_lines(self._filter.value.lower().split(), self._own_bests, self._dataset)

    @property
    def _menu(self) -> Menu:
        return self.query_one(Menu)

    @property
    def _filter(self) -> Input:
        return self.query_one(Input)
