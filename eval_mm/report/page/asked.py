"""What was asked behind a result, and what was answered: rows of the data root, and a run's journal.

Either may be missing on the machine that makes the report; then a line says so and the rest is shown.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eval_mm import store, tasks
from eval_mm.data import ALL_ROWS, find_root, load
from eval_mm.errors import UserError
from eval_mm.few_shot import Examples, load_examples
from eval_mm.journal import iterate_answers
from eval_mm.prompt import to_request
from eval_mm.report.runs import Run
from eval_mm.rescore import fitting_answers, task_of
from eval_mm.schema import ModelInfo, Prediction, Protocol, Request, Result, Sample, Score, Task
from eval_mm.variant import base_of


@dataclass(frozen=True, slots=True)
class Questions:
    """The samples of a task by id, and where their pictures are; `problem` says why there are none."""

    task: Task | None = None
    samples: Mapping[str, Sample] = field(default_factory=dict)
    root: Path = Path()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """How one run asked a task, and its answers to some samples.

    `prompt` and `scorer` are protocols, None where they are not known; `way` is the name of how it was asked.
    """

    result: Result
    way: str
    prompt: Protocol | None = None
    scorer: Protocol | None = None
    examples: Examples | None = None
    model: ModelInfo | None = None
    answers: Mapping[str, Sequence[Prediction]] = field(default_factory=dict)
    problem: str = ""

    def answer(self, sample: Sample, root: Path) -> tuple[Request | None, Prediction | None]:
        """What was sent and what came back; None where that cannot be told."""
        if self.prompt is None:
            return None, None
        examples = self.examples.of(sample) if self.examples else ()
        try:
            request = to_request(sample, self.prompt, root, examples)
        except UserError:  # options that are not known can be scored, and not asked for
            return None, None
        fingerprint = str(self.result.config.get("model_fingerprint"))
        found = fitting_answers([request], self.answers.get(sample.id, ()), fingerprint)
        return request, found.get(sample.id)


def read_questions(name: str, runs: Sequence[Run], data: Path | None) -> Questions:
    """The rows that these runs were asked, all the same: from where the first of them that has them."""
    entries = [_readable_entry(name, run) for run in runs]
    selections = {ALL_ROWS if entry is None else entry.selection for entry in entries}
    selection = selections.pop() if len(selections) == 1 else ALL_ROWS
    problem = ""
    places = {None if entry is None else entry.data: entry for entry in entries}
    for place, entry in sorted(places.items(), key=lambda one: one[0] is None):
        try:
            task = tasks.get(name) if entry is None else task_of(name, entry)
            dataset = load(task, find_root(data or place, task), selection)
            if dataset.sha256 != runs[0].results[name].config.get("data_sha256"):
                path = dataset.root.path / task.path
                raise UserError(f"{path}: not the file of the run, its content differs")
        except (UserError, OSError) as error:
            problem = problem or str(error)
            continue
        return Questions(task, {sample.id: sample for sample in dataset.samples}, dataset.root.path)
    return Questions(problem=problem)


def read_asked(name: str, run: Run, questions: Questions, wanted: Iterable[str]) -> Asked:
    """How a run asked a task, with its answers to the wanted samples."""
    result = run.results[name]
    few_shot = result.config.get("few_shot")
    shots = f", {few_shot['shots']}-shot, seed {few_shot.get('seed')}" if few_shot else ""
    way = result.prompt_protocol + shots
    task = questions.task
    if task is None:
        return Asked(result, way)
    scorer = _protocol(task, result.score_protocol)
    try:
        entry = _entry(name, run)
        if entry is None:
            return Asked(result, way, scorer=scorer, problem="no manifest: what was asked is not known")
        root = find_root(questions.root)
        examples = load_examples(task, root, entry.few_shot) if entry.few_shot else None
        if examples is not None and examples.sha256 != entry.train_sha256:
            raise UserError("the examples before each question have changed since; prompts are not shown")
        kept = set(wanted)
        answers: dict[str, list[Prediction]] = {}
        for answer in iterate_answers(run.folder / name, kept):
            if answer.id in kept:
                answers.setdefault(answer.id, []).append(answer)
    except (UserError, OSError) as error:
        return Asked(result, way, scorer=scorer, problem=str(error))
    found = _protocol(task, base_of(entry.protocol))
    protocol = None if found is None else entry.variant.of(found)
    return Asked(result, way, protocol, scorer, examples, entry.model, answers)


def breakdowns(questions: Questions, ids: Iterable[str]) -> list[list[str]]:
    """For every sample the breakdowns it counts in, by the names they have in the results.

    They are those that the task's metrics make of the sample alone, and are the same for samples of the same
    facts.
    """
    known: dict[Hashable, list[str]] = {}
    found: list[list[str]] = []
    for name in ids:
        sample = questions.samples.get(name)
        if questions.task is None or sample is None or sample.target is None:
            found.append([])
            continue
        facts = (tuple(sample.metadata.items()), bool(sample.images))
        if facts not in known:
            known[facts] = _breakdowns_of(questions.task, sample)
        found.append(known[facts])
    return found


def _breakdowns_of(task: Task, sample: Sample) -> list[str]:
    metrics = task.metrics([sample], [Score(0.0, "", "")])
    parts = dict.fromkeys(name.partition("/")[2] for name in metrics if "/" in name)
    return [part for part in parts if part.rpartition("/")[0] not in parts]


def _readable_entry(name: str, run: Run) -> store.TaskEntry | None:
    """As `_entry`, None also for one that cannot be read."""
    try:
        return _entry(name, run)
    except UserError:
        return None


def _entry(name: str, run: Run) -> store.TaskEntry | None:
    """What the run's manifest says of the task; None where it says nothing."""
    fields = run.manifest.get("tasks", {}).get(name)
    return None if fields is None else store.TaskEntry.from_json(fields, run.folder)


def _protocol(task: Task, name: str) -> Protocol | None:
    return next((protocol for protocol in task.protocols if protocol.name == name), None)
