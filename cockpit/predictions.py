"""What a network answered on each image of a test set: five classes with their probabilities, and the loss.

A safetensors file, which executes nothing and cannot grow when it is opened; class names are in its metadata, so that
it can be read where the dataset is not. 36 bytes an image.
"""

import json
from typing import TYPE_CHECKING, NamedTuple

from cockpit.errors import CockpitError

if TYPE_CHECKING:
    import numpy as np

NUM_GUESSES = 5
"""Classes kept of each image, the likeliest first; all of them where there are fewer."""
MAX_CLASSES = 65_536
"""Class numbers are kept in 16 bits."""
_NAMES = ("labels", "guesses", "probabilities", "losses")
_SLACK = 1e-3
"""How far probabilities may be from what they should add up to: they are rounded to float32."""


class Predictions(NamedTuple):
    """The answers to N images of `len(classes)` classes, K guesses each."""

    labels: "np.ndarray"
    """(N,) uint16: the right classes."""
    guesses: "np.ndarray"
    """(N, K) uint16: the K likeliest classes, the likeliest first."""
    probabilities: "np.ndarray"
    """(N, K) float32: their softmax probabilities, 0-1."""
    losses: "np.ndarray"
    """(N,) float32: cross-entropy; may be infinite or not a number where the network diverged."""
    classes: tuple[str, ...]
    """Class names; the index is the class."""


def encode(predictions: Predictions) -> bytes:
    """Return the content of the file."""
    import numpy as np
    from safetensors.numpy import save

    kinds = (np.uint16, np.uint16, np.float32, np.float32)
    arrays = zip(_NAMES, predictions[:4], kinds, strict=True)
    tensors = {name: np.ascontiguousarray(array, kind) for name, array, kind in arrays}
    return save(tensors, {"format": "np", "classes": json.dumps(predictions.classes)})


def decode(data: bytes) -> Predictions:
    """Read the content of a file that anybody may have written.

    Raises:
        CockpitError: When it is not what `encode` returns; the message says why, in a few words.
    """
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        classes = json.loads(header["__metadata__"]["classes"])
        found = Predictions(*(tensors[name] for name in _NAMES), classes=tuple(classes))
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise CockpitError(f"it is no file of predictions: {error}"[:200]) from error
    _require(
        [array.dtype for array in found[:4]] == [np.uint16, np.uint16, np.float32, np.float32], "numbers of other kinds"
    )
    num_images, num_classes = len(found.labels) if found.labels.ndim == 1 else 0, len(found.classes)
    _require(all(isinstance(name, str) for name in found.classes), "class names that are no texts")
    _require(0 < num_classes <= MAX_CLASSES, f"{num_classes:,} classes")
    _require(num_images > 0, "no images")
    shape = (num_images, min(NUM_GUESSES, num_classes))
    shapes = [array.shape for array in found[1:4]]
    _require(shapes == [shape, shape, (num_images,)], f"arrays of other shapes than its {num_images:,} labels")
    _require(max(int(found.labels.max()), int(found.guesses.max())) < num_classes, "classes without a name")
    probabilities = found.probabilities
    in_range = bool(((probabilities >= 0) & (probabilities <= 1 + _SLACK)).all())  # false for what is not a number
    _require(in_range and bool((probabilities.sum(1) <= 1 + _SLACK).all()), "probabilities that are none")
    _require(bool((np.diff(probabilities, axis=1) <= 0).all()), "guesses that are not in order")
    return found._replace(probabilities=np.minimum(probabilities, np.float32(1)))


def _require(fine: bool, otherwise: str) -> None:
    if not fine:
        raise CockpitError(f"it holds {otherwise}")
