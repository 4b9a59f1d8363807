"""Keys that arrive together do what they do one by one: a slow link delivers them so."""

from folders import screen_text, settle
from terminal import Terminal, cockpit_words
from textual import events
from textual.content import Content
from textual.widgets import Input

from cockpit.tui.get_data import GetDataScreen
from cockpit.tui.menus import Menu
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.runs import RunsScreen


def burst(app, *keys: str) -> None:
    """Post keys as a terminal does that delivers them in one piece."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def form(app, pilot) -> NewRunScreen:
    await pilot.press("n")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
    return app.screen


def focused(app) -> str | None:
    return app.focused.id if app.focused else None


async def test_a_burst_of_tabs_moves_as_many_panes(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await form(app, pilot)
        burst(app, "tab", "tab", "tab")
        await settle(pilot, lambda: focused(app) == "preset")
        burst(app, "tab", "tab", "shift+tab", "tab", "tab")
        await settle(pilot, lambda: focused(app) == "device")


async def test_a_burst_of_arrows_moves_as_many_fields_and_a_value_goes_where_it_was_typed_for(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        burst(app, "tab", "tab", "tab", "down", "3", "down", "6", "4", "down", "down", "9", "up")
        await settle(pilot, lambda: "--epochs 3 --batch-size 64" in " ".join(screen_text(app).split()))
        values = {field.id: field.value for field in screen.query("RecipeForm Input").results(Input) if field.value}
        assert list(values.values()) == ["3", "64", "9"]
        assert list(values)[:2] == ["epochs", "batch_size"]


async def test_a_burst_in_the_filter_and_the_list_chooses_what_it_says(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await form(app, pilot)
        burst(app, "slash", *"vgg", "enter", "down", "tab", "down")
        await settle(pilot, lambda: "--model vgg13_bn --dataset cifar10" in screen_text(app))


async def test_a_burst_that_closes_a_dialog_goes_on_below_it(app, data_dir):
    async with app.run_test(size=(80, 24)) as pilot:
        await form(app, pilot)
        burst(app, "ctrl+g", "escape", "tab", "escape", "n", "tab")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and focused(app) == "dataset")
        burst(app, "escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_a_burst_fills_the_fields_of_get_data(app, data_dir):
    async with app.run_test(size=(80, 24)) as pilot:
        await form(app, pilot)
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: isinstance(app.screen, GetDataScreen) and "give it a name" in screen_text(app))
        burst(app, *"birds", "down", *"/no", "down", "right", "down", "up", "up", *"x")
        path = app.screen.query_one("#data-path", Input)
        await settle(pilot, lambda: path.value == "x")  # a field that is returned to is typed anew
        assert app.screen.query_one("#data-name", Input).value == "birds"
        assert app.screen.query_one("#unreadable").value == "leave out"


async def test_a_burst_is_answered_in_a_question(app, store):
    from cockpit.tui.ask import AskScreen

    answers: list[str | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(AskScreen(Content("What?")), answers.append)
        await settle(pilot, lambda: focused(app) == "answer")
        burst(app, *"wor", "left", "d", "enter")
        await settle(pilot, lambda: answers == ["wodr"])


async def test_what_a_terminal_delivers_in_one_piece_is_taken_one_by_one(store):
    with Terminal(*cockpit_words(store.root)) as terminal:
        terminal.wait_for_text("No runs yet")
        terminal.press("n")
        terminal.wait_for_text("enter launches this")
        terminal.press("\t\t\t\x1b[B7\x1b[B32\x1b[A\x1b[B")
        terminal.wait_for_text("--epochs 7 --batch-size 32")


async def test_bursts_in_a_list_keep_their_order(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        menu = screen.query_one("#model", Menu)
        before = menu.highlighted
        burst(app, *["down"] * 9, *["up"] * 4, "tab")
        await settle(pilot, lambda: not menu.has_focus)
        fast = menu.chosen
        menu.focus()
        menu.highlighted = before
        await pilot.press(*["down"] * 9, *["up"] * 4)
        assert menu.chosen == fast
