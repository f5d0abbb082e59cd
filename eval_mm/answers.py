"""Answers made elsewhere: reading the usual files and giving each sample its answer.

A file is a JSON list (of objects or of plain texts), a JSON object id -> text, or JSONL of objects; `.gz` is
unpacked. Answers are matched by id, or by image where the file names pictures instead of questions, or by
order.
"""

import gzip
import json
import re
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from eval_mm.data import parse_row
from eval_mm.errors import DataError, UserError
from eval_mm.schema import Prediction, Sample

ID_KEYS = ("id", "question_id", "questionId", "image_id", "image_name", "imgname", "index")
TEXT_KEYS = ("text", "answer", "prediction", "predicted_answer", "caption", "response")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a file; `place` says where it stands ("line 7", "item 3")."""

    id: str | None
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Matched:
    """Answers by sample id, and how many of the file's answers belong to no sample."""

    predictions: dict[str, Prediction]
    num_unused: int


def read_answers(path: Path, id_key: str | None = None, text_key: str | None = None) -> list[Answer]:
    """All answers of a file, in file order.

    Args:
        path: the file.
        id_key: the key of the id, else the first of `ID_KEYS` that an object has.
        text_key: the key of the text, else the first of `TEXT_KEYS` that an object has.

    Raises:
        UserError: the file cannot be read.
        DataError: something in it is no answer; names the place and what is allowed.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (EOFError, zlib.error):
        raise UserError(f"{path}: a damaged or cut off .gz file") from None
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 text (byte {error.start + 1})") from None
    reader = _Reader(path, id_key, text_key)
    answers = reader.document(text)
    if not answers:
        raise DataError(path, "the file has no answers")
    return answers


def match(
    answers: Sequence[Answer], samples: Sequence[Sample], path: Path, how: str, subset: bool
) -> Matched:
    """Gives each sample its answer.

    `how` = "order": answer k belongs to sample k. `how` = "id": by sample id or, where the file's ids are not
    those of samples, by picture (file name, its stem, or the number at the stem's end); answers that share a
    picture go in file order to the samples that share it.

    Raises:
        DataError: an answer that belongs to no sample (without `subset`), or more answers than samples for
        one id. UserError: samples without an answer (without `subset`), or by order a different number of
        answers.
    """
    if how == "order":
        if len(answers) != len(samples):
            raise UserError(
                f"{path}: {len(answers):,} answers for {len(samples):,} samples; --match order needs as many"
            )
        pairs = zip(samples, answers, strict=True)
        return Matched({sample.id: Prediction(sample.id, answer.text) for sample, answer in pairs}, 0)
    missing_id = next((answer for answer in answers if answer.id is None), None)
    if missing_id is not None:
        keys = ", ".join(ID_KEYS)
        raise DataError(
            path, f"{missing_id.place} has no id (keys: {keys}); give --id-key, or use --match order"
        )
    waiting = _choose_index(answers, samples)
    predictions: dict[str, Prediction] = {}
    num_unused = 0
    for answer in answers:
        queue = _find(answer.id or "", waiting)
        if queue is None:
            if not subset:
                known = ", ".join(sample.id for sample in samples[:3])
                raise DataError(
                    path,
                    f"{answer.place}: no sample has the id '{answer.id}' (ids are like {known}); "
                    f"--subset scores what matches",
                )
            num_unused += 1
        elif not queue:
            raise DataError(path, f"{answer.place}: more answers than samples for the id '{answer.id}'")
        else:
            sample = queue.popleft()
            predictions[sample.id] = Prediction(sample.id, answer.text)
    if not predictions:
        raise DataError(path, "no answer belongs to any sample of the task")
    return Matched(predictions, num_unused)


class _Reader:
    def __init__(self, path: Path, id_key: str | None, text_key: str | None):
        self.path = path
        self.id_keys = (id_key,) if id_key else ID_KEYS
        self.text_keys = (text_key,) if text_key else TEXT_KEYS

    def document(self, text: str) -> list[Answer]:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) > 1 and lines[0][1].lstrip().startswith("{") and _is_json(lines[0][1]):
            return [
                self.row(parse_row(line.encode(), self.path, number).fields, f"line {number}")
                for number, line in lines
            ]
        try:
            whole = json.loads(text)
        except ValueError as error:
            raise DataError(self.path, f"not valid JSON or JSONL: {error}") from None
        if isinstance(whole, list):
            return [self.row(item, f"item {number}") for number, item in enumerate(whole)]
        if not isinstance(whole, dict):
            raise DataError(self.path, "expected a list, an object id -> text, or JSONL")
        if any(key in whole for key in self.id_keys) and any(key in whole for key in self.text_keys):
            return [self.row(whole, "line 1")]
        return [Answer(key, self.text(value, f"id '{key}'"), f"id '{key}'") for key, value in whole.items()]

    def row(self, item: Any, place: str) -> Answer:
        if not isinstance(item, dict):
            return Answer(None, self.text(item, place), place)
        id_key = next((key for key in self.id_keys if key in item), None)
        text_key = next((key for key in self.text_keys if key in item), None)
        if text_key is None:
            raise DataError(
                self.path,
                f"{place} has no answer: it has {', '.join(item) or 'no keys'}, wanted one of "
                f"{', '.join(self.text_keys)}; name another with --text-key",
            )
        answer_id = None if id_key is None else self.identifier(item[id_key], place, id_key)
        return Answer(answer_id, self.text(item[text_key], place), place)

    def identifier(self, value: Any, place: str, key: str) -> str:
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
        raise DataError(self.path, f"{place}: expected a string or a whole number, got {value!r}", field=key)

    def text(self, value: Any, place: str) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return json.dumps(value)
        raise DataError(self.path, f"{place}: expected the answer as a string, got {type(value).__name__}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _choose_index(answers: Sequence[Answer], samples: Sequence[Sample]) -> dict[str, deque[Sample]]:
    """Samples waiting for an answer by id, or by picture where that fits more of the answers."""
    by_id = {sample.id: deque([sample]) for sample in samples}
    if all(answer.id in by_id for answer in answers):
        return by_id
    by_image = _index_images(samples)
    fits_id = sum(answer.id in by_id for answer in answers)
    fits_image = sum(_find(answer.id or "", by_image) is not None for answer in answers)
    return by_image if fits_image > fits_id else by_id


def _index_images(samples: Sequence[Sample]) -> dict[str, deque[Sample]]:
    """What files call a picture -> the samples about it. A name that two pictures share names neither."""
    queues: dict[str, deque[Sample]] = {}
    for sample in samples:
        if sample.images:
            queues.setdefault(sample.images[0].path, deque()).append(sample)
    owners: dict[str, set[str]] = {}
    for image in queues:
        for name in _image_names(image):
            owners.setdefault(name, set()).add(image)
    return {name: queues[next(iter(images))] for name, images in owners.items() if len(images) == 1}


def _image_names(image: str) -> set[str]:
    """The path, the file name, the name without suffix, the number at its end."""
    path = PurePosixPath(image)
    number = re.search(r"(\d+)$", path.stem)
    return {image, path.name, path.stem} | ({str(int(number.group(1)))} if number else set())


def _find(answer_id: str, index: Mapping[str, deque[Sample]]) -> deque[Sample] | None:
    """The samples an id names; a path in front of a picture's name does not matter."""
    return index[answer_id] if answer_id in index else index.get(PurePosixPath(answer_id).name)
