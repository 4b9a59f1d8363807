"""Pictures of half blocks: every pixel where it belongs."""

import numpy as np
from textual.app import App, ComposeResult

from cockpit.tui.pictures import Picture, picture_strips


def pixels(strips) -> np.ndarray:
    """Return the colours of the cells as (rows, columns, 3)."""
    rows = []
    for strip in strips:
        for place in ("color", "bgcolor"):
            colors = [getattr(segment.style, place).triplet for segment in strip for _ in segment.text]
            rows.append([tuple(color) for color in colors])
    return np.array(rows, dtype=np.uint8)


def test_a_picture_at_its_own_size_is_shown_pixel_by_pixel():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(pixels(picture_strips(image, 32, 16)), image)


def test_half_the_size_takes_the_mean_of_four_pixels():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    corners = [image[y::2, x::2].astype(float) for y in (0, 1) for x in (0, 1)]
    assert np.array_equal(pixels(picture_strips(image, 16, 8)), np.rint(np.mean(corners, 0)).astype(np.uint8))


def test_another_size_takes_the_nearest_pixels():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    taken = np.arange(24) * 32 // 24
    assert np.array_equal(pixels(picture_strips(image, 24, 12)), image[taken][:, taken])


def test_a_larger_size_repeats_the_pixels():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(pixels(picture_strips(image, 64, 32)), image.repeat(2, 0).repeat(2, 1))


async def test_a_picture_can_be_replaced_and_taken_away():
    class Gallery(App):
        def compose(self) -> ComposeResult:
            yield Picture()

    async with Gallery().run_test() as pilot:
        picture = pilot.app.query_one(Picture)
        image = np.full((32, 32, 3), 200, np.uint8)
        picture.show(image)
        await pilot.pause()
        assert picture.render_line(0).text == "▀" * 16
        picture.show(None)
        await pilot.pause()
        assert picture.render_line(0).text == " " * 16
