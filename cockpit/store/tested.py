"""What a test leaves in a run folder."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit import durable, files, results
from cockpit.errors import CockpitError
from cockpit.store.entries import read_document, write_document

if TYPE_CHECKING:
    from cockpit.predictions import Predictions


class Tested:
    """A run folder as a test knows it; `Run` is the whole.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def test_path(self) -> Path:
        """The test of the best weights."""
        return self.path / "test.json"

    @property
    def predictions_path(self) -> Path:
        """What the best weights say of each test image."""
        return self.path / "predictions.safetensors"

    def test_report(self) -> results.TestReport | None:
        """Return the test of the best weights, or None when there is none.

        Raises:
            CockpitError: When test.json cannot be read, or is no test result.
        """
        return read_document(self.test_path, results.TestReport, "a test result", "test the run again")

    def write_test_report(self, report: results.TestReport) -> None:
        """Replace test.json."""
        write_document(self.test_path, report)

    def predictions(self, report: results.TestReport) -> "Predictions":
        """Return what the network said of each image in the test that a report is of.

        Raises:
            CockpitError: When there is none, it is that of another test, or it cannot be read.
        """
        from cockpit import predictions

        path, remedy = self.predictions_path, "test the run again"
        if not report.predictions and report.loss is None:
            raise CockpitError(
                f"{results.NOT_FINITE} in the test of {self.path.name}, so no result of each image is kept"
            )
        if not report.predictions:
            raise CockpitError(f"the test of {self.path.name} kept no result of each image; {remedy}")
        try:
            data = files.read_whole(path, files.PREDICTIONS_BYTES)
        except OSError as error:
            raise CockpitError(f"{path} cannot be read: {error.strerror}; {remedy}") from error
        if hashlib.sha256(data).hexdigest() != report.predictions:
            raise CockpitError(f"{path} is not of the test in {self.test_path.name}; {remedy}")
        try:
            found = predictions.decode(data)
        except CockpitError as error:
            raise CockpitError(f"{path} cannot be used: {error}; {remedy}") from error
        if len(found.labels) != report.images:
            raise CockpitError(f"{path} holds {len(found.labels):,} images, not {report.images:,}; {remedy}")
        return found

    def write_predictions(self, predictions: "Predictions") -> str:
        """Replace the predictions and return their SHA-256, which goes into test.json: until then they count as stale.

        Raises:
            OSError: When they cannot be written; the old ones are intact then.
        """
        from cockpit.predictions import encode

        data = encode(predictions)
        durable.write_atomically(self.predictions_path, data)
        return hashlib.sha256(data).hexdigest()
