"""Official files -> canonical files: what every benchmark does alike.

Everything is read and checked before anything is written.
"""

import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data_scripts import pictures, source
from data_scripts.benchmark import Benchmark, Form, Source, Split, Table
from eval_mm import files
from eval_mm.console import align, count
from eval_mm.errors import DataError, UserError


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for besides the two folders.

    images         --images, repeatable: DIR, or FOLDER=DIR for one of several folders of pictures
    allow_partial  --allow-partial
    sources        --source, repeatable: SPLIT=FILE, or SPLIT=FILE,FILE where a form has several files
    """

    images: Sequence[str | Path] = ()
    allow_partial: bool = False
    sources: Sequence[str] = ()


class Found(NamedTuple):
    """Rows of one split, read and checked. `partial` says what of the form's files was not there."""

    paths: tuple[Path, ...]
    form: Form
    content: bytes
    count: int
    pictures: frozenset[str]
    partial: str


def prepare(benchmark: Benchmark, raw: Path, out: Path, options: Options) -> None:
    """Writes every split of the benchmark under `out` and prints what was written.

    Raises:
        UserError: a missing file, a bad row, a count other than the published one (unless `allow_partial`),
            several files of which we would have to pick one, a picture folder that cannot be linked. Nothing
            has been written then.
    """
    if not raw.is_dir():
        raise UserError(f"--raw {raw}: no such folder; name the folder of the official files")
    named = _named(benchmark, options.sources)
    reader = _Reader(benchmark, raw, out)
    splits: dict[str, tuple[Split, Found]] = {}
    absent: list[str] = []
    for split in benchmark.splits:
        remarks: list[str] = []
        found = reader.candidates(split, named.get(split.name), remarks)
        if found:
            chosen = _choose(split, found, options.allow_partial)
            _check(split, chosen, options.allow_partial)
            splits[split.name] = (split, chosen)
        elif not split.optional:
            looked = " or ".join(dict.fromkeys(entry.told() for entry in split.sources))
            absent.append(f"{split.name}: {'; '.join([looked, *dict.fromkeys(remarks)])}")
        elif remarks:
            print(f"{split.name} was left out: {'; '.join(dict.fromkeys(remarks))}")
    if absent:
        _refuse_missing(benchmark, raw, absent, options.allow_partial and bool(splits))
    folders = {image.rsplit("/", 1)[0] for _, found in splits.values() for image in found.pictures}
    links = pictures.plan_links(out, [name for name in benchmark.pictures if name in folders], options.images)

    for link in links:
        link.make()  # first: not every file system has links, and then no rows are written either
        print(link.note)
    files.write_all({out / split.path: found.content for split, found in splits.values()})
    _report(benchmark, out, splits)


class _Reader:
    """Finds and reads the files of splits. The last two are kept: splits of one file follow each other."""

    def __init__(self, benchmark: Benchmark, raw: Path, out: Path):
        self.benchmark, self.raw = benchmark, raw
        self.written = [out / split.path for split in benchmark.splits]
        self.documents: dict[Path, source.Document] = {}

    def candidates(self, split: Split, named: Sequence[Path] | None, remarks: list[str]) -> list[Found]:
        """Every set of files that has a form of the split, read.

        `named` are the files the user insists on. Why others were not taken is added to `remarks`.
        """
        found: dict[tuple[Path, ...], Found] = {}
        for entry in split.sources:
            columns = self._columns(entry, named, remarks)
            lacking = [_told(names) for names, paths in zip(entry.names, columns, strict=True) if not paths]
            if not all(columns[: entry.form.needed or len(columns)]):
                if any(columns):
                    there = next(path for paths in columns for path in paths)
                    remarks.append(f"{there} is there, but not {' and '.join(lacking)}")
                continue
            sets = list(itertools.product(*(paths for paths in columns if paths)))
            for paths in sets:
                if paths not in found:
                    tables = [self._table(entry.form, number, path) for number, path in enumerate(paths)]
                    if len(sets) == 1 or entry.form.belong(tables):
                        found[paths] = _convert(paths, entry.form, tables, " and ".join(lacking))
        if named is not None and not found:
            raise UserError(f"--source {split.name}: {'; '.join(dict.fromkeys(remarks))}")
        whole = [candidate for candidate in found.values() if not candidate.partial]
        return whole or list(found.values())

    def _columns(self, entry: Source, named: Sequence[Path] | None, remarks: list[str]) -> list[list[Path]]:
        """For each file of the form those that fit its shape."""
        columns: list[list[Path]] = []
        for number, names in enumerate(entry.names):
            if named is None:
                paths = self._not_written(source.find(self.raw, self.benchmark.folders, names), remarks)
            else:
                paths = [named[number]] if number < len(named) <= len(entry.names) else []
            columns.append([])
            for path in paths:
                problem = entry.form.shapes[number].fits(self._document(path))
                if problem is None:
                    columns[-1].append(path)
                else:
                    remarks.append(f"{path} is no file of form '{entry.form.title}': {problem}")
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
                    f"{path} would be read and overwritten; move the official files to a folder of their own and "
                    f"name it with --raw, or name another --out"
                )
            else:
                kept.append(path)
        return kept


def _told(names: Sequence[str]) -> str:
    return " or ".join(names)


def _convert(paths: tuple[Path, ...], form: Form, tables: Sequence[Table], partial: str) -> Found:
    lines: list[bytes] = []
    images: set[str] = set()
    for row in form.convert(tables):
        lines.append(files.jsonl([row]))
        images.add(row["image"])
    if not lines:
        raise DataError(paths[0], "the file has no rows of this split")
    return Found(paths, form, b"".join(lines), len(lines), frozenset(images), partial)


def _choose(split: Split, found: Sequence[Found], allow_partial: bool) -> Found:
    """The one with the published number of rows; files that give the same rows are one."""
    pool = [one for one in found if one.count == split.num_samples] or list(found)
    if len({one.content for one in pool}) > 1:
        most = max(one.count for one in pool)
        largest = [one for one in pool if one.count == most]
        if not allow_partial or len(largest) > 1:
            listed = ", ".join(f"{_files(one)} ({one.count:,} rows)" for one in found)
            published = count(split.num_samples) if split.num_samples else "an unknown number of"
            raise UserError(
                f"{split.name}: several files may be meant: {listed}; published are {published} rows; name one "
                f"with --source {split.name}=FILE, or leave only that one under --raw"
            )
        pool = largest
    if len(found) > 1:
        others = ", ".join(f"{_files(one)} ({one.count:,} rows)" for one in found if one is not pool[0])
        print(f"{split.name}: read from {_files(pool[0])} ({pool[0].count:,} rows), not from {others}")
    return pool[0]


def _check(split: Split, found: Found, allow_partial: bool) -> None:
    """Raises UserError, or warns with `allow_partial`, where this is not the whole published split."""
    message = ""
    if found.partial:
        message = (
            f"{_files(found)}: the answers are not there, and without them nothing can be scored; looked for "
            f"{found.partial}"
        )
        remedy = "put it there, or write rows without answers with --allow-partial"
    elif split.num_samples not in (None, found.count):
        message = (
            f"{_files(found)}: {found.count} rows, but the published {split.name} has {split.num_samples}"
        )
        remedy = "get the whole file, or take it as it is with --allow-partial"
    if message and not allow_partial:
        raise UserError(f"{message}; {remedy}")
    if message:
        _warn(f"{message}; numbers on it cannot be compared with published ones")


def _refuse_missing(benchmark: Benchmark, raw: Path, absent: Sequence[str], allow_partial: bool) -> None:
    needed = sum(not split.optional for split in benchmark.splits)
    folders = ", ".join(benchmark.folders)
    message = (
        f"{raw}: {len(absent)} of {needed} splits have no file; looked, with and without .gz, also in {folders}, "
        f"for {'; '.join(absent)}"
    )
    if not allow_partial:
        raise UserError(message)
    _warn(message)


def _named(benchmark: Benchmark, sources: Sequence[str]) -> dict[str, list[Path]]:
    """The files of --source by split; raises UserError for a split or file that is not there."""
    named: dict[str, list[Path]] = {}
    names = [split.name for split in benchmark.splits]
    for text in sources:
        name, sign, paths = text.partition("=")
        if not sign or name not in names:
            raise UserError(f"--source {text}: expected SPLIT=FILE with one of {', '.join(names)}")
        if name in named:
            raise UserError(
                f"--source {text}: {name} is named twice; several files of a form go into one, by comma"
            )
        named[name] = [Path(path) for path in ([paths] if Path(paths).exists() else paths.split(","))]
        for path in named[name]:
            if not path.exists():
                raise UserError(f"--source {text}: {path}: no such file")
    return named


def _report(benchmark: Benchmark, out: Path, splits: Mapping[str, tuple[Split, Found]]) -> None:
    """What was written, and which pictures are still to be put where."""
    present = {folder: pictures.names_in(out / folder) for folder in benchmark.pictures}
    lines = [("split", "rows", "published", "pictures needed", "pictures present")]
    absent: dict[str, set[str]] = {}
    for split, found in splits.values():
        lost = set()
        for image in found.pictures:
            folder, name = image.rsplit("/", 1)
            if name not in present.get(folder, ()):
                lost.add(image)
                absent.setdefault(folder, set()).add(name)
        needed = len(found.pictures)
        numbers = map(count, (found.count, split.num_samples, needed, needed - len(lost)))
        lines.append((split.name, *numbers))  # type: ignore[arg-type]
    print(align(lines))
    for folder, names in absent.items():
        option = "--images DIR" if len(benchmark.pictures) == 1 else f"--images {folder}=DIR"
        print(
            f"{len(names):,} pictures are not there yet; they must lie in {out / folder} "
            f"({benchmark.pictures[folder]}): put them there, or run again with {option} to link a folder you have"
        )


def _files(found: Found) -> str:
    return " + ".join(map(str, found.paths))


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
