"""The form of a recipe, drawn from the recipe's own fields: what `cockpit train` takes as flags is an input here."""

import dataclasses
from typing import Any, NamedTuple

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Label

from cockpit.datasets import find_dataset
from cockpit.errors import CockpitError
from cockpit.recipe import Option, Recipe, chosen, largest_batch, options, usual_recipe
from cockpit.tui.choice import Choice
from cockpit.tui.fields import Fields

FIELDS = {option.name: option for option in options()[2:]}
"""The fields below model and dataset, which have lists of their own."""


class Draft(NamedTuple):
    """What the form says."""

    recipe: Recipe | None
    """The recipe as far as it can be read; None without a network or a dataset."""
    mistake: str
    """The first of what is wrong with it; empty when it can be launched."""


class RecipeForm(VerticalScroll, can_focus=False):
    """Inputs for every field of the recipe but model and dataset; an empty one takes the default it shows."""

    def compose(self) -> ComposeResult:
        """Lay out a label and an input for each field."""
        with Fields():
            for option in FIELDS.values():
                yield Label(option.name.replace("_", " "))
                yield _input(option)

    def fill_defaults(self, usual: Recipe) -> None:
        """Show what each empty input stands for, and turn the choices that nobody turned."""
        for field in self.query(Input):
            field.placeholder = _text(getattr(usual, str(field.id)))
        for choice in self.query(Choice):
            if choice.id != "preset":
                choice.set_usual(FIELDS[str(choice.id)].text(getattr(usual, str(choice.id))))

    def draft(self, model: str | None, dataset: str | None) -> Draft:
        """Return the recipe for a network and a dataset, and show what its empty fields stand for."""
        values, errors = self.values()
        if model is None or dataset is None:
            return Draft(None, "no network is highlighted")
        try:
            recipe = usual_recipe(model, dataset, values.pop("preset", Recipe().preset), **values)
            self.fill_defaults(_resolved(recipe))
        except CockpitError as error:  # the dataset is not there any more
            return Draft(None, str(error))
        try:
            recipe.complete()
        except CockpitError as error:
            errors.setdefault("", str(error))
        if "batch_size" not in errors:
            self._check_batch(recipe)
        return Draft(recipe, next(iter(errors.values()), ""))

    def _check_batch(self, recipe: Recipe) -> None:
        """Mark a batch that is larger than the dataset's training part, with the most to take where it is empty."""
        field = self.query_one("#batch_size", Input)
        most = largest_batch(find_dataset(recipe.dataset), recipe.val_fraction)
        too_large = recipe.batch_size > most
        field.set_class(too_large, "wrong")
        if too_large:
            field.placeholder = f"most {most}"

    def fill(self, recipe: Recipe) -> None:
        """Show a complete recipe: its preset, and in its fields what it sets apart from that."""
        self.query_one("#preset", Choice).value = recipe.preset
        try:
            self.fill_defaults(_resolved(usual_recipe(recipe.model, recipe.dataset, recipe.preset)))
            values = chosen(recipe)
        except CockpitError:  # what a network or a dataset that is not here would derive is not known
            values = {name: getattr(recipe, name) for name in FIELDS if name != "preset"}
        for name, option in FIELDS.items():
            field = self.query_one(f"#{name}")
            if isinstance(field, Input):
                field.value = option.text(values[name]) if name in values else ""
            elif isinstance(field, Choice) and name in values:
                field.value = option.text(values[name])

    def values(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the values that were chosen, and what is wrong with the others; both by field."""
        values, errors = {}, {}
        for name, option in FIELDS.items():
            field = self.query_one(f"#{name}")
            assert isinstance(field, Input | Choice)
            if not field.value if isinstance(field, Input) else not field.turned:
                field.remove_class("wrong")
                continue
            try:
                values[name] = option.parse(field.value)
            except CockpitError as error:
                errors[name] = str(error)
            field.set_class(name in errors, "wrong")
        return values, errors

    @property
    def option(self) -> Option | None:
        """The field that has the focus."""
        focused = self.screen.focused
        return FIELDS.get(str(focused.id)) if focused and focused in self.query("Input, Choice") else None

    def enter(self) -> None:
        """Focus the first field."""
        self.query_one(Fields).enter()


def _input(option: Option) -> Widget:
    if option.choices:
        return Choice(option.choices, option.default, id=option.name)
    if option.kind is bool:
        return Choice(("no", "yes"), "yes" if option.default else "no", id=option.name)
    return Input(id=option.name, compact=True)  # what is typed replaces the value of a field that was gone to


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _resolved(recipe: Recipe) -> Recipe:
    """Return the preset's recipe with the numbers that unset fields stand for beside what was chosen."""
    usual = usual_recipe(recipe.model, recipe.dataset, recipe.preset)
    derived = dataclasses.replace(usual, epochs=recipe.epochs, batch_size=recipe.batch_size)
    return dataclasses.replace(
        usual, epochs=usual.num_epochs, lr=derived.peak_lr, warmup_epochs=derived.num_warmup_epochs
    )
