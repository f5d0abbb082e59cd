"""The answers of a run, ready to be judged: read from a run folder, or from a file of answers."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eval_mm import store, tasks
from eval_mm.answers import Answer, read_answers
from eval_mm.data import find_root, load
from eval_mm.errors import DataError, UserError
from eval_mm.matching import match
from eval_mm.rescore import StoredTask, read_entries, read_stored
from eval_mm.run import run as run_tasks
from eval_mm.schema import ModelInfo, Prediction, Request, Sample, Task
from touchstone.journal import ORDERS
from touchstone.prompts import Ask
from touchstone.settings import Settings

FAMILY = "dialogue"
"""The tasks that a judge scores."""

IMPORTED = "answers-"
"""What the fingerprint of a file of answers begins with: how its questions were asked is not known."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question with the model's answer; None where the model failed to give one."""

    sample: Sample
    answer: str | None

    def ask(self, order: int) -> Ask:
        """What the judge is to judge; order 1 shows the reference answer first."""
        assert self.answer is not None, f"'{self.sample.id}' has no answer"
        facts = self.sample.metadata
        shown = (facts["reference_answer"], self.answer)
        first, second = shown if order == ORDERS[0] else shown[::-1]
        return Ask(facts["human_annotation"], self.sample.question, first, second)

    def key(self, settings: Settings, order: int) -> str:
        """Fingerprints all that makes this judgement."""
        told = json.dumps([settings.hash, order, *self.ask(order)], ensure_ascii=False)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Answered:
    """A task of a run with its answers, in the order of the data."""

    run: Path
    stored: StoredTask
    items: tuple[Item, ...]

    @property
    def folder(self) -> Path:
        """Where the task's journals and results lie."""
        return self.run / self.stored.task.name

    @property
    def imported(self) -> bool:
        """Whether the answers were made elsewhere."""
        return self.stored.asked.model.fingerprint.startswith(IMPORTED)

    def journal(self, judge_hash: str) -> Path:
        """The journal of one judge."""
        return self.folder / "judge" / f"{judge_hash}.jsonl"


def judged_tasks() -> list[str]:
    """The names of the tasks that a judge scores."""
    return tasks.families()[FAMILY]


def read_run(run: Path, task: str | None = None, data: str | None = None) -> list[Answered]:
    """The judged tasks of a run folder, or the one of that name.

    Raises:
        UserError: no run folder, no such task in it, data that are no longer those of the run, no answer.
    """
    folder = store.RunFolder.open(run)
    entries = read_entries(folder)
    names = [name for name in entries if name in judged_tasks()]
    if (task is not None and task not in names) or not names:
        raise UserError(
            f"{run}: the run has no task {task or ' or '.join(judged_tasks())}; it has {', '.join(entries)}"
        )
    return [_read(run, name, entries[name], data) for name in ([task] if task else names)]


def _read(run: Path, name: str, entry: store.TaskEntry, data: str | None) -> Answered:
    stored = read_stored(tasks.get(name), entry, run, data)
    items: list[Item] = []
    for sample in stored.dataset.samples:
        given = stored.predictions.get(sample.id)
        answered = given is not None and given.error is None
        # half a surrogate pair, which a model may write, can be sent to no server
        text = given.text.strip().encode("utf-8", "replace").decode() if given and answered else None
        items.append(Item(sample, text))
    if all(item.answer is None for item in items):
        raise UserError(f"{run}: task {name} has no answer to judge")
    return Answered(run, stored, tuple(items))


class _File:
    """A back end that hands out the answers of a file."""

    def __init__(self, info: ModelInfo, texts: dict[str, str]):
        self.info, self.texts = info, texts

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Each answer as the file has it."""
        for request in requests:
            yield Prediction(request.id, self.texts[request.id], stop_reason="stop")


def import_answers(path: Path, out: Path, task: str | None = None, data: str | None = None) -> None:
    """Makes a run folder of a file of answers: the official table of TouchStone, JSON or JSONL.

    Raises:
        UserError: a file that cannot be used, other questions, an answer too many or too few.
    """
    answered: Task = tasks.get(task or judged_tasks()[0])
    if answered.name not in judged_tasks():
        raise UserError(f"--task {task}: expected {' or '.join(judged_tasks())}")
    samples = load(answered, find_root(data, answered)).samples
    answers = _table(path, samples) if path.suffix.lower() == ".tsv" else read_answers(path)
    matched = match(answers, samples, path, "id", subset=False)
    missing = [sample.id for sample in samples if sample.id not in matched.predictions]
    if missing:
        raise UserError(
            f"{path}: {len(missing):,} of {len(samples):,} samples of {answered.name} have no answer (first: "
            f"'{missing[0]}')"
        )
    texts = {name: prediction.text for name, prediction in matched.predictions.items()}
    info = ModelInfo(path.stem, f"{IMPORTED}{store.file_sha256(path)[:16]}", protocol="qwen-vl")
    run_tasks(_File(info, texts), [answered.name], data, out=out)


def _table(path: Path, samples: list[Sample]) -> list[Answer]:
    """The answers of the official table; its questions must be those of the data."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 text (byte {error.start + 1})") from None
    previous = csv.field_size_limit(max(len(content), 1))
    questions = {sample.id: sample.question for sample in samples}
    answers: list[Answer] = []
    try:
        reader = csv.DictReader(io.StringIO(content, newline=""), delimiter="\t", strict=True)
        absent = [name for name in ("index", "response") if name not in (reader.fieldnames or ())]
        if absent:
            raise DataError(path, f"the table has no column '{absent[0]}'; it has {reader.fieldnames}", 1)
        for row in reader:
            line = reader.line_num
            if None in row or None in row.values():
                raise DataError(path, "another number of cells than columns", line)
            index = row["index"].strip()
            if "question" in row and index in questions and row["question"] != questions[index]:
                raise DataError(
                    path, f"asks another thing than question {index} of the data", line, "question"
                )
            answers.append(Answer(index, row["response"], f"line {line}"))
    except csv.Error as error:
        raise DataError(path, f"not a table with tabs: {error}") from None
    finally:
        csv.field_size_limit(previous)
    if not answers:
        raise DataError(path, "the table has no rows")
    return answers
