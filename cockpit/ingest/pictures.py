"""Turns one image file into 32×32 RGB. An import reads with Pillow's decoders of the six formats and no others."""

import contextlib
import os
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.datasets import SIZE
from cockpit.files import what_is_wrong

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
MIN_SIDE = 8
"""Pixels; a smaller image shows nothing to learn from and is taken for a mistake."""
MAX_PIXELS = 100_000_000
"""A larger image, 300 MB once decoded, is taken for a decompression bomb."""
_ORIENTATION = 0x0112
"""The EXIF tag that tells how the camera was held."""
RESIZED, GREY, TRANSPARENT = "resized", "grey", "transparent"
"""What `read_picture` counts."""


class Unusable(Exception):  # noqa: N818 - a finding that the caller collects
    """The file gives no image; the message is the reason in a few words."""


def any_formats() -> tuple[str, ...]:
    """Return every format that Pillow decodes itself: PostScript is a program, which another program would run."""
    from PIL import Image

    Image.init()
    return tuple(name for name in Image.OPEN if name != "EPS")


def read_picture(path: Path, counts: Counter[str] | None = None, formats: tuple[str, ...] = FORMATS) -> "np.ndarray":
    """Read an image file as (32, 32, 3) uint8.

    An image of 32×32 keeps its pixels. Any other is resized whole, without keeping its proportions, so that nothing
    of the object is cut off (as in Chrabaszcz et al., A Downsampled Variant of ImageNet, 2017, section 2); bicubic,
    with antialiasing. Before that it is turned upright by its EXIF tag, 16-bit grey is scaled to 8 bits,
    transparency is laid over white, and palettes, grey and CMYK become RGB. Of an animation the first frame is taken.

    Args:
        path: The file.
        counts: Gains one for each of `RESIZED`, `GREY` and `TRANSPARENT` that was true of the image.
        formats: What it may be, by Pillow's names.

    Raises:
        Unusable: When the file is not an image, is damaged, too small or too large.
    """
    import numpy as np
    from PIL import Image

    if not os.path.isfile(path):  # a pipe would block for ever
        raise Unusable(_why_no_file(path))
    try:
        with Image.open(path, formats=formats) as image:
            _check_size(*image.size)
            found = _look_at(image)
            # A JPEG can be decoded at a fraction of its size: a photo in a tenth of the time.
            image.draft("RGB", (4 * SIZE, 4 * SIZE))
            rgb = _to_rgb(_upright(image), image.format)
            if rgb.size != (SIZE, SIZE):
                rgb = rgb.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
            if counts is not None:
                counts.update(found)
            return np.asarray(rgb)
    except Image.UnidentifiedImageError:
        raise Unusable("not an image") from None
    except Image.DecompressionBombError:
        raise Unusable(f"more than {MAX_PIXELS:,} pixels") from None
    except (
        # All that Pillow's decoders were seen or are documented to raise for damaged files.
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        EOFError,
        MemoryError,
        struct.error,
        zlib.error,
    ) as error:
        raise Unusable(f"damaged: {error}"[:120]) from None


def _why_no_file(path: Path) -> str:
    with contextlib.suppress(ValueError):  # of a name with a NUL in it
        if reason := what_is_wrong(path):
            return reason
    return "there is no file of that name"


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise Unusable(f"{width}×{height} pixels; the least is {MIN_SIDE}×{MIN_SIDE}")
    if width * height > MAX_PIXELS:
        raise Unusable(f"{width:,}×{height:,} pixels, more than {MAX_PIXELS:,}")


def _look_at(image: "Image.Image") -> list[str]:
    return [
        name
        for name, is_so in (
            (RESIZED, image.size != (SIZE, SIZE)),
            (GREY, image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")),
            (TRANSPARENT, _is_transparent(image)),
        )
        if is_so
    ]


def _is_transparent(image: "Image.Image") -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _upright(image: "Image.Image") -> "Image.Image":
    from PIL import ImageOps

    image.load()
    return image if image.getexif().get(_ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)


def _to_rgb(image: "Image.Image", image_format: str | None) -> "Image.Image":
    import numpy as np
    from PIL import Image

    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    # Older versions of Pillow give a 16-bit PNG as 32-bit integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and image_format == "PNG"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise Unusable("pixels of 32 bits, whose range is unknown")
    if _is_transparent(image):
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
