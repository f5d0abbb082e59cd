"""Answers made elsewhere to the samples they belong to: by id, by picture, or by order."""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from eval_mm.answers import Answer
from eval_mm.errors import DataError, UserError
from eval_mm.schema import Prediction, Sample


@dataclass(frozen=True, slots=True)
class Matched:
    """Answers by sample id, and how many of the file's answers belong to no sample."""

    predictions: dict[str, Prediction]
    num_unused: int


@dataclass(slots=True)
class _Waiting:
    """The samples a name stands for, in the order of the data, and those of them without an answer yet."""

    samples: list[Sample] = field(default_factory=list)
    num_given: int = 0
    _left: dict[str | None, deque[Sample]] = field(default_factory=dict)

    def take(self, question: str | None) -> Sample | None:
        """The next sample, of that question where one is given; None where there is none left."""
        if not self._left:
            self._left[None] = deque(self.samples)
            for sample in self.samples:
                self._left.setdefault(sample.question, deque()).append(sample)
        left = self._left.get(question)
        if not left:
            return None
        self.num_given += 1
        return left.popleft()


@dataclass(frozen=True, slots=True)
class _Index:
    """Names -> the samples they stand for: ids or, with `pictures`, pictures."""

    waiting: Mapping[str, _Waiting]
    pictures: bool


def match(
    answers: Sequence[Answer],
    samples: Sequence[Sample],
    path: Path,
    how: str,
    subset: bool,
    members: Sequence[str] = (),
) -> Matched:
    """Gives each sample its answer.

    `how` = "order": answer k belongs to sample k. `how` = "id": by sample id or, where the file names
    pictures, by picture (file name, its stem, or the number at the stem's end); then the answers about a
    picture belong, in file order, to the samples about it, and there must be one for each, since a lost one
    would shift the others. Where the file states the questions in the words of the data they decide instead.
    `members` are the names of a composite task's parts, which a file's ids need not repeat.

    Raises:
        DataError: an answer of no sample (without `subset`), two answers to a sample, or a picture with too
            few.
        UserError: by order, another number of answers than of samples.
    """
    if how == "order":
        return _by_order(answers, samples, path)
    without_id = next((answer for answer in answers if answer.id is None), None)
    if without_id is not None:
        raise DataError(
            path, f"{without_id.place} has no id; name its key with --id-key, or use --match order"
        )
    index = _choose_index(answers, samples, members)
    by_question = _states_questions(answers, index)
    predictions: dict[str, Prediction] = {}
    num_unused = 0
    for answer in answers:
        waiting = _find(answer, index)
        sample = waiting.take(answer.question if by_question else None) if waiting else None
        if sample is not None:
            if sample.id in predictions:
                raise DataError(path, f"{answer.place}: sample '{sample.id}' has an answer already")
            predictions[sample.id] = Prediction(sample.id, answer.text)
        elif subset and (waiting is None or by_question or not index.pictures):
            num_unused += 1
        elif waiting is None:
            known = ", ".join(sample.id for sample in samples[:3])
            raise DataError(
                path,
                f"{answer.place}: no sample has the id '{answer.id}' (ids are like {known}); "
                f"--subset scores what matches",
            )
        else:
            what = "with this question" if by_question else "than samples"
            spare = "" if index.pictures and not by_question else "; --subset leaves surplus ones out"
            raise DataError(path, f"{answer.place}: more answers {what} for the id '{answer.id}'{spare}")
    if not predictions:
        raise DataError(path, "no answer belongs to any sample of the task")
    if not by_question:
        _check_none_lost(index, path)
    return Matched(predictions, num_unused)


def _check_none_lost(index: _Index, path: Path) -> None:
    """A picture with fewer answers than samples: nobody can tell which answer is missing."""
    for name, waiting in index.waiting.items():
        if 0 < waiting.num_given < len(waiting.samples):
            raise DataError(
                path,
                f"{waiting.num_given} answers for the {len(waiting.samples)} samples of '{name}'; there must "
                f"be one for each, in the order of the data",
            )


def _by_order(answers: Sequence[Answer], samples: Sequence[Sample], path: Path) -> Matched:
    if len(answers) != len(samples):
        raise UserError(
            f"{path}: {len(answers):,} answers for {len(samples):,} samples; --match order needs as many"
        )
    pairs = zip(samples, answers, strict=True)
    return Matched({sample.id: Prediction(sample.id, answer.text) for sample, answer in pairs}, 0)


def _states_questions(answers: Sequence[Answer], index: _Index) -> bool:
    """Whether several samples share an id of the file, and the file states their questions word for word."""
    questions: dict[int, set[str]] = {}
    for answer in answers:
        waiting = _find(answer, index) if answer.question is not None else None
        if waiting is None or len(waiting.samples) < 2:
            continue
        if id(waiting) not in questions:
            questions[id(waiting)] = {sample.question for sample in waiting.samples}
        asked = questions[id(waiting)]
        if len(asked) > 1 and answer.question in asked:
            return True
    return False


def _choose_index(answers: Sequence[Answer], samples: Sequence[Sample], members: Sequence[str]) -> _Index:
    """Samples by id; by picture where the key says picture and that fits as many, or where no id fits."""
    by_id = _index_ids(samples, members)
    by_picture = _index_pictures(samples)
    fits_id = sum(_find(answer, by_id) is not None for answer in answers)
    fits_picture = sum(_find(answer, by_picture) is not None for answer in answers)
    if answers[0].names_picture:
        return by_picture if fits_picture >= fits_id else by_id
    return by_id if fits_id or not fits_picture else by_picture


def _index_ids(samples: Sequence[Sample], members: Sequence[str]) -> _Index:
    """Samples by id, and by what an id shares with others where that is no id itself.

    `101669:1` is question 101669, `count/1.jpg#0` the first about that picture, `seedbench_image/7` sample 7.
    """
    waiting = {sample.id: _Waiting([sample]) for sample in samples}
    shared: dict[str, _Waiting] = {}
    for sample in samples:
        member, _, inner = sample.id.partition("/")
        own = inner if member in members else sample.id
        for name in dict.fromkeys((own, re.split(r"[:#]", own)[0])):
            if name not in waiting:
                shared.setdefault(name, _Waiting()).samples.append(sample)
    return _Index(waiting | shared, pictures=False)


def _index_pictures(samples: Sequence[Sample]) -> _Index:
    """What files call a picture -> the samples about it. A name that two pictures share names neither."""
    waiting: dict[str, _Waiting] = {}
    for sample in samples:
        if sample.images:
            waiting.setdefault(sample.images[0].path, _Waiting()).samples.append(sample)
    owners: dict[str, set[str]] = {}
    for picture in waiting:
        for name in _names(picture):
            owners.setdefault(name, set()).add(picture)
    alone = {name: waiting[next(iter(found))] for name, found in owners.items() if len(found) == 1}
    return _Index(alone, pictures=True)


def _names(picture: str) -> Iterable[str]:
    """The path, the file name, the name without suffix, the number at its end: the longest first."""
    path = PurePosixPath(picture)
    number = re.search(r"(?<!\d)(\d{1,18})$", path.stem, re.ASCII)
    shorter = [str(int(number.group(1)))] if number else []
    return dict.fromkeys([picture, path.name, path.stem, *shorter])


def _find(answer: Answer, index: _Index) -> _Waiting | None:
    """The samples an answer's id names; a picture may be named by path, file name, stem or number.

    A number alone is enough only where one side has nothing before it: `VizWiz_test_7.jpg` is no name of
    `VizWiz_val_7.jpg`.
    """
    assert answer.id is not None
    named = index.waiting
    if answer.id in named:
        return named[answer.id]
    path = PurePosixPath(answer.id.replace("\\", "/"))
    if path.name in named or not answer.names_picture:
        return named.get(path.name)
    if path.stem in named:
        return named[path.stem]
    *_, shortest = _names(answer.id)
    found = named.get(shortest)
    if found is None or path.stem.isdecimal():
        return found
    pictures = found.samples[0].images
    return found if pictures and PurePosixPath(pictures[0].path).stem.isdecimal() else None
