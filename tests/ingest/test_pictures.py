import os
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from cockpit.ingest.pictures import Unusable, read_picture

DIGITS: Any = load_digits()
WHITE = np.array([255, 255, 255])
ORANGE = (255, 128, 0)
FORMATS = [
    ("a.png", "RGB", {}),
    ("a.png", "P", {}),
    ("a.png", "1", {}),
    ("a.png", "LA", {}),
    ("a.jpg", "RGB", {"quality": 95}),
    ("a.JPEG", "CMYK", {"quality": 95}),
    ("a.jpeg", "L", {"progressive": True, "quality": 95}),
    ("a.bmp", "RGB", {}),
    ("a.gif", "P", {"save_all": True}),
    ("a.webp", "RGBA", {"lossless": True}),
    ("a.tif", "RGB", {"compression": "tiff_lzw"}),
    ("a.tiff", "CMYK", {}),
]


def scan(number: int = 0, factor: int = 5) -> Image.Image:
    """A real digit as an 8-bit grey image of 8 × factor pixels a side."""
    grey = DIGITS["images"][number] * 255 / 16
    return Image.fromarray(np.kron(grey, np.ones((factor, factor))).round().astype(np.uint8))


@pytest.mark.parametrize(("file", "mode", "options"), FORMATS, ids=lambda value: str(value))
def test_each_format_shows_the_same_picture(file, mode, options, tmp_path):
    whole = scan()
    whole.convert(mode).save(tmp_path / file, **options)
    whole.convert("RGB").save(tmp_path / "plain.bmp")
    found, expected = read_picture(tmp_path / file), read_picture(tmp_path / "plain.bmp")
    assert found.shape == (32, 32, 3)
    assert found.dtype == np.uint8
    error = np.abs(found.astype(int) - expected).mean()
    assert error < (60 if mode == "1" else 4)  # one bit a pixel is dithered


def test_an_image_of_32_by_32_keeps_every_pixel(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), pixels)


def test_a_wide_image_is_resized_whole(tmp_path):
    pixels = np.zeros((40, 320, 3), np.uint8)
    pixels[:, :80], pixels[:, 240:] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert found[16, 3].tolist() == [255, 0, 0]
    assert found[16, 28].tolist() == [0, 0, 255]


def test_a_large_image_is_antialiased(tmp_path):
    """A fine checkerboard is grey from afar; without antialiasing it would be black, white or stripes."""
    board = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert 120 <= found.min() <= found.max() <= 135


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_transparency_becomes_white(mode, tmp_path):
    options: dict[str, Any] = {}
    if mode not in ("RGBA", "LA"):
        options["transparency"] = (0, 0, 0) if mode == "RGB" else 0
    Image.new(mode, (32, 32), 0).save(tmp_path / "a.png", **options)
    assert (read_picture(tmp_path / "a.png") == WHITE).all()


def test_a_half_transparent_colour_is_mixed_with_white(tmp_path):
    Image.new("RGBA", (32, 32), (0, 0, 0, 51)).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png") == 204).all()


@pytest.mark.parametrize("file", ["a.png", "a.tif"])
def test_16_bit_grey_keeps_its_tones(file, tmp_path):
    grey = np.asarray(scan(factor=4))
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / file)
    assert np.array_equal(read_picture(tmp_path / file), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file", ["a.png", "a.webp", "a.tif"])
def test_a_photo_is_turned_upright(file, orientation, tmp_path):
    stored = np.zeros((32, 32, 3), np.uint8)
    stored[:16, :16] = ORANGE  # its upper left quarter, as the camera stored it
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / file, exif=exif, lossless=True)  # which only WebP needs to be told
    # EXIF 2.32, tag Orientation: which visual corner the stored row 0, column 0 is.
    top, left = {1: (1, 1), 2: (1, 0), 3: (0, 0), 4: (0, 1), 5: (1, 1), 6: (1, 0), 7: (0, 0), 8: (0, 1)}[orientation]
    found = read_picture(tmp_path / file)
    assert found[8 if top else 24, 8 if left else 24].tolist() == list(ORANGE)
    assert (found.reshape(-1, 3) == ORANGE).all(axis=1).sum() == 256


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "a.gif")[0, 0].tolist() == [255, 0, 0]


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds next to nothing: a decompression bomb in 70 bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def saved(image: Image.Image, path) -> bytes:
    image.save(path)
    return path.read_bytes()


BAD_FILES = {
    "text": (lambda path: b"Dear sir or madam,\n", "not an image"),
    "empty": (lambda path: b"", "not an image"),
    "cut": (lambda path: saved(scan(), path)[:-60], "damaged"),
    "svg": (lambda path: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image"),
    "postscript": (lambda path: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n", "not an image"),
    "narrow": (lambda path: saved(Image.new("RGB", (7, 400)), path), "7×400 pixels.*8×8"),
    "five pixels": (lambda path: saved(Image.new("RGB", (5, 1)), path), "5×1 pixels"),
    "large": (lambda path: png_header(10_001, 10_000), "10,001×10,000 pixels"),
    "bomb": (lambda path: png_header(2**31 - 1, 2**31 - 1), "pixels"),
}


@pytest.mark.parametrize(("make", "reason"), BAD_FILES.values(), ids=BAD_FILES)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_file_that_gives_no_image_is_refused_with_the_reason(make, reason, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(make(path))
    with pytest.raises(Unusable, match=reason):
        read_picture(path)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_of_unknown_range_are_refused(dtype, tmp_path):
    Image.fromarray(np.asarray(scan()).astype(dtype)).save(tmp_path / "a.tif")
    with pytest.raises(Unusable, match="32 bits"):
        read_picture(tmp_path / "a.tif")


def test_a_pipe_a_folder_and_a_dead_link_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    reasons = {"folder.png": "it is a folder", "link.png": "it is a link that leads nowhere", "pipe.png": "it is a"}
    for name, reason in (reasons | {"nothing.png": "there is no file of that name"}).items():
        with pytest.raises(Unusable, match=reason):
            read_picture(tmp_path / name)


@pytest.mark.parametrize(("file", "mode", "options"), [row for row in FORMATS if ".t" not in row[0]], ids=str)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_file_with_wrong_bytes_is_an_image_or_unusable_and_nothing_else(file, mode, options, tmp_path):
    rng = random.Random(0)
    path = tmp_path / file
    scan().convert(mode).save(path, **options)
    whole = path.read_bytes()
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 3, 10])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])])
        try:
            assert read_picture(path).shape == (32, 32, 3)
        except Unusable:
            refused += 1
    assert refused > 50
