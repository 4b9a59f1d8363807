"""The commands that list the architectures and take one apart."""

import dataclasses

from tyro.conf import Positional

from cockpit.cli.common import print_json, print_table, say
from cockpit.errors import CockpitError, unknown
from nets.catalog import MODELS


@dataclasses.dataclass(frozen=True)
class ListModels:
    """List the architectures with their size at 10 classes."""

    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the listing."""
        specs = list(MODELS.values())
        if self.json:
            print_json(specs)
        else:
            print_table(
                ["model", "family", "params", "FLOPs an image", "year", "arXiv"],
                [[s.name, s.family, f"{s.params:,}", f"{s.flops / 1e6:,.0f} M", str(s.year), s.arxiv] for s in specs],
                right=(2, 3, 4),
            )
        return 0


@dataclasses.dataclass(frozen=True)
class ShowModel:
    """Show the stages and the parts of a network: their shapes, parameters and FLOPs for one 32×32 image."""

    name: Positional[str]
    """A name of `cockpit models`."""
    classes: str = "10"
    """Number of classes of its head."""
    depth: str = "2"
    """How deep to go: 1 shows the network's children, 2 theirs, and so on."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the parts."""
        if self.name not in MODELS:
            raise unknown("model", self.name, MODELS, "cockpit models")
        classes, depth = _count("classes", self.classes), _count("depth", self.depth)
        from cockpit.engine.anatomy import dissect, stages

        parts = dissect(self.name, classes, max(depth, 2))
        by_stage = stages(parts)
        parts = [part for part in parts if part.depth <= depth]
        if self.json:
            print_json({"stages": by_stage, "parts": parts})
            return 0
        spec = MODELS[self.name]
        for line in (spec.paper, f"{spec.authors}, {spec.year}, arXiv {spec.arxiv}", "", spec.idea, ""):
            say(line)
        print_table(
            ["stage", "units", "from", "to", "output", "params", "FLOPs"],
            [
                [s.name, str(s.units), s.first, s.last, _sizes(s.shape), f"{s.params:,}", _mega(s.flops)]
                for s in by_stage
            ],
            right=(1, 4, 5, 6),
        )
        print_table(
            ["part", "module", "output", "params", "FLOPs"],
            [
                ["  " * part.depth + part.name, part.kind, _sizes(part.shape), f"{part.params:,}", _mega(part.flops)]
                for part in parts
            ],
            right=(2, 3, 4),
        )
        return 0


def _sizes(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape)


def _mega(flops: int) -> str:
    return f"{flops / 1e6:,.1f} M" if flops else ""


def _count(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise CockpitError(f"{name} is {text[:40]!r}; it must be a whole number from 1 to 100,000")
    return int(text)
