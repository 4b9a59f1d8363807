"""The list of devices in the form: one is highlighted, or several are marked, on which the run is trained together."""

from collections.abc import Mapping

from cockpit.device_names import CARD, names_of
from cockpit.tui.menus import Menu, device_lines
from cockpit.tui.table import MARK

_TITLE = "Device"


class DeviceMenu(Menu):
    """Offers devices; the value is what is marked, else what is highlighted."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__(id="device", title=_TITLE)
        self._offered: dict[str, str] = {}
        self._marks: list[str] = []

    @property
    def device(self) -> str:
        """The chosen device, or several with commas between."""
        return ",".join(self._marks) or self.chosen or "auto"

    @property
    def several(self) -> bool:
        """Whether there are cards enough to train on several."""
        return sum(name.startswith(f"{CARD}:") for name in self._offered) > 1

    def offer(self, devices: Mapping[str, str]) -> None:
        """Offer these, with what each is; what was chosen of them stays so."""
        self._offered = dict(devices)
        self._marks = [name for name in self._marks if name in devices]
        self._draw(self.chosen)

    def mark(self) -> None:
        """Mark the highlighted device, or take its mark away."""
        if self.chosen is not None:
            self._set_marks({*self._marks} ^ {self.chosen})
            self._draw(self.chosen)

    def take(self, device: str) -> bool:
        """Choose a device, or mark several; False when they are not offered."""
        names = names_of(device)
        if device in self._offered:
            self._marks = []
            self._draw(device)
            return True
        if len(names) == 1 or not {*names} <= {*self._offered} or len({*names}) < len(names):
            return False
        self._set_marks({*names})
        self._draw(names[0])
        return True

    def _set_marks(self, names: set[str]) -> None:
        self._marks = [name for name in self._offered if name in names]

    def _draw(self, highlighted: str | None) -> None:
        self.set_class(self.several, "-several")
        self.fill(device_lines(self._offered.items(), self._marks, MARK), highlighted)
        self.border_title = f"{_TITLE}, {len(self._marks)} marked" if self._marks else _TITLE
        self.border_subtitle = "space marks several" if self.several and not self._marks else ""
