"""Draws README's pictures from the real program over generated runs: `python tests/pictures.py [NAME ...]`.

Another picture is a line of `PICTURES`.
"""

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

import generator
import screens
from folders import screen_text, settle

from cockpit import ingest
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
SHOWN = {"compare": (120, 32), "learn": (80, 24), "report": (150, 40), "dataset": (80, 24)}
"""Screens of `screens.WAYS` with the size of their picture; the pictures in them are of the real digits."""
MOST_BYTES = 100_000
_CELL = (12.2, 24.4)
_TOP, _BASELINE = 1.5, 20.0
"""Where the first row of a picture begins, and the text in it."""


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
    keep(name, picture)


async def draw_shown(name: str, store: RunStore) -> None:
    """Write one picture of a screen with much to show."""
    app = CockpitApp(store)
    async with app.run_test(size=SHOWN[name]) as pilot:
        await screens.open_screen(pilot, name)
        if name == "learn":
            await pilot.press("shift+left")  # when it does not know all of them yet
        await pilot.pause(0.5)
        picture = app.export_screenshot(title="cockpit", simplify=True)
    keep(name, picture)


def keep(name: str, picture: str) -> None:
    """Write a picture that is not too large for a README."""
    picture = smaller(picture)
    assert len(picture) <= MOST_BYTES, f"{name} would take {len(picture):,} bytes"
    path = HOME / f"{name}.svg"
    path.write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n")
    print(f"{path.name}: {len(picture):,} bytes", file=sys.stderr)


def smaller(picture: str) -> str:
    """Return a picture that shows the same in fewer bytes: a path a colour instead of a box and a text a cell."""
    colors = dict(re.findall(r"\.([\w-]+-r\d+) \{ fill: (#\w+)", picture))
    paths: dict[tuple[str, str], str] = {}

    def take(fill: str, x: str, y: float, width: str, height: str) -> None:
        left, across, top = round(float(x) / _CELL[0]), round(float(width) / _CELL[0]), round(y / _CELL[1])
        paths[fill, height] = f"{paths.get((fill, height), '')}M{left} {top}h{across}v{height}h-{across}z"

    def take_box(found: re.Match[str]) -> str:
        take(found[1], found[2], float(found[3]) - _TOP, found[4], "1.01")  # without a seam to the row below
        return "<!-- boxes -->"

    def take_half(found: re.Match[str]) -> str:
        take(colors[found[1]], found[2], float(found[3]) - _BASELINE, found[4], ".5")
        return ""

    picture = re.sub(
        r'<text class="([\w-]+)" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>▀+</text>', take_half, picture
    )
    picture = re.sub(
        r'<rect fill="(#\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"[^>]*crispEdges"/>', take_box, picture
    )
    drawn = "".join(
        f'<path fill="{fill}" d="{path}"/>'
        for (fill, _), path in sorted(paths.items(), key=lambda item: -float(item[0][1]))
    )
    drawn = f'<g shape-rendering="crispEdges" transform="translate(0 {_TOP}) scale({_CELL[0]} {_CELL[1]})">{drawn}</g>'
    picture = picture.replace("<!-- boxes -->", drawn, 1).replace("<!-- boxes -->", "")
    for name in colors:
        if f'"{name}"' not in picture:
            picture = re.sub(rf"\.{name} \{{[^}}]*\}}\s*", "", picture)
    return re.sub(r"terminal-\d+", "t", picture)


def main() -> None:
    """Draw the pictures named on the command line, or all."""
    HOME.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"COCKPIT_STATE": f"{folder}/screens.json", "HOME": folder, "COCKPIT_DATA": f"{folder}/data"}
        os.environ["PATH"] = folder  # a picture does not tell whether its machine has a Slurm
        store = RunStore(Path(folder) / "runs")
        generator.make_runs(store, 40)
        generator.make_long_run(store, 6000)
        ingest.pack_digits()
        few = RunStore(Path(folder) / "few")
        screens.make_screens_runs(few)
        for name in sys.argv[1:] or [*PICTURES, *SHOWN]:
            asyncio.run(draw_shown(name, few) if name in SHOWN else draw(name, store))


if __name__ == "__main__":
    main()
