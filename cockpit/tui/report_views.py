"""What the sections of a test report say, as text that fits a width; every colour has a number or a sign beside it."""

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import set_cell_size
from textual.content import Content

from cockpit import verdict
from cockpit.tui.bars import SOME, fit, joined, side_by_side, styled_bar, widest
from cockpit.tui.text import FULL, NO_VALUE, OPEN, cells, percent, words

if TYPE_CHECKING:
    from cockpit.reports import Report

MOST_CELLS = 20
"""Classes of a confusion matrix that is shown whole."""
_NAME_WIDTH = 22
"""The most cells of a class name in a table."""
_COLUMN_WIDTH = 52
"""Cells that a column of class bars should have where several stand side by side."""
_PAIRS_WIDTH = 38
"""Cells that the confused pairs take beside a matrix."""


def class_bars(report: "Report", width: int, height: int, *, lowest_first: bool) -> Content:
    """Return a bar of each class: its accuracy, the precision of the guesses for it, its images."""
    scores = list(report.classes)
    if lowest_first:
        scores.sort(key=lambda score: (score.accuracy is None, score.accuracy or 0.0))
    num_columns = max(1, min(width // _COLUMN_WIDTH, -(-len(scores) // max(1, height - 1))))
    num_rows = -(-len(scores) // num_columns)
    column_width = (width - 3 * (num_columns - 1)) // num_columns
    name_width = max(len("class"), widest((score.name for score in scores), min(_NAME_WIDTH, column_width // 3)))
    rest = column_width - name_width
    with_images = rest >= 44
    bar_width = max(4, rest - (31 if with_images else 23))
    head = fit("class", name_width) + " " * (bar_width + 2) + "accuracy  precision"
    head = fit(head + ("  images" if with_images else ""), column_width)
    columns = []
    for start in range(0, len(scores), num_rows):
        lines = [words((head, "$foreground 60%"))]
        for score in scores[start : start + num_rows]:
            figures = f"{_share(score.accuracy):>9} {_share(score.precision):>10}"
            images = f"{score.images:>8,}" if with_images else ""
            lines.append(
                words(
                    fit(score.name, name_width) + " ",
                    *styled_bar(score.accuracy or 0.0, bar_width),
                    figures,
                    (images, "$foreground 60%"),
                )
            )
        columns.append(lines)
    return side_by_side(columns, column_width)


def confusion(report: "Report", width: int, height: int) -> Content:
    """Return the confusion matrix, of the superclasses where there are many classes, and the most confused pairs."""
    num_classes = len(report.classes)
    if num_classes <= MOST_CELLS:
        best = report.predictions.guesses[:, 0]
        matrix, names = verdict.confusion(report.predictions.labels, best, num_classes), report.predictions.classes
    elif report.groups is not None:
        matrix, names = report.groups.confusion, tuple(score.name for score in report.groups.scores)
    else:
        return Content("\n").join(_pairs(report, width, max(30, height)))
    beside = width - _PAIRS_WIDTH - 4
    fits_beside = beside >= 12 + 4 * len(names)
    heat = heat_map(matrix.tolist(), names, beside if fits_beside else width)
    heat_width = max(line.cell_length for line in heat)
    if fits_beside:
        pairs = _pairs(report, min(width - heat_width - 4, 60), max(height, len(heat)) - 1)
        return side_by_side([heat, pairs], heat_width + 1)
    return Content("\n").join([*heat, Content(""), *_pairs(report, width, max(30, height))])


def heat_map(matrix: Sequence[Sequence[int]], names: Sequence[str], width: int) -> list[Content]:
    """Return a confusion matrix: per cent of the row's class, on a colour as strong as its root.

    Columns carry the first letters of their class, or the letter that stands before the row of it.
    """
    lettered = len(names) > 10 or width < 12 + 5 * len(names)
    cell = next((cell for cell in (6, 5, 4) if 16 + cell * len(names) <= width), 3)
    name_width = max(6, min(widest(names, 24), width - cell * len(names) - 1))
    letters = string.ascii_lowercase
    heads = [
        letters[i] if lettered else set_cell_size(cells(name, 24), cell - 1).rstrip() for i, name in enumerate(names)
    ]
    title = fit("class", name_width) + " " + "".join(f"{head:>{cell}}" for head in heads)
    lines = [words((line, "$foreground 60%")) for line in ("% of the class ↓ taken for →", title)]
    for row, counts in enumerate(matrix):
        total = max(1, sum(counts))
        name = f"{letters[row]} {names[row]}" if lettered else names[row]
        parts: list[str | tuple[str, str]] = [fit(name, name_width) + " "]
        parts += [_heat_cell(count / total, cell, right=row == column) for column, count in enumerate(counts)]
        lines.append(words(*parts))
    return lines


def _heat_cell(share: float, width: int, *, right: bool) -> tuple[str, str]:
    figure = "·" if share == 0 else "<1" if share < 0.01 else f"{100 * share:.0f}"
    color = "success" if right else "error"
    strength = round((80 if right else 65) * share**0.5)
    ink = (
        "bold auto" if right and strength else "bold" if right else "$foreground 60%" if share < 0.01 else "$foreground"
    )
    return f"{figure:>{width}}", f"{ink} on ${color} {strength}%" if strength else ink


def _pairs(report: "Report", width: int, most: int) -> list[Content]:
    names = report.predictions.classes
    if not report.pairs:
        return [Content("Nothing was confused: every image was recognised.")]
    shown = report.pairs[: max(1, most - 2)]
    hidden = len(report.pairs) - len(shown)
    more = f", the first {len(shown)} of {len(report.pairs):,}" if hidden else ""
    name_width = (width - 19) // 2
    label_width = max(len("class"), widest((names[pair.label] for pair in shown), name_width))
    guess_width = max(len("taken for"), widest((names[pair.guess] for pair in shown), name_width))
    head = f"images {fit('class', label_width)} → {fit('taken for', guess_width)} of class"
    lines = [words((line, "$foreground 60%")) for line in (f"most confused{more}", head)]
    for pair in shown:
        lines.append(
            words(
                (f"{pair.images:>6,} ", "bold"),
                fit(names[pair.label], label_width),
                (" → ", "$foreground 50%"),
                fit(names[pair.guess], guess_width),
                (f"{100 * pair.share:>7.0f} %", "$foreground 60%"),
            )
        )
    return lines


def calibration(report: "Report", width: int, height: int) -> Content:
    """Return a row for each bin of confidence: how often the network is right, beside how sure it is."""
    found = report.calibration
    bias = 100 * found.bias
    if abs(bias) < 1 and found.ece < 0.02:
        sentence = "it is about as often right as it is sure"
    else:
        sentence = f"on average it is {abs(bias):.1f} points {'surer' if bias > 0 else 'less sure'} than it is right"
    gap = [Content("")] if height >= len(found.bins) + 5 else []
    lines = [words((f"ECE {percent(found.ece)} %", "bold"), " · ", sentence), *gap]
    bar_width = max(6, width - 40)
    head = f"{'confidence':<11}{'':{bar_width}}{'right':>8}{'sure':>8}{'images':>10}"
    lines.append(words((head, "$foreground 60%")))
    for one in reversed(found.bins):
        low, high = round(100 * one.low), round(100 * one.high)
        figures = f"{percent(one.accuracy):>8}{percent(one.confidence):>8}"
        lines.append(
            words(
                f"{low:>3}–{high:<3} %  ",
                *_reliability(one, bar_width),
                figures,
                (f"{one.images:>10,}", "$foreground 60%"),
            )
        )
    legend = words(
        (FULL * 3, "$primary"), " right   ", ("┃", "bold $text-warning"), " sure: the closer, the better calibrated"
    )
    return Content("\n").join([*lines, *gap, legend])


def _reliability(one: verdict.Bin, width: int) -> list[tuple[str, str]]:
    if one.accuracy is None or one.confidence is None:
        return [(OPEN * width, "$foreground 15%")]
    right, sure = round(one.accuracy * width), min(width - 1, int(one.confidence * width))
    row = [(FULL, "$primary")] * right + [(OPEN, "$foreground 15%")] * (width - right)
    row[sure] = ("┃", "bold $text-warning")
    return joined(row)


def superclasses(report: "Report", width: int, height: int) -> Content:
    """Return a bar of each superclass: its classes recognised, and taken for another class of it."""
    if report.groups is None:
        return Content("")
    scores = report.groups.scores
    name_width = widest((score.name for score in scores), max(12, min(30, width // 3)))
    bar_width = max(4, width - name_width - 26)
    images = sum(score.images for score in scores)
    hits = sum(score.hits for score in scores)
    lines = [
        words((f"superclass right {percent(hits / max(1, images))} %", "bold"), f" of {images:,} images"),
        Content(""),
        words(
            (
                fit("superclass", name_width) + " " * (bar_width + 1) + f"{'superclass':>12}{'class':>10}",
                "$foreground 60%",
            )
        ),
    ]
    for score in sorted(scores, key=lambda score: score.accuracy):
        fine = round(score.fine_accuracy * bar_width)
        coarse = max(fine, round(score.accuracy * bar_width))
        lines.append(
            words(
                fit(score.name, name_width) + " ",
                (FULL * fine, "$primary"),
                (SOME * (coarse - fine), "$text-accent"),
                (OPEN * (bar_width - coarse), "$foreground 15%"),
                f"{percent(score.accuracy):>10} %{percent(score.fine_accuracy):>8} %",
            )
        )
    legend = words(
        (FULL * 3, "$primary"),
        " its very class   ",
        (SOME * 3, "$text-accent"),
        " another class of it",
    )
    return Content("\n").join([*lines, Content(""), legend])


def mistake(report: "Report", place: int, width: int) -> Content:
    """Return all that is known of a mistake: what it is, what it was taken for, the five guesses and the loss."""
    predictions, index = report.predictions, int(report.mistakes[place])
    names, label = predictions.classes, int(predictions.labels[index])
    guesses, shares = predictions.guesses[index].tolist(), predictions.probabilities[index].tolist()
    lines = [
        words(
            (f"mistake {place + 1:,} of {len(report.mistakes):,}", "bold"), (f"  image {index:,}", "$foreground 60%")
        ),
        Content(""),
        words(
            ("taken for  ", "$foreground 60%"),
            (cells(names[guesses[0]], 40), "bold $text-error"),
            f"  {percent(shares[0])} %",
        ),
        words(("is         ", "$foreground 60%"), (cells(names[label], 40), "bold $text-success")),
        Content(""),
        *guess_bars([names[guess] for guess in guesses], shares, width, right=names[label]),
    ]
    loss = float(predictions.losses[index])
    where = "" if label in guesses else " · not among the five guesses"
    lines += [Content(""), words((f"loss {loss:.3f}{where}", "$foreground 60%"))]
    return Content("\n").join(lines)


def guess_bars(names: Sequence[str], shares: Sequence[float], width: int, *, right: str = "") -> list[Content]:
    """Return a line for each guess with its confidence as a bar; the right class has a sign."""
    name_width = widest(names, max(8, min(_NAME_WIDTH, width - 18)))
    bar_width = max(4, width - name_width - 12)
    lines = []
    for name, share in zip(names, shares, strict=True):
        hit = name == right and right != ""
        sign = ("✓ ", "$text-success") if hit else ("  ", "")
        lines.append(words(sign, fit(name, name_width) + " ", *styled_bar(share, bar_width), f"{percent(share):>6} %"))
    return lines


def caption(report: "Report", place: int, width: int, *, chosen: bool) -> Content:
    """Return the lines under a small picture: what it was taken for, and what it is."""
    predictions, index = report.predictions, int(report.mistakes[place])
    guess = predictions.classes[int(predictions.guesses[index, 0])]
    label = predictions.classes[int(predictions.labels[index])]
    sure = f" {100 * float(predictions.probabilities[index, 0]):.0f}%"
    sign = "▸" if chosen else ""
    wrong = words(
        sign, (cells(guess, width - len(sure) - len(sign)), "bold $text-error" if chosen else "$text-error"), sure
    )
    return words(wrong, words(("is ", "$foreground 60%"), cells(label, width - 3)), between="\n")


def _share(fraction: float | None) -> str:
    return f"{NO_VALUE}  " if fraction is None else f"{percent(fraction)} %"
