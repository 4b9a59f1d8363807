"""`cockpit data import` as a user meets it: what cannot be a dataset is one sentence, what can is told and works."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cockpit.cli import main
from cockpit.datasets import load_packed

PIXELS = np.random.RandomState(0).randint(0, 256, (40, 36, 4)).astype(np.uint8)


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (36, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS).resize(size).convert(mode).save(path)


def birds(root: Path, mode: str = "RGB") -> None:
    for name in ("crow", "owl"):
        for number in range(3):
            save(root / name / f"{number}.png", mode)


def five_pixels(root: Path) -> None:
    birds(root)
    save(root / "owl" / "tiny.png", size=(5, 1))


def corrupt(root: Path) -> None:
    birds(root)
    path = root / "crow" / "1.png"
    path.write_bytes(path.read_bytes()[:-60])


def no_image(root: Path) -> None:
    birds(root)
    (root / "owl" / "letter.png").write_text("Dear owl,")


def one_class(root: Path) -> None:
    birds(root)
    shutil.rmtree(root / "owl")


def empty(root: Path) -> None:
    root.mkdir()


def missing(root: Path) -> None:
    pass


REFUSED: list[tuple[Callable[[Path], None], str, str, str]] = [
    (five_pixels, "birds", "5×1 pixels; the least is 8×8", "repair or remove them, or leave them out with --skip-unre"),
    (corrupt, "birds", "1 of the 6 images in '{root}' cannot be used: 'crow/1.png' (damaged", "--skip-unreadable"),
    (no_image, "birds", "1 of the 7 images in '{root}' cannot be used: 'owl/letter.png' (not an image)", "repair or"),
    (one_class, "birds", "'{root}' has only the class 'crow'", "a classifier needs two or more"),
    (empty, "birds", "'{root}' has no class folders in it", "put the images of each class into a folder"),
    (missing, "birds", "'{root}' does not exist", "name the folder that holds the images of birds"),
    (birds, "../birds", "dataset name '../birds' is not usable", "take 1 to 64 of a-z 0-9 . _ -"),
    (birds, "/tmp/birds", "dataset name '/tmp/birds' is not usable", "take 1 to 64 of a-z 0-9 . _ -"),
    (birds, "..", "dataset name '..' is not usable", "take 1 to 64 of a-z 0-9 . _ -"),
    (birds, "digits", "'digits' is embedded and needs no import", "take another name for your images"),
    (
        birds,
        "cifar10",
        "'{root}' are not those of cifar10: it lacks 'airplane'",
        "import the folder under another name",
    ),
]


@pytest.mark.parametrize(
    ("make", "name", "sentence", "remedy"), REFUSED, ids=lambda value: getattr(value, "__name__", str(value)[:12])
)
def test_a_folder_that_is_no_dataset_is_one_sentence(tmp_path, data_dir, capsys, make, name, sentence, remedy):
    root = tmp_path / "source"
    make(root)
    refuse(root, name, sentence.format(root=root), remedy, capsys)
    assert not data_dir.exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"source"}


def refuse(root: Path, name: str, sentence: str, remedy: str, capsys) -> list[str]:
    """Import in vain; return what was narrated before the sentence."""
    assert main(["data", "import", name, str(root)]) == 2
    out, err = capsys.readouterr()
    *narration, last = err.splitlines()
    assert out == ""
    assert last.startswith("cockpit: ")
    assert sentence in last
    assert remedy in last
    assert set(narration) <= {"listing images", "reading images"}
    return narration


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where a hundred thousand entries are soon made and soon gone."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="test-import-", dir=shared if shared.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


def test_a_hundred_thousand_classes_are_refused_without_being_read(memory, data_dir, capsys):
    save(memory / "source" / "class" / "0.png")
    for number in range(99_999):
        (memory / "source" / f"{number}").symlink_to("class")
    limit = "has 100,000 class folders, more than 10,000; put the images of one class into one folder"
    assert refuse(memory / "source", "birds", limit, limit, capsys) == []
    assert not data_dir.exists()


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("L", "every image is 32×32 RGB now: 6 were resized, 6 were grey"),
        ("RGBA", "every image is 32×32 RGB now: 6 were resized, 6 had transparency, now white"),
        ("RGB", "every image is 32×32 RGB now: 6 were resized"),
    ],
)
def test_grey_and_transparent_images_become_rgb_and_it_is_told(tmp_path, data_dir, capsys, mode, told):
    birds(tmp_path / "source", mode)
    assert main(["data", "import", "birds", str(tmp_path / "source"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["classes"] == ["crow", "owl"]
    assert told in err.splitlines()
    assert "2 images, a fifth of each class, were held out to test on" in err
    images, labels = load_packed("birds", "train")
    assert (images.shape, labels.tolist()) == ((4, 32, 32, 3), [0, 0, 1, 1])
    grey = bool((images == images[..., :1]).all())
    assert grey == (mode == "L")


def test_unreadable_files_are_left_out_on_request_and_named(tmp_path, data_dir, capsys):
    five_pixels(tmp_path / "source")
    assert main(["data", "import", "birds", str(tmp_path / "source"), "--skip-unreadable"]) == 0
    out, err = capsys.readouterr()
    assert out == "birds: 2 classes, 4 training and 2 test images\n"
    assert "1 file that cannot be used was left out: 'owl/tiny.png' (5×1 pixels; the least is 8×8)" in err
