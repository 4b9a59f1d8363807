"""A terminal cockpit for training image classifiers: choose, launch, watch and test, over SSH."""

__version__ = "0.1.0"
