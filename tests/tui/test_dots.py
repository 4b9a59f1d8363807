"""Dots of braille on a canvas, the forms of lines drawn of them, and the cells that changed."""

import numpy as np
import pytest
from charted import NAN
from textual.geometry import Region

from cockpit.compare import MAX_RUNS
from cockpit.tui.cells import changed_region, fit, text_cells
from cockpit.tui.curve_colors import NUM_COLORS
from cockpit.tui.dots import DASHES, Canvas, sample


def test_braille_dots_are_where_the_points_are():
    canvas = Canvas(2, 1)
    canvas.draw(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 9)
    assert canvas.cells() == ([0, 1], [0, 0], ["⡠", "⠊"], [9, 9])


def test_curves_that_meet_in_a_cell_keep_their_dots_and_take_turns_with_the_colour():
    x = np.array([0.0, 1.0])
    canvas = Canvas(4, 1)
    canvas.draw(x, np.array([0.0, 0.0]), 1)
    canvas.draw(x, np.array([1.0, 1.0]), 2)
    assert canvas.cells()[2:] == (["⣉"] * 4, [1, 2, 1, 2])


def test_a_faint_curve_gives_way():
    x = np.array([0.0, 1.0])
    canvas = Canvas(4, 1)
    canvas.draw(x, np.array([0.0, 0.0]), 1, faint=True)
    canvas.draw(x, np.array([1.0, 1.0]), 2)
    assert canvas.cells()[2:] == (["⠉"] * 4, [2] * 4)


def test_braille_takes_nothing_from_outside():
    canvas = Canvas(3, 2)
    canvas.draw(np.array([-5.0, 7.0, NAN, 2.0]), np.array([0.5, 0.5, NAN, 9.0]), 1)
    columns, rows, _, _ = canvas.cells()
    assert (sorted(set(columns)), set(rows)) == ([0, 1, 2], {1})


def test_changed_regions_hold_whole_characters():
    old, new = fit(text_cells("a数b", 1), 6), fit(text_cells("a据b", 1), 6)
    assert changed_region(old, new, 4) == Region(1, 4, 2, 1)
    assert changed_region(fit(text_cells("ab", 1), 4), fit(text_cells("a数", 1), 4), 0) == Region(1, 0, 2, 1)
    assert [character for character, _ in fit(text_cells("数数", 1), 3)] == ["数", "", " "]


def drawn(canvas: Canvas) -> str:
    grid = [[" "] * canvas.width for _ in range(canvas.height)]
    for column, row, character, _ in zip(*canvas.cells(), strict=True):
        grid[canvas.height - 1 - row][column] = character
    return "\n".join(map("".join, grid))


def test_eight_forms_of_a_line_differ_on_the_canvas_and_in_the_legend():
    x = np.linspace(0, 1, 500)
    seen = set()
    for dash in range(len(DASHES)):
        canvas = Canvas(40, 4)
        canvas.draw(x, 0.5 + 0.4 * np.sin(5 * x), 0, dash=dash)
        seen.add(drawn(canvas))
    assert len(seen) == len({sample(dash) for dash in range(len(DASHES))}) == NUM_COLORS == MAX_RUNS == 8


@pytest.mark.parametrize("dash", range(len(DASHES)))
def test_no_peak_hides_in_a_gap_and_how_densely_it_was_sampled_does_not_matter(dash):
    for peak in range(80):
        y = np.zeros(80)
        y[peak] = 1.0
        canvas = Canvas(40, 8)
        canvas.draw(np.arange(80) / 79, y, 0, dash=dash)
        assert any(character != " " for character in "".join(drawn(canvas).splitlines()[:4]))
    coarse, fine = Canvas(40, 4), Canvas(40, 4)
    coarse.draw(np.array([0.0, 1.0]), np.array([0.5, 0.5]), 0, dash=dash)
    fine.draw(np.linspace(0, 1, 80), np.full(80, 0.5), 0, dash=dash)
    assert drawn(coarse) == drawn(fine)
