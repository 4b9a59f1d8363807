"""Folders of real pictures, and what is in the cache and in them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

DIGITS: Any = load_digits()

SCANS = [Image.fromarray((scan * 15.9).astype(np.uint8)) for scan in DIGITS["images"]]
"""Real pictures for real files."""


def save(path: Path, number: int = 0, size: tuple[int, int] = (24, 24), mode: str = "L", **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    SCANS[number].resize(size).convert(mode).save(path, **options)
    return path


def make_folder(
    root: Path, splits: tuple[str, ...] = ("train", "test"), classes: str = "crow owl", num: int = 3
) -> Path:
    number = 0
    for split in splits:
        for name in classes.split():
            for k in range(num):
                save(root / split / name / f"{k}.png", number := number + 1)
    return root


def packed_names(data_dir: Path) -> set[str]:
    """Everything in the cache but the lock file."""
    return {path.name for path in data_dir.iterdir()} - {".lock"} if data_dir.exists() else set()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
