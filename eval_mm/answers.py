"""Answers made elsewhere: reading the usual files. Which sample an answer belongs to is matching.py's.

A file is a JSON list (of objects or of plain texts), a JSON object id -> text, JSONL of objects, or an object
that holds one of these under "results" or "predictions"; gzip is unpacked. A folder is one of MME's: a file
`<category>.txt` each, with lines of picture, question, true answer and answer, separated by tabs.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from eval_mm.data import parse_row, without_repeats
from eval_mm.errors import DataError, UserError
from eval_mm.files import ESCAPES, unpacked

ID_KEYS = ("id", "question_id", "questionId", "image_id", "image_name", "imgname", "index", "image")
PICTURE_KEYS = ("image_id", "image_name", "imgname", "image")
"""Keys that name a picture; where a file uses one, its ids are tried as pictures first."""
TEXT_KEYS = ("prediction", "predicted_answer", "pred", "response", "text", "caption", "answer")
"""Keys of the answer, the first that is there: files that keep both call the reference `answer`."""
QUESTION_KEYS = ("question", "query")
WRAPPERS = ("results", "predictions")
"""Keys of an object under which a file may hold its answers, beside what it says of them."""


MME_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a file; `place` says where it stands ("line 7", "item 3").

    `question` is what the file says was asked; it tells the questions about one picture apart.
    """

    id: str | None
    text: str
    place: str
    names_picture: bool = False
    question: str | None = None


class AnswerFile(NamedTuple):
    """What was read: the answers in file order, and the sha256 of the bytes they were read from."""

    answers: list[Answer]
    sha256: str


def read_answers(path: Path, id_key: str | None = None, text_key: str | None = None) -> list[Answer]:
    """All answers of a file, in file order; raises what `read_file` raises."""
    return read_file(path, id_key, text_key).answers


def read_file(path: Path, id_key: str | None = None, text_key: str | None = None) -> AnswerFile:
    """A file of answers, or MME's folder of them, read once.

    Args:
        path: the file.
        id_key: the key of the id, else the first of `ID_KEYS` that an object has.
        text_key: the key of the text, else the first of `TEXT_KEYS` that an object has.

    Raises:
        UserError: the file cannot be read.
        DataError: something in it is no answer; names the place and what is allowed.
    """
    if path.is_dir():
        return _read_folder(path)
    raw = _bytes(path)
    answers = _Reader(path, id_key, text_key).document(_text(raw, path))
    if not answers:
        raise DataError(path, "the file has no answers")
    return AnswerFile(answers, hashlib.sha256(raw).hexdigest())


class _Reader:
    def __init__(self, path: Path, id_key: str | None, text_key: str | None):
        self.path = path
        self.id_keys = (id_key,) if id_key else ID_KEYS
        self.text_keys = (text_key,) if text_key else TEXT_KEYS

    def document(self, text: str) -> list[Answer]:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") for _, line in lines):
            lines = [(number, line.rstrip().removesuffix(",")) for number, line in lines]  # as SEED-Bench's
        if len(lines) > 1 and lines[0][1].lstrip().startswith("{") and _is_json(lines[0][1]):
            return [
                self.row(parse_row(line.encode(), self.path, number).fields, f"line {number}")
                for number, line in lines
            ]
        if not lines:
            raise DataError(self.path, "the file is empty")
        try:
            whole = json.loads(text, object_pairs_hook=without_repeats)
        except (ValueError, RecursionError) as error:
            raise DataError(self.path, f"not valid JSON or JSONL: {error}") from None
        return self.value(whole)

    def value(self, whole: Any) -> list[Answer]:
        if isinstance(whole, list):
            return [self.row(item, f"item {number}") for number, item in enumerate(whole)]
        if not isinstance(whole, dict):
            raise DataError(self.path, "expected a list, an object id -> text, or JSONL")
        if any(key in whole for key in self.id_keys) and any(key in whole for key in self.text_keys):
            return [self.row(whole, "line 1")]
        if whole.keys() == {"correct", "incorrect"} and all(
            isinstance(part, list) for part in whole.values()
        ):
            return self.value([*whole["correct"], *whole["incorrect"]])  # as LLaVA's ScienceQA outputs
        wrapped = next((whole[key] for key in WRAPPERS if isinstance(whole.get(key), dict | list)), None)
        if wrapped is not None:
            return self.value(wrapped)
        return [Answer(key, self.text(value, f"id '{key}'"), f"id '{key}'") for key, value in whole.items()]

    def row(self, item: Any, place: str) -> Answer:
        if not isinstance(item, dict):
            return Answer(None, self.text(item, place), place)
        id_key = next((key for key in self.id_keys if key in item), None)
        text_key = next((key for key in self.text_keys if key in item), None)
        if id_key == "id" and text_key == "caption" and "image_id" in item and len(self.id_keys) > 1:
            id_key = "image_id"  # in COCO's records `id` numbers the captions
        if text_key is None:
            raise DataError(
                self.path,
                f"{place} has no answer: it has {', '.join(item) or 'no keys'}, wanted one of "
                f"{', '.join(self.text_keys)}; name another with --text-key",
            )
        if id_key is None:
            if len(self.id_keys) == 1:
                raise DataError(self.path, f"{place} has no '{self.id_keys[0]}': it has {', '.join(item)}")
            return Answer(None, self.text(item[text_key], place), place)
        found = self.identifier(item[id_key], place, id_key)
        asked = next((item[key] for key in QUESTION_KEYS if isinstance(item.get(key), str)), None)
        return Answer(found, self.text(item[text_key], place), place, id_key in PICTURE_KEYS, asked)

    def identifier(self, value: Any, place: str, key: str) -> str:
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
        raise DataError(
            self.path, f"{place}: expected '{key}' as text or a whole number, got {json.dumps(value):.40}"
        )

    def text(self, value: Any, place: str) -> str:
        if isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return json.dumps(value)
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            return self.text(value[0], place)  # as lmms-eval writes `filtered_resps`
        raise DataError(self.path, f"{place}: expected the answer as text, got {json.dumps(value):.40}")


def _read_folder(folder: Path) -> AnswerFile:
    """MME's answers. Pictures stand twice in a file; the questions tell which is which."""
    answers = []
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.txt")):
        raw = _bytes(path)
        digest.update(f"{path.name} {hashlib.sha256(raw).hexdigest()}\n".encode("utf-8", ESCAPES))
        numbered = enumerate(_text(raw, path).split("\n"), 1)
        lines = {number: line.split("\t") for number, line in numbered if line.strip()}
        if path.name == "readme.txt" and not any(len(fields) >= MME_COLUMNS - 1 for fields in lines.values()):
            continue
        for number, fields in lines.items():
            if len(fields) < MME_COLUMNS:
                raise DataError(
                    path,
                    f"expected picture, question, true answer and answer, separated by tabs; got "
                    f"{len(fields)} of {MME_COLUMNS}",
                    number,
                )
            picture, question, _, *answer = fields
            place = f"{path.name} line {number}"
            answers.append(Answer(f"{path.stem}/{picture}", "\t".join(answer), place, question=question))
    if not answers:
        raise DataError(folder, "the folder has no file of answers (<category>.txt)")
    return AnswerFile(answers, digest.hexdigest())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def _text(raw: bytes, path: Path) -> str:
    try:
        return unpacked(raw, path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 text (byte {error.start + 1})") from None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
