"""Draws README's pictures from the real program over generated runs: `python tests/pictures.py [NAME ...]`.

Another picture is a line of `PICTURES`.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import generator
from folders import screen_text, settle

from cockpit.store import RunStore
from cockpit.tui.app import CockpitApp

HOME = Path(__file__).with_name("pictures")
SIZE = (110, 30)
PICTURES = {
    "runs": ([], "41 runs", "textual-dark"),
    "run": (["enter"], "learning rate", "textual-dark"),
    "new": (["n"], "cockpit train", "textual-dark"),
    "run-light": (["enter"], "learning rate", "textual-light"),
    "runs-high-contrast": ([], "41 runs", "high-contrast"),
}
"""Keys from the list of runs, a text by which the screen is known, and the theme."""
MOST_BYTES = 100_000


async def draw(name: str, store: RunStore) -> None:
    """Write one picture."""
    keys, text, theme = PICTURES[name]
    app = CockpitApp(store)
    app.theme = theme
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: "41 runs" in screen_text(app))
        await pilot.press(*keys)
        await settle(pilot, lambda: text in screen_text(app))
        await settle(pilot, lambda: "reading…" not in screen_text(app))
        await pilot.pause(0.3)
        picture = app.export_screenshot(title="cockpit", simplify=True)
    assert len(picture) <= MOST_BYTES, f"{name} would take {len(picture):,} bytes"
    path = HOME / f"{name}.svg"
    path.write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n")
    print(f"{path.name}: {len(picture):,} bytes", file=sys.stderr)


def main() -> None:
    """Draw the pictures named on the command line, or all."""
    HOME.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"COCKPIT_STATE": f"{folder}/screens.json", "HOME": folder, "COCKPIT_DATA": f"{folder}/data"}
        store = RunStore(Path(folder) / "runs")
        generator.make_runs(store, 40)
        generator.make_long_run(store, 6000)
        for name in sys.argv[1:] or PICTURES:
            asyncio.run(draw(name, store))


if __name__ == "__main__":
    main()
