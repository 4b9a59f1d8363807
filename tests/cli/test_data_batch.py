"""A dataset of one's own that is smaller than the usual batch says what to pass."""

import numpy as np
import pytest
from PIL import Image

from cockpit.cli import main


@pytest.mark.parametrize(("num", "told"), [(30, True), (80, False)])
def test_import_and_show_name_the_largest_batch(tmp_path, data_dir, capsys, num, told):
    pixels = np.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(np.uint8)
    for name in ("crow", "owl"):
        for split, count in (("train", num), ("test", 2)):
            (tmp_path / "birds" / split / name).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(np.roll(pixels, number + len(name))).save(
                    tmp_path / "birds" / split / name / f"{number}.png"
                )
    sentence = "54 images are left to train on: pass --batch-size 54 or less, not the usual 128"
    assert main(["data", "import", "birds", str(tmp_path / "birds")]) == 0
    assert (sentence in capsys.readouterr().err) is told
    assert main(["data", "show", "birds"]) == 0
    assert (sentence in capsys.readouterr().err) is told
