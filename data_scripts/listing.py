"""What is prepared under a data root, and what is left to get: one row per benchmark, or per split of one.

Meant to answer at once: rows are counted and their pictures' names taken from the bytes of each line, no row
is checked and no picture opened (`check` does that).
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from data_scripts import downloads
from data_scripts.benchmark import Benchmark
from data_scripts.fetch import state
from eval_mm.console import align, count

IMAGE = b'"image": "'
"""How canonical rows name their picture; inside a string the quotes would have backslashes."""


LICENCE = 40
"""Characters of a licence in the table; `list BENCHMARK` has all of it."""


class Rows(NamedTuple):
    """What a prepared file has: how many rows, and the pictures they name. Nothing without the file."""

    number: int
    pictures: frozenset[str]


def table(benchmarks: Mapping[str, Benchmark], data: Path, out: Path) -> str:
    """A row per benchmark."""
    head = ("benchmark", "splits", "rows", "published", "pictures", "fetched", "licence", "where to get it")
    return align([head, *_rows(benchmarks.values(), data, out)], left={0, 6, 7})


def splits(benchmark: Benchmark, data: Path) -> str:
    """A row per split of one benchmark, then its licence and its page."""
    head = ("split", "file", "rows", "published", "pictures")
    folders = _Folders(data)
    rows = []
    for split in benchmark.splits:
        found = look(data / split.path)
        shown = count(found.number or None)
        there = folders.ratio(found.pictures)
        rows.append((split.name, str(data / split.path), shown, count(split.num_samples), there))
    return f"{align([head, *rows], left={0, 1})}\nlicence: {benchmark.licence}\nsee {benchmark.home}"


def look(path: Path) -> Rows:
    """Counts the rows of a prepared file and takes the names of their pictures."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Rows(0, frozenset())
    rows = 0
    names: set[bytes] = set()
    others: set[str] = set()
    for line in content.split(b"\n"):
        start = line.find(IMAGE) + len(IMAGE)
        end = line.find(b'"', start)
        name = line[start:end]
        if start >= len(IMAGE) and end > 0 and b"\\" not in name:
            names.add(name)
        elif line.strip():
            others.update(_names(line))
        else:
            continue
        rows += 1
    return Rows(rows, frozenset(others.union(name.decode("utf-8", "replace") for name in names)))


class _Folders:
    """The names in each folder of pictures, listed once: a call per picture would take minutes."""

    def __init__(self, data: Path):
        self.data = data
        self.names: dict[str, set[str]] = {}

    def have(self, path: str) -> bool:
        """Whether there is such a picture; `path` is relative to the data root."""
        folder, _, name = path.rpartition("/")
        if folder not in self.names:
            try:
                self.names[folder] = set(os.listdir(self.data / folder))
            except (OSError, ValueError):
                self.names[folder] = set()
        return name in self.names[folder]

    def ratio(self, pictures: Collection[str]) -> str:
        """How many of them are there."""
        return f"{sum(map(self.have, pictures)):,} of {len(pictures):,}" if pictures else "-"


def _names(line: bytes) -> Iterable[str]:
    """The pictures of a row by way of JSON: several of them, or a name with an escape in it."""
    try:
        row = json.loads(line)
    except ValueError:
        return ()  # a bad row is `check`'s to name
    if not isinstance(row, dict):
        return ()
    named = row.get("images", [row["image"]] if "image" in row else [])
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else ()


def _rows(benchmarks: Iterable[Benchmark], data: Path, out: Path) -> Iterable[tuple[str, ...]]:
    folders = _Folders(data)
    for benchmark in benchmarks:
        wanted = [split for split in benchmark.splits if not split.optional]
        found = [rows for split in wanted if (rows := look(data / split.path)).number]
        published = [split.num_samples for split in wanted]
        licence = benchmark.licence
        yield (
            benchmark.name,
            f"{len(found)} of {len(wanted)}",
            count(sum(rows.number for rows in found) or None),
            count(None if None in published else sum(number or 0 for number in published)),
            folders.ratio(frozenset().union(*(rows.pictures for rows in found))),
            _fetched(benchmark.name, out),
            licence if len(licence) <= LICENCE else f"{licence[: LICENCE - 3]}...",
            benchmark.home,
        )


def _fetched(benchmark: str, out: Path) -> str:
    files = downloads.files_of(benchmark)
    have = sum(state(row, out) in ("there", "unpacked", "to unpack") for row in files)
    return f"{have} of {len(files)}" if files else "-"
