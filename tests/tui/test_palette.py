"""Every entry of the palette is done where it is offered, and the screen is there again after escape."""

import pytest
from folders import screen_text, settle
from marks import rest_slow
from screens import WAYS, link_digits, make_screens_runs

from cockpit.tui.actions import actions_of
from cockpit.tui.app import CockpitApp

ELSEWHERE = {
    "app.quit",
    "launch",  # these start processes, and have tests of their own
    "enqueue",
    "preflight",
    "test",
    "resume",
    "begin",
    "purge",
}
OPENED = {"runs": [], "new": [(["n"], "cockpit train")], "queue": [(["w"], "Nothing waits")], **WAYS}
"""Ways to the screens that have a palette."""
MODAL = {"ask", "classify", "get", "path"}


@pytest.mark.parametrize("name", rest_slow([name for name in OPENED if name not in MODAL], "run", "new"))
async def test_every_entry_of_the_palette_is_done(name, store, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))
    link_digits(digits, tmp_path / "data")
    make_screens_runs(store)
    app = CockpitApp(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot, lambda: "3 runs" in screen_text(app))
        for keys, text in OPENED[name]:
            await pilot.press(*keys)
            await settle(pilot, lambda text=text: text in screen_text(app), text)
        opened = app.screen
        offered = {command.title: command for command in app.get_system_commands(opened)}
        for action in actions_of(name):
            title = f"{action.title.capitalize()} ({action.shown})"
            if action.name in ELSEWHERE or action.name == "app.command_palette":
                continue
            assert title in offered, f"{name}: the palette lacks {title}"
            await offered[title].callback()
            await pilot.pause()
            while app.screen is not opened and len(app.screen_stack) > 1 and opened in app.screen_stack:
                app.pop_screen()
                await pilot.pause()
            if opened not in app.screen_stack:  # it went back
                break
        assert app.is_running
        assert app._exception is None
