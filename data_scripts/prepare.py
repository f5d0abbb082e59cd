"""Official files -> canonical files: what every benchmark does alike.

Everything is read and checked before anything is written.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from data_scripts import pictures
from data_scripts.benchmark import Benchmark, Split
from data_scripts.candidates import Finder, Found, choose
from data_scripts.downloads import UNPACKED
from eval_mm import files
from eval_mm.console import align, count
from eval_mm.errors import UserError


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


def prepare(benchmark: Benchmark, raw: Path, out: Path, options: Options) -> None:
    """Writes every split of the benchmark under `out` and prints what was written.

    Raises:
        UserError: a missing file, a bad row, a count other than the published one (unless `allow_partial`),
            several files of which we would have to pick one, a picture folder that cannot be linked. Nothing
            has been written then.
    """
    if raw.is_file() and len(benchmark.splits) == 1:
        options = replace(options, sources=[*options.sources, f"{benchmark.splits[0].name}={raw}"])
        raw = raw.parent
    if not raw.is_dir():
        raise UserError(f"--raw {raw}: no such folder; name the folder of the official files")
    named = _named(benchmark, options.sources)
    finder = Finder(benchmark, raw, out)
    splits: dict[str, tuple[Split, Found]] = {}
    absent: list[str] = []
    for split in benchmark.splits:
        remarks: list[str] = []
        candidates = finder.candidates(split, named.get(split.name), remarks)
        if candidates:
            chosen = choose(split, candidates, options.allow_partial)
            _check(split, chosen, options.allow_partial)
            splits[split.name] = (split, chosen)
        elif not split.optional:
            looked = " or ".join(dict.fromkeys(entry.told() for entry in split.sources))
            absent.append(f"{split.name}: {'; '.join([looked, *dict.fromkeys(remarks)])}")
        elif remarks:
            print(f"{split.name} was left out: {'; '.join(dict.fromkeys(remarks))}")
    if absent:
        asked = any(not split.optional for split, _ in splits.values())
        _refuse_missing(benchmark, raw, absent, options.allow_partial and asked)
    enclosed = {path: content for _, rows in splits.values() for path, content in rows.enclosed.items()}
    if enclosed and options.images:
        raise UserError(
            f"--images {options.images[0]}: the pictures of {benchmark.name} lie in its file and are written "
            f"from there; leave the option out"
        )
    named_pictures = [image for _, rows in splits.values() for image in rows.pictures]
    folders = {folder: any(map(_below(folder), named_pictures)) for folder in benchmark.pictures}
    links = pictures.plan_links(out, folders, options.images or _fetched(benchmark, raw, out, folders))
    if benchmark.needs_sizes:
        places = pictures.Places(out, links)
        for name, (split, rows) in splits.items():
            splits[name] = (split, _with_sizes(rows, places, options.allow_partial))

    for split, rows in splits.values():
        _warn_of_loss(out / split.path, rows.number)
    rows_last = {split.path: rows.content for split, rows in splits.values()}
    _write(links, {out / path: content for path, content in {**enclosed, **rows_last}.items()})
    _report(benchmark, out, splits)


def _fetched(benchmark: Benchmark, raw: Path, out: Path, folders: Mapping[str, bool]) -> list[str]:
    """Pictures that `fetch` unpacked beside --raw, as --images options, for folders not there yet."""
    if raw.name != benchmark.name:
        return []
    places = {folder: raw.parent / UNPACKED.get(folder, folder) for folder, named in folders.items() if named}
    return [
        f"{folder}={place}"
        for folder, place in places.items()
        if place.is_dir() and not (out / folder).exists() and not (out / folder).is_symlink()
    ]


def _write(links: Sequence[pictures.Link], contents: Mapping[Path, bytes]) -> None:
    """Makes links and writes files, or leaves neither, nor a folder made for them."""
    targets = [*contents, *(link.at for link in links)]
    fresh = {folder for path in targets for folder in path.parents if not folder.exists()}
    made: list[pictures.Link] = []
    try:
        for link in links:  # first: not every file system has links
            link.make()
            made.append(link)
        files.write_all(contents)
    except BaseException:
        for link in made:
            if not link.kept:
                link.at.unlink()
        for folder in sorted(fresh, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # not made yet
                folder.rmdir()
        raise
    for link in links:
        print(link.note)


def _check(split: Split, found: Found, allow_partial: bool) -> None:
    """Raises UserError, or warns with `allow_partial`, where this is not the whole published split."""
    message = ""
    if found.form.partial:
        message = f"{found}: {found.form.partial}"
    elif split.num_samples not in (None, found.number):
        message = (
            f"{' + '.join(map(str, found.paths))}: {found.number} rows, but the published {split.name} has "
            f"{split.num_samples}"
        )
    if message and not allow_partial:
        raise UserError(f"{message}; get the whole file, or take it as it is with --allow-partial")
    if message:
        _warn(f"{message}; numbers on it cannot be compared with published ones")


def _warn_of_loss(path: Path, rows: int) -> None:
    """Says so where fewer rows replace more."""
    if path.is_file():
        with path.open("rb") as file:
            before = sum(1 for line in file if line.strip())
        if before > rows:
            _warn(f"{path}: {rows:,} rows replace {before:,}")


def _refuse_missing(benchmark: Benchmark, raw: Path, absent: Sequence[str], allow_partial: bool) -> None:
    needed = sum(not split.optional for split in benchmark.splits)
    folders = f", also in {', '.join(benchmark.folders)}," if benchmark.folders else ""
    message = (
        f"{raw}: {len(absent)} of {needed} splits have no file; looked, with and without .gz{folders} for "
        f"{'; '.join(absent)}"
    )
    if not allow_partial:
        raise UserError(f"{message}; --allow-partial prepares what is there")
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
        named[name] = [
            Path(os.path.expanduser(path)) for path in ([paths] if Path(paths).exists() else paths.split(","))
        ]
        for path in named[name]:
            if not path.exists():
                raise UserError(f"--source {text}: {path}: no such file")
    return named


def _with_sizes(found: Found, places: pictures.Places, allow_partial: bool) -> Found:
    """The rows with width and height of their pictures; with `allow_partial` those without are left out."""
    kept: list[bytes] = []
    images: set[str] = set()
    lost: list[str] = []
    for line in found.content.splitlines():
        row = json.loads(line)
        picture = pictures.size_of(places.path(row["image"]))
        if picture.size is None:
            lost.append(f"{places.path(row['image'])}: {picture.fault}")
            continue
        width, height = picture.size
        kept.append(files.jsonl([row | {"width": width, "height": height}]))
        images.add(row["image"])
    if lost:
        message = (
            f"{len(lost):,} of {found.number:,} rows have no picture to read width and height from: {lost[0]}"
        )
        if not allow_partial or not kept:
            raise UserError(f"{message}; put the pictures there, or name their folder with --images")
        _warn(f"{message}; they are left out")
    return found._replace(content=b"".join(kept), number=len(kept), pictures=frozenset(images))


def _below(folder: str) -> Callable[[str], bool]:
    return lambda image: image.startswith(f"{folder}/")


def _report(benchmark: Benchmark, out: Path, splits: Mapping[str, tuple[Split, Found]]) -> None:
    """What was written, and which pictures are still to be put where."""
    present: dict[str, set[str]] = {}

    def is_there(image: str) -> bool:
        folder, name = image.rsplit("/", 1)
        if folder not in present:
            present[folder] = pictures.names_in(out / folder)
        return name in present[folder]

    lines: list[tuple[str, ...]] = [("split", "rows", "published", "pictures needed", "pictures present")]
    absent: set[str] = set()
    for split, found in splits.values():
        lost = {image for image in found.pictures if not is_there(image)}
        absent |= lost
        needed = len(found.pictures)
        numbers = map(count, (found.number, split.num_samples, needed, needed - len(lost)))
        lines.append((split.name, *numbers))
    print(align(lines))
    for folder, origin in benchmark.pictures.items():
        if missing := sum(map(_below(folder), absent)):
            option = "--images DIR" if len(benchmark.pictures) == 1 else f"--images {folder}=DIR"
            print(
                f"{missing:,} pictures are not there yet; they must lie in {out / folder} ({origin}): put "
                f"them there, or run again with {option} to link a folder you have"
            )


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
