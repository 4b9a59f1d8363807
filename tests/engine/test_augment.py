"""The batched augmentation must be the one that torchvision does on PIL images, to the pixel."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from cockpit.datasets import load_packed
from cockpit.engine.augment import (
    HOLE,
    MAX_DEGREES,
    PAD,
    ImageBank,
    Normalization,
    Plan,
    batches,
    draw_plan,
    rotation,
)

CPU = torch.device("cpu")
UNIT = Normalization(torch.zeros(1, 1, 3), torch.ones(1, 1, 3))
EDGE_DEGREES = [0.0, -0.0, 15.0, -15.0, 14.999999, 1e-7, -1e-7, 1e-3, 0.5, 7.5, 1 / 3, 11.25, -11.25]


def by_torchvision(image: np.ndarray, plan: Plan, row: int, degrees: float) -> np.ndarray:
    picture: Any = Image.fromarray(image)  # torchvision's hints know only tensors
    if plan.flip[row]:
        picture = tv.hflip(picture)
    picture = tv.crop(tv.pad(picture, [PAD]), int(plan.top[row]), int(plan.left[row]), 32, 32)
    return np.asarray(tv.rotate(picture, degrees, InterpolationMode.NEAREST, fill=[0, 0, 0]))


def differing_pixels(images: np.ndarray, plan: Plan, degrees: torch.Tensor) -> int:
    bank = ImageBank(images, np.zeros(len(images), np.int64), UNIT, CPU)
    ours = bank.augmented(plan, 0, len(plan.order)).numpy()
    theirs = np.stack(
        [by_torchvision(images[plan.order[row]], plan, row, float(degrees[row])) for row in range(len(plan.order))]
    )
    return int((ours != theirs).any(-1).sum())


def test_no_pixel_differs_on_real_digits(digits):
    images = load_packed("digits", "train").images
    images = np.concatenate([images, load_packed("digits", "test").images, images])[:2200]
    degrees = random_degrees(len(images), seed=3, epoch=4)
    plan = draw_plan(len(images), 3, 4, CPU, augment="seed", hflip=True)
    assert differing_pixels(images, plan, degrees) == 0


def test_no_pixel_differs_on_real_cifar(cifar10_images):
    images = cifar10_images
    degrees = random_degrees(len(images), seed=0, epoch=7)
    plan = draw_plan(len(images), 0, 7, CPU, augment="seed", hflip=True)
    assert differing_pixels(images, plan, degrees) == 0


def random_degrees(num_images: int, seed: int, epoch: int) -> torch.Tensor:
    """Draw again the angles of a plan, which keeps only their fixed-point form."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    torch.randperm(num_images, generator=generator)
    torch.rand(num_images, generator=generator)
    for _ in range(2):
        torch.randint(0, 2 * PAD + 1, (num_images,), generator=generator, dtype=torch.int32)
    return torch.empty(num_images).uniform_(-MAX_DEGREES, MAX_DEGREES, generator=generator)


@pytest.mark.parametrize("degrees", EDGE_DEGREES)
@pytest.mark.parametrize("corner", [(0, 0), (0, 2 * PAD), (2 * PAD, 0), (2 * PAD, 2 * PAD), (PAD, PAD)])
def test_no_pixel_differs_at_the_edges(digits, degrees, corner):
    images = np.array(load_packed("digits", "test").images[:6])
    images[0] = np.random.default_rng(0).integers(0, 256, (32, 32, 3))  # a picture whose every pixel tells
    angles = torch.full((6,), degrees)
    plan = Plan(
        order=torch.arange(6),
        flip=torch.arange(6) % 2 == 0,
        top=torch.full((6,), corner[0], dtype=torch.int32),
        left=torch.full((6,), corner[1], dtype=torch.int32),
        affine=rotation(angles),
        hole=None,
    )
    assert differing_pixels(images, plan, angles) == 0


def test_normalised_batch_equals_torchvision_to_the_bit(digits):
    images, labels = load_packed("digits", "test")
    mean, std = torch.rand(32, 32, 3), torch.rand(32, 32, 3) + 0.1
    bank = ImageBank(images, labels, Normalization(mean, std), CPU)
    batch, got = bank.plain(0, 100)
    expected = tv.to_tensor(Image.fromarray(images[5])).sub(mean.permute(2, 0, 1)).div(std.permute(2, 0, 1))
    assert torch.equal(batch[5], expected)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert got.tolist() == labels[:100].tolist()


def test_plan_depends_on_seed_and_epoch_only():
    def order(seed: int, epoch: int, augment: str = "seed") -> list[int]:
        return draw_plan(500, seed, epoch, CPU, augment=augment, hflip=True).order.tolist()

    assert order(1, 2) == order(1, 2) == order(1, 2, augment="none")
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)
    assert sorted(order(1, 2)) == list(range(500))


def test_without_augmentation_images_stay_as_they_are(digits):
    images, labels = load_packed("digits", "test")
    bank = ImageBank(images, labels, UNIT, CPU)
    plan = draw_plan(len(bank), 0, 0, CPU, augment="none", hflip=True)
    assert np.array_equal(bank.augmented(plan, 0, 50).numpy(), images[plan.order[:50].numpy()])


def test_images_that_may_not_be_mirrored_never_are():
    assert not draw_plan(1000, 0, 0, CPU, augment="seed", hflip=False).flip.any()
    assert 400 < draw_plan(1000, 0, 0, CPU, augment="seed", hflip=True).flip.sum() < 600


def test_light_mirrors_and_crops_but_does_not_turn(digits):
    images, labels = load_packed("digits", "test")
    plan = draw_plan(len(images), 3, 4, CPU, augment="light", hflip=True)
    assert plan.affine is None
    bank = ImageBank(images, labels, Normalization(torch.zeros(1, 1, 3), torch.ones(1, 1, 3)), CPU)
    for place, got in enumerate(bank.augmented(plan, 0, len(images)).numpy()):
        image = np.array(images[plan.order[place]])
        image = image[:, ::-1] if plan.flip[place] else image
        top, left = int(plan.top[place]), int(plan.left[place])
        padded = np.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)))
        assert np.array_equal(got, padded[top : top + 32, left : left + 32])


def test_cutout_blackens_one_square_and_touches_nothing_else(digits):
    images, labels = load_packed("digits", "test")
    bank = ImageBank(images, labels, Normalization(torch.zeros(1, 1, 3), torch.ones(1, 1, 3)), CPU)
    plan = draw_plan(len(images), 3, 4, CPU, augment="cutout", hflip=True)
    light = bank.augmented(plan._replace(hole=None), 0, len(images)).numpy()
    assert plan.hole is not None
    for expected, got, (row, column) in zip(
        light, bank.augmented(plan, 0, len(images)).numpy(), plan.hole, strict=True
    ):
        expected[max(0, row) : row + HOLE, max(0, column) : column + HOLE] = 0
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("first", [0, 3, 5])
def test_batches_are_the_epoch_in_order(digits, first):
    images, labels = load_packed("digits", "test")
    bank = ImageBank(images, labels, Normalization(torch.zeros(1, 1, 3), torch.ones(1, 1, 3)), CPU)
    plan = draw_plan(len(images), 3, 4, CPU, augment="seed", hflip=True)
    parts = list(batches(bank, plan, 64, first=first))
    assert [len(part) for _, part in parts] == [64, 64, 64, 64, 64, 39][first:]
    whole, whole_labels = bank.batch(plan, 64 * first, len(images))
    assert torch.equal(torch.cat([part for part, _ in parts]), whole)
    assert torch.equal(torch.cat([part for _, part in parts]), whole_labels)
    assert all(part.is_contiguous(memory_format=torch.channels_last) for part, _ in parts)
