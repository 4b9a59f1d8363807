"""What the Runs screen says of the chosen run, and of those that a key is about to act on."""

from collections.abc import Sequence

from textual.content import Content

from cockpit.export import counted
from cockpit.results import NOT_FINITE, TestReport, told_loss, weights_of
from cockpit.status import LIVE, OUTDATED, TROUBLED, RunInfo, TestScores
from cockpit.tui.text import percent, plain, remedy, words

_NAMED = 5
"""So many runs are named in a question."""


def describe_row(row: RunInfo, *, testing: bool = False) -> Content:
    """Return the three lines about the chosen run: where it stands, its best checkpoint, its recipe or damage.

    Why a run does not go on has a line of its own, with the remedy; so has what it waits for, and where its job is.

    Args:
        row: The run.
        testing: Whether its best checkpoint is being tested from here.
    """
    outdated = outdated_test(row.test, row.best_epoch, testing=testing)
    told = row.status == "finished" and row.test and not outdated  # the trainer's last words are the result of its test
    state = words(
        "" if told else plain(row.detail), remedy(row.status, row.detail, queued=row.ticket is not None), between=" · "
    )
    if row.status == "imported":
        best = f"test {_scores(row.test)}" if row.test else "t tests its weights"
    elif row.best_epoch is None:
        quiet = row.ticket or row.status == "pending"
        kept = f"checkpoint of step {row.checkpoint_step:,} is kept" if row.checkpoint_step else "no checkpoint yet"
        best = "" if quiet else f"{kept}: the best one is kept from the first epoch on"
    else:
        best = f"best checkpoint: epoch {row.best_epoch} · val {percent(row.best_val_acc)} % · "
        if outdated:
            best = best.removeprefix("best checkpoint: ") + outdated
        elif testing:
            best += "being tested"
        elif row.test:
            best += f"test {_scores(row.test)}"
        else:
            best += "t tests it"
    recipe = f"* not the seed's recipe: {plain(row.changes)}" if row.changes else "recipe: the seed's"
    if row.status == "imported":
        recipe = "* how its weights were trained is not known"
    damage = "" if row.status == "damaged" else plain(row.damage)  # else it is the state
    name = plain(row.id), "bold"
    last = words((damage, "$text-error") if damage else (recipe, "dim"))
    if row.note or row.tags:
        last = words(describe_remarks(row), last, between=" · ")
    if row.status in TROUBLED or row.ticket or (row.job and row.status in LIVE):
        return words(words(name, best, between="  "), state, last, between="\n")
    return words(words(name, state, between="  "), best, last, between="\n")


def _scores(test: TestScores) -> str:
    if test.loss is None:
        return f"{percent(test.top1)} %, {NOT_FINITE}"  # which must not be cut off at 80 columns
    return f"{percent(test.top1)} % (top-5 {percent(test.top5)} %, {told_loss(test.loss, 3)})"


def outdated_test(test: TestScores | None, best_epoch: int | None, *, testing: bool = False) -> str:
    """Return what a test of another checkpoint than the best one says, and what tests that; else nothing."""
    if test is None or not test.is_outdated(best_epoch):
        return ""
    return f"test {percent(test.top1)}{OUTDATED} % at epoch {test.epoch}; {retest(best_epoch, testing=testing)}"


def retest(best_epoch: int | None, *, testing: bool) -> str:
    """Return what is done, or can be, about a test of another checkpoint than the best one."""
    return f"epoch {best_epoch} is being tested" if testing else f"t tests epoch {best_epoch}"


def describe_test(
    test: TestReport, ece: float | None, best_epoch: int | None, *, testing: bool, width: int = 0
) -> Content:
    """Return the figures of a test in a line, without the device where that has no room.

    Args:
        test: The test.
        ece: Its expected calibration error, 0-1; None when that is not known.
        best_epoch: The epoch of the best checkpoint.
        testing: Whether that is being tested from here.
        width: Cells of the line; 0 bounds nothing.
    """
    outdated = best_epoch is not None and best_epoch != test.epoch
    style = "bold $text-warning" if outdated else "bold $text-success"
    scores = f"top-1 {percent(test.top1)} % · top-5 {percent(test.top5)} %"
    at = f"at epoch {test.epoch}; {retest(best_epoch, testing=testing)}" if outdated else weights_of(test.epoch)
    more = told_loss(test.loss, 3) + ("" if ece is None else f" · ECE {percent(ece)} %")
    scopes = [f"{test.images:,} images · {plain(test.device, 40)}"] if test.device else []
    lines = [
        words((scores, style), (at, style if outdated else ""), (more, "bold"), (scope, "dim"), between=" · ")
        for scope in [*scopes, f"{test.images:,} images"]
    ]
    return lines[0] if not width or lines[0].cell_length <= width else lines[-1]


def losses(row: RunInfo) -> str:
    """Return what is lost with a run."""
    if row.status == "imported":
        return "its weights"
    if row.best_epoch is None:
        return "its log"
    return f"its checkpoints of {row.epoch} epochs (best validation {percent(row.best_val_acc)} %)"


def describe_remarks(row: RunInfo) -> Content:
    """Return the user's tags and note, or nothing."""
    tags = " ".join(f"#{plain(tag)}" for tag in row.tags)
    pieces = [(text, style) for text, style in ((tags, "$text-accent"), (plain(row.note), "italic")) if text]
    return words(*pieces, between="  ")


def question_of_deletion(rows: Sequence[RunInfo], num_live: int) -> Content:
    """Return what is asked before runs are deleted.

    Args:
        rows: Those that would be.
        num_live: How many more were meant, but go on.
    """
    if len(rows) == 1:
        what = words("Delete ", (plain(rows[0].id), "bold"), f" with {losses(rows[0])}?")
    else:
        best = max((row.best_val_acc for row in rows if row.best_val_acc is not None), default=None)
        lost = "their logs" if best is None else f"their checkpoints (best validation {percent(best)} %)"
        names = [f"  {plain(row.id)}" for row in rows[:_NAMED]]
        more = [f"  and {len(rows) - _NAMED:,} more"] if len(rows) > _NAMED else []
        what = words("Delete ", (counted(len(rows), "run"), "bold"), f" with {lost}?\n", "\n".join(names + more))
    stay = f"{counted(num_live, 'marked run')} that {'goes' if num_live == 1 else 'go'} on will stay.\n"
    return words(what, f"{stay if num_live else ''}u brings back what was deleted, until you quit.", between="\n")
