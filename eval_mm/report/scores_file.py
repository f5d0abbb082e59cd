"""A run's scores.jsonl as columns: ids and values of all samples, and the line of each to look up more."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_mm.errors import DataError

ERROR, ABSENT = -1, -2
"""Values that stand for a sample that failed, and for one that the run was not asked."""

Value = float | None
"""0 to 1 as scored; None = unparsed, ERROR, ABSENT."""


class Scores(NamedTuple):
    """The rows of a scores.jsonl in its order. `problem` says in a line what of it could not be read."""

    ids: Sequence[str]
    values: Sequence[Value]
    lines: Sequence[bytes]
    problem: str = ""

    def row(self, place: int) -> dict[str, Any]:
        """All fields of a row: id, value, answer, explanation, error."""
        fields: dict[str, Any] = json.loads(self.lines[place])
        return fields


def read_scores(path: Path) -> Scores:
    """The rows that can be read, each id once."""
    ids: dict[str, None] = {}
    values: list[Value] = []
    lines: list[bytes] = []
    problem = ""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    name, value = _fields(line, path, number)
                    if name in ids:
                        raise DataError(path, f"'{name}' stands twice", number, "id")
                except DataError as error:
                    problem = problem or str(error)
                    continue
                ids[name] = None
                values.append(value)
                lines.append(line)
    except OSError as error:
        problem = f"{path}: cannot be read ({error.strerror})"
    return Scores(list(ids), values, lines, problem)


def _fields(line: bytes, path: Path, number: int) -> tuple[str, Value]:
    try:
        row = json.loads(line.decode())
        name, value, error = row["id"], row["value"], row["error"]
        answer, explanation = row["answer"], row["explanation"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DataError(path, "no row of scores", number) from None
    told = isinstance(answer, str) and isinstance(explanation, str)
    if not (isinstance(name, str) and told and (error is None or isinstance(error, str))):
        raise DataError(path, "no row of scores", number)
    if error is not None:
        return name, ERROR
    if value is None:
        return name, None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise DataError(path, "expected a number from 0 to 1, or null", number, "value")
    return name, value


def worst_first(values: Sequence[Value]) -> list[int]:
    """The places of all samples that the run was asked: errors, unparsed answers, then by score from 0 up."""

    def rank(place: int) -> float:
        value = values[place]
        return -0.5 if value is None else value  # ERROR is less

    return sorted((place for place, value in enumerate(values) if value != ABSENT), key=rank)


class Outcomes(NamedTuple):
    """How many samples have which score; `unscored` are those without a public answer.

    Scores between 0 and 1 are counted by quarters, `partly_4` from 0.75 up.
    """

    right: int = 0
    partly_4: int = 0
    partly_3: int = 0
    partly_2: int = 0
    partly_1: int = 0
    wrong: int = 0
    unparsed: int = 0
    errors: int = 0
    unscored: int = 0


def distribution(values: Sequence[Value], scored: bool) -> Outcomes:
    """The distribution of one run's scores."""
    asked = [value for value in values if value != ABSENT]
    errors = asked.count(ERROR)
    unread = asked.count(None)
    if not scored:
        return Outcomes(errors=errors, unscored=len(asked) - errors)
    right, wrong = asked.count(1), asked.count(0)
    by = Counter(int(4 * value) for value in asked if value is not None and 0 < value < 1)
    return Outcomes(right, by[3], by[2], by[1], by[0], wrong, unread, errors)
