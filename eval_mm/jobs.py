"""Run folders about to be filled: which model is asked what where, checked before any model is loaded."""

import os
from dataclasses import dataclass
from pathlib import Path

from eval_mm import models, store
from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.planning import Planned, Wanted, plan
from eval_mm.schema import Backend, ModelInfo

RUNS = Path("results/runs")


@dataclass(frozen=True, slots=True)
class Job:
    """One run folder about to be filled: the tasks that one model is asked in one way."""

    model: str | Backend
    settings: Settings
    info: ModelInfo
    out: Path
    wanted: Wanted
    planned: Planned

    def load(self) -> Backend:
        """The model, ready to be asked; UserError where it is no longer the one that was planned for."""
        if not isinstance(self.model, str):
            return self.model
        backend = models.load(self.model, self.settings)
        if backend.info != self.info:
            raise UserError(f"--model {self.model}: changed since this command was started; start it again")
        return backend


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
        return ModelInfo(model, protocol="qwen-vl" if native else "instruct", compute=str(error))


def folder_name(model: str | Backend) -> str:
    """What the run folder of a model is called where the user names none."""
    name = model if isinstance(model, str) else model.info.name
    if not name.strip("/"):
        raise UserError("--model is empty; name a folder, a hub id, or 'demo'")
    last = name.rstrip("/").rpartition("/")[2]
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in last).lstrip(".") or "model"


def check_folder(folder: store.RunFolder, model: ModelInfo, names: list[str]) -> list[str]:
    """What earlier runs in the folder mean for this one.

    A folder is one model's: numbers of two would stand in one table and replace each other, so another name
    is refused. Another checkpoint of the same name is asked anew and said.
    """
    others = []
    for task, stored in folder.manifest["tasks"].items():
        held = store.TaskEntry.from_json(stored, folder.path).model
        if held.name != model.name:
            raise UserError(
                f"--out {folder.path}: holds answers of model '{held.name}' (task {task}), not of "
                f"'{model.name}'; name another folder"
            )
        if held.fingerprint != model.fingerprint and task in names:
            others.append(task)
    if not others:
        return []
    return [
        f"{folder.path} held results of another checkpoint or dtype called '{model.name}' for "
        f"{', '.join(others)}; they were replaced, its answers stay in the journals"
    ]
