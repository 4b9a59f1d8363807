"""A test report as one picture to show or to send: figures, classes, confusion, calibration and the worst mistakes."""

import io
from typing import TYPE_CHECKING, NamedTuple

from cockpit import verdict
from cockpit.results import told_loss, weights_of

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from cockpit.reports import Report

WIDTH = 1600
"""Pixels."""
_MARGIN, _GAP, _LINE = 40, 40, 26
_COLUMN = (WIDTH - 2 * _MARGIN - _GAP) // 2
_MOST_CLASSES = 100
"""Bars of classes; of more, those with the lowest accuracy."""
_MOST_CELLS = 100
"""Classes of a confusion matrix that is still a picture."""
_PICTURE, _MISTAKES = 112, 12
_INK, _FAINT, _PAPER = (32, 36, 44), (130, 136, 148), (255, 255, 255)
_BLUE, _PALE, _RED = (38, 98, 178), (226, 232, 240), (196, 64, 48)


class _Pen(NamedTuple):
    """What everything is drawn with."""

    draw: "ImageDraw.ImageDraw"
    image: "Image.Image"

    def text(self, x: float, y: float, text: str, *, size: int = 18, color=_INK, anchor: str = "la") -> None:
        """Write a text, whose characters outside the font's range appear as a box."""
        from PIL import ImageFont

        line = "".join(character if character.isprintable() else "?" for character in text[:80])
        self.draw.text((x, y), line, fill=color, font=ImageFont.load_default(size), anchor=anchor)

    def bar(self, x: float, y: float, width: float, height: float, color) -> None:
        """Fill a rectangle; nothing where it is narrower than a pixel."""
        if width >= 1:
            self.draw.rectangle((x, y, x + width - 1, y + height - 1), fill=color)


def draw_png(report: "Report") -> bytes:
    """Return the picture as a PNG."""
    from PIL import Image, ImageDraw

    shown = sorted(report.classes, key=lambda score: (score.accuracy is None, score.accuracy or 0.0))[:_MOST_CLASSES]
    row = _LINE if len(shown) <= 20 else 16
    left_height = 40 + row * len(shown)
    right_height = _COLUMN + 80 + 420
    top, body = 150, max(left_height, right_height)
    image = Image.new("RGB", (WIDTH, top + body + 60 + _PICTURE + 80), _PAPER)
    pen = _Pen(ImageDraw.Draw(image), image)
    _draw_head(pen, report)
    _draw_classes(pen, shown, _MARGIN, top, row)
    if (room := (body - left_height - 100) // _LINE) > 0:
        _draw_pairs(pen, report, _MARGIN, top + left_height + 30, min(room, 24))
    right = _MARGIN + _COLUMN + _GAP
    _draw_confusion(pen, report, right, top)
    _draw_calibration(pen, report.calibration, right, top + _COLUMN + 80)
    _draw_mistakes(pen, report, _MARGIN, top + body + 40)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw_head(pen: _Pen, report: "Report") -> None:
    test = report.test
    pen.text(_MARGIN, 36, f"{report.model or 'network'} on {test.dataset}", size=34)
    loss, ece = told_loss(test.loss, 4), report.calibration.ece
    figures = f"top-1 {test.top1:.2%}   top-5 {test.top5:.2%}   {loss}   ECE {ece:.2%}"
    pen.text(_MARGIN, 84, figures, size=24, color=_BLUE)
    scope = f"{test.images:,} test images, {weights_of(test.epoch)}, run {report.run.id}"
    pen.text(WIDTH - _MARGIN, 88, scope, size=17, color=_FAINT, anchor="ra")


def _draw_classes(pen: _Pen, scores: list[verdict.ClassScore], x: int, y: int, row: int) -> None:
    pen.text(x, y, "Accuracy of each class, the lowest first", size=22)
    size, name, value = (17, 190, 90) if row > 20 else (13, 150, 70)
    full = _COLUMN - name - value
    for index, score in enumerate(scores):
        top = y + 40 + index * row
        pen.text(x + name - 10, top + row / 2, score.name[:22], size=size, anchor="rm")
        pen.bar(x + name, top + 2, full, row - 4, _PALE)
        pen.bar(x + name, top + 2, full * (score.accuracy or 0), row - 4, _BLUE)
        share = "no image" if score.accuracy is None else f"{score.accuracy:.1%}"
        pen.text(x + _COLUMN, top + row / 2, share, size=size, anchor="rm")


def _draw_confusion(pen: _Pen, report: "Report", x: int, y: int) -> None:
    import numpy as np

    predictions = report.predictions
    num_classes = len(predictions.classes)
    if num_classes > _MOST_CELLS and report.groups is None:
        _draw_pairs(pen, report, x, y, 20)
        return
    if num_classes > _MOST_CELLS and report.groups is not None:
        matrix, names = report.groups.confusion, tuple(score.name for score in report.groups.scores)
    else:
        matrix = verdict.confusion(predictions.labels, predictions.guesses[:, 0], num_classes)
        names = predictions.classes
    pen.text(x, y, "Confusion: share of each class (row) by guess (column)", size=22)
    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    margin = 120 if len(names) <= 20 else 0
    cell = (_COLUMN - margin) // len(names)
    for row, one in enumerate(shares.tolist()):
        top = y + 40 + row * cell
        if margin:
            pen.text(x + margin - 8, top + cell / 2, names[row][:14], size=15, anchor="rm")
            pen.text(x + margin + (row + 0.5) * cell, y + 44 + len(names) * cell, names[row][:5], size=13, anchor="ma")
        for column, share in enumerate(one):
            left = x + margin + column * cell
            pen.bar(left, top, cell - (cell > 6), cell - (cell > 6), _shade(share, right=row == column))
            if cell >= 40 and share >= 0.0005:
                ink = _PAPER if share > 0.5 else _INK
                pen.text(left + cell / 2, top + cell / 2, f"{100 * share:.1f}", size=13, color=ink, anchor="mm")


def _shade(share: float, *, right: bool) -> tuple[int, ...]:
    """Return paper for nothing up to blue, or red for mistakes; by the root, so that a few mistakes are seen."""
    ink = _BLUE if right else _RED
    strength = share**0.5
    return tuple(round(paper + (full - paper) * strength) for paper, full in zip((244, 246, 250), ink, strict=True))


def _draw_pairs(pen: _Pen, report: "Report", x: int, y: int, most: int) -> None:
    names = report.predictions.classes
    pen.text(x, y, "Most confused", size=22)
    for index, pair in enumerate(report.pairs[:most]):
        level = y + 40 + index * _LINE
        pen.text(x + 70, level, f"{pair.images:,}", anchor="ra")
        pen.text(x + 90, level, f"{names[pair.label][:24]} taken for {names[pair.guess][:24]}")
        pen.text(x + _COLUMN, level, f"{pair.share:.1%}", anchor="ra", color=_FAINT)


def _draw_calibration(pen: _Pen, calibration: verdict.Calibration, x: int, y: int) -> None:
    title = f"Calibration: accuracy by confidence, ECE {calibration.ece:.2%}"
    pen.text(x, y, title, size=22)
    height, width = 340, (_COLUMN - 60) / len(calibration.bins)
    left, bottom = x + 60, y + 40 + height
    for part in range(0, 101, 25):
        level = bottom - height * part / 100
        pen.draw.line((left, level, x + _COLUMN, level), fill=_PALE)
        pen.text(left - 8, level, f"{part}%", size=14, color=_FAINT, anchor="rm")
        pen.text(left + (_COLUMN - 60) * part / 100, bottom + 6, f"{part}%", size=14, color=_FAINT, anchor="ma")
    for index, one in enumerate(calibration.bins):
        if one.accuracy is not None and one.confidence is not None:
            tall = height * one.accuracy
            pen.bar(left + index * width + 1, bottom - tall, width - 2, max(1, tall), _BLUE)
            level = bottom - height * one.confidence
            pen.draw.line((left + index * width, level, left + (index + 1) * width, level), fill=_RED, width=3)
    pen.text(x + _COLUMN, y + 6, "bars: accuracy, red: confidence", size=14, color=_FAINT, anchor="ra")


def _draw_mistakes(pen: _Pen, report: "Report", x: int, y: int) -> None:
    from PIL import Image

    if report.images is None:
        pen.text(x, y, f"The worst mistakes cannot be shown: {report.no_images}", size=18, color=_FAINT)
        return
    pen.text(x, y - 8, "The surest mistakes", size=22)
    names, step = report.predictions.classes, (WIDTH - 2 * _MARGIN) // _MISTAKES
    for place, index in enumerate(report.mistakes[:_MISTAKES].tolist()):
        left, top = x + place * step, y + 28
        picture = Image.fromarray(report.images[index]).resize((_PICTURE, _PICTURE), Image.Resampling.NEAREST)
        pen.image.paste(picture, (left, top))
        guess, sure = names[report.predictions.guesses[index, 0]], report.predictions.probabilities[index, 0]
        pen.text(left, top + _PICTURE + 4, f"{guess[:9]} {sure:.0%}", size=15, color=_RED)
        pen.text(left, top + _PICTURE + 24, f"is {names[report.predictions.labels[index]][:12]}", size=15)
