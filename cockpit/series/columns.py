"""Growing columns of numbers that may be handed to other threads: what was handed out is never written again."""

from collections.abc import Sequence

import numpy as np

AXES = ("epoch", "step", "elapsed_s")
"""The columns that never fall, first in every table."""


class Columns:
    """Growing float64 columns; a column that was handed out is never written again."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.index = {name: row for row, name in enumerate(fields)}
        self.size = 0
        self._values = np.empty((len(fields), 256))

    def append(self, values: np.ndarray) -> None:
        """Add rows, shape (fields, N)."""
        size = self.size + values.shape[1]
        if size > self._values.shape[1]:
            self._reallocate(2 * size)
        self._values[:, self.size : size] = values
        self.size = size

    def truncate(self, size: int) -> None:
        """Forget all rows behind the first `size`."""
        if size < self.size:
            self.size = size
            self._reallocate(self._values.shape[1])  # curves handed out keep the superseded rows

    def column(self, name: str) -> np.ndarray:
        """Return a column as a read-only view."""
        view = self._values[self.index[name], : self.size]
        view.flags.writeable = False
        return view

    def last(self, name: str) -> float:
        """Return the newest value of a column; there must be one."""
        return float(self._values[self.index[name], self.size - 1])

    def _reallocate(self, capacity: int) -> None:
        values = np.empty((len(self.index), capacity))
        values[:, : self.size] = self._values[:, : self.size]
        self._values = values


class Samples(Columns):
    """Rows whose first columns are the axes; one in which an axis falls, as in a damaged file, is left out."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(fields)
        self._highest = np.zeros((len(AXES), 1))

    def append(self, values: np.ndarray) -> None:
        """Add rows, shape (fields, N), those that do not go back."""
        axes = values[: len(AXES)]
        highest = np.maximum.accumulate(np.hstack((self._highest, axes)), axis=1)
        self._highest = highest[:, -1:]
        super().append(values[:, (axes >= highest[:, :-1]).all(axis=0)])

    def truncate(self, size: int) -> None:
        """Forget all rows behind the first `size`, and whatever was left out."""
        super().truncate(size)
        self._highest = np.array([[self.last(name) if self.size else 0.0] for name in AXES])
