"""Unpacking what was downloaded: zip, tar (plain, .gz, .bz2, .xz) and single .gz files, known by content.

An archive is untrusted input. Members are written by our own code, only files and folders, only below a
temporary folder beside the target; what is complete is then renamed into place, so nothing is ever seen
half-unpacked and a retry starts clean. No link is ever made: one that stays inside becomes a copy.
"""

import bz2
import errno
import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast

from tqdm import tqdm

from eval_mm.errors import DataError, UserError

RATIO, SMALL = 200, 100 << 20
"""A member list may unpack to 200 times the archive, or to 100 MiB, whichever is more."""

SPARE = 64 << 20
"""Bytes of the disk that are left free."""

MEMBER_LIMIT = 4 << 30
"""The largest member that is read into memory."""

CHUNK = 1 << 20
LITTER = ("__MACOSX", ".DS_Store")
"""What macOS packs besides; left out."""

DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    ValueError,
    OverflowError,
    NotImplementedError,
)
"""What the standard library raises where the bytes are not what they should be."""

COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


class _Readable(Protocol):
    def read(self, limit: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Member:
    """One member; `link` is its target where it is a link, `data` can be read until the next member comes."""

    name: str
    is_folder: bool
    link: str | None
    data: _Readable | None


def unpack(archive: Path, into: Path) -> list[Path]:
    """Unpacks an archive into a folder and returns the entries it put there, sorted.

    An entry of the same name that was there before is replaced as a whole.

    Raises:
        DataError: a damaged or truncated archive, a member that would land outside the folder, a device, a
            link that leads out, more data than a data set of that size can have. Nothing was written then.
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
    with _damage_named(archive), _members(archive) as (members, _):
        for member in members:
            if member.is_folder or member.data is None:
                continue
            if not wanted(member.name):
                seen.append(member.name)
                continue
            limit = min(MEMBER_LIMIT, max(SMALL, RATIO * archive.stat().st_size))
            content = member.data.read(limit + 1)
            if len(content) > limit:
                raise DataError(archive, f"member '{member.name}' has more than {limit:,} bytes")
            return member.name, content
    names = ", ".join(seen[:5]) + (f" and {len(seen) - 5:,} more" if len(seen) > 5 else "")
    raise DataError(archive, f"the member wanted is not in the archive; it has {names or 'no files'}")


def read_member(archive: Path, name: str) -> bytes:
    """The content of the file of that name, in whatever folder of the archive; errors as `open_member`."""
    return open_member(archive, lambda member: f"/{member}".endswith(f"/{name}"))[1]


def _write_all(archive: Path, folder: Path) -> None:
    """Every file of the archive below the folder."""
    room = shutil.disk_usage(folder).free - SPARE
    limit = max(SMALL, RATIO * archive.stat().st_size)
    written = 0
    links: dict[PurePosixPath, PurePosixPath] = {}
    with (
        _damage_named(archive),
        _members(archive) as (members, declared),
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
                with target.open("wb") as file, _damage_named(archive, f"member '{member.name}'"):
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
    return None if not path.parts or any(part in LITTER for part in path.parts) else path


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


@contextmanager
def _members(archive: Path) -> Iterator[tuple[Iterator[_Member], int | None]]:
    """The members in file order, and the bytes they say to have where the archive has a list of them."""
    with archive.open("rb") as file:
        head = file.read(512)
        file.seek(0)
        if head.startswith(b"PK"):
            with zipfile.ZipFile(file) as opened:
                yield _zip(archive, opened), sum(info.file_size for info in opened.infolist())
        elif head[257:262] == b"ustar":
            yield _tar(archive, file), None
        elif reader := next((reader for magic, reader in COMPRESSED.items() if head.startswith(magic)), None):
            with cast(IO[bytes], reader(file)) as plain:
                first = plain.read(512)
                plain.seek(0)
                name = archive.name.lower()
                if first[257:262] == b"ustar" or re.search(r"\.(tar\.\w+|tgz|tbz2?|txz)$", name):
                    yield _tar(archive, plain), None
                else:
                    yield iter([_Member(archive.stem, False, None, plain)]), None
        else:
            kind = "an empty file" if not head else f"it begins with {head[:8]!r}"
            raise DataError(archive, f"not a zip, tar or gzip archive ({kind}); download it again")


def _zip(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        mode = info.external_attr >> 16
        if info.flag_bits & 1:
            raise DataError(archive, f"member '{info.filename}' is encrypted")
        if info.is_dir():
            yield _Member(info.filename, True, None, None)
            continue
        _refuse_special(archive, info.filename, mode)
        with opened.open(info) as data:
            if stat.S_ISLNK(mode):
                text = data.read(4096).decode("utf-8", "surrogateescape")
                yield _Member(info.filename, False, _from(info.filename, text), None)
            else:
                yield _Member(info.filename, False, None, data)


def _tar(archive: Path, file: IO[bytes]) -> Iterator[_Member]:
    with tarfile.open(fileobj=file, mode="r|") as opened:
        for info in opened:
            if info.isdir():
                yield _Member(info.name, True, None, None)
            elif info.issym():
                yield _Member(info.name, False, _from(info.name, info.linkname), None)
            elif info.islnk():  # a hard link's target counts from the top of the archive
                yield _Member(info.name, False, info.linkname, None)
            elif info.isreg():
                data = opened.extractfile(info)
                assert data is not None, info.name
                yield _Member(info.name, False, None, _Whole(data, info.size))
            else:
                raise DataError(archive, f"member '{info.name}' is a device or pipe; the archive is not used")
        if not opened.getmembers():
            return
    if isinstance(file, gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile):
        while file.read(CHUNK):  # to its check sum: a tar file ends before the stream that holds it
            pass
    else:
        size = file.seek(0, os.SEEK_END)
        file.seek(-512, os.SEEK_END)
        if size % 512 or file.read(512).strip(b"\0"):
            raise EOFError("the end mark is missing")


class _Whole:
    """A member of a tar stream that must have the length it states."""

    def __init__(self, data: IO[bytes], size: int):
        self.data, self.left = data, size

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes; EOFError where the archive ends before the member does."""
        chunk = self.data.read(limit)
        self.left -= len(chunk)
        if not chunk and self.left > 0:
            raise EOFError(f"{self.left:,} bytes are missing")
        return chunk


def _from(name: str, link: str) -> str:
    """A symbolic link's target counted from the top of the archive, not from the folder the link is in."""
    return link if link.startswith(("/", "\\")) else f"{PurePosixPath(name).parent}/{link}"


def _refuse_special(archive: Path, name: str, mode: int) -> None:
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        raise DataError(archive, f"member '{name}' is a device or pipe; the archive is not used")


@contextmanager
def _damage_named(archive: Path, what: str = "the archive") -> Iterator[None]:
    """Turns what the readers raise into a line that names the archive and what is damaged in it."""
    try:
        yield
    except OSError as error:
        if not isinstance(error, gzip.BadGzipFile) and error.errno not in (None, errno.EINVAL):
            raise  # the disk's fault; bz2 and a seek to nowhere tell theirs as OSError too
        raise DataError(archive, f"{what} is {_damage(error)}") from None
    except DAMAGE as error:
        raise DataError(archive, f"{what} is {_damage(error)}") from None


def _damage(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"truncated or damaged ({text}); delete it, then run the same command to download it again"
