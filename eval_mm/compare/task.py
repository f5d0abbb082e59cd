"""Two runs on one task, sample by sample.

Compared is what both have scored, by the scores as they stand in the run folders: nothing is scored again.
Samples of one run only are left out and counted. Where the runs were asked different versions of a file, the
samples that are the same in both are compared, if both files are at hand.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval_mm.compare.rows import find_rows, find_task, pictures_asked, texts_of
from eval_mm.errors import DataError, UserError
from eval_mm.paired import Paired, paired
from eval_mm.report.notes import marks
from eval_mm.report.runs import RESULT, Run
from eval_mm.report.scores_file import ERROR, Scores, read_scores
from eval_mm.schema import Result, Sample, Score, Task
from eval_mm.stats import ROUNDING, Units, cluster_of, number

TOLERANCE = 1e-6
"""How far sums of the same scores may be apart, on the published scale."""

NOTHING = Score(0.0, "", "")


@dataclass(frozen=True, slots=True)
class Changed:
    """A sample whose score is another in the second run.

    `errors` are why a run has no answer. `texts` are what the model wrote where nothing could be read in it
    and the journal tells.
    """

    id: str
    first: Score
    second: Score
    errors: tuple[str | None, str | None]
    texts: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """What two runs did on one task.

    `numbers` are the headline numbers by name, on the samples of both runs; empty where `refused` says why
    there are none. `num_samples` counts the compared, `num_left_out` those of the first and of the second
    run only, `num_torn` those of both that count together with one of these. `gained` and `lost` are the ids
    of samples that the second run did better and worse, in the order of the data; `changed` are some of each
    with both answers, the greatest changes first. `clusters` are what was counted together: "pictures", or
    "samples" where it is not known which share a picture.
    `marks` say for each run what keeps its number from standing beside published ones.
    """

    task: str
    numbers: Mapping[str, Paired]
    refused: str
    num_samples: int
    num_left_out: tuple[int, int]
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    changed: tuple[Changed, ...]
    clusters: str
    marks: tuple[tuple[str, ...], tuple[str, ...]]
    num_torn: int = 0


@dataclass(frozen=True, slots=True)
class _Side:
    """One run's scores of a task, by sample id in the order of the data."""

    run: Run
    scores: Scores
    places: Mapping[str, int]

    def score(self, name: str) -> Score:
        """What an answer is worth, without its texts; one that failed, or could not be read, counts 0."""
        value = self.scores.values[self.places[name]]
        return Score(None if value == ERROR else value, "", "")

    def worth(self, name: str) -> float:
        """The score of an answer as it counts."""
        return self.score(name).value or 0.0

    def told(self, name: str) -> tuple[Score, str | None]:
        """The whole score of an answer, and why there is none where it failed."""
        row = self.scores.row(self.places[name])
        return Score(row["value"], row["answer"], row["explanation"]), row["error"]


def _side(run: Run, task: str) -> _Side:
    path = run.scores_path(task)
    scores = read_scores(path)
    if scores.problem:
        raise UserError(f"{scores.problem}; {_again(run)}")
    if len(scores.ids) != run.results[task].num_samples:
        raise DataError(
            path,
            f"has {len(scores.ids):,} samples, {RESULT} has {run.results[task].num_samples:,}; {_again(run)}",
        )
    return _Side(run, scores, {name: place for place, name in enumerate(scores.ids)})


def compare_task(name: str, a: Run, b: Run, data: Path | None, show: int | None) -> TaskComparison:
    """What two runs did on a task of which both have a result.

    Raises:
        DataError: scores that cannot be read, or that do not make the result.
    """
    results = a.results[name], b.results[name]
    nothing = TaskComparison(
        name, {}, "", 0, (0, 0), (), (), (), "", (_marks(results[0]), _marks(results[1]))
    )
    task = find_task(name, (a, b))
    if not all(result.metrics for result in results):
        why = task.unscored if task is not None else "not public"
        hint = "; those of a judge are compared with --protocol judge-<hash>" if why != "not public" else ""
        return replace(nothing, refused=f"no scores: the answers are {why}{hint}")
    one, other = _side(a, name), _side(b, name)
    ids = [sample for sample in one.scores.ids if sample in other.places]
    rows = others = None if task is None else find_rows(task, (a, b), results[0], data)
    files, parts = ([result.config.get(key) for result in results] for key in ("data_sha256", "selection"))
    if task is not None and (files[0] != files[1] or (task.headline is not None and parts[0] != parts[1])):
        others = find_rows(task, (b, a), results[1], data)
    if files[0] != files[1]:
        if rows is None or others is None:
            return replace(
                nothing, refused="the runs were asked different files, which are not both at hand any more"
            )
        ids = [sample for sample in ids if rows.get(sample) == others.get(sample)]
    if any(result.config.get("judge") for result in results):  # what was not judged is not 0
        ids = [sample for sample in ids if None not in (one.score(sample).value, other.score(sample).value)]
    left_out = len(one.scores.ids) - len(ids), len(other.scores.ids) - len(ids)
    if not ids:
        return replace(nothing, refused="no sample in common", num_left_out=left_out)
    if rows is not None and not all(sample in rows for sample in ids):
        rows = None
    whole = ids
    if any(left_out) and task is not None and rows is not None and others is not None:
        whole = _not_torn(task, {**others, **rows}, ids)
    num_torn, ids = len(ids) - len(whole), whole
    nothing = replace(nothing, num_left_out=left_out, num_torn=num_torn)
    if not ids:
        return replace(nothing, refused="no sample in common that counts alone or with all it belongs to")
    try:
        numbers, clusters = _numbers(name, task, rows, (one, other), ids, any(left_out))
    except _Refused as refused:
        return replace(nothing, refused=str(refused))
    moved = {sample: other.worth(sample) - one.worth(sample) for sample in ids}
    gained = [sample for sample in ids if moved[sample] > ROUNDING]
    lost = [sample for sample in ids if moved[sample] < -ROUNDING]
    shown = [
        sample
        for group in (gained, lost)
        for sample in sorted(group, key=lambda sample: -abs(moved[sample]))[:show]
    ]
    return replace(
        nothing,
        numbers=numbers,
        num_samples=len(ids),
        gained=tuple(gained),
        lost=tuple(lost),
        changed=_changed(name, task, shown, one, other),
        clusters=clusters,
    )


def _not_torn(task: Task, known: Mapping[str, Sample], ids: Sequence[str]) -> list[str]:
    """The samples without those that count together with one that is left out.

    Rotations of a question (MMBench) and questions about a picture (MME) make one value: with fewer of them a
    question is right more often.
    """
    units = {} if task.headline is None else task.headline(list(known.values()), [NOTHING] * len(known))
    if sum(len(one.values) for one in units.values()) in (0, len(known)):
        return list(ids)
    kept = set(ids)
    torn = {cluster_of(sample) for name, sample in known.items() if name not in kept}
    return [name for name in ids if cluster_of(known[name]) not in torn]


class _Refused(Exception):
    """Why two runs cannot be compared on a task."""


def _numbers(
    name: str,
    task: Task | None,
    rows: Mapping[str, Sample] | None,
    sides: tuple[_Side, _Side],
    ids: Sequence[str],
    left_out: bool,
) -> tuple[dict[str, Paired], str]:
    """The headline numbers on these samples, and what was counted together."""
    heads = [next(iter(side.run.results[name].metrics)) for side in sides]
    if heads[0] != heads[1]:
        raise _Refused(f"measured by {heads[0]} and by {heads[1]}")
    clusters: list[Hashable] | None = None
    if rows is not None:
        clusters = [cluster_of(rows[sample]) for sample in ids]
    elif task is not None and task.headline is not None:
        raise _Refused(f"{heads[0]} is made from its rows, which are not at hand; name them with --data")
    else:
        clusters = _asked_together(name, task, sides, ids)
    found = []
    for side in sides:
        scores = [side.score(sample) for sample in ids]
        if rows is not None and task is not None and task.headline is not None:
            units = task.headline([rows[sample] for sample in ids], scores)
        else:
            units = {heads[0]: Units([100 * (score.value or 0.0) for score in scores], clusters or ids)}
        if left_out and any(unit.of_split for unit in units.values()):
            raise _Refused(
                f"{heads[0]} of a sample depends on which others are scored with it, and the runs have other "
                f"samples; run both on the same"
            )
        if len(ids) == len(side.scores.ids) and "judge" not in side.run.results[name].config:
            _check(name, side.run, units)
        found.append(units)
    pairs = {key: paired(units, found[1][key]) for key, units in found[0].items()}
    return pairs, "samples" if clusters is None else "pictures"


def _asked_together(
    name: str, task: Task | None, sides: Sequence[_Side], ids: Sequence[str]
) -> list[Hashable] | None:
    """What stands for each sample's pictures by a run's journal; None where neither tells."""
    members = [part.name for part in task.members] if task is not None else []
    for side in sides:
        known = pictures_asked(name, members, side.run)
        if all(sample in known for sample in ids):
            return [known[sample] for sample in ids]
    return None


def _check(name: str, run: Run, units: Mapping[str, Units]) -> None:
    """Raises DataError where the scores do not make the numbers of the result."""
    for key, unit in units.items():
        stated = run.results[name].metrics.get(key)
        made = number(unit)
        if stated is None or abs(stated.value - made) > TOLERANCE:
            there = "none" if stated is None else f"{stated.value:.8g}"
            raise DataError(
                run.scores_path(name), f"makes {key} {made:.8g}, {RESULT} has {there}; {_again(run)}"
            )


def _again(run: Run) -> str:
    return f"score the run again (python -m eval_mm score {run.folder})"


def _changed(
    name: str, task: Task | None, shown: Sequence[str], one: _Side, other: _Side
) -> tuple[Changed, ...]:
    """These samples with both answers."""
    members = [part.name for part in task.members] if task is not None else []
    told = {sample: (one.told(sample), other.told(sample)) for sample in shown}
    texts = []
    for turn, side in enumerate((one, other)):
        unread = [sample for sample in shown if _says_nothing(*told[sample][turn])]
        texts.append(texts_of(name, members, side.run, unread))
    return tuple(
        Changed(sample, first, second, errors, (texts[0].get(sample), texts[1].get(sample)))
        for sample, ((first, first_error), (second, second_error)) in told.items()
        for errors in [(first_error, second_error)]
    )


def _says_nothing(score: Score, error: str | None) -> bool:
    return score.value is None and not score.answer and error is None


def _marks(result: Result) -> tuple[str, ...]:
    return tuple(mark.text for mark in marks(result) if mark.kind != "scorer")
