"""The lists of the New-run screen: networks by family, datasets, devices."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from cockpit.datasets import DatasetSpec
from cockpit.device_names import short
from cockpit.tui.text import cells, millions, percent, plain, words
from cockpit.tui.watch import OwnBest
from nets.catalog import MODELS, ModelSpec

DOWNLOAD = "~170 MB"
"""The archives of CIFAR-10 and CIFAR-100 are 163 and 161 MiB, as their home page says."""
_ROOMY = 118
"""Columns from which a network's description need not be cut."""
_NAME_WIDTH = max(map(len, MODELS))
_TITLE_INDENT = 2
"""Cells by which the title of a pane begins to the right of its lines."""


class Menu(OptionList):
    """A list whose highlighted line is the choice; enter is left to the screen, which launches."""

    def __init__(self, *, id: str, title: str) -> None:
        """Begin empty."""
        super().__init__(id=id, classes="pane", markup=False, compact=True)
        self.border_title = title

    def on_mount(self) -> None:
        """Leave enter to the screen."""
        self._bindings.key_to_bindings.pop("enter", None)

    def on_resize(self) -> None:
        """Keep the choice in sight."""
        self.call_after_refresh(self.scroll_to_highlight)

    @property
    def chosen(self) -> str | None:
        """The value of the highlighted line."""
        option = self.highlighted_option
        return option.id if option else None

    def choose(self, value: str) -> bool:
        """Highlight a value; False when it is not offered."""
        if value not in [option.id for option in self.options]:
            return False
        self.highlighted = self.get_option_index(value)
        return True

    def fill(self, lines: Iterable[tuple[str | None, Content]], chosen: str | None) -> None:
        """Show these lines, (value or None for a heading, text), and highlight a value, or the first."""
        options = [Option(text, id=value, disabled=value is None) for value, text in lines]
        self.set_options(options)
        values = [option.id for option in options if option.id is not None]
        if values:
            self.highlighted = self.get_option_index(chosen if chosen in values else values[0])


def model_title(*, columns: bool) -> str:
    """Return the title of the list of networks, with the names of its columns above them where they fit."""
    if not columns:
        return f"Network, / finds in {len(MODELS)}"
    title = "Network / finds"
    names = f"{'':<{_NAME_WIDTH}} {'size':>5}{'C10':>8}{'C100':>6}{'yours':>7}"
    return title + names[len(title) + _TITLE_INDENT :]


def model_lines(
    sought: Sequence[str] = (), own_bests: Mapping[tuple[str, str], OwnBest] | None = None, dataset: str | None = None
) -> list[tuple[str | None, Content]]:
    """Return the networks that contain every word sought, under headings of their families.

    Args:
        sought: Words in lower case.
        own_bests: See `RunsReader.own_bests`.
        dataset: The dataset whose own best stands in the last column.
    """
    lines: list[tuple[str | None, Content]] = []
    family = ""
    for spec in MODELS.values():
        if not all(word in f"{spec.name} {spec.family} {spec.year}".lower() for word in sought):
            continue
        if spec.family != family:
            family = spec.family
            lines.append((None, words((f"{family} {spec.year}", "bold"))))
        own = (own_bests or {}).get((spec.name, dataset or ""))
        known = f"{spec.name:<{_NAME_WIDTH}} {millions(spec.params):>5}{_seed(spec)}"
        mine = f"{percent(own.top1):>7}{'' if own.tested else 'v'}{'*' if own.changes else ''}" if own else ""
        lines.append((spec.name, words(known, (mine, "$text-success") if mine else "")))
    return lines or [(None, words(("no network fits; esc: all", "$text-warning")))]


def _seed(spec: ModelSpec) -> str:
    """Return the accuracies of the seed's table, CIFAR-10 and CIFAR-100."""
    found = {one.dataset: percent(one.top1) for one in spec.published if one.source == "seed"}
    return f"{found.get('cifar10', ''):>8}{found.get('cifar100', ''):>6}"


def dataset_lines(datasets: Iterable[tuple[DatasetSpec, bool | None]]) -> list[tuple[str | None, Content]]:
    """Return the datasets, each with what its first use costs; with `…` while it is not known what is here."""
    states = {True: "ready", False: f"↓ {DOWNLOAD}", None: "…"}
    return [
        (
            spec.name,
            words(
                f"{plain(spec.name):<11} {states[ready]}",
                (f"{spec.train_images:,} in {spec.num_classes} classes", "dim"),
                between="\n",
            ),
        )
        for spec, ready in datasets
    ]


def device_lines(
    devices: Iterable[tuple[str, str]], marked: Collection[str] = (), sign: str = "*"
) -> list[tuple[str | None, Content]]:
    """Return the devices, those that are marked with a sign."""
    lines = []
    for value, title in devices:
        mark = (f"{sign if value in marked else ' '} ", "bold $text-accent") if marked else ""
        lines.append((value, words(words(mark, short(value)), (plain(title), "dim"), between="  ")))
    return lines


def place_lines(places: Iterable[tuple[str, str]], silent: str = "") -> list[tuple[str | None, Content]]:
    """Return the places to train in, with what each is; of one that does not answer it says so."""
    no_answer = ("no answer", "$text-warning")
    return [
        (value, words(value, no_answer if value == silent else (title, "dim"), between="  ")) for value, title in places
    ]


def describe_model(spec: ModelSpec, own_bests: Mapping[tuple[str, str], OwnBest], width: int = 0) -> Content:
    """Return a network's paper, authors and idea, and what others and the user reached with it.

    Args:
        spec: The network.
        own_bests: See `RunsReader.own_bests`.
        width: Cells of a line, into which the paper is cut; 0 cuts nothing.
    """
    own = ", ".join(f"{plain(data, 40)} {_own(best)}" for (name, data), best in own_bests.items() if name == spec.name)
    yours = (f"your best {own}", "$text-success") if own else ""
    if not width or width >= _ROOMY:
        size = f"{spec.params / 1e6:.2f} M parameters, {spec.flops / 1e9:.2f} GFLOP an image"
        facts = words(words((spec.name, "bold"), size, between="  "), yours, _published(spec), between=" · ")
    else:  # a line for the facts and one for the paper leave three for the idea
        size = f"{spec.params / 1e6:.2f} M, {spec.flops / 1e9:.2f} GFLOP"
        room = width - len(f"{spec.name}  {size} · ")
        reached = yours or next(
            (text for text in (_published(spec), _published(spec, "seed")) if len(text) <= room), ""
        )
        facts = words(words((spec.name, "bold"), size, between="  "), reached, between=" · ")
        facts = facts.truncate(width, ellipsis=True)
    return words(facts, _paper(spec, width), (spec.idea, "dim"), between="\n")


def _own(best: OwnBest) -> str:
    """Return the best of one's own runs; what is no test's, or by another recipe, is called so."""
    changes = f" (* {plain(best.changes, 40)})" if best.changes else ""
    return f"{'' if best.tested else 'val '}{percent(best.top1)} %{changes}"


def _published(spec: ModelSpec, *sources: str) -> str:
    """Return the published accuracies on CIFAR-10 and CIFAR-100, the seed's and the best elsewhere."""
    found: dict[str, dict[str, float]] = {}
    for one in spec.published:
        if not sources or one.source in sources:
            best = found.setdefault("" if one.source == "seed" else "elsewhere ", {})
            best[one.dataset] = max(best.get(one.dataset, 0.0), one.top1)
    texts = [
        f"{where}{'/'.join(percent(best[name]) if name in best else '–' for name in ('cifar10', 'cifar100'))}"
        for where, best in found.items()
    ]
    return f"published C10/C100 {', '.join(texts)} %" if texts else ""


def _paper(spec: ModelSpec, width: int) -> str:
    """Return where a network comes from, in one line of so many cells if it is not 0."""
    whole = f"{spec.paper}, {_first_authors(spec)} {spec.year}, arXiv {spec.arxiv}"
    if not width or len(whole) <= width:
        return whole
    origin = f" · {spec.year}, arXiv {spec.arxiv}"
    return cells(spec.paper, width - len(origin)) + origin


def _first_authors(spec: ModelSpec) -> str:
    """Return up to three authors."""
    authors = spec.authors.split(", ")
    return ", ".join(authors) if len(authors) <= 3 else f"{authors[0]} and {len(authors) - 1} others"


def describe_dataset(spec: DatasetSpec, *, ready: bool | None) -> Content:
    """Return what a dataset is, and whether it is here; None while that is not known."""
    groups = list(spec.superclasses)
    names = ", ".join(plain(name, 20) for name in (groups or spec.classes)[:10])
    kind = f"{spec.num_classes} classes in {len(groups)} groups" if groups else f"{spec.num_classes} classes"
    num_more = (len(groups) or spec.num_classes) - 10
    more = f" and {num_more} more" if num_more > 0 else ""
    states = {True: "ready, ^o shows them", False: f"^g downloads {DOWNLOAD} now, the first run by itself", None: ""}
    return words(
        words((plain(spec.title), "bold"), plain(spec.source), between="  "),
        words(
            f"{spec.train_images:,} images to train and validate on, {spec.test_images:,} to test",
            states[ready],
            between=" · ",
        ),
        (f"{kind}: {names}{more}", "dim"),
        between="\n",
    )
