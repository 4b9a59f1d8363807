"""What is known of a dataset, and the table of those that are known by name."""

import msgspec


class DatasetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a dataset before and after its images are here."""

    name: str
    """What the command line and the recipe call it."""
    title: str
    """What a person calls it."""
    classes: tuple[str, ...]
    """Class names; the label is the index."""
    train_images: int
    """Images to train and validate on."""
    test_images: int
    """Images to test on, once."""
    hflip_ok: bool = True
    """Whether a mirrored image is still of its class; a mirrored digit is not."""
    epochs: int = 200
    """Epochs that a recipe takes when none are asked for."""
    source: str = ""
    """Where the images come from, in a sentence."""
    digests: dict[str, str] = {}
    """Split to content digest (`cockpit.ingest.digest`); a known dataset is refused when they differ."""
    superclasses: dict[str, tuple[str, ...]] = {}
    """Groups of classes by the group's name, where the source has such; each class is in one of them."""
    held_out: bool = False
    """The test part was cut from the training images here, because the source has none."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)


_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel "
    "can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur "
    "dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion "
    "lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree "
    "pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea "
    "seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table "
    "tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman "
    "worm"
)

_CIFAR100_SUPERCLASSES = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "household electrical devices": "clock keyboard lamp telephone television",
    "household furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large man-made outdoor things": "bridge castle house road skyscraper",
    "large natural outdoor scenes": "cloud forest mountain plain sea",
    "large omnivores and herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium-sized mammals": "fox porcupine possum raccoon skunk",
    "non-insect invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}
"""The seed's table."""

DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="digits",
            title="Handwritten digits",
            classes=tuple("0123456789"),
            train_images=1438,
            test_images=359,
            hflip_ok=False,
            epochs=30,
            source="1,797 scans of the UCI optical digits that scikit-learn ships, enlarged from 8×8 to 32×32",
            held_out=True,
        ),
        DatasetSpec(
            name="cifar10",
            title="CIFAR-10",
            classes=tuple(_CIFAR10.split()),
            train_images=50_000,
            test_images=10_000,
            source="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            digests={
                "train": "6a3b2c04d0a79ce272dcdacaf0bc440275db5a8cbe3717521a28fada2ea0d2ed",
                "test": "65a6ffe079453e514083f99356b35e02cbfd581b4951e3937fae188974b79f39",
            },
        ),
        DatasetSpec(
            name="cifar100",
            title="CIFAR-100",
            classes=tuple(_CIFAR100.split()),
            superclasses={name: tuple(members.split()) for name, members in _CIFAR100_SUPERCLASSES.items()},
            train_images=50_000,
            test_images=10_000,
            source="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            digests={
                "train": "640c97a4012a8aebfcaf57fd82a33dd43b37d2e397a02cb9b0a3d89e6d6d936d",
                "test": "a6a97df7b61bc7420bc44268696e8963d33129bc050978f2a63d8fe3420989fa",
            },
        ),
    )
}
"""The known datasets: one is embedded, the others can be fetched or imported."""

EMBEDDED = "digits"
"""Needs no download: it is packed from scikit-learn at its first use."""
