"""One task asked: every request that has no stored answer yet, each answer on disk as it comes."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from eval_mm import dispatch, store
from eval_mm.data import DEMO_ROOT, Dataset, Selection
from eval_mm.few_shot import Examples
from eval_mm.judge import Asked, run_config
from eval_mm.prompt import images_of, to_request
from eval_mm.schema import Backend, ModelInfo, Prediction, Protocol, Request, Task


@dataclass(frozen=True, slots=True)
class Plan:
    """One task, about to be asked: of which data, how, and after which examples."""

    task: Task
    dataset: Dataset
    protocol: Protocol
    selection: Selection
    examples: Examples | None
    on_request: tuple[str, ...] = ()

    def requests(self) -> list[Request]:
        """What is asked about each sample, in the order of the data."""
        return [
            to_request(
                sample,
                self.protocol,
                self.dataset.root.path,
                self.examples.of(sample) if self.examples else (),
            )
            for sample in self.dataset.samples
        ]

    def entry(self, model: ModelInfo) -> store.TaskEntry:
        """The plan as the manifest holds it."""
        root, examples = self.dataset.root.path, self.examples
        return store.TaskEntry(
            data="demo" if root == DEMO_ROOT else str(root.resolve()),
            data_sha256=self.dataset.sha256,
            selection=self.selection,
            protocol=self.protocol.name,
            version=self.task.version,
            model=model,
            few_shot=None if examples is None else examples.few_shot,
            train_sha256=None if examples is None else examples.sha256,
            own=self.task.own,
            on_request=self.on_request,
        )

    def asked(self, model: ModelInfo) -> Asked:
        """The plan as a result records it."""
        return Asked(
            model, self.protocol.name, run_config(self.protocol, self.selection, model, self.examples)
        )


class Answers(NamedTuple):
    """A task's answers by sample id, and how many of them were stored before."""

    predictions: dict[str, Prediction]
    num_reused: int


def ask(plan: Plan, backend: Backend, folder: store.RunFolder, progress: bool) -> Answers:
    """Every sample's answer: stored ones to exactly this question are reused, the others are asked for.

    The manifest holds the task from its first new answer on.
    """
    entry, requests = plan.entry(backend.info), plan.requests()
    keys = store.Keys(backend.info.fingerprint)

    def note() -> None:
        folder.manifest["tasks"][plan.task.name] = entry.to_json()
        folder.write_manifest()

    with store.Journal(folder.task_folder(plan.task.name)) as journal:
        stored = {request.id: _stored(request, journal, keys) for request in requests}
        todo = [request for request in requests if stored[request.id] is None]
        answers = _ask(
            todo,
            journal,
            keys,
            backend,
            plan.task.name,
            len(requests),
            progress,
            note,
            plan.dataset.root.path,
        )
        reused = {name: answer for name, answer in stored.items() if answer is not None}
        for answer in reused.values():
            journal.reuse(answer)
    note()
    return Answers(answers | reused, len(reused))


def _ask(
    requests: Sequence[Request],
    journal: store.Journal,
    keys: store.Keys,
    backend: Backend,
    label: str,
    total: int,
    progress: bool,
    note: Callable[[], object],
    root: Path,
) -> dict[str, Prediction]:
    """Asks every request exactly once, one picture's together, and journals each answer as it comes.

    `note` is called before the first answer is kept: from then on the folder is this run's.
    """
    ordered = (request for group in dispatch.groups(requests) for request in group)
    waiting = {request.id: request for request in requests}
    answers: dict[str, Prediction] = {}
    for answer in _watch(backend.generate(ordered), label, total, len(requests), progress):
        assert answer.id in waiting, f"an answer nobody asked for: {answer.id}"
        request = waiting.pop(answer.id)
        keyed = replace(answer, key=keys.of(request), error=_one_line(answer.error, request, root))
        if not answers:
            note()
        journal.append(keyed)
        answers[answer.id] = keyed
    assert not waiting, f"{len(waiting)} requests were never answered, the first {next(iter(waiting))}"
    return answers


def _one_line(error: str | None, request: Request, root: Path) -> str | None:
    """An error as the journal holds it: one line, pictures relative to the data root."""
    if error is None:
        return None
    for path in images_of(request.prompt):
        error = error.replace(path, str(Path(path).relative_to(root)))
    return " ".join(error.split())


def _stored(request: Request, journal: store.Journal, keys: store.Keys) -> Prediction | None:
    """The answer given before to exactly this question, if it was one."""
    answer = journal.answer(request.id, keys.of(request))
    return answer if answer is not None and answer.error is None else None


def _watch(
    predictions: Iterable[Prediction], label: str, total: int, num_todo: int, progress: bool
) -> Iterator[Prediction]:
    """The predictions as they come, with a progress bar: done, rate, time left, errors."""
    if not progress:
        yield from predictions
        return
    from tqdm import tqdm

    pace = 0.2 if sys.stderr.isatty() else 15.0  # a log file wants few lines
    num_errors = 0
    with tqdm(total=total, initial=total - num_todo, desc=label, unit="sample", mininterval=pace) as bar:
        for prediction in predictions:
            yield prediction
            bar.update()
            if prediction.error is not None:
                num_errors += 1
                bar.set_postfix(errors=num_errors)
