"""Downloading a benchmark: its files, their hashes, their unpacking, and the pages for what is left.

<out>/<benchmark>/            coco/ for the pictures that several share
  SHA256SUMS                  what came, from where (`sha256sum --check` reads it)
  val2014.zip                 kept; may be deleted once it is unpacked
  val2014.zip.part, .json     an unfinished download, gone on with by the same command
  .unpacked/val2014.zip.json  which archive was unpacked into which entries
"""

import json
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TextIO

from data_scripts import archives, checksums, downloads, picture_lists, transfer
from data_scripts.checksums import Sum
from data_scripts.downloads import File, Kind
from eval_mm import files
from eval_mm.console import align
from eval_mm.errors import UserError

UNPACKED = ".unpacked"

State = Literal["there", "unpacked", "to unpack", "begun", "to download", "by hand"]


class Wanted(NamedTuple):
    """What the user asked for besides the benchmark."""

    out: Path
    only: Kind | None = None
    train: bool = False
    yes: bool = False


def fetch(
    benchmark: str,
    wanted: Wanted,
    pictures: Iterable[str] | None = (),
    table: Sequence[File] | None = None,
    retry: transfer.Retry = transfer.PATIENT,
    ask: Callable[[str], str] = input,
) -> None:
    """Downloads and unpacks what is not there yet, and prints the pages of what must be fetched by hand.

    `pictures` are the folders that rows will name, for the command that follows; None where none follows.

    Raises:
        UserError: not agreed to, a download or an archive that failed (the others are fetched all the same),
            a file that is not the one that was downloaded.
    """
    rows = downloads.files_of(benchmark, wanted.only, wanted.train) if table is None else table
    states = {row: state(row, wanted.out) for row in rows}
    if rows:
        print(_plan(states, wanted.out))
    work = [row for row in rows if states[row] in ("to download", "begun")]
    if work:
        try:
            _agree(work, wanted, ask)
        except UserError:
            _tell(benchmark, wanted, states, None)
            raise
    failed: list[UserError] = []
    for row in rows:
        if states[row] == "by hand":
            continue
        folder = wanted.out / row.folder
        with _locked(folder):
            try:
                _settle(row, folder, retry, _owned(row.folder, rows))
            except UserError as error:
                failed.append(error)
    if not work:
        print(
            "nothing was downloaded" + (": all is there" if rows and "by hand" not in states.values() else "")
        )
    if not failed:
        _fetch_listed(benchmark, wanted, retry, ask)
        _tell(benchmark, wanted, states, pictures)
    else:
        for earlier in failed[:-1]:
            print(f"error: {earlier}", file=sys.stderr)
        raise failed[-1]


def _fetch_listed(benchmark: str, wanted: Wanted, retry: transfer.Retry, ask: Callable[[str], str]) -> None:
    """The pictures that a file of annotations names one by one, once that file is there."""
    listed = picture_lists.LISTS.get(benchmark)
    folder = wanted.out / benchmark
    if listed is None or wanted.only == "annotations":
        return
    if not (folder / listed.file).is_file():
        print(f"{folder / listed.folder}: its pictures can be fetched once {listed.file} is there")
        return
    found = picture_lists.entries(listed, folder, wanted.train)
    left = picture_lists.missing(found, folder / listed.folder)
    print(f"{folder / listed.folder}: {len(found) - len(left):,} of {len(found):,} pictures are there")
    if left:
        _ask(f"{len(left):,} pictures one by one", wanted, ask)
        with _locked(folder):
            picture_lists.fetch(left, folder / listed.folder, listed.page, retry._replace(vain=2))


def state(row: File, out: Path) -> State:
    """How far a file has come, by its presence alone."""
    folder = out / row.folder
    path = folder / row.file
    unpacked = row.unpack and bool(_entries(folder, row.file))
    if unpacked:
        return "unpacked"
    if path.is_file():
        return "to unpack" if row.unpack else "there"
    if not row.url:
        return "by hand"
    return "begun" if transfer.arrived(path) else "to download"


def _owned(folder: str, rows: Sequence[File]) -> set[str]:
    """The names in a folder that no archive may put its own entries under."""
    named = {row.file for row in (*rows, *downloads.FILES) if row.folder == folder}
    return {checksums.SUMS, *(name + ending for name in named for ending in ("", *transfer.UNFINISHED))}


def _settle(row: File, folder: Path, retry: transfer.Retry, owned: Collection[str]) -> None:
    """One file from wherever it stands to where it should be; `owned` are names no archive may use."""
    path = folder / row.file
    sums = checksums.read_sums(folder)
    known = sums.get(row.file)
    if not path.is_file():
        if row.unpack and _entries(folder, row.file):
            return  # unpacked, and the archive deleted to save the room
        if row.size:
            transfer.check_room(folder, row.size - transfer.arrived(path), row.file)
        found = transfer.download(row.url, path, row.size, row.sha256, retry)
        known = Sum(found, path.stat().st_size, row.url)
        checksums.write_sums(folder, sums | {row.file: known})
    else:
        known = _check(row, path, known)
        if sums.get(row.file) != known:
            checksums.write_sums(folder, sums | {row.file: known})
    if row.unpack and _entries(folder, row.file, known.sha256) is None:
        entries = archives.unpack(path, folder, {*owned, *sums})
        mark = {"sha256": known.sha256, "entries": [entry.name for entry in entries]}
        _mark(folder, row.file).parent.mkdir(exist_ok=True)
        files.write_json(_mark(folder, row.file), mark)
        print(f"{path}: unpacked to {_some([str(entry) for entry in entries])}")


def _check(row: File, path: Path, known: Sum | None) -> Sum:
    """The sum of a file that is there; UserError where it is not the one that was downloaded or published."""
    size = path.stat().st_size
    found = checksums.digest(path)
    for expected, whose in ((known.sha256 if known else "", "downloaded"), (row.sha256, "published")):
        if expected and found != expected:
            raise UserError(
                f"{path}: its SHA-256 is {found}, that of the file {whose} is {expected}; delete it, "
                "then run the same command to download it again"
            )
    return known or Sum(found, size, "")


def _entries(folder: Path, file: str, sha256: str = "") -> list[str] | None:
    """What an archive was unpacked into, None where it was not, or another one, or something is gone."""
    try:
        mark = json.loads(_mark(folder, file).read_text(encoding="utf-8"))
        entries, unpacked = [str(entry) for entry in mark["entries"]], mark["sha256"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if sha256 not in ("", unpacked) or not all((folder / entry).exists() for entry in entries):
        return None
    return entries


def _mark(folder: Path, file: str) -> Path:
    return folder / UNPACKED / f"{file}.json"


def _plan(states: dict[File, State], out: Path) -> str:
    head = (f"file in {out}", "kind", "size", "state", "from", "")
    rows = [
        (
            f"{row.folder}/{row.file}",
            row.kind,
            bytes_in_words(row.size),
            _progress(row, out) if found == "begun" else found,
            row.url or "see below",
            row.note,
        )
        for row, found in states.items()
    ]
    return align([head, *rows], left={0, 1, 3, 4, 5})


def _progress(row: File, out: Path) -> str:
    return f"begun, {bytes_in_words(transfer.arrived(out / row.folder / row.file))}"


def _agree(work: Sequence[File], wanted: Wanted, ask: Callable[[str], str]) -> None:
    """The disk is large enough and the user agrees, or UserError."""
    known = sum(
        max((row.size or 0) - transfer.arrived(wanted.out / row.folder / row.file), 0) for row in work
    )
    unknown = sum(row.size is None for row in work)
    size = bytes_in_words(known) if known else "size unknown"
    if known and unknown:
        size += f" and {unknown} of unknown size"
    disk = next(folder for folder in (wanted.out, *wanted.out.absolute().parents) if folder.exists())
    unpacked = sum(row.size or 0 for row in work if row.unpack)  # pictures do not get smaller in an archive
    transfer.check_room(disk, known + unpacked, "downloading and unpacking")
    _ask(f"{len(work)} file{'s' * (len(work) > 1)} ({size})", wanted, ask)


def _ask(what: str, wanted: Wanted, ask: Callable[[str], str]) -> None:
    """UserError unless the user agrees."""
    if wanted.yes:
        return
    if ask is input and not sys.stdin.isatty():
        raise UserError(f"nothing was downloaded; to download {what}, add --yes")
    if ask(f"download {what}? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UserError("nothing was downloaded")


def _tell(
    benchmark: str, wanted: Wanted, states: Mapping[File, State], pictures: Iterable[str] | None
) -> None:
    """What is left to do: the pages of what must be fetched by hand, then the command that follows."""
    folder = wanted.out / benchmark
    left: dict[downloads.Page, list[Kind]] = {}
    for kind, page in downloads.pages_of(benchmark, wanted.only):
        by_hand = [found for row, found in states.items() if row.kind == kind and not row.url]
        if not by_hand or "by hand" in by_hand:
            left.setdefault(page, []).append(kind)
    for page, kinds in left.items():
        print(f"\n{benchmark}: {' and '.join(kinds)} must be fetched by hand: {page.why}.")
        steps = [f"open {page.url}", *page.steps]
        names = [row.file for row, found in states.items() if found == "by hand" and row.kind in kinds]
        if names:
            steps.append(f"put {' and '.join(names)} into {folder}")
            steps.append("run the same command again: it checks and unpacks")
        for number, step in enumerate(steps, 1):
            print(f"  {number}. {step}")
    if pictures is not None:
        places = {name: wanted.out / downloads.UNPACKED.get(name, name) for name in pictures}
        images = "".join(
            f" --images {shlex.quote(f'{name}={path}')}" for name, path in places.items() if path.is_dir()
        )
        print(f"\nthen: python -m data_scripts prepare {benchmark} --raw {folder} --out data{images}")


def bytes_in_words(size: int | None) -> str:
    """A size as one reads it, in powers of 1,000; a dash for one that is not known."""
    if size is None:
        return "-"
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")


def _locked(folder: Path) -> TextIO:
    """Keeps a second fetch out of the folder: two would write into the same .part."""
    folder.mkdir(parents=True, exist_ok=True)
    return files.locked(folder, f"{folder}: another fetch is writing there; wait for it")
