"""The files a split may be prepared from: found by name, recognised by content, one of them chosen.

Names say where to look, content what a file is: a file of predictions may have the name of annotations, and
every benchmark has a val.json.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data_scripts import source
from data_scripts.benchmark import Benchmark, Enclosed, Form, Split, Table
from eval_mm import files
from eval_mm.console import count
from eval_mm.errors import UserError


class Found(NamedTuple):
    """The rows of one split, read and checked, as the bytes of its file, and the pictures they name.

    `enclosed` are the pictures that lie inside the official file, by the path they are to have.
    """

    paths: tuple[Path, ...]
    form: Form
    content: bytes
    number: int
    pictures: frozenset[str]
    enclosed: Mapping[str, bytes]

    def __str__(self) -> str:
        return f"{' + '.join(map(str, self.paths))} ({self.number:,} rows)"


class Finder:
    """Finds and reads the files of splits. The last two are kept: splits of one file follow each other."""

    def __init__(self, benchmark: Benchmark, raw: Path, out: Path):
        self.benchmark, self.raw = benchmark, raw
        self.written = [out / split.path for split in benchmark.splits]
        self.documents: dict[Path, source.Document] = {}

    def candidates(self, split: Split, named: Sequence[Path] | None, remarks: list[str]) -> list[Found]:
        """Every set of files that has a form of the split, read; none after a source with the whole split.

        `named` are the files the user insists on. Why others were not taken is added to `remarks`.

        Raises:
            DataError: a file that cannot be read, a bad row.
            UserError: `named` files that have no form of the split.
        """
        found: dict[tuple[Path, ...], Found] = {}
        for entry in split.sources:
            for form in (entry.form, *entry.others):
                columns = self._columns(form, entry.names, named, remarks)
                self._read(form, columns, entry.names, remarks, found)
            if any(
                split.num_samples in (None, one.number) and not one.form.partial for one in found.values()
            ):
                break
        if named is not None and not found:
            raise UserError(f"--source {split.name}: {'; '.join(dict.fromkeys(remarks))}")
        return [one for one in found.values() if not one.form.partial] or list(found.values())

    def _read(
        self,
        form: Form,
        columns: Sequence[Sequence[Path]],
        names: Sequence[Sequence[str]],
        remarks: list[str],
        found: dict[tuple[Path, ...], Found],
    ) -> None:
        """Adds what the files give that go together, or a remark on what is not there."""
        if not all(columns):
            there = [path for paths in columns for path in paths]
            lacking = [" or ".join(wanted) for wanted, paths in zip(names, columns, strict=True) if not paths]
            if there:
                remarks.append(f"{there[0]} is there, but not {' and '.join(lacking)}")
            return
        sets = list(itertools.product(*columns))
        for paths in sets:
            if paths not in found:
                tables = [self._table(form, number, path) for number, path in enumerate(paths)]
                if len(sets) == 1 or form.belong(tables):
                    one = _convert(paths, form, tables)
                    if one.number:
                        found[paths] = one
                    else:
                        remarks.append(f"{paths[0]}: the file has no rows of this split")

    def _columns(
        self, form: Form, names: Sequence[Sequence[str]], named: Sequence[Path] | None, remarks: list[str]
    ) -> list[list[Path]]:
        """For each file of the form those that fit its shape."""
        columns: list[list[Path]] = []
        for number, wanted in enumerate(names):
            if named is None:
                paths = self._not_written(source.find(self.raw, self.benchmark.folders, wanted), remarks)
            elif len(named) == len(names):
                paths = [named[number]]
            else:
                paths = []
                remarks.append(f"form '{form.title}' has {len(names)} files, not {len(named)}")
            columns.append([])
            for path in paths:
                problem = form.shapes[number].fits(self._document(path))
                if problem is None:
                    columns[-1].append(path)
                else:
                    remarks.append(f"{path} is no file of form '{form.title}': {problem}")
        return columns

    def _table(self, form: Form, number: int, path: Path) -> Table:
        return form.shapes[number].table(self._document(path))

    def _document(self, path: Path) -> source.Document:
        if path not in self.documents:
            while len(self.documents) > 1:
                del self.documents[next(iter(self.documents))]
            self.documents[path] = source.read(path)
        return self.documents[path]

    def _not_written(self, paths: Sequence[Path], remarks: list[str]) -> list[Path]:
        """Without the files that will be written: rows prepared earlier are no source."""
        kept = []
        for path in paths:
            if any(to.exists() and path.samefile(to) for to in self.written):
                remarks.append(
                    f"{path} would be read and overwritten; move the official files to a folder of their own "
                    f"and name it with --raw, or name another --out"
                )
            else:
                kept.append(path)
        return kept


def choose(split: Split, found: Sequence[Found], allow_partial: bool) -> Found:
    """The candidate with the published number of rows, and what was left aside, said on stdout.

    Files that give the same rows are as good as one. With `allow_partial` the largest will do.

    Raises:
        UserError: neither decides.
    """
    pool = [one for one in found if one.number == split.num_samples] or list(found)
    if len({one.content for one in pool}) > 1:
        most = max(one.number for one in pool)
        largest = [one for one in pool if one.number == most]
        if not allow_partial or len(largest) > 1:
            listed = ", ".join(map(str, found))
            published = f"published are {count(split.num_samples)} rows; " if split.num_samples else ""
            raise UserError(
                f"{split.name}: several files may be meant: {listed}; {published}name one with --source "
                f"{split.name}=FILE, or leave only that one under --raw"
            )
        pool = largest
    chosen = pool[0]
    for other in found:
        if other is not chosen:
            relation = "the same as" if other.content == chosen.content else "not"
            print(f"{split.name}: {chosen} is read, {relation} {other}")
    return chosen


def _convert(paths: tuple[Path, ...], form: Form, tables: Sequence[Table]) -> Found:
    lines: list[bytes] = []
    images: set[str] = set()
    enclosed: dict[str, bytes] = {}
    for row in form.convert(tables):
        for picture in (row.get("image"), *row.get("images", ())):
            if isinstance(picture, Enclosed):
                enclosed[picture.path] = picture.content
        for field, value in row.items():
            if isinstance(value, Enclosed):
                row[field] = value.path
            elif field == "images":
                row[field] = [one.path if isinstance(one, Enclosed) else one for one in value]
        lines.append(files.jsonl([row]))
        images.update([row["image"]] if "image" in row else row["images"])
    return Found(paths, form, b"".join(lines), len(lines), frozenset(images), enclosed)
