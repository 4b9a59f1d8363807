"""The lines above the charts of a run: where it stands, what its hardware does, what is wrong and what helps. Pure."""

from textual.content import Content

from cockpit.records import Device
from cockpit.results import told_loss, weights_of
from cockpit.status import LIVE, OUTDATED
from cockpit.tui.row_detail import describe_remarks, retest
from cockpit.tui.run_reader import RunView
from cockpit.tui.text import COLORS, bar, cells, duration, percent, plain, remedy, status_word, words

_WIDE = 110
"""Columns from which the history of the hardware and the name of the card have room."""
_HISTORY = 15
"""Samples that it shows."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_SAID_ELSEWHERE = frozenset({"lost", "stale"})
"""Alarms that the status and its detail tell already."""


def state(view: RunView, testing: bool, width: int) -> Content:
    """Return status, network, dataset and, where there is room, the run's id."""
    info = view.info
    status = words((status_word(info.status), f"bold ${COLORS[info.status]}"))
    if testing:
        status = words(status, (status_word("testing"), f"${COLORS['testing']}"), between="  ")
    left = words(status, (plain(f"{info.model} · {info.dataset}"), "bold"), between="  ")
    name = plain(info.id)
    gap = width - left.cell_length - len(name)
    return words(left, " " * gap, (name, "dim")) if gap >= 2 else left


def progress(view: RunView, width: int) -> Content:
    """Return the bar of epochs and the time left."""
    info = view.info
    if info.status == "imported":
        return words(("no epoch was trained here", "dim"))
    share = min(1.0, view.epoch / info.epochs) if info.epochs else 0.0
    before = f"epoch {info.epoch}/{info.epochs} "
    after = f" {100 * share:3.0f} %  {duration(info.elapsed_s)} trained"
    if info.status == "running":
        after += f" · ETA {duration(view.eta_s)}"
    done, left = bar(share, max(4, width - len(before) - len(after)))
    return words(before, (done, f"${COLORS[info.status]}"), (left, "$foreground 25%"), after)


def pace(view: RunView, width: int) -> Content:
    """Return the best accuracy, the throughput, the hardware and the recipe."""
    info = view.info
    parts: list[str | tuple[str, str]] = []
    if info.status == "imported":
        return words(("recipe: not known", "dim"))
    if info.best_epoch is None:
        parts.append("no epoch done yet")
    else:
        parts.append((f"best val {percent(info.best_val_acc)} % @ {info.best_epoch}", "bold"))
    if view.img_per_s is not None:
        parts.append(f"{view.img_per_s:,.0f} img/s")
    if view.device and info.status in LIVE:
        parts.append(hardware(view.device, view.history, wide=width >= _WIDE))
    parts.append((f"recipe: {plain(info.changes)}" if info.changes else "recipe: the seed's", "dim"))
    return words(*parts, between=" · ")


def hardware(device: Device, history: tuple[Device, ...] = (), *, wide: bool = False) -> str:
    """Return what the hardware does, leaving out what is not known; wide with the card's name and its last minutes."""
    name = plain(device.name, 24)
    figures = [name if wide or not name.startswith("cuda:") else name.partition(" ")[0]]
    if device.busy is not None:
        figures.append(f"{100 * device.busy:.0f} %")
        if wide:
            figures.append(blocks([sample.busy for sample in history[-_HISTORY:]]))
    if device.memory_bytes is not None:
        total = device.memory_total_bytes
        figures.append(f"{_gib(device.memory_bytes)}{f'/{_gib(total)}' if total else ''} GiB")
    if device.power_w is not None:
        figures.append(f"{device.power_w:.0f} W")
    if device.temperature_c is not None:
        figures.append(f"{device.temperature_c:.0f} °C")
    return " ".join(figures)


def blocks(shares: list[float | None]) -> str:
    """Return shares of 0-1 as a row of bars, a gap where one is not known."""
    top = len(_BLOCKS) - 1
    return "".join(" " if share is None else _BLOCKS[round(top * min(1.0, max(0.0, share)))] for share in shares)


def _gib(num_bytes: int) -> str:
    size = num_bytes / 2**30
    return f"{size:.0f}" if size >= 99.95 else f"{size:.1f}"


def note(view: RunView, width: int, *, testing: bool = False) -> Content:
    """Return the lines that need attention: what is wrong and what helps, and the result of the test."""
    info = view.info
    lines = []
    for alarm in view.alarms:
        if alarm.name not in _SAID_ELSEWHERE:
            text = plain(alarm.text)
            lines.append(words((f"! {text[:1].upper()}{text[1:]}", f"bold $text-{alarm.severity}")))
    if info.damage and info.status != "damaged":  # else the damage is the detail
        lines.append(words((plain(info.damage), "$text-error")))
    report = view.report
    outdated = info.test is not None and info.test.is_outdated(info.best_epoch)
    told = info.status == "finished" and report and not outdated  # the trainer's last words are the result of its test
    detail = "" if told else plain(info.detail)
    if info.status == "running":
        detail = cells(detail, width)  # nothing to act on, and the log has the whole
    sentence = words(detail, remedy(info.status, info.detail, queued=info.ticket is not None), between=" · ")
    if sentence:
        lines.append(sentence.stylize(f"${COLORS[info.status]}"))
    if report and outdated:
        result = f"test top-1 {percent(report.top1)}{OUTDATED} % at epoch {report.epoch}; "
        more = f"top-5 {percent(report.top5)} % · {told_loss(report.loss, 3)} · {report.images:,} images"
        result += retest(info.best_epoch, testing=testing)
        lines.append(words((result, "bold $text-warning"), more, between=" · "))
    elif report:
        result = f"test top-1 {percent(report.top1)} % · top-5 {percent(report.top5)} %"
        scope = f"{told_loss(report.loss, 3)} · {report.images:,} images · {weights_of(report.epoch)}"
        lines.append(words((result, "bold $text-success"), scope, between=" · "))
    elif info.status in ("finished", "imported"):
        lines.append(Content("not tested yet · t tests the best checkpoint"))
    if remarks := describe_remarks(info):
        lines.append(remarks)
    return Content("\n").join(lines)
