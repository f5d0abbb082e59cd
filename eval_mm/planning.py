"""What is to be asked, checked before a model is loaded: names -> tasks -> rows -> plans."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from eval_mm import extras, store, tasks
from eval_mm.data import DEMO_ROOT, DataRoot, Dataset, Selection, find_root, load
from eval_mm.errors import UserError
from eval_mm.few_shot import Examples, FewShot, check_few_shot, load_examples
from eval_mm.judge import Asked, check_on_request, run_config
from eval_mm.prompt import to_request
from eval_mm.schema import BoxScale, Mark, ModelInfo, Protocol, Request, Sample, Task
from eval_mm.variant import AS_IT_IS, Variant

MOST_NAMED = 5
"""Tasks that a line names before it counts."""


class NeedsChatError(UserError):
    """No task of a run can be asked of a model without a chat format."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One task, about to be asked: of which data, how, and after which examples.

    `protocol` is as the variant has it, under the name of the scorer's.
    """

    task: Task
    dataset: Dataset
    protocol: Protocol
    selection: Selection
    examples: Examples | None
    on_request: tuple[str, ...] = ()
    variant: Variant = AS_IT_IS

    def request(self, sample: Sample) -> Request:
        """What is asked about a sample."""
        examples = self.examples.of(sample) if self.examples else ()
        return to_request(sample, self.protocol, self.dataset.root.path, examples)

    def requests(self) -> list[Request]:
        """What is asked about each sample, in the order of the data."""
        return [self.request(sample) for sample in self.dataset.samples]

    def entry(self, model: ModelInfo) -> store.TaskEntry:
        """The plan as the manifest holds it."""
        root, examples = self.dataset.root.path, self.examples
        return store.TaskEntry(
            data="demo" if root == DEMO_ROOT else str(root.resolve()),
            data_sha256=self.dataset.sha256,
            selection=self.selection,
            protocol=self.variant.named(self.protocol.name),
            version=self.task.version,
            model=model,
            few_shot=None if examples is None else examples.few_shot,
            train_sha256=None if examples is None else examples.sha256,
            own=self.task.own,
            on_request=self.on_request,
            variant=self.variant,
        )

    def asked(self, model: ModelInfo) -> Asked:
        """The plan as a result records it."""
        config = run_config(self.protocol, self.selection, model, self.examples, self.variant)
        return Asked(model, self.variant.named(self.protocol.name), config)


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a run is to ask and needs no model to be known: tasks, their rows, their examples.

    `named` are the tasks as the user meant them, `tasks` those with rows of their own, one dataset and one
    set of examples each, `composite` those computed from others.
    """

    named: tuple[Task, ...]
    tasks: tuple[Task, ...]
    composite: tuple[Task, ...]
    datasets: tuple[Dataset, ...]
    examples: tuple[Examples | None, ...]
    selection: Selection
    on_request: tuple[str, ...]
    protocol: str | None
    notices: tuple[str, ...]

    @property
    def root(self) -> DataRoot:
        """Where the rows lie."""
        return self.datasets[0].root


@dataclass(frozen=True, slots=True)
class Planned:
    """One plan for each task that this model can be asked, what is computed from them, and what is said."""

    plans: tuple[Plan, ...]
    composite: tuple[Task, ...]
    notices: tuple[str, ...]


def find(
    names: Sequence[str],
    data: str | os.PathLike[str] | None,
    selection: Selection,
    few_shot: FewShot | None = None,
    on_request: Sequence[str] = (),
    protocol: str | None = None,
    metric: str | None = None,
    references: str | None = None,
) -> Wanted:
    """The tasks of the names and their rows, all of it checked.

    Raises:
        UserError: a name, protocol or metric that is not known; missing or bad rows; a missing extra.
    """
    named, notices = _askable(tasks.resolve(names, metric, references), names, data, few_shot is not None)
    chosen, composite = tasks.with_members(named)
    check_on_request(named, on_request)
    for task in chosen:
        if protocol is not None:
            tasks.get_protocol(task, protocol)
        if task.needs is not None:
            extras.require(task.needs, f"task {task.name}")
    datasets = [load(task, find_root(data, task), selection) for task in chosen]
    examples = [
        None if few_shot is None else load_examples(task, dataset.root, few_shot)
        for task, dataset in zip(chosen, datasets, strict=True)
    ]
    return Wanted(
        tuple(named),
        tuple(chosen),
        tuple(composite),
        tuple(datasets),
        tuple(examples),
        selection,
        tuple(on_request),
        protocol,
        tuple(notices),
    )


def plan(wanted: Wanted, model: ModelInfo, variant: Variant = AS_IT_IS) -> Planned:
    """How a model is asked each task; one that needs a chat format the model lacks is left out, and said.

    Raises:
        UserError: a task without this protocol or without a few-shot form in it, words that do not fit it,
            a prompt that the model cannot be sent; nothing left to ask.
    """
    plans, left_out = [], []
    for task, dataset, drawn in zip(wanted.tasks, wanted.datasets, wanted.examples, strict=True):
        asking = tasks.get_protocol(task, wanted.protocol or model.protocol)
        if asking.chat and not model.chat:
            left_out.append(task.name)
            continue
        if asking.boxes and model.box_scale is None:
            raise UserError(
                f"task {task.name}: in which unit {model.name} writes coordinates is not known; say it with "
                f"--box-scale {'|'.join(get_args(BoxScale))}"
            )
        if drawn is not None:
            check_few_shot(task, asking)
        here = _way(variant, asking, task, dataset, model)
        plans.append(Plan(task, dataset, here.of(asking), wanted.selection, drawn, wanted.on_request, here))
    composite = [task for task in wanted.composite if not {part.name for part in task.members} & {*left_out}]
    said = (_needs_chat(model.name, left_out, nothing_else=not plans),) if left_out else ()
    return Planned(tuple(plans), tuple(composite), said)


def _way(variant: Variant, asking: Protocol, task: Task, dataset: Dataset, model: ModelInfo) -> Variant:
    """The variant in which a task is asked: in a chat turn where the model knows nothing else."""
    variant.check(task.name, asking, dataset.samples)
    here = variant if asking.chat or model.plain else replace(variant, chat=True)
    varied = here.of(asking)
    if varied.system and not varied.chat:
        raise UserError(f"--system: protocol {asking.name} of task {task.name} has no chat turn to say it in")
    if not model.plain and any(isinstance(part, Mark) for part in varied.prompt(dataset.samples[0])):
        raise UserError(
            f"task {task.name}: protocol {asking.name} has structural tokens in its prompt, which "
            f"{model.name} cannot be sent; --protocol instruct asks in words"
        )
    return here


def _askable(
    named: Sequence[Task], names: Sequence[str], data: str | os.PathLike[str] | None, few_shot: bool
) -> tuple[list[Task], list[str]]:
    """The tasks that can be asked, and what is said of those a family brought along that cannot.

    A task named by itself stays: what is missing there is an error of its own.
    """
    direct, root = tasks.named_directly(names), find_root(data).path
    absent, without = [], []
    for task in named:
        parts = [part for part in task.members or (task,) if part.own is None]
        if task.name in direct or task.own is not None:
            continue
        if not all((root / part.path).is_file() for part in parts):
            absent.append(task.name)
        elif few_shot and not any(protocol.example for protocol in task.protocols):
            without.append(task.name)
    left = [task for task in named if task.name not in {*absent, *without}]
    reasons = {f"not prepared under {root}": absent, "without a few-shot form": without}
    found = {why: ", ".join(names) for why, names in reasons.items() if names}
    if not left:
        whys = [*found] if len(found) == 1 else [f"{why}: {names}" for why, names in found.items()]
        raise UserError(f"none of {', '.join(task.name for task in named)} can be asked: {'; '.join(whys)}")
    return left, [f"{why}, left out: {names}" for why, names in found.items()]


def _needs_chat(model: str, names: Sequence[str], nothing_else: bool) -> str:
    """What is said of tasks that a base model cannot be asked; NeedsChatError where there are no others."""
    rest = len(names) - MOST_NAMED
    named = ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    said = f"{model} is a base model without a chat format, needed here by {named}"
    if nothing_else:
        raise NeedsChatError(f"{said}; ask a chat model, or another protocol where a task has one")
    return f"{said}: left out"
