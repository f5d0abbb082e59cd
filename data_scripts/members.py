"""The members of an archive one after the other: zip, tar (plain, .gz, .bz2, .xz), single .gz files.

Known by content. What the readers of the standard library raise at damage becomes one line, and they read no
more into memory than a sane archive needs.
"""

import bz2
import errno
import gzip
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from eval_mm.errors import DataError
from eval_mm.files import CHUNK, Readable

HEADERS = 1 << 20
"""Bytes of headers that one member of a tar file may have; tarfile would read any number into memory."""

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
    RecursionError,
)
"""What the standard library raises where the bytes are not what they should be."""

COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member; `link` is its target where it is a link, `data` can be read until the next member comes."""

    name: str
    is_folder: bool
    link: str | None
    data: Readable | None


@contextmanager
def members_of(archive: Path) -> Iterator[tuple[Iterator[Member], int | None]]:
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
                    yield iter([Member(archive.stem, False, None, plain)]), None
        else:
            kind = "an empty file" if not head else f"it begins with {head[:8]!r}"
            raise DataError(archive, f"not a zip, tar or gzip archive ({kind}); download it again")


def _zip(archive: Path, opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        mode = info.external_attr >> 16
        if info.flag_bits & 1:
            raise DataError(archive, f"member '{info.filename}' is encrypted")
        if info.is_dir():
            yield Member(info.filename, True, None, None)
            continue
        _refuse_special(archive, info.filename, mode)
        with opened.open(info) as data:
            if stat.S_ISLNK(mode):
                text = data.read(4096).decode("utf-8", "surrogateescape")
                yield Member(info.filename, False, _from(info.filename, text), None)
            else:
                yield Member(info.filename, False, None, data)


def _tar(archive: Path, file: IO[bytes]) -> Iterator[Member]:
    source = _Headers(archive, file)
    with tarfile.open(fileobj=cast(IO[bytes], source), mode="r|") as opened:
        is_empty = True
        while (info := source.next_of(opened)) is not None:
            is_empty = False
            if info.isdir():
                yield Member(info.name, True, None, None)
            elif info.issym():
                yield Member(info.name, False, _from(info.name, info.linkname), None)
            elif info.islnk():  # a hard link's target counts from the top of the archive
                yield Member(info.name, False, info.linkname, None)
            elif info.isreg():
                content = opened.extractfile(info)
                assert content is not None, info.name
                data = _Whole(content, info.size)
                yield Member(info.name, False, None, data)
                while data.read(CHUNK):  # what was not wanted, so that only headers are read next
                    pass
            else:
                raise DataError(archive, f"member '{info.name}' is a device or pipe; the archive is not used")
        if is_empty:
            return
    if isinstance(file, gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile):
        while file.read(CHUNK):  # to its check sum: a tar file ends before the stream that holds it
            pass
    else:
        size = file.seek(0, os.SEEK_END)
        file.seek(-512, os.SEEK_END)
        if size % 512 or file.read(512).strip(b"\0"):
            raise EOFError("the end mark is missing")


class _Headers:
    """What tarfile reads a tar stream from: between the contents of members, no more than HEADERS."""

    def __init__(self, archive: Path, file: IO[bytes]):
        self.archive, self.file = archive, file
        self.left: int | None = HEADERS  # None while contents are read

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes; DataError where the headers of one member do not end."""
        chunk = self.file.read(limit)
        if self.left is not None:
            self.left -= len(chunk)
            if self.left < 0:
                raise DataError(
                    self.archive,
                    f"a member has more than {HEADERS:,} bytes of headers; the archive is not used",
                )
        return chunk

    def next_of(self, opened: tarfile.TarFile) -> tarfile.TarInfo | None:
        """The next member of the archive that reads from here, whose members before it are done with."""
        self.left = HEADERS
        info = opened.next()
        self.left = None
        cast(Any, opened).members.clear()  # all would be kept; of millions of empty ones that is gigabytes
        return info


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
def damage_named(archive: Path, what: str = "the archive") -> Iterator[None]:
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
