"""Writing files: all of them or none, and never half of one. Reading packed ones. Locking folders."""

import errno
import fcntl
import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

from eval_mm.errors import DataError, UserError

GZIP_MAGIC = b"\x1f\x8b"

RATIO, SMALL = 200, 100 << 20
"""What is packed may unpack to 200 times its size, or to 100 MiB, whichever is more.

Real annotations, answers and pictures pack 3 to 20 times; a bomb of zeros 1,000 times.
"""

CHUNK = 1 << 20
LOCK = ".lock"

ESCAPES = "backslashreplace"
"""Half a surrogate pair, which JSON can hold and UTF-8 cannot, is written as its JSON escape."""


class Readable(Protocol):
    """What bytes can be read from: up to `limit` at a time, none at the end."""

    def read(self, limit: int, /) -> bytes:
        """The next bytes."""


def unpacked_limit(packed: int) -> int:
    """Bytes that a file of `packed` bytes may unpack to."""
    return max(SMALL, RATIO * packed)


def unpacked(raw: bytes, path: Path) -> bytes:
    """The content of a file that may be packed with gzip, known by its first bytes.

    Raises:
        DataError: damaged, or more content than a file of that size can have.
    """
    if not raw.startswith(GZIP_MAGIC):
        return raw
    limit = unpacked_limit(len(raw))
    try:
        with gzip.open(io.BytesIO(raw)) as packed:
            content = read_at_most(packed, limit)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(path, f"the gzip file is damaged or cut off ({error})") from None
    if content is None:
        raise DataError(
            path, f"the gzip file has more than {limit:,} bytes, {RATIO} times its size: no file of rows"
        )
    return content


def read_at_most(file: Readable, limit: int) -> bytes | None:
    """All that is left in a file, None where that is more than `limit` bytes, of which no more are kept."""
    chunks: list[bytes] = []
    size = 0
    while chunk := file.read(CHUNK):
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def locked(folder: Path, message: str) -> TextIO:
    """Keeps others out of a folder that is there until what is returned is closed; a crash closes it too.

    Raises:
        UserError: with `message` where another process has it.
    """
    lock = (folder / LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UserError(message) from None
    except OSError:
        pass  # a file system without locks
    return lock


def is_locked(folder: Path) -> bool:
    """Whether another process keeps the folder; nothing is written to find out."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # none was ever there, or a file system without locks
        return False
    return False


def jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as lines of UTF-8 JSON, keys in the order given."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", ESCAPES)


def write_text(path: Path, text: str) -> None:
    """Writes the whole file or nothing."""
    write_all({path: text.encode("utf-8", ESCAPES)})


def json_text(value: Any) -> bytes:
    """A value as indented UTF-8 JSON."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", ESCAPES)


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, indented, the whole file or nothing."""
    write_all({path: json_text(value)})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Writes every file beside its final name first and renames only when all are complete.

    A reader never sees a half-written file, and a full disk leaves what was there before.

    Raises:
        OSError: as the system says it, but of the final name: nobody knows the temporary one.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with _named(path):
                temporary[path].write_bytes(content)
        for path in contents:  # the one thing by which a rename fails that a write has not met
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        for path in contents:
            with _named(path):
                temporary[path].replace(path)
    finally:
        for path in temporary.values():
            with suppress(OSError):  # a name too long or a folder that is none: told already
                path.unlink()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Lets an OSError tell that path."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
