"""A trained network in files that other programs read, and those files read back as such programs do.

The graphs (`torch`, `onnx`) take pixels as an image file has them, and normalise by themselves. The plain weights
(`safetensors`) are a state dict, with what the pixels are to be normalised by beside it.
"""

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from cockpit.datasets import SIZE
from cockpit.engine.augment import Normalization
from cockpit.engine.checkpoint import MEAN, STD, Best
from cockpit.engine.evaluate import rebuild
from cockpit.forms import require
from nets import build

Answer = Callable[[np.ndarray], np.ndarray]
"""From (B, 3, SIZE, SIZE) uint8 images to (B, classes) float32 logits."""

INPUT = f"images: uint8 (batch, 3, {SIZE}, {SIZE}), RGB, as the file has them, 0-255"
OUTPUT = "logits: float32 (batch, classes); their softmax are the probabilities"
_BATCH = {"images": {0: "batch"}}
"""What is left open in a graph's input."""
_EXAMPLES = 2
"""Images that a graph is traced with; one alone would be taken for a constant."""


class Portable(nn.Module):
    """A network that takes pixels."""

    mean: Tensor
    """(3, SIZE, SIZE) or (3, 1, 1) float32."""
    std: Tensor
    """The same shape."""

    def __init__(self, network: nn.Module, normalization: Normalization) -> None:
        """Take over a network in eval mode."""
        super().__init__()
        self.network = network
        mean, std = channels_first(normalization)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.eval()
        self._traced: torch.export.ExportedProgram | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, classes) logits of (B, 3, SIZE, SIZE) uint8 images."""
        return self.network((images.to(torch.float32) / 255.0 - self.mean) / self.std)

    def traced(self) -> torch.export.ExportedProgram:
        """Return the program of it, for any number of images; it is traced once."""
        if self._traced is None:
            batch = torch.export.Dim("batch", min=1)
            shapes = {"images": {0: batch}}
            self._traced = torch.export.export(self, (_examples(),), dynamic_shapes=shapes, strict=False)
        return self._traced


def channels_first(normalization: Normalization) -> tuple[Tensor, Tensor]:
    """Return mean and deviation as they stand beside (B, 3, SIZE, SIZE) images."""
    mean, std = (part.permute(2, 0, 1).contiguous() for part in normalization)
    return mean, std


def make_portable(best: Best) -> Portable:
    """Return a run's best network on the CPU, plain fp32.

    Raises:
        DamagedFileError: When the weights are not those of the network that the file names.
    """
    return Portable(rebuild(best), best.normalization)


def facts_of(best: Best, run_id: str) -> dict[str, str]:
    """Return what every file says of itself."""
    return {
        "run": run_id,
        "model": best.model,
        "dataset": best.dataset,
        "classes": json.dumps(best.classes),
        "epoch": str(best.epoch),
        "input": INPUT,
        "output": OUTPUT,
        "source_sha256": best.sha256,
    }


def write_safetensors(portable: Portable, facts: dict[str, str], path: Path) -> None:
    """Write the plain state dict of the network, with mean and deviation under the names that our checkpoints use."""
    tensors = {name: tensor.contiguous() for name, tensor in portable.network.state_dict().items()}
    own = {"input": "(pixels / 255 - normalize.mean) / normalize.std: float32 (batch, 3, 32, 32), RGB", "format": "pt"}
    safetensors.torch.save_file(tensors | {MEAN: portable.mean, STD: portable.std}, path, metadata=facts | own)


def read_safetensors(path: Path) -> Answer:
    """Return a network of the plain weights, made as README says."""
    with safetensors.safe_open(path, "pt") as file:
        facts = file.metadata()
    weights = safetensors.torch.load_file(path)
    mean, std = weights.pop(MEAN), weights.pop(STD)
    model = build(facts["model"], len(json.loads(facts["classes"])))
    model.load_state_dict(weights)
    model.eval()
    return _answering(lambda images: model((images / 255 - mean) / std))


def write_torch(portable: Portable, facts: dict[str, str], path: Path) -> None:
    """Write a program of torch.export, for any number of images."""
    content = io.BytesIO()  # torch's own writer of files aborts the process when the disk is full
    with _quiet():
        torch.export.save(portable.traced(), content, extra_files={"cockpit.json": json.dumps(facts)})
    path.write_bytes(content.getbuffer())


def read_torch(path: Path) -> Answer:
    """Return the program."""
    with _quiet():
        return _answering(torch.export.load(path).module())


def write_onnx(portable: Portable, facts: dict[str, str], path: Path) -> None:
    """Write an ONNX graph, for any number of images; beyond 2 GB its weights are in `<name>.data` beside it.

    Raises:
        CockpitError: When a package is missing.
    """
    require("onnx")
    with _quiet():
        program = torch.onnx.export(
            portable.traced(),
            (_examples(),),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=_BATCH,  # read for its name alone, which traced programs have lost to one like s34
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props.update(facts)
        program.save(path)


def read_onnx(path: Path) -> Answer:
    """Return the graph as onnxruntime computes it on the CPU.

    Raises:
        CockpitError: When the package is missing.
    """
    require("onnx")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(["logits"], {"images": images})[0])


Writer = Callable[[Portable, dict[str, str], Path], None]
"""Writes a network, with what is to be said of it, into a file."""
WRITERS: dict[str, tuple[str, Writer, Callable[[Path], Answer]]] = {
    "safetensors": (".safetensors", write_safetensors, read_safetensors),
    "onnx": (".onnx", write_onnx, read_onnx),
    "torch": (".pt2", write_torch, read_torch),
}
"""How each form's file name ends, what writes it, and what reads it back."""


def _examples() -> Tensor:
    return torch.zeros(_EXAMPLES, 3, SIZE, SIZE, dtype=torch.uint8)


def _answering(model: Callable[[Tensor], Tensor]) -> Answer:
    def answer(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(images)).numpy()

    return answer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' advice to their own developers off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels: list[Any] = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
