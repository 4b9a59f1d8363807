"""The embedded dataset: scikit-learn's handwritten digits, enlarged. Reads only what scikit-learn ships."""

from typing import Any

from cockpit.datasets import SIZE, Packed
from cockpit.ingest.digests import hold_out, image_digests

_SIDE = 8
_DARKEST = 16
_FACTOR = SIZE // _SIDE


def read_digits() -> tuple[Packed, Packed]:
    """Return the training and the test part, in the order of scikit-learn.

    The 8×8 scans, of values 0 to 16, are enlarged fourfold by linear interpolation: a network sees smooth strokes, not
    blocks. It is done in integers, so that the bytes are the same on every machine. scikit-learn ships the test part of
    the UCI set only, so a stratified fifth of it is held out.
    """
    import numpy as np
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    scans, labels = np.asarray(bunch["images"]).astype(np.int64), np.asarray(bunch["target"]).astype(np.int64)
    # The centres of the new pixels lie at odd eighths of the old ones, so the weights are whole eighths too.
    centres = (np.arange(SIZE) + 0.5) / _FACTOR - 0.5
    weights = np.stack([np.interp(centres, np.arange(_SIDE), row) for row in np.eye(_SIDE)], axis=1)
    eighths = np.rint(weights * 2 * _FACTOR).astype(np.int64)
    whole = _DARKEST * (2 * _FACTOR) ** 2
    grey = (eighths @ scans @ eighths.T * 255 + whole // 2) // whole
    images = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=3)
    test = hold_out(image_digests(images, labels), labels)
    return Packed(images[~test], labels[~test]), Packed(images[test], labels[test])
