"""Unpacking what was downloaded: zip, tar (plain, .gz, .bz2, .xz) and single .gz files, known by content.

An archive is untrusted input. Members are written by our own code, only files and folders, only below a
temporary folder beside the target; what is complete is then renamed into place, so nothing is ever seen
half-unpacked and a retry starts clean. No link is ever made: one that stays inside becomes a copy.
"""

import os
import re
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from data_scripts.members import damage_named, members_of
from eval_mm.errors import DataError, UserError
from eval_mm.files import CHUNK, RATIO, read_at_most, unpacked_limit

SPARE = 64 << 20
"""Bytes of the disk that are left free."""

MEMBER_LIMIT = 4 << 30
"""The largest member that is read into memory."""

LITTER = ("__MACOSX", ".DS_Store")
"""What macOS packs besides; left out, like names that begin with `._`."""


def unpack(archive: Path, into: Path, kept: Collection[str] = ()) -> list[Path]:
    """Unpacks an archive into a folder and returns the entries it put there, sorted.

    An entry of the same name that was there before is replaced as a whole, but for those `kept`.

    Raises:
        DataError: a damaged or truncated archive, a member that would land outside the folder, a device, a
            link that leads out, an entry that is hidden or `kept`, more data than a data set of that size can
            have. Nothing was written then.
        UserError: the disk is too small.
    """
    into.mkdir(parents=True, exist_ok=True)
    for stale in into.glob(f".{archive.name}.*.unpacking"):
        shutil.rmtree(stale)
    scratch = into / f".{archive.name}.{os.getpid()}.unpacking"
    fresh, old = scratch / "new", scratch / "old"
    fresh.mkdir(parents=True)
    old.mkdir()
    try:
        _write_all(archive, fresh)
        entries = sorted(entry.name for entry in fresh.iterdir())
        if not entries:
            raise DataError(archive, "the archive is empty")
        _refuse_kept(archive, entries, kept)
        for name in entries:
            if os.path.lexists(into / name):
                (into / name).rename(old / name)
            (fresh / name).rename(into / name)
        return [into / name for name in entries]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def open_member(archive: Path, wanted: Callable[[str], bool]) -> tuple[str, bytes]:
    """Name and content of the first file whose name is wanted, without unpacking anything else.

    `wanted` is given the whole name, as `folder/file.json`; a plain .gz file has one, its own without .gz.

    Raises:
        DataError: no such member, a damaged or truncated archive.
    """
    seen: list[str] = []
    number = 0
    with damage_named(archive), members_of(archive) as (members, _):
        for member in members:
            if member.is_folder or member.data is None:
                continue
            if not wanted(member.name):
                number += 1
                seen = [*seen, member.name][:5]
                continue
            limit = min(MEMBER_LIMIT, unpacked_limit(archive.stat().st_size))
            content = read_at_most(member.data, limit)
            if content is None:
                raise DataError(archive, f"member '{member.name}' has more than {limit:,} bytes")
            return member.name, content
    names = ", ".join(seen) + (f" and {number - len(seen):,} more" if number > len(seen) else "")
    raise DataError(archive, f"the member wanted is not in the archive; it has {names or 'no files'}")


def _refuse_kept(archive: Path, entries: Sequence[str], kept: Collection[str]) -> None:
    """DataError for an entry that is hidden, or that would replace what is kept, whatever its case."""
    folded = {name.casefold() for name in kept}
    for name in entries:
        if name.startswith("."):
            raise DataError(archive, f"'{name}' in it would be hidden in the folder; the archive is not used")
        if name.casefold() in folded:
            raise DataError(
                archive, f"'{name}' in it would replace a file that was fetched; the archive is not used"
            )


def _write_all(archive: Path, folder: Path) -> None:
    """Every file of the archive below the folder."""
    room = shutil.disk_usage(folder).free - SPARE
    limit = unpacked_limit(archive.stat().st_size)
    written = 0
    links: dict[PurePosixPath, PurePosixPath] = {}
    with (
        damage_named(archive),
        members_of(archive) as (members, declared),
        tqdm(total=declared, desc=f"unpack {archive.name}", unit="B", unit_scale=True, disable=None) as bar,
    ):
        _check_room(archive, declared or 0, limit, room)
        for member in members:
            inside = _inside(archive, member.name)
            if inside is None:
                continue
            target = folder / inside
            try:
                if member.is_folder:
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                if member.link is not None:
                    links[inside] = _link_target(archive, member.name, member.link)
                    continue
                assert member.data is not None, member.name
                with target.open("wb") as file, damage_named(archive, f"member '{member.name}'"):
                    while chunk := member.data.read(CHUNK):
                        written += len(chunk)
                        _check_room(archive, written, limit, room)
                        file.write(chunk)
                        bar.update(len(chunk))
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise DataError(
                    archive, f"member '{member.name}' stands both as a file and as a folder"
                ) from None
    for inside, linked in links.items():
        if not (folder / linked).is_file():
            raise DataError(archive, f"member '{inside}' is a link to '{linked}', which is no file of it")
        shutil.copyfile(folder / linked, folder / inside)


def _check_room(archive: Path, size: int, limit: int, room: int) -> None:
    if size > limit:
        raise DataError(
            archive,
            f"unpacks to more than {limit:,} bytes, {RATIO} times its size: not a data set; nothing was kept",
        )
    if size > room:
        raise UserError(
            f"{archive}: unpacked it needs more than the {max(room, 0):,} bytes that are free on the disk; "
            "make room, then run the same command again"
        )


def _inside(archive: Path, name: str) -> PurePosixPath | None:
    """The path below the target, None for what is left out; DataError for a name that leads elsewhere."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name) or "\0" in name:
        raise DataError(
            archive, f"member '{name}' would be written outside the folder; the archive is not used"
        )
    is_litter = any(part in LITTER or part.startswith("._") for part in path.parts)
    return None if not path.parts or is_litter else path


def _link_target(archive: Path, name: str, link: str) -> PurePosixPath:
    """The member a link means, relative to the top; DataError where it leads out."""
    steps: list[str] = []
    parts = PurePosixPath(link.replace("\\", "/"))
    outside = parts.is_absolute() or re.match("[A-Za-z]:", link) is not None
    for step in parts.parts:
        if step != "..":
            steps.append(step)
        elif steps:
            steps.pop()
        else:
            outside = True
    if outside:
        raise DataError(
            archive, f"member '{name}' is a link to '{link}', outside the folder; the archive is not used"
        )
    return PurePosixPath(*steps)
