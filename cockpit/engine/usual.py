"""Training as people usually write it: PIL images, torchvision's transforms, a DataLoader. For the bench."""

from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from cockpit import datasets
from cockpit.engine.augment import MAX_DEGREES, PAD
from cockpit.engine.data import split_indices
from cockpit.recipe import Recipe
from nets import build

_MEAN, _STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Of CIFAR-10's training images, a channel each; any figures cost the same time."""


class Pictures(Dataset[tuple[Tensor, int]]):
    """The training part of a dataset, one augmented picture at a time."""

    def __init__(self, recipe: Recipe) -> None:
        """Take the images that the engine would train on."""
        from torchvision import transforms

        images, labels = datasets.load_packed(recipe.dataset, "train")
        train, _ = split_indices(len(images), recipe.val_fraction, recipe.seed)
        self._images, self._labels = images[train], labels[train]
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(datasets.SIZE, padding=PAD),
                transforms.RandomHorizontalFlip(),
                transforms.RandomRotation(MAX_DEGREES),
                transforms.ToTensor(),
                transforms.Normalize(_MEAN, _STD),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(np.asarray(self._images[index]))
        return cast(Tensor, self._transform(image)), int(self._labels[index])


def usual_loader(recipe: Recipe, num_workers: int) -> DataLoader[tuple[Tensor, int]]:
    """Return a shuffling DataLoader whose processes live on between epochs."""
    return DataLoader(
        Pictures(recipe),
        batch_size=recipe.batch_size,
        shuffle=True,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


class UsualTraining:
    """A network in fp32 and NCHW, SGD as torch gives it, and a loss that is read every step."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        """Build the network of a recipe."""
        self._device = device
        self._model = build(recipe.model, datasets.find_dataset(recipe.dataset).num_classes).to(device).train()
        self._optimizer = torch.optim.SGD(
            self._model.parameters(), lr=1e-3, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self._criterion = nn.CrossEntropyLoss()

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Learn from a batch that comes from the CPU; return its loss."""
        images, labels = images.to(self._device), labels.to(self._device)
        self._optimizer.zero_grad()
        loss = self._criterion(self._model(images), labels)
        loss.backward()
        self._optimizer.step()
        return loss.item()
