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
            keys = ("name", "family", "params", "flops", "year", "arxiv")
            print_json([{key: getattr(spec, key) for key in keys} for spec in specs])
        else:
            print_table(
                ["model", "family", "params", "FLOPs an image", "year", "arXiv"],
                [[s.name, s.family, f"{s.params:,}", f"{s.flops / 1e6:,.0f} M", str(s.year), s.arxiv] for s in specs],
                right=(2, 3, 4),
            )
        return 0


@dataclasses.dataclass(frozen=True)
class ShowModel:
    """Show the parts of a network: their shapes, parameters and FLOPs for one 32×32 image."""

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
        from cockpit.engine.anatomy import dissect

        parts = dissect(self.name, classes, depth)
        if self.json:
            print_json(parts)
            return 0
        spec = MODELS[self.name]
        say(f"{spec.paper}\n{spec.authors}, {spec.year}, arXiv {spec.arxiv}\n\n{spec.idea}")
        print_table(
            ["part", "module", "output", "params", "FLOPs"],
            [
                [
                    "  " * part.depth + part.name,
                    part.kind,
                    " × ".join(str(size) for size in part.shape),
                    f"{part.params:,}",
                    f"{part.flops / 1e6:,.1f} M" if part.flops else "",
                ]
                for part in parts
            ],
            right=(2, 3, 4),
        )
        return 0


def _count(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise CockpitError(f"{name} is {text[:40]!r}; it must be a whole number from 1 to 100,000")
    return int(text)
