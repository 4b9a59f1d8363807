"""Image classifiers for small pictures: `build("resnet18", 10)` gives a torch module; `MODELS` lists what there is.

Knows nothing of cockpit, and importing it never imports torch: only `build` does.
"""

from nets.catalog import MODELS, UnknownModelError, build
from nets.spec import ModelSpec, Published

__all__ = ["MODELS", "ModelSpec", "Published", "UnknownModelError", "build"]
