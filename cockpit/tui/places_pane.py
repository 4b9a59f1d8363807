"""Where a new run takes its images from and where it is trained: dataset, place and device, with what is free now."""

import contextlib
from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList

from cockpit import launch, places, slurm, squeue, tickets
from cockpit.datasets import DATASETS, EMBEDDED, DatasetSpec, is_ready, list_datasets
from cockpit.device_names import count, names_of, normal, short
from cockpit.dispatch.slots import Slot, read_slots
from cockpit.dispatch.standing import read_queue
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.settings import Settings
from cockpit.store import Run
from cockpit.tui.device_menu import DeviceMenu
from cockpit.tui.menus import Menu, dataset_lines, describe_dataset, place_lines
from cockpit.tui.messages import ChoicesRead, DevicesRead, LikeRead, SlotsRead, SlurmHeard
from cockpit.tui.screen import TellsErrors, show_error
from cockpit.tui.text import plain, words

if TYPE_CHECKING:
    from cockpit.tui.app import CockpitApp

_DEVICES = (("auto", "the best there is"),)


class PlacesPane(TellsErrors, Vertical):
    """The three lists, and what was read of each.

    Attributes:
        mistake: What is wrong with the user's file of what to ask of Slurm; empty when nothing.
        silence: Why Slurm does not answer; empty when it does, or while that is not known.
    """

    class Read(Message):
        """Something else is offered than before."""

    def __init__(self) -> None:
        """Begin with what needs no reading."""
        self._places = dict(places.choices())
        super().__init__(id="places", classes="with-slurm" if len(self._places) > 1 else "")
        self._datasets: dict[str, tuple[DatasetSpec, bool | None]] = {
            spec.name: (spec, True if spec.name == EMBEDDED else None) for spec in DATASETS.values()
        }
        self._devices = {place: dict(_DEVICES) for place in self._places}
        self._slots: tuple[Slot, ...] = ()
        self._also: dict[str, str] = {}
        self._settings: Settings | None = None
        self.mistake = self.silence = self._wanted = ""

    def compose(self) -> ComposeResult:
        """Lay out the lists."""
        yield Menu(id="dataset", title="Dataset")
        if len(self._places) > 1:
            yield Menu(id="where", title="Where")
        yield DeviceMenu()

    def on_mount(self) -> None:
        """Offer what is known at once."""
        self._menu("dataset").fill(dataset_lines(self._datasets.values()), Recipe().dataset)
        if len(self._places) > 1:
            self._menu("where").fill(place_lines(self._places.items()), "local")
        self._fill_devices()

    @property
    def dataset(self) -> str | None:
        """The name of the chosen dataset."""
        return self._menu("dataset").chosen

    @property
    def known(self) -> tuple[DatasetSpec, bool | None] | None:
        """The chosen dataset, and whether its images are here; None while that is not known."""
        return self._datasets.get(self.dataset or "")

    @property
    def place(self) -> str:
        """Where the run is to be trained."""
        return (self._menu("where").chosen if len(self._places) > 1 else None) or "local"

    @property
    def device(self) -> str:
        """The chosen device there; several have commas between."""
        return self._device_menu.device

    def tell_holder(self, *, named: bool = True) -> str:
        """Return who has the chosen device, by the run's id or without a name; empty where nobody is seen to."""
        names = names_of(self.device)
        chosen = [slot for slot in self._slots if slot.device in names] or (
            self._slots[:1] if names == ["auto"] else ()
        )
        slot = next((slot for slot in chosen if slot.stranger or slot.runs), None)
        if self.place != "local" or slot is None:
            return ""
        if slot.stranger:
            return f"{slot.device} is busy with {slot.stranger if named else 'another program'}"
        return f"{slot.device} trains {slot.runs[0] if named else 'another run'} already"

    def mistake_with(self, recipe: Recipe) -> str:
        """Return what is wrong with training a recipe on what is chosen; nothing when it can be."""
        try:
            device = normal(self.device)
            if self.place == "slurm" and self._settings:
                device = slurm.all_devices(device, self._settings)
            launch.check_shared(recipe.complete(), device)
        except CockpitError as error:
            return str(error)
        return ""

    def mark(self) -> str:
        """Mark the highlighted device, to train on several, and return why that is not possible; nothing when it is."""
        menu = self._device_menu
        if not menu.has_focus:
            return "space marks devices in their list, to train on several; tab goes there"
        if self.place == "slurm":
            return "a job takes one card of a node, or all that gres in your file grants; others: --devices cuda,cuda"
        if not menu.several:
            return "this machine has no two cards to train on together"
        menu.mark()
        return ""

    def choose_where(self, place: str, device: str, *, possible: bool = False) -> str:
        """Choose a place and a device, and return what is not offered of them; nothing when both are.

        Args:
            place: The place.
            device: The device, or several with commas between.
            possible: Whether a run may ask for it there. It is offered then, though the list would not have it.
        """
        if len(self._places) > 1:
            self._menu("where").choose(place)
            self._fill_devices()
        if place not in self._places:
            return "in Slurm, which is not here"
        if self._device_menu.take(device):
            return ""
        if not possible:
            return f"on {device}, which cannot be chosen here"
        self._also[place] = device
        self._fill_devices()
        self._device_menu.take(device)
        return ""

    def choose_dataset(self, name: str) -> bool:
        """Choose a dataset; False when it is not offered."""
        return self._menu("dataset").choose(name)

    def explain(self, focused: str | None) -> Content | None:
        """Return what a focused list's choice is; None when none of them has the focus."""
        if focused == "dataset" and self.known:
            return describe_dataset(self.known[0], ready=self.known[1])
        if focused == "device":
            return self._explain_device()
        if focused == "where":
            title = self._places[self.place]
            if self.place == "slurm" and self._settings:
                title = places.tell_settings(self._settings)
            return words((self.place, "bold"), plain(title), between="  ")
        return None

    def _explain_device(self) -> Content:
        menu = self._device_menu
        highlighted = menu.chosen or "auto"
        facts = words((short(highlighted), "bold"), plain(self._offered().get(highlighted, "")), between="  ")
        number = count(self.device)
        if number > 1:
            shares = f"{number} processes, each with its share of every batch"
            return words(facts, words((short(self.device), "bold"), shares, between="  "), between="\n")
        return words(facts, ("space marks several to train on together", "dim") if menu.several else "", between="\n")

    def _offered(self) -> dict[str, str]:
        """Return the devices of the chosen place, with what each is."""
        also = self._also.get(self.place)
        extra = {also: f"{count(also)} processes"} if also else {}
        return extra | self._devices[self.place]

    def read(self, like: Run | None = None, wanted: str = "") -> None:
        """Read again what there is to choose from.

        Args:
            like: A run whose recipe is to be told too, once the choices are.
            wanted: The dataset to choose then.
        """
        self._wanted = wanted
        self._read(like)
        self._ask_slurm()

    @work(thread=True, exclusive=True, exit_on_error=False, group="choices")
    def _read(self, like: Run | None) -> None:
        datasets = tuple((spec, is_ready(spec.name)) for spec in list_datasets())
        settings, mistake = None, ""
        try:
            settings = places.settings_of(None)
        except CockpitError as error:
            mistake = str(error)
        self.post_message(ChoicesRead(datasets, self._survey(), settings, mistake))
        self.post_message(self._read_slots())
        if like is not None:
            try:
                told = self._read_like(like)
            except CockpitError as error:
                show_error(self.app, error)
            else:
                self.post_message(told)

    def _read_like(self, like: Run) -> LikeRead:
        place, device = places.place_of(like), places.device_of(like)
        possible = places.has(place, device)
        return LikeRead(like.id, like.recipe, place, normal(device) if possible else device, possible)

    def _ask_slurm(self) -> None:
        if "slurm" in self._places:
            squeue.QUEUE.listen(self._tell_slurm)  # no worker: a silent one takes ten seconds, and we may leave before

    def _tell_slurm(self, answer: squeue.Answer) -> None:
        with contextlib.suppress(RuntimeError):  # the form or the whole cockpit was left meanwhile
            self.post_message(SlurmHeard(answer.trouble))

    @work(thread=True, exclusive=True, exit_on_error=False, group="devices")
    def _read_devices(self) -> None:
        self.post_message(DevicesRead(self._survey()))
        self.post_message(self._read_slots())

    def _survey(self) -> dict[str, tuple[tuple[str, str], ...]]:
        return {place: tuple(places.device_choices(place)) for place in self._places}

    def _read_slots(self) -> SlotsRead:
        store = cast("CockpitApp", self.app).store
        try:
            settings = tickets.read_settings(store.root)
        except CockpitError:  # the queue tells of it; who trains where is seen without
            settings = tickets.Settings()
        return SlotsRead(tuple(read_slots(store, read_queue(store).launching, settings).slots))

    def on_descendant_focus(self) -> None:
        """Look at the devices again when they are looked at: nothing is asked of them meanwhile."""
        if self._device_menu.has_focus:
            self._read_devices()
        elif self.query("#where:focus"):
            self._ask_slurm()

    def on_choices_read(self, event: ChoicesRead) -> None:
        """Offer what this machine has; the choices stay where they were."""
        event.stop()
        self._datasets = {spec.name: (spec, ready) for spec, ready in event.datasets}
        self._settings, self.mistake = event.settings, event.mistake
        self._menu("dataset").fill(dataset_lines(event.datasets), self._wanted or self.dataset)
        self._wanted = ""
        self._show_devices(event.devices)

    def on_devices_read(self, event: DevicesRead) -> None:
        """Show what is free now."""
        event.stop()
        self._show_devices(event.devices)

    def on_slots_read(self, event: SlotsRead) -> None:
        """Keep who has the devices."""
        event.stop()
        if event.slots != self._slots:
            self._slots = event.slots
            self.post_message(self.Read())

    def on_slurm_heard(self, event: SlurmHeard) -> None:
        """Say whether Slurm answers, beside it and below."""
        event.stop()
        if event.trouble != self.silence:
            self.silence = event.trouble
            lines = place_lines(self._places.items(), "slurm" if self.silence else "")
            self._menu("where").fill(lines, self.place)
            self.post_message(self.Read())

    def _show_devices(self, offered: dict[str, tuple[tuple[str, str], ...]]) -> None:
        devices = {place: dict(choices) for place, choices in offered.items()}
        if devices != self._devices:
            self._devices = devices
            self._fill_devices()
        self.post_message(self.Read())

    @on(OptionList.OptionHighlighted, "#where")
    def _fill_devices(self) -> None:
        self._device_menu.offer(self._offered())

    def _menu(self, name: str) -> Menu:
        return self.query_one(f"#{name}", Menu)

    @property
    def _device_menu(self) -> DeviceMenu:
        return self.query_one(DeviceMenu)
