"""A model card in Markdown: what a network is, what it was made of and by, how well it does, and what nobody measured.

After Mitchell et al. 2019, Model Cards for Model Reporting (arXiv 1810.03993). Text from outside is shown literally.
"""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cockpit import datasets, durable, provenance, records, reports
from cockpit.errors import CockpitError
from cockpit.forms import NETWORKS
from cockpit.lines import whole_lines
from cockpit.markdown import code, day, listed, plain, table
from cockpit.recipe import command, options
from cockpit.results import NOT_FINITE, Exported, Imported, TestReport
from cockpit.store import Run
from nets.catalog import MODELS

_SHOWN = 5
"""Classes and pairs that are told of; the report has all."""
_MANY = 20
"""More classes are not named one by one."""
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
_LICENCES = {
    "digits": "the UCI repository has them under CC BY 4.0 (Optical Recognition of Handwritten Digits); "
    "scikit-learn ships a copy",
    "cifar10": "its makers name no licence; they ask to cite the report above",
    "cifar100": "its makers name no licence; they ask to cite the report above",
}
"""What is known of the licences of the datasets' images."""


class _Weights(NamedTuple):
    """What the checkpoint says of itself."""

    model: str
    dataset: str
    classes: tuple[str, ...]
    epoch: int
    val_acc: float | None
    params: int
    sha256: str


def make_card(run: Run, exported: Sequence[Exported] = (), checked: durable.Checked | None = None) -> str:
    """Return the card of a run's best network.

    Args:
        run: A run with a checkpoint.
        exported: The files that were made with the card.
        checked: The checkpoint that they were made of; a training may have replaced it since.

    Raises:
        CockpitError: When the checkpoint is damaged.
    """
    weights = _read_weights(run, checked)
    imported = run.imported()
    test = run.test_report()
    if test is not None and test.sha256 != weights.sha256:
        test = None  # of an earlier checkpoint
    parts = [
        [f"# {plain(weights.model)} on {plain(_title(weights.dataset))}", "", _summary(run, weights, test)],
        ["## The network", "", *table(_network(weights))],
        ["## The data", "", *table(_data(weights))],
        ["## How it was trained", "", *(_origin(imported) if imported else _training(run))],
        ["## How well it does", "", *_figures(run, weights, test)],
        ["## What was not measured", "", *_gaps(weights, imported, test)],
        ["## How to use it", "", *_usage(run, weights, exported)],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _read_weights(run: Run, checked: durable.Checked | None) -> _Weights:
    data, digest = checked or durable.read_checked(run.best_path)
    try:
        tensors = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts = tensors.pop("__metadata__")
        recipe = {} if "imported" in facts else json.loads(facts["recipe"])
        return _Weights(
            model=str(recipe.get("model") or facts["model"]),
            dataset=str(recipe.get("dataset") or facts["dataset"]),
            classes=tuple(map(str, json.loads(facts["classes"]))),
            epoch=int(facts.get("epoch", 0)),
            val_acc=float(facts["val_acc"]) if "val_acc" in facts else None,
            params=sum(_count(tensor["shape"]) for name, tensor in tensors.items() if _is_parameter(name)),
            sha256=digest,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CockpitError(f"{run.best_path} is not a checkpoint of cockpit: {error}") from error


def _is_parameter(name: str) -> bool:
    return not name.startswith("normalize.") and name.rpartition(".")[2] not in _BUFFERS


def _count(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _title(dataset: str) -> str:
    try:
        return datasets.find_dataset(dataset).title
    except CockpitError:
        return dataset


def _summary(run: Run, weights: _Weights, test: TestReport | None) -> str:
    told = f"{test.top1:.2%} top-1 on {test.images:,} test images" if test else "not tested"
    return f"Tells {len(weights.classes)} classes of 32×32 pictures apart: {told}. Run {code(run.id)} of cockpit."


def _network(weights: _Weights) -> Iterable[tuple[str, str]]:
    spec = MODELS.get(weights.model)
    yield "architecture", code(weights.model)
    if spec:
        yield "paper", f"{plain(spec.authors)}: {plain(spec.paper)}, {spec.year}, arXiv {spec.arxiv}"
    yield "parameters", f"{weights.params:,}"
    yield "input", "RGB, 32×32 pixels"
    few = len(weights.classes) <= _MANY
    yield "classes", listed(weights.classes) if few else f"{len(weights.classes)}, {listed(weights.classes[:3])}, …"
    yield "weights", f"SHA-256 {code(weights.sha256)}"


def _data(weights: _Weights) -> Iterable[tuple[str, str]]:
    yield "dataset", code(weights.dataset)
    try:
        spec = datasets.find_dataset(weights.dataset)
    except CockpitError:
        yield "source", "not known where this card was written"
        return
    yield "source", plain(spec.source) or "not known"
    yield "licence", _LICENCES.get(spec.name, "not known to cockpit; who imported the images may know")
    yield "images", f"{spec.train_images:,} to train and validate on, {spec.test_images:,} to test"
    if spec.held_out:
        yield "test images", "a part of the same pictures that was held out: their makers name none"


def _origin(imported: Imported) -> list[str]:
    rows = [
        ("origin", "imported: how they were trained is not known to cockpit"),
        ("file", code(imported.source)),
        ("SHA-256 of it", code(imported.sha256)),
        ("normalisation", plain(imported.normalization)),
        ("imported", day(imported.time)),
        *(("on the way in", plain(note)) for note in imported.notes),
    ]
    return table(rows)


def _training(run: Run) -> list[str]:
    recipe = run.recipe
    launches = run.launches()
    epoch = run.tail().epoch
    rows = [(option.name, code(option.text(getattr(recipe, option.name)))) for option in options()]
    facts: list[tuple[str, str]] = []
    if launches:
        made = provenance.trace(run)
        facts += [
            ("begun", day(launches[0].time)),
            ("launches", str(len(launches))),
            ("device", plain(_how(run) or ", ".join(made.devices))),
            ("versions", plain(", ".join(made.versions))),
            ("commit", ", ".join(map(code, made.commits)) or "not known: cockpit was no checkout"),
        ]
        if made.mixed:
            facts.append(("time", "not told: it was trained on hardware of several kinds"))
        elif epoch:
            facts.append(("time", f"{epoch.elapsed_s:,.0f} s"))
    if epoch:
        facts.append(("epochs done", f"{epoch.epoch} of {recipe.num_epochs}"))
    try:
        again = [f"The same again: {code(command(recipe))}", ""]
    except CockpitError:  # a network or dataset that is not known here
        again = []
    return [*again, *table(facts), "", *table(rows)]


def _how(run: Run) -> str:
    """Return device, precision and way of the choices that the trainer recorded, each once."""
    told: dict[str, None] = {}
    for record in records.decode_lines(line for line in whole_lines(run.metrics_path) if b'"choice"' in line):
        if isinstance(record, records.Choice):
            told[f"{record.device}, {record.precision}, {record.way}"] = None
    return "; ".join(told)


def _figures(run: Run, weights: _Weights, test: TestReport | None) -> list[str]:
    rows = []
    if weights.val_acc is not None:
        rows.append(
            ("validation top-1", f"{weights.val_acc:.2%} at epoch {weights.epoch}, by which the epoch was chosen")
        )
    if test is None:
        return [*table(rows), "", "These weights were not tested."]
    rows += [
        ("test top-1", f"{test.top1:.2%}"),
        ("test top-5", f"{test.top5:.2%}"),
        ("test loss", f"{test.loss:.4f}, mean cross-entropy an image" if test.loss is not None else NOT_FINITE),
        ("tested", f"{day(test.time)}, {test.images:,} images, {plain(test.device)}, {plain(test.precision)}"),
    ]
    try:
        report = reports.read_report(run)
    except CockpitError:
        return [*table(rows), "", "What it said of each image was not kept, so nothing is known by class."]
    rows.append(("calibration error", f"{report.calibration.ece:.2%} (ECE, 15 bins)"))
    worst = sorted((c for c in report.classes if c.accuracy is not None), key=lambda c: c.accuracy or 0.0)[:_SHOWN]
    names = report.predictions.classes
    lines = [*table(rows), "", "The classes that it recognises least:", ""]
    lines += table(
        [(plain(c.name), f"{c.accuracy:.2%}", f"{c.images:,}") for c in worst], "class", "accuracy", "images"
    )
    if report.pairs:
        found = [(plain(names[p.label]), plain(names[p.guess]), f"{p.images:,}") for p in report.pairs[:_SHOWN]]
        lines += [
            "",
            "What it takes for something else most often:",
            "",
            *table(found, "class", "taken for", "images"),
        ]
    return lines


def _gaps(weights: _Weights, imported: Imported | None, test: TestReport | None) -> list[str]:
    gaps = [
        "Other pictures than those of the dataset: other cameras, crops, sizes, noise, or pictures made to deceive."
    ]
    if imported:
        gaps.append("Whether the test images were among those that it was trained on.")
        gaps.append("Its validation accuracy.")
    else:
        gaps.append("How much the figures vary with the seed: they are of one run.")
    if test is None:
        gaps.append("Its accuracy on the test images.")
    gaps.append("Whether it does equally well for what the classes do not name: people, places, makes.")
    if weights.dataset.startswith("cifar"):
        gaps.append("The effect of test images that are nearly the same as training images, of which CIFAR has some.")
    return [f"- {gap}" for gap in gaps]


def _usage(run: Run, weights: _Weights, exported: Sequence[Exported]) -> list[str]:
    lines: list[str] = []
    if exported:
        lines += [*table([_made(one) for one in exported], "file", "format", "compared with the network"), ""]
    weights_file = next((one.path for one in exported if one.format == "safetensors"), f"{run.id}.safetensors")
    return [
        *lines,
        "With PyTorch and the package `nets` of cockpit:",
        "",
        "```python",
        *usage(weights.model, len(weights.classes), weights_file.rpartition("/")[2]),
        "```",
        "",
        f"`cockpit export {run.id} --to safetensors onnx torch` makes the files.",
    ]


def usage(model: str, num_classes: int, name: str) -> list[str]:
    """Return the lines of Python that take up exported weights; `images` is (B, 3, 32, 32) uint8."""
    return [
        "from nets import build",
        "from safetensors.torch import load_file",
        "",
        f"model, weights = build({json.dumps(model)}, num_classes={num_classes}).eval(), load_file({json.dumps(name)})",
        'mean, std = weights.pop("normalize.mean"), weights.pop("normalize.std")',
        "model.load_state_dict(weights)",
        "logits = model((images / 255 - mean) / std)  # images: uint8, (batch, 3, 32, 32), RGB",
    ]


def _made(one: Exported) -> tuple[str, str, str]:
    told = "no" if one.format in NETWORKS else ""
    if one.verified:
        v = one.verified
        told = (
            f"{v.images} test images of {v.classes} classes: logits within {v.largest_difference:.1e}, top-1 the same"
        )
    depth = 2 if one.format == "tensorboard" else 1  # a folder of its own for each run
    return code("/".join(one.path.split("/")[-depth:])), one.format, told
