"""Several runs in the list, and what a user reads and types there."""

from folders import screen_text, settle
from textual.widgets import Input

from cockpit.tui.ask import AskScreen
from cockpit.tui.table import RunTable

A, B, C, D = (f"20251123-14{n}000-resnet20-digits-000{n}" for n in (1, 2, 3, 4))

SIZE = (80, 24)


def table(app) -> RunTable:
    return app.screen.query_one(RunTable)


def rows(app) -> list[str]:
    return [row.id for row in table(app).rows]


def chosen(app) -> str:
    row = table(app).chosen
    assert row is not None
    return row.id


def title(app) -> str:
    return screen_text(app).splitlines()[0]


def header(app) -> str:
    return screen_text(app).splitlines()[2]


async def opened(app, pilot) -> None:
    await settle(pilot, lambda: len(rows(app)) == 4)


async def type_in(pilot, text: str) -> None:
    for letter in text:
        names = {" ": "space", ":": "colon", ">": "greater_than_sign", "%": "percent_sign", "*": "asterisk"}
        await pilot.press(names.get(letter, letter))


async def answer(app, pilot, text: str, key: str = "enter") -> None:
    """Answer the question that has just been asked with a line."""
    await settle(pilot, lambda: isinstance(app.screen, AskScreen))
    app.screen.query_one(Input).value = text
    await pilot.press(key)
