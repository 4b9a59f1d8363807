"""The dataset screen: counts, superclasses and real pictures of each class, whatever the dataset holds."""

import msgspec
import numpy as np
import pytest
from folders import screen_text, settle

from cockpit import datasets
from cockpit.tui.dataset import DatasetScreen, _fit
from cockpit.tui.get_data import GetDataScreen
from cockpit.tui.menus import Menu
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.pictures import Picture

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 45), (40, 10)], ids=["80x24", "160x45", "40x10"])


async def gallery(app, pilot, dataset: str) -> DatasetScreen:
    await pilot.press("n")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
    menu = app.screen.query_one("#dataset", Menu)
    await settle(pilot, lambda: menu.choose(dataset))
    await settle(pilot, lambda: app.screen._where.dataset == dataset)
    await pilot.press("ctrl+o")
    await settle(pilot, lambda: isinstance(app.screen, DatasetScreen) and app.screen.query_one("#class", Menu).chosen)
    return app.screen


def shown(screen) -> list[Picture]:
    return [picture for picture in screen.query(Picture) if picture.display and picture._image is not None]


@SIZES
async def test_ten_pictures_of_the_class_under_the_cursor_are_shown(tiny, app, size):
    images, labels = datasets.load_packed("tiny", "train")
    async with app.run_test(size=size) as pilot:
        screen = await gallery(app, pilot, "tiny")
        for label in range(3):
            await settle(pilot, lambda label=label: screen._pictures and screen._pictures.label == label)
            assert screen._pictures is not None
            assert (screen._pictures.images == images[labels == label][:10]).all()
            assert len(shown(screen)) == 10
            await pilot.press("down")
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))


async def test_superclasses_are_headings_and_slash_finds_in_both(app, data_dir):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await gallery(app, pilot, "cifar100")
        assert "aquatic mammals" in screen_text(app)
        assert "100 classes in 20 groups" in screen_text(app)
        menu = screen.query_one("#class", Menu)
        assert len([option for option in menu.options if option.id]) == 100
        await pilot.press("slash", *"trees")
        await settle(pilot, lambda: [str(one.prompt).strip() for one in menu.options if one.id][:1] == ["maple_tree"])
        assert len([option for option in menu.options if option.id]) == 5
        await pilot.press("enter", "down")
        assert screen.focused is menu
        await pilot.press("slash", *"zz")
        await settle(pilot, lambda: "no class fits; esc: all" in screen_text(app), timeout_s=20)
        await pilot.press("escape")
        await settle(pilot, lambda: len([option for option in menu.options if option.id]) == 100)
        assert app.screen is screen


async def test_a_dataset_that_is_not_here_says_how_to_get_it(app, data_dir):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await gallery(app, pilot, "cifar10")
        await settle(pilot, lambda: "airplane · the images are not here" in screen_text(app))
        assert "ctrl+g gets the images" in screen_text(app)
        assert not shown(screen)
        await pilot.press("g")
        await settle(pilot, lambda: isinstance(app.screen, GetDataScreen))
        await settle(pilot, lambda: "data get cifar10" in screen_text(app))
    assert not data_dir.exists()


async def test_tab_goes_to_the_pictures_and_back(tiny, app):
    async with app.run_test(size=(80, 16)) as pilot:
        screen = await gallery(app, pilot, "tiny")
        await settle(pilot, lambda: shown(screen))
        await pilot.press("tab", "pagedown")
        assert screen.focused is screen.query_one("#examples")
        await settle(pilot, lambda: screen.query_one("#examples").scroll_y > 0)
        await pilot.press("tab")
        assert screen.focused is screen.query_one("#class")


def write(name: str, classes: tuple[str, ...], labels: list[int], **fields) -> None:
    spec = msgspec.structs.replace(datasets.DATASETS["digits"], name=name, classes=classes, **fields)
    part = datasets.Packed(np.zeros((len(labels), 32, 32, 3), np.uint8), np.array(labels))
    datasets.write_packed(msgspec.structs.replace(spec, train_images=len(labels), test_images=len(labels)), part, part)


@SIZES
async def test_hostile_names_are_shown_literally(app, data_dir, size):
    classes = ("[/x]", "\x1b]52;c;AAAA\x07\x1b[31mred", "\u202eevil", "", "same", "same", "漢字" * 40, "a\nb")
    groups = {"[b]group\x1b[0m": ("[/x]", "same", "not there"), "empty": ()}
    write("hostile", classes, list(range(8)) * 13, title="[red]x\x1b[2J", source="\x07[/]", superclasses=groups)
    async with app.run_test(size=size) as pilot:
        screen = await gallery(app, pilot, "hostile")
        menu = screen.query_one("#class", Menu)
        assert len([option for option in menu.options if option.id]) == len(classes)
        for _ in classes:
            await settle(pilot, lambda: shown(screen))
            assert "\x1b" not in screen_text(app)
            assert "\u202e" not in screen_text(app)
            await pilot.press("down")
        if size[1] > 20:
            assert "[b]group" in screen_text(app)
            assert "[/x]" in screen_text(app)
            assert "[red]x" in screen_text(app)


async def test_a_class_without_images_and_damaged_labels_are_told(app, data_dir):
    write("thin", ("some", "none"), [0] * 20)
    write("odd", ("some", "none"), [0] * 20)
    np.save(data_dir / "odd" / "test-labels.npy", np.full(20, 7))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await gallery(app, pilot, "thin")
        await settle(pilot, lambda: len(shown(screen)) == 10)
        await pilot.press("down")
        await settle(pilot, lambda: not shown(screen))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("tab", "up")
        await settle(pilot, lambda: "--dataset odd" in screen_text(app))
        await pilot.press("ctrl+o")
        await settle(pilot, lambda: "odd has test labels outside of its 2 classes" in screen_text(app))


@pytest.mark.parametrize("num", range(1, 11))
@pytest.mark.parametrize("room", [(44, 19), (124, 41), (10, 3), (1, 1), (200, 10)], ids=str)
def test_pictures_fit_into_the_width_and_are_never_nothing(room, num):
    size, columns, gap = _fit(room[0], room[1], num)
    assert size >= 2
    assert size % 2 == 0
    assert columns * (size + 1) - 1 <= max(room[0], 2)
    if size >= 12:
        rows = -(-num // columns)
        assert size <= 16
        assert columns <= num or rows == 1
    assert gap in (0, 1)
