"""Run folders about to be filled: which model is asked what where, checked before any model is loaded."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval_mm import models, store
from eval_mm.console import printable
from eval_mm.data import ALL_ROWS, Selection
from eval_mm.errors import UserError
from eval_mm.few_shot import FewShot
from eval_mm.merge import Standing
from eval_mm.models import Settings
from eval_mm.planning import Plan, Planned, Wanted, find, plan
from eval_mm.schema import Backend, ModelInfo

RUNS = Path("results/runs")


@dataclass(frozen=True, slots=True)
class Job:
    """One run folder about to be filled: the tasks that one model is asked in one way.

    With `fresh` what the folder holds is put aside, under another name.
    """

    model: str | Backend
    settings: Settings
    info: ModelInfo
    out: Path
    wanted: Wanted
    planned: Planned
    fresh: bool = False

    def load(self) -> Backend:
        """The model, ready to be asked; UserError where it is no longer the one that was planned for."""
        if not isinstance(self.model, str):
            return self.model
        backend = models.load(self.model, self.settings)
        if backend.info != self.info:
            raise UserError(f"--model {self.model}: changed since this command was started; start it again")
        return backend


def plan_run(
    model: str | Backend,
    names: Sequence[str],
    data: str | os.PathLike[str] | None = None,
    *,
    protocol: str | None = None,
    selection: Selection = ALL_ROWS,
    few_shot: FewShot | None = None,
    on_request: Sequence[str] = (),
    metric: str | None = None,
    references: str | None = None,
    out: str | os.PathLike[str] | None = None,
    settings: Settings = models.DEFAULTS,
    fetch: bool = True,
    fresh: bool = False,
) -> Job:
    """The job of one model and one protocol; all of it is checked that needs no loaded model.

    Args:
        model: what `--model` takes, or a back end object.
        names: task names and families.
        data: the data root.
        protocol: prompt, limits and scorer; default the one of the back end.
        selection: which rows.
        few_shot: how many examples precede every question.
        on_request: further metrics by name.
        metric: judges the rows of `file:PATH`.
        references: the captions of task `caption`.
        out: the run folder; default results/runs/<model>.
        settings: device, dtype and the like.
        fetch: whether a model that is not here is downloaded.
        fresh: start over; what the run folder holds is put aside.

    Raises:
        UserError: what makes the run impossible, in one line.
    """
    if out is not None and not str(out):
        raise UserError("out: expected a folder, got an empty text")
    wanted = find(names, data, selection, few_shot, on_request, protocol, metric, references)
    info = described(model, settings, fetch)
    if not info.name.isprintable():  # the manifest could not be read back
        raise UserError(f"--model {printable(info.name)}: a model's name is printable, in one line")
    folder = RUNS / folder_name(model) if out is None else Path(out)
    return Job(model, settings, info, folder, wanted, plan(wanted, info, settings.variant()), fresh)


def described(model: str | Backend, settings: Settings, fetch: bool = True) -> ModelInfo:
    """What is known of a model that is not loaded; UserError for one that cannot be had.

    With `fetch` false, of a model whose files are not here only the name, and no fingerprint.
    """
    if not isinstance(model, str):
        return model.info
    try:
        return models.describe(model, settings, fetch)
    except models.NotHereError as error:
        native = models.SCHEMES.get(model.partition(":")[0], models.NATIVE) is models.NATIVE
        why = str(error).removeprefix("--model ").removeprefix(f"{model}: ")
        return ModelInfo(model, protocol="qwen-vl" if native else "instruct", compute=why)


def folder_name(model: str | Backend) -> str:
    """What the run folder of a model is called where the user names none."""
    name = model if isinstance(model, str) else model.info.name
    if not name.strip("/"):
        raise UserError("--model is empty; name a folder, a hub id, or 'demo'")
    last = name.rstrip("/").rpartition("/")[2]
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in last).lstrip(".") or "model"


def check_folder(folder: store.RunFolder, model: ModelInfo, wanted: Wanted) -> list[str]:
    """What earlier runs in the folder mean for this one.

    A folder is one model's: numbers of two would stand in one table and replace each other, so another name
    is refused, and so is another file of one's own with the name of one that was asked. Another checkpoint
    of the same name is asked anew and said.
    """
    others = []
    asked = dict(zip((task.name for task in wanted.tasks), wanted.datasets, strict=True))
    own = {task.name: task.own["path"] for task in wanted.tasks if task.own is not None}
    for task, stored in folder.manifest["tasks"].items():
        entry = store.TaskEntry.from_json(stored, folder.path)
        held = entry.model
        if held.name != model.name:
            raise UserError(
                f"--out {folder.path}: holds answers of model '{held.name}' (task {task}), not of "
                f"'{model.name}'; name another folder"
            )
        before = entry.own["path"] if entry.own is not None else None
        if task in own and before != own[task] and entry.data_sha256 != asked[task].sha256:
            raise UserError(
                f"--out {folder.path}: holds {task} of {before}, and {own[task]} would take its place; name "
                f"another --out, or give the file another name"
            )
        if held.fingerprint != model.fingerprint and task in asked:
            others.append(task)
    if not others:
        return []
    return [
        f"{folder.path}: results of another checkpoint, dtype or setting of '{model.name}' are replaced "
        f"({', '.join(others)}); its answers stay in the journals"
    ]


def found_before(folder: store.RunFolder, plans: Sequence[Plan], before: Sequence[Standing]) -> list[str]:
    """What is to be known of the stored answers that a run goes on from: rows that changed, spoilt lines."""
    said, spoilt = [], dict[str, int]()
    for one, stood in zip(plans, before, strict=True):
        name = one.task.name
        held = folder.manifest["tasks"].get(name)
        if held is not None and held["data_sha256"] != one.dataset.sha256:
            said.append(
                f"the rows of {name} changed since its last run; {len(stood.reused):,} answers still fit"
            )
        if stood.todo and stood.num_spoilt:
            spoilt[name] = stood.num_spoilt
    if spoilt:
        total = sum(spoilt.values())
        said.append(
            f"{total:,} stored line{'s' * (total > 1)} of {', '.join(spoilt)} could not be read: "
            f"what has no other answer was asked again"
        )
    return said
