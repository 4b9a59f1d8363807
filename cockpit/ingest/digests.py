"""What is true of a set of images in any order: its content digest, and which fifth of it is held out.

Both rest on SHA-256 of the pixels, so they are the same on every machine and with every version of numpy.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

HELD_OUT_SEED = 0
"""Seed of the held-out fifth; fixed, so that the same images always give the same test part."""


def image_digests(images: "np.ndarray", labels: "np.ndarray") -> list[bytes]:
    """Return one SHA-256 an image: of its pixels in row, column, channel order, followed by its label.

    The label is one byte where every label is below 256, else each is a little-endian uint16.

    Args:
        images: (N, H, W, 3) uint8, RGB.
        labels: (N,) integers, 0 to 65,535.
    """
    width = "<u2" if len(labels) and labels.max() > 255 else "u1"
    return [
        hashlib.sha256(image.tobytes() + label.tobytes()).digest()
        for image, label in zip(images, labels.astype(width), strict=True)
    ]


def combine(each: list[bytes]) -> str:
    """Return the digest of a set from those of its images, whatever their order."""
    return hashlib.sha256(b"".join(sorted(each))).hexdigest()


def digest(images: "np.ndarray", labels: "np.ndarray") -> str:
    """Return the content digest of a set: SHA-256 of the sorted `image_digests`, as 64 hexadecimal digits.

    It depends on every pixel and every label, not on the order of the images.
    """
    return combine(image_digests(images, labels))


def hold_out(each: list[bytes], labels: "np.ndarray") -> "np.ndarray":
    """Choose a stratified fifth of the images as the test part.

    Within a class the images are ranked by a seeded hash of their content, so neither file names nor order matter
    and equal images stand side by side: at most one group of them a class is cut in two.

    Args:
        each: `image_digests` of the N images.
        labels: (N,) integers; every class that occurs needs two images or more.

    Returns:
        (N,) bool, True for the test part: round(N / 5) images, the share of each class within one image of its
        fifth and at least one; where that minimum binds, some more.
    """
    import numpy as np

    counts = np.bincount(labels)
    fifths = counts // 5
    missing = (2 * counts.sum() + 5) // 10 - fifths.sum()
    fifths[np.argsort(-(counts % 5), kind="stable")[:missing]] += 1
    fifths = np.where(counts > 0, np.maximum(fifths, 1), 0)

    salt = HELD_OUT_SEED.to_bytes(8, "little")
    ranks = [hashlib.sha256(salt + one).digest() for one in each]
    by_class = sorted(range(len(labels)), key=lambda index: (labels[index], ranks[index]))
    held_out = np.zeros(len(labels), dtype=bool)
    for start, taken in zip(np.cumsum(counts) - counts, fifths, strict=True):
        held_out[by_class[start : start + taken]] = True
    return held_out
