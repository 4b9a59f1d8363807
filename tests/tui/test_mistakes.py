"""A user's mistakes, one table: the command line and the form refuse each in the same sentence, and leave nothing."""

import shutil

import msgspec
import numpy as np
import pytest
from folders import screen_text, settle, toasts
from textual.widgets import Input

from cockpit import datasets
from cockpit.cli import main
from cockpit.tui.menus import Menu
from cockpit.tui.messages import ChoicesRead
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.places_pane import PlacesPane

FINITE, WHOLE = "it must be a finite number", "it must be a whole number"
TYPED = [
    ("epochs", "0", "epochs is 0; it must be at least 1"),
    ("epochs", "100001", "epochs is 100001; it must be at most 100,000"),
    ("epochs", "9" * 400, f"epochs is {'9' * 40}…; it must be at most 100,000"),
    ("epochs", "9" * 5000, f"epochs is '{'9' * 40}'; {WHOLE}"),
    ("epochs", "many", f"epochs is 'many'; {WHOLE}"),
    ("epochs", "1.5", f"epochs is '1.5'; {WHOLE}"),
    ("epochs", "[/x]", f"epochs is '[/x]'; {WHOLE}"),
    ("batch_size", "0", "batch_size is 0; it must be at least 1"),
    (
        "batch_size",
        "1295",
        "batch size 1295 is larger than the 1,294 training images of digits (144 more are for validation); "
        "take at most 1294",
    ),
    ("val_fraction", "0", "val_fraction is 0.0; it must be more than 0"),
    ("val_fraction", "1", "val_fraction is 1.0; it must be at most 0.5"),
    ("seed", "x", f"seed is 'x'; {WHOLE}"),
    ("seed", "-1", "seed is -1; it must be at least 0"),
    ("seed", "2147483648", "seed is 2147483648; it must be less than 2,147,483,648"),
    ("lr", "-1", "lr is -1.0; it must be more than 0"),
    ("lr", "fast", "lr is 'fast'; it must be a number"),
    ("lr", "nan", f"lr is nan; {FINITE}"),
    ("lr", "-inf", f"lr is -inf; {FINITE}"),
    ("lr", "1e999", f"lr is inf; {FINITE}"),
    ("lr", "1e13", "lr is 10000000000000.0; it must be at most 1,000,000,000,000.0"),
    ("momentum", "1", "momentum is 1.0; it must be less than 1"),
    ("weight_decay", "nan", f"weight_decay is nan; {FINITE}"),
    ("warmup_epochs", "99", "warmup_epochs is 99, longer than the 30 epochs of the run; take at most 30"),
    ("label_smoothing", "1", "label_smoothing is 1.0; it must be less than 1"),
]
"""What can be typed into a field of the recipe: its name, the text and the sentence."""
CHOSEN = [
    ("model", "resnet19", "unknown model 'resnet19' (did you mean resnet1"),
    ("dataset", "nothing", "unknown dataset 'nothing'; `cockpit data` lists them"),
    ("dataset", "../etc", "unknown dataset '../etc'; `cockpit data` lists them"),
    ("schedule", "sawtooth", "schedule is 'sawtooth'; choose one of step, cosine, linear, constant"),
    ("nesterov", "maybe", "nesterov is 'maybe'; write yes or no"),
    ("sample_s", "often", "'often' is no duration; give seconds, 0 or more"),
    ("sample_s", "nan", "'nan' is no duration; give seconds, 0 or more"),
    ("sample_s", "-1", "'-1' is no duration; give seconds, 0 or more"),
    ("device", "cuda:8,cuda:9", "device 'cuda:8' is not on this machine; choose one of auto, "),
    ("device", "cuda:0,cuda:0", "device 'cuda:0' is named twice in 'cuda:0,cuda:0'; name each card once, for example"),
    ("device", "cpu,", "device 'cpu,' lacks a name beside a comma; name each, for example cuda:0,cuda:1"),
    (
        "device",
        "cuda,cuda:1",
        "device 'cuda,cuda:1' names some of its cards and not the others; name each, for example",
    ),
    ("devices", "7,8", "device 'cuda:7' is not on this machine; choose one of auto, "),
    ("device", "tpu", "there is no device 'tpu'; choose auto, cpu, mps, cuda or cuda:<n>, or several, for example"),
    ("device", "cpu,cuda:0", "device 'cpu,cuda:0' mixes cards and CPU, which would wait for the CPU; take one kind"),
    ("device", "cuda:9", "device 'cuda:9' is not on this machine; choose one of auto, "),
]
"""What the form offers as a choice, so that only the command line can be wrong about it."""


@pytest.mark.parametrize(("name", "typed", "sentence"), TYPED + CHOSEN, ids=lambda value: str(value)[:30])
def test_the_command_line_refuses_it(tmp_path, data_dir, capsys, name, typed, sentence):
    runs = tmp_path / "runs"
    assert main(["train", "--" + name.replace("_", "-"), typed, "--runs", str(runs)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    if (name, typed, sentence) in TYPED:
        assert err == f"cockpit: {sentence}\n"
    else:
        assert err.startswith(f"cockpit: {sentence}")
        assert err.count("\n") == 1
    assert not runs.exists()
    assert not data_dir.exists()


async def open_form(app, pilot) -> NewRunScreen:
    await pilot.press("n")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
    return app.screen


async def test_the_form_refuses_it_in_the_same_words_and_enter_launches_nothing(app, store, data_dir):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_form(app, pilot)
        for name, typed, sentence in TYPED:
            field = screen.query_one(f"#{name}", Input)
            field.focus()
            field.value = typed
            shown = f" {sentence} "
            await settle(pilot, lambda shown=shown: shown in " ".join(screen_text(app).split()), sentence)
            await pilot.press("enter")
            await pilot.pause()
            assert app.screen is screen, f"{name} {typed} left the form"
            assert shown in " ".join(screen_text(app).split())
            field.value = ""
            await settle(pilot, lambda: "enter launches this" in screen_text(app))
        assert not toasts(app)
        assert not store.root.exists()


async def test_a_dataset_that_vanished_while_the_form_was_open_is_refused(app, store, data_dir):
    spec = msgspec.structs.replace(datasets.DATASETS["digits"], name="gone", train_images=200, test_images=10)
    part = datasets.Packed(np.zeros((200, 32, 32, 3), np.uint8), np.zeros(200, np.int64))
    datasets.write_packed(spec, part, part)
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await open_form(app, pilot)
        menu = screen.query_one("#dataset", Menu)
        await settle(pilot, lambda: "gone" in [option.id for option in menu.options])
        await pilot.press("tab", "end")
        await settle(pilot, lambda: "--dataset gone" in screen_text(app))
        shutil.rmtree(data_dir / "gone")
        await pilot.press("enter")
        await settle(pilot, lambda: "unknown dataset 'gone'; `cockpit data` lists them" in toasts(app))
        await settle(pilot, lambda: " unknown dataset 'gone'; `cockpit data` lists them" in screen_text(app))
        assert app.screen is screen
        await pilot.press("home")
        await settle(pilot, lambda: "enter launches this" in screen_text(app))
        assert not store.root.exists()


async def test_a_device_that_vanished_while_the_form_was_open_is_refused(app, store):
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await open_form(app, pilot)
        menu = screen.query_one("#device", Menu)
        await settle(pilot, lambda: "cpu" in [option.id for option in menu.options])
        screen.query_one(PlacesPane).post_message(
            ChoicesRead(((datasets.DATASETS["digits"], True),), {"local": (("cuda:9", "pulled out"),)})
        )
        await settle(pilot, lambda: menu.chosen == "cuda:9")
        await pilot.press("enter")
        await settle(pilot, lambda: CHOSEN[-1][2] in toasts(app))
        await settle(pilot, lambda: "enter launches this" in screen_text(app))
        assert app.screen is screen
        assert not store.list()
