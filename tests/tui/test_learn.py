"""The screen on which one watches a network learn: its pictures, its epochs, every key of it."""

import msgspec
import pytest
from folders import device, epoch_record, finished, live, make_run, phase, screen_text, settle, step, write

from cockpit import datasets, records
from cockpit.recipe import Recipe
from cockpit.tui.learn import LearnScreen
from cockpit.tui.pictures import Picture
from cockpit.tui.run import RunScreen
from cockpit.tui.tiles import Tile, plan_tiles

RUN_ID = "20251123-141000-resnet20-tiny-0001"
SIZES = pytest.mark.parametrize(
    "size", [(80, 24), (160, 45), (40, 12), (20, 5)], ids=lambda size: f"{size[0]}x{size[1]}"
)


@pytest.fixture
def run(store, tiny):
    return make_run(store, RUN_ID, Recipe(dataset="tiny", epochs=20))


def guesses(epoch: int, right: int = 0, *, dataset: str = "tiny") -> records.Guesses:
    """What is taken for twelve images of which so many are right; the others are taken for the class before."""
    _, labels = datasets.load_packed(dataset, "train")
    found = []
    for image in range(12):
        label = int(labels[image])
        best = label if image < right else (label - 1) % 10
        found.append(records.Guess(image, label, best, 0.75, 0.75 if image < right else 0.125))
    return records.Guesses(epoch=epoch, step=11 * epoch, guesses=found)


def learned(run, epochs: int = 12):
    """A run of which an epoch more is right at each."""
    finished(run, epochs=epochs)
    write(run, *(guesses(epoch, epoch) for epoch in range(1, epochs + 1)))
    return run


async def opened(app, pilot, run, expected: str) -> LearnScreen:
    app.open_run(run)
    await settle(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen._view)
    await pilot.press("p")
    await settle(pilot, lambda: expected in screen_text(app), expected)
    assert isinstance(app.screen, LearnScreen)
    return app.screen


async def test_every_key_goes_where_it_says(app, run):
    learned(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "epoch 12 of 20 · 12 of 12 right · the newest")
        for key, epoch in (
            ("left", 11),
            ("left", 10),
            ("right", 11),
            ("home", 1),
            ("left", 1),
            ("shift+right", 11),
            ("shift+left", 1),
            ("shift+right", 11),
            ("shift+right", 12),
            ("home", 1),
            ("end", 12),
        ):
            await pilot.press(key)
            await settle(
                pilot, lambda epoch=epoch: f"epoch {epoch} of 20 · {epoch} of 12 right" in screen_text(app), key
            )
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_a_run_is_played_from_the_first_epoch_and_playing_ends(app, run):
    learned(run, 3)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, run, "epoch 3 of 20")
        await pilot.press("space")
        await settle(pilot, lambda: "epoch 1 of 20 · 1 of 12 right · playing" in screen_text(app))
        await settle(pilot, lambda: "epoch 3 of 20 · 3 of 12 right · the newest" in screen_text(app))
        assert screen._player is None
        await pilot.press("space", "space")
        await settle(pilot, lambda: "end: epoch 3, the newest" in screen_text(app))
        assert screen._player is None
        await pilot.press("space", "escape")
        assert screen._player is None


async def test_the_newest_epoch_appears_by_itself_unless_another_is_looked_at(app, run):
    live(run)
    write(run, step(1.0), device())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, run, "No epoch is done yet.")
        write(run, guesses(1, 3), epoch_record(1))
        await settle(pilot, lambda: "epoch 1 of 20 · 3 of 12 right · live" in screen_text(app))
        await settle(pilot, lambda: all(picture.size == (12, 6) for picture in screen.query(Picture)))
        write(run, guesses(2, 5), epoch_record(2))
        await settle(pilot, lambda: "epoch 2 of 20 · 5 of 12 right · live" in screen_text(app))
        await pilot.press("left")
        write(run, guesses(3, 7), epoch_record(3))
        await settle(pilot, lambda: "end: epoch 3, the newest" in screen_text(app))
        assert "epoch 1 of 20 · 3 of 12 right" in screen_text(app)
        write(run, phase("running", step=22, attempt=2), guesses(3, 9), epoch_record(3))
        await pilot.press("end")
        await settle(pilot, lambda: "epoch 3 of 20 · 9 of 12 right · live" in screen_text(app))


async def test_a_tile_tells_guess_confidence_truth_and_history(app, run):
    learned(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "epoch 12 of 20")
        await pilot.press("home", "right", "right")
        await settle(pilot, lambda: "epoch 3 of 20" in screen_text(app))
        text = screen_text(app)
        assert "✓ 0" in text
        assert "since ep. 1" in text
        assert "75 %" in text
        assert "✗ 2" in text
        assert "is 3 12 %" in text
        assert "▂▂▇" in text or "▂▇▇" in text


async def test_pictures_are_drawn_once_and_only_texts_change(app, run, monkeypatch):
    learned(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, run, "epoch 12 of 20")
        pictures = list(screen.query(Picture))
        assert len(pictures) == 12
        assert all(picture.size == (12, 6) and picture.render_line(0).text == "▀" * 12 for picture in pictures)
        drawn = []
        for picture in pictures:
            monkeypatch.setattr(picture, "refresh", lambda *_, **__: drawn.append(1))
        await pilot.press("left")
        await settle(pilot, lambda: "epoch 11 of 20" in screen_text(app))
        assert not drawn


@SIZES
async def test_it_draws_at_every_size(app, run, size):
    learned(run)
    async with app.run_test(size=size) as pilot:
        app.open_run(run)
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen._view)
        await pilot.press("p")
        await settle(pilot, lambda: isinstance(app.screen, LearnScreen) and app.screen._view)
        await pilot.resize_terminal(size[0] + 13, size[1] + 3)
        await pilot.pause()
        await pilot.resize_terminal(*size)
        await pilot.press("home", "space", "end")
        for tile in app.screen.query(Tile):
            assert tile.region.right <= max(size[0], 13)


@pytest.mark.parametrize(
    ("epochs", "sentence"),
    [(0, "No epoch is done yet."), (2, "Nothing was recorded here: an older cockpit trained it.")],
)
async def test_a_run_without_guesses_says_why(app, run, epochs, sentence):
    finished(run, epochs=epochs)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, sentence)
        await pilot.press("left", "right", "home", "end", "space", "shift+left")
        assert sentence in screen_text(app)


async def test_without_the_dataset_the_texts_are_shown_and_a_sentence(app, run, monkeypatch, tmp_path):
    learned(run)
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "empty"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "no pictures: the images of tiny are not on this machine")
        assert "✓ class 7" in screen_text(app)
        assert not any(picture.display for picture in app.screen.query(Picture))


async def test_another_dataset_of_the_name_gives_no_pictures(app, run, tiny):
    odd = [msgspec.structs.replace(guess, image=10**6) for guess in guesses(1).guesses]
    finished(run)
    write(run, records.Guesses(epoch=1, step=11, guesses=odd))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "the tiny on this machine is another than the run's")


async def test_class_names_cannot_command_the_terminal(app, store, tiny):
    spec = msgspec.structs.replace(
        datasets.find_dataset("tiny"), name="odd", classes=tuple(f"[/x]\x1b[2J\u202e{label}" for label in range(10))
    )
    datasets.write_packed(spec, datasets.load_packed("tiny", "train"), datasets.load_packed("tiny", "test"))
    run = make_run(store, "20251123-141000-resnet20-odd-0001", Recipe(dataset="odd", epochs=20))
    finished(run, epochs=1)
    write(run, guesses(1, 12))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "✓ [/x]0")


def test_tiles_are_planned_with_the_largest_pictures():
    assert plan_tiles(12, 78, 20) == (6, 12, 6, 0)
    assert plan_tiles(12, 158, 41) == (6, 24, 12, 1)
    assert plan_tiles(12, 78, 20, pictures=False)[2] == 0
    assert plan_tiles(12, 18, 1)[2] == 0


@pytest.mark.timeout(60)
async def test_an_epoch_that_nobody_can_have_trained_holds_nothing_up(app, run):
    learned(run)
    write(run, msgspec.structs.replace(guesses(13, 3), epoch=2**53))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "3 of 12 right")


async def test_the_scrubber_can_be_clicked(app, run):
    learned(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "epoch 12 of 20")
        await pilot.click("#learn-scrubber", offset=(1, 0))
        await settle(pilot, lambda: "epoch 1 of 20" in screen_text(app))
        await pilot.click("#learn-scrubber", offset=(76, 0))
        await settle(pilot, lambda: "epoch 12 of 20" in screen_text(app))
