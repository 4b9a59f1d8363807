"""How a device is named, or several for one run: what was typed becomes its normal form. Looks at no hardware.

A device is `auto`, `cpu`, `mps`, `cuda` (any card) or `cuda:<n>`; several have commas between. A bare number is a card,
so `0,1` is `cuda:0,cuda:1`. `cuda,cuda` is any two cards.
"""

import re
from collections.abc import Callable

from cockpit.errors import CockpitError

CPU = "cpu"
CARD = "cuda"
"""Any card."""
MOST = 64
"""So many devices a run has at most."""
_KINDS = ("auto", CPU, "mps", CARD)
_CARD = re.compile(r"(?:cuda:)?([0-9]{1,4})", re.IGNORECASE)
_EXAMPLE = "for example cuda:0,cuda:1"


def normal(typed: str) -> str:
    """Return a device, or several, as tickets, records and commands name them.

    Raises:
        CockpitError: When it is no device, or several that cannot share a run.
    """
    if count(typed) > MOST:
        raise CockpitError(f"device {typed[:40]!r}… is {count(typed):,} devices; a run has {MOST} at most")
    names = [_one(name.strip(), typed) for name in names_of(typed)]
    if len(names) > 1:
        _check_together(names, typed)
    return ",".join(names)


def names_of(device: str) -> list[str]:
    """Return the devices that a normal form names, one for each process."""
    return device.split(",")


def first_of(device: str) -> str:
    """Return the first of several devices: there is the work that only one can do."""
    return device.partition(",")[0]


def count(device: str) -> int:
    """Return how many devices a run asks for, and so of how many processes it is."""
    return device.count(",") + 1


def short(device: str) -> str:
    """Return several devices as a list has room for them: `cuda:0,1`, `2 × cuda`."""
    names = names_of(device)
    if len(names) == 1:
        return device
    if len({*names}) == 1:
        return f"{len(names)} × {names[0]}"
    return f"{names[0]},{','.join(name.removeprefix('cuda:') for name in names[1:])}"


def is_open(device: str) -> bool:
    """Tell whether several cards are asked for without naming them: any so many."""
    return device.startswith(f"{CARD},")


def may_be_card(device: str) -> bool:
    """Tell whether what a run asks for may come to be a card, as `auto` does where there is one."""
    return any(name not in (CPU, "mps") for name in names_of(device))


def visible(said: str, num_cards: int, uuid_of: Callable[[int], str]) -> list[int | str]:
    """Return the cards that CUDA_VISIBLE_DEVICES leaves, in the order in which `cuda:<n>` counts them, as CUDA does.

    What follows a name that is none is not read, and a card that is named twice leaves none.

    Args:
        said: The variable's value: ordinals in the order of the PCI bus, or UUIDs, also cut short.
        num_cards: How many cards there are.
        uuid_of: The UUID of a card by its ordinal; empty when it does not answer.

    Returns:
        Ordinals; the UUID of a part of a card (MIG), which has none.
    """
    cards: list[int | str] = []
    for name in (word.strip() for word in said.split(",", MOST)[:MOST]):
        if name.startswith("MIG-"):
            found: list[int | str] = [name]
        elif name.startswith("GPU-"):
            found = [number for number in range(num_cards) if uuid_of(number).startswith(name)]
        else:
            found = [number for number in range(num_cards) if re.fullmatch(rf"\+?0*{number}", name)]
        if len(found) != 1:
            break
        if found[0] in cards:
            return []
        cards += found
    return cards


def _one(name: str, typed: str) -> str:
    if card := _CARD.fullmatch(name):
        return f"{CARD}:{int(card[1])}"
    if name.lower() in _KINDS:
        return name.lower()
    if "," in typed and not name:
        raise CockpitError(f"device {typed[:80]!r} lacks a name beside a comma; name each, {_EXAMPLE}")
    raise CockpitError(
        f"there is no device {name[:40]!r}; choose auto, cpu, mps, cuda or cuda:<n>, or several, {_EXAMPLE}"
    )


def _check_together(names: list[str], typed: str) -> None:
    for place, one in enumerate(names):
        if one in ("auto", "mps"):
            raise CockpitError(
                f"device {one!r} of {typed[:80]!r} cannot be one of several; name each card, {_EXAMPLE}, or say how "
                f"many: cuda,cuda"
            )
        if one.startswith(f"{CARD}:") and one in names[:place]:
            raise CockpitError(f"device {one!r} is named twice in {typed[:80]!r}; name each card once, {_EXAMPLE}")
    kinds = {one.partition(":")[0] for one in names}
    if len(kinds) > 1:
        raise CockpitError(f"device {typed[:80]!r} mixes cards and CPU, which would wait for the CPU; take one kind")
    if CARD in names and {*names} != {CARD}:
        raise CockpitError(
            f"device {typed[:80]!r} names some of its cards and not the others; name each, {_EXAMPLE}, or none: "
            f"cuda,cuda is any two"
        )
