"""Images that live on the device, and their augmentation there: one gather a batch, equal to Pillow's to the pixel.

Mirror, zero-pad and crop, and rotation (nearest neighbour, zero fill) are composed into one map from output pixel to
source pixel, with the 16.16 fixed-point affine arithmetic that Pillow uses, so no interpolation happens twice and no
pixel differs from torchvision on PIL images.
"""

import copy
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cockpit.datasets import SIZE

PAD = 4
"""Zero pixels added on each side before the crop (the seed's recipe)."""
MAX_DEGREES = 15.0
"""Largest rotation either way (the seed's recipe)."""
HOLE = 12
"""Side of the square that cutout blackens, pixels (DeVries & Taylor 2017, arXiv 1708.04552, try 8 to 20)."""
CHUNK = 16
"""Batches augmented at once on a card, where launching kernels takes longer than running them."""
_PIXELS = SIZE * SIZE
_INSIDE = ~(SIZE - 1)  # SIZE is a power of two: a coordinate lies in 0..SIZE-1 exactly when none of these bits is set
_EPOCH_STRIDE = 1_000_003  # a prime far above any epoch count keeps (seed, epoch) pairs apart


class Plan(NamedTuple):
    """All the random choices of one epoch over N images, a row for each place in the epoch's order."""

    order: Tensor
    """(N,) int64: the image at each place."""
    flip: Tensor
    """(N,) bool: whether it is mirrored."""
    top: Tensor
    """(N,) int32: the crop's first row in the padded image, 0 to 2 x PAD."""
    left: Tensor
    """(N,) int32: the crop's first column."""
    affine: Tensor | None
    """(N, 6) int32: the rotation in 16.16 fixed point, see `rotation`; None where nothing turns."""
    hole: Tensor | None
    """(N, 2) int32: first row and column of the square to blacken, which may reach beyond the image; None for none."""

    def take(self, places: Tensor) -> "Plan":
        """Return the plan of these places alone, in their order."""
        return Plan(
            order=self.order[places],
            flip=self.flip[places],
            top=self.top[places],
            left=self.left[places],
            affine=None if self.affine is None else self.affine[places],
            hole=None if self.hole is None else self.hole[places],
        )


def draw_plan(num_images: int, seed: int, epoch: int, device: torch.device, *, augment: str, hflip: bool) -> Plan:
    """Draw an epoch's plan from a CPU generator keyed on (seed, epoch): the same on every device, after any resume.

    Args:
        num_images: N.
        seed: The recipe's.
        epoch: 0-based.
        device: Where the plan is wanted.
        augment: The recipe's; "none" leaves every image as it is, and the order is drawn all the same.
        hflip: Whether images of the dataset may be mirrored.
    """
    generator = torch.Generator().manual_seed((seed * _EPOCH_STRIDE + epoch) % 2**63)
    order = torch.randperm(num_images, generator=generator)
    flip = torch.rand(num_images, generator=generator) < 0.5
    top = torch.randint(0, 2 * PAD + 1, (num_images,), generator=generator, dtype=torch.int32)
    left = torch.randint(0, 2 * PAD + 1, (num_images,), generator=generator, dtype=torch.int32)
    degrees = torch.empty(num_images).uniform_(-MAX_DEGREES, MAX_DEGREES, generator=generator)
    hole = torch.randint(-HOLE // 2, SIZE - HOLE // 2, (num_images, 2), generator=generator, dtype=torch.int32)
    if augment == "none":
        top, left = top.fill_(PAD), left.fill_(PAD)
    return Plan(
        order=order.to(device),
        flip=(flip & (augment != "none" and hflip)).to(device),
        top=top.to(device),
        left=left.to(device),
        affine=rotation(degrees).to(device) if augment == "seed" else None,
        hole=hole.to(device) if augment == "cutout" else None,
    )


def rotation(degrees: Tensor) -> Tensor:
    """Return Pillow's coefficients for turning a SIZE x SIZE image about its centre.

    Source x of the output pixel (x, y) is `(c2 + c0 * x + c1 * y) >> 16`, source y `(c5 + c3 * x + c4 * y) >> 16`
    (Pillow's Image.rotate and the fixed-point affine of its Geometry.c, read for version 12).

    Args:
        degrees: (N,) counter-clockwise angles.

    Returns:
        (N, 6) int32.
    """
    radians = -(degrees.double() % 360.0) * (math.pi / 180.0)
    cos, sin = torch.cos(radians), torch.sin(radians)
    centre = SIZE / 2.0
    shift_x = centre - cos * centre - sin * centre
    shift_y = centre + sin * centre - cos * centre
    half = 0.5  # the source point is that of the output pixel's middle
    rows = (cos, sin, shift_x + (cos + sin) * half, -sin, cos, shift_y + (cos - sin) * half)
    return torch.stack([torch.floor(row * 65536.0 + 0.5).to(torch.int32) for row in rows], dim=1)


class Normalization(NamedTuple):
    """What is taken from a pixel, and what it is divided by, once it is scaled to 0-1."""

    mean: Tensor
    """(SIZE, SIZE, 3) or (1, 1, 3) float32."""
    std: Tensor
    """The same shape; never 0."""


class ImageBank:
    """N images and labels on the device, each pixel's RGB packed into one int32.

    Attributes:
        labels: (N,) int64.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, normalization: Normalization, device: torch.device):
        """Copy (N, SIZE, SIZE, 3) uint8 images and their labels to the device."""
        packed = np.zeros((len(images) * _PIXELS + 1, 4), np.uint8)  # the last pixel is the zero fill
        packed[:-1, :3] = images.reshape(-1, 3)
        self._pixels = torch.from_numpy(packed).view(torch.int32).squeeze(1).to(device)
        self._black = len(images) * _PIXELS
        self._mean = normalization.mean.to(device)
        self._std = normalization.std.to(device)
        axis = torch.arange(SIZE, device=device, dtype=torch.int32)
        self._x, self._y = axis.view(1, 1, SIZE), axis.view(1, SIZE, 1)
        self.labels = torch.from_numpy(np.array(labels, np.int64)).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, num_images: int) -> "ImageBank":
        """Return the bank of the first images, at most so many; it shares the pixels."""
        few = copy.copy(self)
        few.labels = self.labels[:num_images]
        return few

    def batch(self, plan: Plan, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return a stretch of an epoch, augmented: (B, 3, SIZE, SIZE) in channels_last, and (B,) labels."""
        images = plan.order[start:stop]
        return self._normalize(self.augmented(plan, start, stop)), self.labels[images]

    def plain(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return images `start` to `stop` as they are: (B, 3, SIZE, SIZE) in channels_last, and (B,) labels."""
        stop = min(stop, len(self))
        pixels = self._pixels[start * _PIXELS : stop * _PIXELS]
        return self._normalize(self._bytes(pixels)), self.labels[start:stop]

    def augmented(self, plan: Plan, start: int, stop: int) -> Tensor:
        """Return images `start` to `stop` of an epoch as (B, SIZE, SIZE, 3) uint8, before normalisation."""
        if plan.affine is None:
            x, y = self._x, self._y
        else:
            c0, c1, c2, c3, c4, c5 = plan.affine[start:stop].view(-1, 6, 1, 1).unbind(1)
            x = (c2 + c0 * self._x + c1 * self._y) >> 16
            y = (c5 + c3 * self._x + c4 * self._y) >> 16
        inside = ((x | y) & _INSIDE) == 0
        x = x + (plan.left[start:stop] - PAD).view(-1, 1, 1)
        y = y + (plan.top[start:stop] - PAD).view(-1, 1, 1)
        inside = inside & (((x | y) & _INSIDE) == 0)
        if plan.hole is not None:
            row, column = plan.hole[start:stop].view(-1, 2, 1, 1).unbind(1)
            in_hole = (self._y >= row) & (self._y < row + HOLE) & (self._x >= column) & (self._x < column + HOLE)
            inside &= ~in_hole
        x = torch.where(plan.flip[start:stop].view(-1, 1, 1), SIZE - 1 - x, x)
        first = plan.order[start:stop].to(torch.int32).view(-1, 1, 1) * _PIXELS
        source = torch.where(inside, first + y * SIZE + x, self._black)
        return self._bytes(self._pixels.index_select(0, source.flatten()))

    def _bytes(self, pixels: Tensor) -> Tensor:
        return pixels.view(torch.uint8).view(-1, SIZE, SIZE, 4)[..., :3]

    def _normalize(self, pixels: Tensor) -> Tensor:
        scaled = pixels.to(torch.float32).div_(255.0).sub_(self._mean).div_(self._std)
        return scaled.permute(0, 3, 1, 2)  # of an NHWC tensor: NCHW in channels_last, without a copy


def batches(bank: ImageBank, plan: Plan, batch_size: int, *, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield an epoch's batches from the one numbered `first`: (B, 3, SIZE, SIZE) in channels_last and (B,) labels.

    The last may be smaller. On a card many are augmented at once, on a CPU one, which stays in its caches.
    """
    chunk = batch_size * (CHUNK if bank.labels.device.type == "cuda" else 1)
    for start in range(first * batch_size, len(bank), chunk):
        images, labels = bank.batch(plan, start, start + chunk)
        yield from zip(images.split(batch_size), labels.split(batch_size), strict=True)
