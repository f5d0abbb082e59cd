"""Benchmarks. One file here is one benchmark and declares `TASKS`; there is no other register.

Names of tasks, families of them, and files of one's own (eval_mm/own_data.py) become tasks here.
"""

import importlib
import os.path
import pkgutil
from collections.abc import Iterable
from functools import cache

from eval_mm.errors import UserError, did_you_mean
from eval_mm.own_data import CAPTION, PREFIX, OwnData, own_task
from eval_mm.schema import Protocol, Task


@cache
def all_tasks() -> dict[str, Task]:
    """Every task by name, in order of file and declaration."""
    tasks: dict[str, Task] = {}
    for module in pkgutil.iter_modules(__path__):
        for task in importlib.import_module(f"{__name__}.{module.name}").TASKS:
            assert task.name not in tasks, f"two tasks are called {task.name}"
            tasks[task.name] = task
    return tasks


@cache
def families() -> dict[str, list[str]]:
    """Group name -> names of its tasks."""
    groups: dict[str, list[str]] = {"all": list(all_tasks())}
    for task in all_tasks().values():
        for family in task.families:
            groups.setdefault(family, []).append(task.name)
    return groups


def get(name: str) -> Task:
    """The task of that name; raises UserError naming the nearest ones."""
    if name not in all_tasks():
        if os.path.isfile(name):
            raise UserError(
                f"--task {name}: a file of one's own is asked as --task {PREFIX}{name} --metric M"
            )
        raise _unknown("task", name, [*all_tasks(), *families()], "python -m eval_mm list shows all")
    return all_tasks()[name]


def resolve(names: Iterable[str], metric: str | None = None, references: str | None = None) -> list[Task]:
    """Names, families and comma lists of both -> tasks, each once, in the order asked for.

    `file:PATH` is a file of canonical rows that `metric` judges; `caption` one of captions, `references`.
    """
    chosen: dict[str, Task] = {}
    for part in (part.strip() for name in names for part in name.split(",")):
        if part.startswith(PREFIX):
            task = own_task(OwnData(part.removeprefix(PREFIX), metric))
            if task.name in chosen and chosen[task.name].own != task.own:
                raise UserError(
                    f"--task {part}: another file of that name is asked too; give one another name"
                )
            chosen[task.name] = task
        elif part == CAPTION:
            task = own_task(OwnData(references, CAPTION))
            chosen[task.name] = task
        else:
            for name in families().get(part) or ([part] if part else []):
                chosen[name] = get(name)
    if not chosen:
        raise UserError("--task is empty; name a task or a family (python -m eval_mm list shows all)")
    if metric is not None and not any(task.own and task.name != CAPTION for task in chosen.values()):
        raise UserError(f"--metric is for --task {PREFIX}PATH; the others have their own")
    if references is not None and CAPTION not in chosen:
        raise UserError(f"--references is for --task {CAPTION}")
    return list(chosen.values())


def named_directly(names: Iterable[str]) -> set[str]:
    """The tasks that the names mean one by one, and not as members of a family."""
    parts = {part.strip() for name in names for part in name.split(",")}
    return parts - families().keys()


def with_members(chosen: Iterable[Task]) -> tuple[list[Task], list[Task]]:
    """The tasks to ask, each once, and the composite ones to be computed from them."""
    asked: dict[str, Task] = {}
    composite = []
    for task in chosen:
        asked |= {part.name: part for part in task.members or (task,)}
        composite += [task] if task.members else []
    return list(asked.values()), composite


def get_protocol(task: Task, name: str) -> Protocol:
    """A task's protocol by name; raises UserError listing those it has.

    `official` is a protocol of its own only where a benchmark's scorer differs; elsewhere it is `qwen-vl`.
    """
    for wanted in (name, "qwen-vl") if name == "official" else (name,):
        for protocol in task.protocols:
            if protocol.name == wanted:
                return protocol
    names = [protocol.name for protocol in task.protocols]
    raise _unknown("protocol", name, names, f"task {task.name} has {', '.join(names)}")


def _unknown(kind: str, name: str, known: list[str], hint: str) -> UserError:
    return UserError(f"unknown {kind} '{name}': {did_you_mean(name, known, most=3)}{hint}")
