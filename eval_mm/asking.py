"""One task asked: every request that has no stored answer yet, each answer on disk as it comes."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from eval_mm import dispatch, store
from eval_mm.planning import Plan
from eval_mm.prompt import images_of
from eval_mm.schema import Backend, Prediction, Request


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
