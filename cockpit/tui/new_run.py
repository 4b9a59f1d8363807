"""The form of a new run: a network, a dataset, a device and a recipe; enter launches what is highlighted.

It can also be put into the queue, to wait for a free device.
"""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from cockpit import places
from cockpit.device_names import count
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe, command, options
from cockpit.store import Run
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.choice import Choice
from cockpit.tui.menus import Menu
from cockpit.tui.messages import LaunchRefused, LikeRead, RunLaunched, RunQueued
from cockpit.tui.networks_pane import NetworksPane
from cockpit.tui.places_pane import PlacesPane
from cockpit.tui.preflight import PreflightPane, Subject
from cockpit.tui.recipe_form import RecipeForm
from cockpit.tui.screen import CockpitScreen, show_error, tell, write
from cockpit.tui.text import plain, words

_WIDE = 120
"""Columns from which the seed's accuracies fit beside the networks."""
_USUAL = Recipe()
_MOST_CHANGES = 3
"""Fields that are named as other than those of the run that the form was begun from."""


class NewRunScreen(CockpitScreen[None]):
    """Composes a recipe and launches it."""

    PLACE = "new"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012 - Textual's convention
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012
    BINDINGS = bindings("new")

    def __init__(self, like: Run | None = None) -> None:
        """Begin with the default recipe, or with that of a run."""
        super().__init__()
        self._like = like
        self._likeness = ""
        self._like_recipe: Recipe | None = None
        self._lacking = ("", "", "")
        self._recipe: Recipe | None = None
        self._launching = False

    def compose(self) -> ComposeResult:
        """Lay out the panes, the explanation of what is focused, the command and the keys."""
        with Horizontal(id="panes"):
            yield NetworksPane()
            yield PlacesPane()
            yield RecipeForm(classes="pane")
        yield Static(id="explanation")
        yield PreflightPane()
        yield Static(id="command")
        yield Static(id="verdict")
        yield KeyBar("new")

    def on_mount(self) -> None:
        """Fill the lists with what needs no reading, and read the rest."""
        self.query_one(RecipeForm).border_title = "Recipe"
        self._networks.begin(self.cockpit.reader.own_bests(), _USUAL.model, _USUAL.dataset)
        self._check()
        self._where.read(self._like)

    def on_resize(self) -> None:
        """Name the columns that fit."""
        self._networks.name_columns(wide=self.size.width >= _WIDE)
        self._explain()

    def on_like_read(self, event: LikeRead) -> None:
        """Fill in what a run was made with, and say what of it is not here."""
        recipe = event.recipe
        self._likeness, self._like_recipe = plain(event.run_id), recipe
        self._networks.choose(recipe.model)
        if not self._where.choose_dataset(recipe.dataset):
            remedy = f"ctrl+g imports it as {plain(recipe.dataset, 64)}, or choose another"
            sentence = f"{self._likeness} is of a dataset that is not here; {remedy}"
            self._lacking = (sentence, self._where.dataset or "", recipe.dataset)
        if lacking := self._where.choose_where(event.place, event.device, possible=event.possible):
            tell(self.app, f"{event.run_id} was trained {lacking}", "warning")
        self.query_one(RecipeForm).fill(recipe)
        self._check()

    @on(PlacesPane.Read)
    @on(OptionList.OptionHighlighted)
    @on(Input.Changed)
    @on(Choice.Changed)
    def _check(self) -> None:
        """Read the form, and say what it would launch or what is wrong with it."""
        self._explain()
        self._recipe = None
        draft = self.query_one(RecipeForm).draft(self._networks.chosen, self._where.dataset)
        if draft.recipe:
            self._write("command", words(("$ ", "dim"), plain(self._command(draft.recipe))))
        lacking, instead, _ = self._lacking
        if draft.mistake:
            self._say(draft.mistake, wrong=True)
        elif lacking and instead == self._where.dataset:
            self._say(lacking, wrong=True)
        elif draft.recipe and (mistake := self._where.mistake_with(draft.recipe)):
            self._say(mistake, wrong=True)
        else:
            self._recipe = draft.recipe
            self._tell_ready(draft.recipe)
        silence = f"{self._where.silence}; enter tries again" if self._where.silence else ""
        if self._recipe and self._where.place == "slurm" and (trouble := self._where.mistake or silence):
            self._say(trouble, wrong=True)  # enter tries all the same: the file may have been mended since
        self.query_one(PreflightPane).compare(self._subject())

    def _tell_ready(self, recipe: Recipe | None) -> None:
        """Say that enter launches, and what is to be known before."""
        ready = "enter launches this"
        likeness = self._tell_likeness(recipe) if self._like_recipe and recipe else ""
        held = self._where.tell_holder()
        waits = "; ^n lets it wait"
        if held and len(f"{ready} · {held}{waits}") > self.size.width - 2:
            held = self._where.tell_holder(named=False)
        busy = (plain(held) + waits, "$text-warning") if held else ""
        told = likeness or ("" if held else "the cockpit may be closed meanwhile")
        self._write("verdict", words((ready, "$text-success"), busy, (told, "dim") if told else "", between=" · "))

    def _tell_likeness(self, recipe: Recipe) -> str:
        """Return how what would be launched differs from the run that it was begun from."""
        now, like = recipe.complete(), self._like_recipe
        changed = [option.name for option in options() if getattr(now, option.name) != getattr(like, option.name)]
        if not changed:
            return f"like {self._likeness}, with its seed"
        more = f" and {len(changed) - _MOST_CHANGES} more" if len(changed) > _MOST_CHANGES else ""
        return f"like {self._likeness} but for {', '.join(changed[:_MOST_CHANGES]).replace('_', ' ')}{more}"

    def _command(self, recipe: Recipe) -> str:
        device, place = self._where.device, self._where.place
        where = f" --where {place}" if place != "local" else ""
        flag = "--devices" if count(device) > 1 else "--device"
        return command(recipe) + (f" {flag} {device}" if device != "auto" else "") + where

    def _say(self, sentence: str, *, wrong: bool = False) -> None:
        style = "bold $text-error" if wrong else "$text-success"
        self._write("verdict", words((plain(sentence), style)))

    def _write(self, name: str, content: Content) -> None:
        static = self.query_one(f"#{name}", Static)
        before = static.content if isinstance(static.content, Content) else Content()
        width = max(1, self.size.width - 2)
        grown = content.cell_length // width != before.cell_length // width
        write(static, content, layout=grown or not before)

    def on_descendant_focus(self) -> None:
        """Explain what has the focus."""
        self._explain()

    def _explain(self) -> None:
        option = self.query_one(RecipeForm).option
        focused = self.focused.id if self.focused else None
        if option:
            text = words((option.flag, "bold"), option.doc, between="  ")
        elif (choice := self._where.explain(focused)) is not None:
            text = choice
        else:
            text = self._networks.explain(self.size.width - 2)
        self._write("explanation", text)

    @on(Input.Submitted, "RecipeForm Input")
    def action_launch(self) -> None:
        """Launch what is highlighted."""
        if self._recipe is not None and not self._launching:
            self._launching = True
            self._say("launching…")
            self.cockpit.launch_new(self._recipe, self._where.place, self._where.device, self)

    def action_enqueue(self) -> None:
        """Let what is highlighted wait for a free device; the form stays, for the next one."""
        if self._recipe is not None and not self._launching:
            try:
                places.check_queue(self._where.place)
            except CockpitError as error:
                show_error(self.app, error)
                return
            self._launching = True
            self.cockpit.enqueue_new(self._recipe, self._where.device, self)

    def action_mark(self) -> None:
        """Mark the highlighted device, to train on several."""
        if reason := self._where.mark():
            tell(self.app, reason, "warning")

    def action_preflight(self) -> None:
        """Take a few real steps of what the form says."""
        if self._where.place == "slurm":
            tell(self.app, "a preflight measures this machine, and this run would be on one of Slurm's", "warning")
        elif (subject := self._subject()) is not None:
            self.query_one(PreflightPane).measure(subject, self.cockpit.store.root)
            self._make_room()

    def _subject(self) -> Subject | None:
        return Subject(self._recipe, self._where.device) if self._recipe and self._where.place != "slurm" else None

    def _make_room(self) -> None:
        """Give the explanation's place to the preflight where both have no room."""
        self.set_class(self.query_one(PreflightPane).display, "-measured")

    def action_copy(self) -> None:
        """Put the command into the clipboard of the terminal."""
        text = str(self.query_one("#command", Static).content).removeprefix("$ ")
        self.app.copy_to_clipboard(text)
        tell(self.app, f"copied, where the terminal allows it: {text}")

    def action_look(self) -> None:
        """Look at the images of the chosen dataset."""
        if known := self._where.known:
            self.cockpit.open_dataset(known[0], self._data_changed)

    def action_get(self) -> None:
        """Download or import a dataset."""
        from cockpit.tui.get_data import GetDataScreen

        wanted = self._where.dataset or ""
        ready = self._where.known is None or self._where.known[1] is not False
        sentence, instead, lacking = self._lacking
        missing = lacking if sentence and instead == wanted else "" if ready else wanted
        self.app.push_screen(GetDataScreen(missing), self._data_changed)

    def _data_changed(self, name: str | None) -> None:
        """Read the datasets again; one that came is chosen."""
        if name:
            self._where.read(wanted=name)

    def on_run_queued(self, _event: RunQueued) -> None:
        """Be ready for the next one."""
        self._launching = False

    def on_run_launched(self, event: RunLaunched) -> None:
        """Show the run in place of the form."""
        self.cockpit.open_run(event.run, in_place=True)

    def on_launch_refused(self, _event: LaunchRefused) -> None:
        """Let the user try again; the reason is on a toast."""
        self._launching = False
        self._check()

    def action_next_pane(self, places: int = 1) -> None:
        """Focus the pane so many places on."""
        panes = [*self.query(Menu), self.query_one(RecipeForm)]
        here = next((place for place, pane in enumerate(panes) if pane.has_focus_within), 0)
        pane = panes[(here + places) % len(panes)]
        pane.enter() if isinstance(pane, RecipeForm) else pane.focus()

    def action_previous_pane(self) -> None:
        """Focus the pane before."""
        self.action_next_pane(-1)

    def action_filter(self) -> None:
        """Ask for words to look for among the networks."""
        self._networks.open_filter()

    @on(OptionList.OptionHighlighted, "#dataset")
    def _show_own_bests(self) -> None:
        self._networks.show_bests(self._where.dataset)

    def action_back(self) -> None:
        """Leave the preflight, the filter, or the form."""
        preflight = self.query_one(PreflightPane)
        if preflight.display:
            preflight.leave()
            self._make_room()
        elif not self._networks.close_filter():
            self.app.pop_screen()

    @property
    def _networks(self) -> NetworksPane:
        return self.query_one(NetworksPane)

    @property
    def _where(self) -> PlacesPane:
        return self.query_one(PlacesPane)
