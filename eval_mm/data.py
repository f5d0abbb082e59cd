"""Canonical JSONL rows -> samples, with every row checked.

The data root is a folder with one `<benchmark>/<task>.jsonl` per task; image paths in rows are relative to it
and stay inside it. `--data demo` and the absence of any data root mean the bundled demo data.
"""

import hashlib
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval_mm.errors import DataError, UserError
from eval_mm.schema import Image, Sample, Task

DEMO_ROOT = Path(__file__).parent / "demo"

DEMO_MARK = "DEMO"
"""A file of this name in a data root says that its pictures are drawn and its numbers measure nothing."""


@dataclass(frozen=True, slots=True)
class DataRoot:
    """Where rows and images lie. `demo` is true for drawn data, the bundled one above all."""

    path: Path
    demo: bool

    @property
    def cache(self) -> Path | None:
        """A folder for what is costly to compute from the data; the bundled data has none."""
        return None if self.path == DEMO_ROOT else self.path / ".cache"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are asked: the first `limit`, or `sample` random ones drawn by `seed`, or all."""

    limit: int | None = None
    sample: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("limit", "sample"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UserError(f"{name}: expected a whole number above 0, got {value!r}")
        if not isinstance(self.seed, int):
            raise UserError(f"seed: expected a whole number, got {self.seed!r}")
        if self.limit is not None and self.sample is not None:
            raise UserError("limit and sample exclude each other: the first rows, or random ones")

    def indices(self, num_rows: int) -> list[int]:
        """The chosen row numbers, in file order."""
        if self.sample is not None and self.sample < num_rows:
            return sorted(random.Random(self.seed).sample(range(num_rows), self.sample))
        return list(range(num_rows if self.limit is None else min(self.limit, num_rows)))

    def to_json(self) -> dict[str, int]:
        """What was asked for, empty for all rows."""
        if self.sample is not None:
            return {"sample": self.sample, "seed": self.seed}
        return {} if self.limit is None else {"limit": self.limit}


ALL_ROWS = Selection()


@dataclass(frozen=True, slots=True)
class Dataset:
    """The selected samples of a task, in file order. `sha256` is that of the whole file."""

    samples: list[Sample]
    lines: list[int]
    num_rows: int
    sha256: str
    root: DataRoot


class Row:
    """One line of a canonical file, read field by field; every error names file, line and field."""

    __slots__ = ("fields", "line", "path")

    def __init__(self, fields: dict[str, Any], path: Path, line: int):
        self.fields, self.path, self.line = fields, path, line

    def error(self, field: str, message: str) -> DataError:
        """The error to raise when `field` is not what it should be."""
        return DataError(self.path, message, self.line, field)

    def string(self, field: str) -> str:
        """A string, possibly empty."""
        value = self._value(field)
        if not isinstance(value, str):
            raise self.error(field, f"expected a string, got {_show(value)}")
        if _has_half_pair(value):
            raise self.error(field, "expected Unicode text, got half of a surrogate pair")
        return value

    def text(self, field: str) -> str:
        """A string that is not blank."""
        value = self.string(field)
        if not value.strip():
            raise self.error(field, f"expected text that is not blank, got {_show(value)}")
        return value

    def identifier(self, field: str) -> str:
        """A string of one line that is not blank."""
        value = self.text(field)
        if not value.isprintable():
            raise self.error(field, f"expected text of one line, got {_show(value)}")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of at least one string; each may be empty."""
        value = self._value(field)
        if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
            raise self.error(field, f"expected a list of at least one string, got {_show(value)}")
        if any(_has_half_pair(text) for text in value):
            raise self.error(field, "expected Unicode text, got half of a surrogate pair")
        return tuple(value)

    def optional(self, field: str) -> str | None:
        """A string, or None where the row has no such field."""
        return self.string(field) if field in self.fields else None

    def index(self, field: str, length: int) -> int:
        """A whole number from 0 to `length` - 1."""
        value = self._value(field)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < length:
            raise self.error(field, f"expected a whole number from 0 to {length - 1}, got {_show(value)}")
        return value

    def positive_int(self, field: str) -> int:
        """A whole number from 1 to 10**9."""
        value = self._value(field)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.error(field, f"expected a whole number above 0, got {_show(value)}")
        if value > 10**9:
            raise self.error(field, f"expected a whole number of at most {10**9}, got {_show(value)}")
        return value

    def box(self, field: str) -> tuple[float, float, float, float]:
        """Four finite numbers x1, y1, x2, y2 in pixels with x1 < x2 and y1 < y2."""
        value = self._value(field)
        wanted = "expected 4 numbers [x1, y1, x2, y2] in pixels with x1 < x2 and y1 < y2"
        if not isinstance(value, list) or len(value) != 4 or not all(_is_number(v) for v in value):
            raise self.error(field, f"{wanted}, got {_show(value)}")
        x1, y1, x2, y2 = (float(v) for v in value)
        if x1 >= x2 or y1 >= y2:
            raise self.error(field, f"{wanted}, got {_show(value)}")
        return x1, y1, x2, y2

    def images(self, field: str) -> tuple[Image, ...]:
        """A list of paths, possibly empty, each as `image` takes it."""
        value = self._value(field)
        if not isinstance(value, list):
            raise self.error(field, f"expected a list of paths, got {_show(value)}")
        return tuple(Row({field: path}, self.path, self.line).image(field) for path in value)

    def image(self, field: str) -> Image:
        """A path relative to the data root and inside it; the file need not exist."""
        value = self.string(field)
        parts = value.split("/")
        if not value.isprintable() or not value or value[0] == "/" or ".." in parts or "\\" in value:
            raise self.error(
                field,
                f"expected a path relative to the data root and inside it, got {_show(value)}",
            )
        return Image("/".join(part for part in parts if part not in ("", ".")) or ".")

    def _value(self, field: str) -> Any:
        if field not in self.fields:
            raise self.error(field, f"missing; the row has {', '.join(sorted(self.fields)) or 'no fields'}")
        return self.fields[field]


def find_root(data: str | os.PathLike[str] | None = None, task: Task | None = None) -> DataRoot:
    """The data root: `data`, else $EVAL_MM_DATA, else ./data, else the bundled demo data (also "demo").

    Without `data`, a file of one's own has its pictures in its own folder.
    """
    if data is None and task is not None and task.own is not None:
        data = Path(task.path).parent
    named = str(data) if data is not None else os.environ.get("EVAL_MM_DATA") or None
    if named is None:
        named = "data" if Path("data").is_dir() else "demo"
    path = DEMO_ROOT if named == "demo" else Path(named)
    if not named or not path.is_dir():
        source = "--data" if data is not None else "EVAL_MM_DATA"
        raise UserError(f"{source} {named}: no such folder; name a data root, or 'demo' for the bundled data")
    return DataRoot(path, demo=(path / DEMO_MARK).is_file())


def load(task: Task, root: DataRoot, selection: Selection = ALL_ROWS) -> Dataset:
    """The selected samples of a task, every selected row checked; of a composite one, those of its members.

    Raises:
        UserError: the task is not prepared under this root.
        DataError: a bad row, a repeated id, an empty file.
    """
    if task.members:
        return join(task, [load(member, root, selection) for member in task.members])
    path = root.path / task.path
    raw = _read(task, path, root)
    lines = (task.lines or json_lines)(raw, path)
    if not lines:
        raise DataError(path, "the file has no rows")
    samples: list[Sample] = []
    numbers: list[int] = []
    seen: dict[str, int] = {}
    for index in selection.indices(len(lines)):
        number, text = lines[index]
        sample = task.to_sample(parse_row(text, path, number))
        if sample.id in seen:
            raise DataError(path, f"'{sample.id}' already stands on line {seen[sample.id]}", number, "id")
        if samples and (sample.target is None) != (samples[0].target is None):
            raise DataError(path, "some rows have an answer and some have none", number)
        seen[sample.id] = number
        samples.append(sample)
        numbers.append(number)
    return Dataset(samples, numbers, len(lines), hashlib.sha256(raw).hexdigest(), root)


def join(task: Task, parts: Sequence[Dataset]) -> Dataset:
    """The data of a composite task from those of its members, ids as `<member>/<id>`."""
    samples = [
        replace(sample, id=f"{member.name}/{sample.id}")
        for member, part in zip(task.members, parts, strict=True)
        for sample in part.samples
    ]
    return Dataset(
        samples,
        [line for part in parts for line in part.lines],
        sum(part.num_rows for part in parts),
        hashlib.sha256("".join(part.sha256 for part in parts).encode()).hexdigest(),
        parts[0].root,
    )


def json_lines(raw: bytes, path: Path) -> list[tuple[int, bytes]]:
    """The lines of a JSONL file with their numbers, blank ones left out."""
    return [(number, text) for number, text in enumerate(raw.split(b"\n"), 1) if text.strip()]


def _read(task: Task, path: Path, root: DataRoot) -> bytes:
    if path.is_file():
        return path.read_bytes()
    if Path(task.path).is_absolute():
        raise UserError(f"{path}: no such file")
    if root.path == DEMO_ROOT:
        raise UserError(f"task {task.name} has no demo data; prepare the benchmark and name it with --data")
    raise UserError(
        f"{path}: no such file, so task {task.name} is not prepared here; prepare it (python -m "
        f"data_scripts --help), name another data root with --data, or use --data demo"
    )


def parse_row(text: bytes, path: Path, line: int) -> Row:
    """One line as a row; raises DataError where it is no JSON object."""
    try:
        fields = _decode(text.decode("utf-8-sig" if line == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 text (byte {error.start + 1})", line) from None
    except json.JSONDecodeError as error:
        raise DataError(path, f"not valid JSON: {error.msg} at column {error.colno}", line) from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of brackets
        raise DataError(path, f"not usable JSON: {error}", line) from None
    if not isinstance(fields, dict):
        raise DataError(path, f"expected a JSON object, got {_show(fields)}", line)
    return Row(fields, path, line)


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that stands twice Python would keep the last without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the key '{repeated}' stands twice in one object")
    return found


_decode = json.JSONDecoder(object_pairs_hook=without_repeats).decode


def _has_half_pair(text: str) -> bool:
    """Whether JSON smuggled in half a UTF-16 pair."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
