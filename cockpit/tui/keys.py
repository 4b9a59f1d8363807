"""Keys are taken one at a time, so that a burst over a slow link does what the same keys do slowly.

Textual hands each key to what has the focus when it arrives. The second of two keys that arrive together would go where
the focus was before the first, and a value would land in the field above the one that it was typed for.
"""

from textual import events
from textual.app import App
from textual.message import Message
from textual.widget import Widget


class KeyFollowed(Message):
    """All that was sent before it, from the widget that got a key up to the app, has been handled."""

    def __init__(self, key: events.Key, *, acted: bool) -> None:
        """Follow a key; `acted` when what its action sent was followed too."""
        super().__init__()
        self.key = key
        self.acted = acted


class SerialKeysApp(App[None]):
    """Hands out a key when the one before has done all that it does, the move of the focus included."""

    _key: events.Key | None = None
    _keys_target: Widget | None = None
    _kept_keys: tuple[events.Key, ...] = ()

    async def on_event(self, event: events.Event) -> None:
        """Keep a key that comes while another is under way; everything else goes on as ever."""
        if not isinstance(event, events.Key):
            await super().on_event(event)
        elif event.is_forwarded:
            await super().on_event(event)
            if event is self._key and not self._followable:  # its action closed what had the focus
                self._go_on()
        elif self._key is not None and self._followable:
            self._kept_keys += (event,)
        else:
            self._kept_keys += (event,)
            await self._hand_out()

    @property
    def _followable(self) -> bool:
        target = self._keys_target
        return target is not None and target.is_attached and target.is_running

    async def _hand_out(self) -> None:
        self._key = self._keys_target = None
        if self._kept_keys:
            key, *rest = self._kept_keys
            self._key, self._kept_keys = key, tuple(rest)
            self._keys_target = self.focused or self.screen
            target = self._keys_target
            await super().on_event(key)
            self._follow(target, key, acted=False)

    def _follow(self, target: Widget, key: events.Key, *, acted: bool) -> None:
        if not (self._followable and target.post_message(KeyFollowed(key, acted=acted))):
            self._go_on()

    def on_key_followed(self, event: KeyFollowed) -> None:
        """Wait for what the key's action sent as well, then hand out the next."""
        event.stop()
        if event.key is not self._key or self._keys_target is None:
            return
        if event.acted:
            self._go_on()
        else:
            self._follow(self._keys_target, event.key, acted=True)

    def _go_on(self) -> None:
        """Hand out the next key behind what is to be called later, as `Widget.focus` is."""
        key = self._key

        async def hand_out() -> None:
            if self._key is key:
                await self._hand_out()

        self.call_later(hand_out)
