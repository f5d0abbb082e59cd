"""What keeps a number from standing beside another: the marks of a result, in words."""

from typing import Literal, NamedTuple

from eval_mm.own_data import CAPTION
from eval_mm.schema import Result
from eval_mm.tasks import all_tasks

UNREAD = 0.1
"""The part of unread answers from which a number says more about the form of answers than about them."""

OWN_FILE = "file-"
SERVER = "server"


class Mark(NamedTuple):
    """One thing to know of a number before it is compared; `percent` where it is of a part of the rows."""

    kind: Literal["demo", "partial", "shots", "scorer", "settings", "version", "data", "unread", "published"]
    text: str
    percent: float | None = None


def marks(result: Result) -> tuple[Mark, ...]:
    """The marks of a result, the weightiest first; what it was asked and judged by last."""
    found = [Mark("demo", "DEMO")] if result.demo else []
    if part := _partial(result):
        found.append(Mark("partial", part, _percent(result.num_samples, result.num_published)))
    if shots := shots_of(result):
        found.append(Mark("shots", f"{shots}-shot"))
    task = all_tasks().get(result.task)
    if task is None and not is_own(result.task):
        found.append(Mark("version", "a task that this version does not know"))
    elif task is not None and task.version != result.version:
        found.append(Mark("version", f"task version {result.version}, now {task.version}"))
    if result.num_unparsed > UNREAD * result.num_samples:
        text = f"unparsed: {result.num_unparsed:,} of {result.num_samples:,}"
        found.append(Mark("unread", text, 100 * result.num_unparsed / result.num_samples))
    if told := settings_of(result):
        found.append(Mark("settings", told))
    found.append(Mark("scorer", _asked_and_judged(result)))
    return tuple(found)


def shots_of(result: Result) -> int:
    """How many examples stood before every question."""
    few_shot = result.config.get("few_shot")
    return int(few_shot["shots"]) if few_shot else 0


def judge_of(result: Result) -> str | None:
    """Who scored open answers."""
    judge = result.config.get("judge")
    return str(judge["model"]) if judge else None


def settings_of(result: Result) -> str:
    """What a server's model was set to, but for the greedy answers that all models give and for its place."""
    settings = result.config.get("settings") or {}
    told = {name: value for name, value in settings.items() if name != SERVER}
    if told.get("temperature") == 0:
        del told["temperature"]
    return ", ".join(f"{name} {value}" for name, value in told.items())


def is_own(task: str) -> bool:
    """Whether the name is that of a file of one's own."""
    return task == CAPTION or task.startswith(OWN_FILE)


def _partial(result: Result) -> str:
    """Why a result is not that of the whole published split; empty where it is."""
    if result.num_samples != (result.num_published or result.num_samples):
        return f"partial: {result.num_samples:,} of {result.num_published:,}"
    selected = bool(result.config.get("selection") or result.config.get("subset"))
    if result.complete or (result.demo and not selected):
        return ""
    if result.num_errors:
        return "with errors"
    return "published count unknown" if result.num_published is None and not selected else "partial"


def _percent(part: int, whole: int | None) -> float | None:
    return 100 * part / whole if whole and part != whole else None


def _asked_and_judged(result: Result) -> str:
    judge = judge_of(result)
    if judge is not None:
        return f"prompt {result.prompt_protocol}, judge {judge}"
    if result.prompt_protocol != result.score_protocol:
        return f"prompt {result.prompt_protocol}, scorer {result.score_protocol}"
    return result.score_protocol
