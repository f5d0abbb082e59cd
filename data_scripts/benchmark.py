"""What one benchmark's file declares: its splits, the files they are published in, the forms of their rows.

    Benchmark          one per file of data_scripts/benchmarks
      Split            one per task, or the training rows of few-shot
        Source         files by name patterns, and ...
          Form         ... how their rows become canonical ones; recognised by its first row
            Shape      where in a file the rows lie and which fields tell them from others

`prepare` and `check` are functions over this value.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data_scripts.source import Document, Item, items, kind
from eval_mm.data import Row
from eval_mm.errors import DataError
from eval_mm.schema import Sample, Task

Canonical = dict[str, Any]


class Enclosed(NamedTuple):
    """A picture that lies inside an official file; in a canonical row it stands where its path will."""

    path: str
    content: bytes


EACH = "*"
"""The rows are the values of an object, under their ids."""


class Table(NamedTuple):
    """The rows of one file. `head` is what the document says besides them."""

    path: Path
    rows: Sequence[Row]
    head: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """Where in a file the rows lie, and what the first one must have.

    `at` is the key of the list; "" for a list or JSONL; EACH for an object of rows by id, which each row gets
    as field `id_field`. `any_of` are fields of which one is there, `lacks` those of files that look alike and
    are none: predictions. `beside` are lists that the document must have besides. Texts in place of objects
    are rows with the one field `line`, where that is wanted.
    """

    fields: tuple[str, ...]
    at: str = ""
    lacks: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    id_field: str = "id"

    def fits(self, document: Document) -> str | None:
        """None where the document has this shape, else what it has not."""
        value = document.value
        if self.at:
            if not isinstance(value, dict):
                return f"expected a JSON object, got {kind(value)}"
            if self.at != EACH and not isinstance(value.get(self.at), list):
                return f"expected a list under '{self.at}', the object has {_names(value)}"
            if absent := [name for name in self.beside if not isinstance(value.get(name), list)]:
                return f"expected a list under {_quoted(absent)}, the object has {_names(value)}"
            rows = list(value.values())[:1] if self.at == EACH else value[self.at]
        elif isinstance(value, list):
            rows = value
        else:
            return f"expected a list or JSONL, got {kind(value)}"
        if not rows:
            return "the file has no rows"
        first = rows[0].fields if isinstance(rows[0], Row) else self._line(rows[0])
        if not isinstance(first, dict):
            return f"expected rows that are JSON objects, the first is {kind(first)}"
        missing = [name for name in self.fields if name not in first]
        if self.any_of and not any(name in first for name in self.any_of):
            missing.append(self.any_of[0])
        if missing:
            return f"the first row lacks {_quoted(missing)}; it has {_names(first)}"
        if foreign := [name for name in self.lacks if name in first]:
            return f"the first row has {_quoted(foreign)}, as predictions have"
        return None

    def table(self, document: Document) -> Table:
        """The rows of a document that fits; raises DataError at an item that is no object."""
        path, value = document
        if self.at == EACH:
            return Table(path, [self._under(path, key, item) for key, item in value.items()], {})
        head = {key: item for key, item in value.items() if key != self.at} if self.at else {}
        rows = [self._line(item) for item in (value[self.at] if self.at else value)]
        return Table(path, list(items(path, rows, self.at)), head)

    def _line(self, item: Any) -> Any:
        return {"line": item} if isinstance(item, str) and "line" in self.fields else item

    def _under(self, path: Path, key: str, item: Any) -> Row:
        if not isinstance(item, dict):
            raise DataError(path, f"'{key}': expected a JSON object, got {kind(item)}")
        return Item(item | {self.id_field: key}, path, f"'{key}'")


def belong_always(tables: Sequence[Table]) -> bool:
    """Files that cannot be told apart by content belong together by name."""
    return True


@dataclass(frozen=True, slots=True)
class Form:
    """One published form of a benchmark's rows: the shape of each of its files, and how they are read.

    `convert` yields canonical rows or raises DataError at the first bad one. `belong` says which of several
    files go together. `partial` says what rows of this form lack even so.
    """

    title: str
    shapes: tuple[Shape, ...]
    convert: Callable[[Sequence[Table]], Iterator[Canonical]]
    belong: Callable[[Sequence[Table]], bool] = belong_always
    partial: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The files a split is published in: for each file of the form the patterns of its name.

    `others` are further forms that files of these names may have.
    """

    form: Form
    names: tuple[tuple[str, ...], ...]
    others: tuple[Form, ...] = ()

    def __post_init__(self) -> None:
        assert all(len(self.names) == len(form.shapes) for form in (self.form, *self.others)), self.names

    def told(self) -> str:
        """The names as one reads them on a help page."""
        return " + ".join(" or ".join(patterns) for patterns in self.names)


@dataclass(frozen=True, slots=True)
class Split:
    """A file of canonical rows: a task's, or training rows for few-shot, which may be absent.

    `sources` in order of preference: a later one is looked at only where no earlier one has the published
    number of rows. Who has both the official files and converted ones gets the official.
    """

    name: str
    path: str
    num_samples: int | None
    sources: tuple[Source, ...]
    optional: bool = False

    @classmethod
    def of(cls, task: Task, *sources: Source) -> "Split":
        """The split that a task reads."""
        return cls(task.name, task.path, task.num_samples, sources)

    @classmethod
    def training(cls, benchmark: str, *sources: Source) -> "Split":
        """The training rows that few-shot examples are drawn from."""
        name = f"{benchmark}_train"
        return cls(name, f"{benchmark}/{name}.jsonl", None, sources, optional=True)


def no_size(sample: Sample) -> tuple[int, int] | None:
    """Most rows claim no size for their picture."""
    return None


def no_problem(sample: Sample) -> str | None:
    """A row that can be read is a good row."""
    return None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark as data_scripts knows it.

    `about` is its help page, `licence` one line on annotations and pictures, `home` its URL. `folders` are
    searched inside --raw. `pictures` are the folders its rows name, relative to the data root, each with
    where one gets it. `stated_size` and `row_problem` are what `check` asks of a row besides. `needs_sizes`:
    rows get width and height from their pictures, since no file has them.
    """

    name: str
    summary: str
    about: str
    licence: str
    home: str
    tasks: Sequence[Task]
    splits: Sequence[Split]
    folders: Sequence[str]
    pictures: Mapping[str, str]
    stated_size: Callable[[Sample], tuple[int, int] | None] = no_size
    row_problem: Callable[[Sample], str | None] = no_problem
    needs_sizes: bool = False


def _names(fields: Mapping[str, Any]) -> str:
    """The first fields an object has: a document may have thousands."""
    names = sorted(fields)
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "no fields"


def _quoted(names: Sequence[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)
