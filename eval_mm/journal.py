"""A task's answers on disk: an append-only file per process, all of them read back as one.

    <out>/<task>/predictions.rank<R>.jsonl   one Prediction a line, and the number of the run that asked

A line is handed to the operating system as the answer comes, so a process that is killed loses no answer it
was given. Files only grow, by whole lines; what follows the last line end was torn by a crash and is dropped.
The number of processes may be another in every run: later runs have higher numbers, so the newest answer to a
question is known without a clock.
"""

import fcntl
import heapq
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

from eval_mm.errors import UserError
from eval_mm.files import ESCAPES
from eval_mm.schema import Prediction

BLOCK = 1 << 16
BEGINNING = b'{"id": "'
FIELDS = tuple(field.name for field in fields(Prediction))

_encode = json.JSONEncoder(ensure_ascii=False).encode
_decode = json.JSONDecoder().decode


class Stored(NamedTuple):
    """What a task's journals hold, read at one moment.

    `answers` are the oldest first: by run, within a run by process. `last_run` is the highest number of a
    run, 0 where there is none. `ends` are the bytes of each file up to its last line end, by file name: where
    what comes later begins. `spoilt` are the places (`<file>:<line>`) of whole lines that are no prediction.
    """

    answers: list[Prediction]
    last_run: int
    ends: dict[str, int]
    spoilt: list[str]


def name_of(rank: int) -> str:
    """The name of a process' file."""
    return f"predictions.rank{rank}.jsonl"


def files(folder: Path) -> list[Path]:
    """The journals in a task's folder, by process."""
    found = {
        path: re.fullmatch(r"predictions\.rank(\d+)\.jsonl", path.name) for path in folder.glob("*.jsonl")
    }
    ranks = {path: int(match[1]) for path, match in found.items() if match is not None}
    return sorted(ranks, key=ranks.__getitem__)


def read(folder: Path, since: Mapping[str, int] | None = None) -> Stored:
    """All journals of a task as one; with `since`, an earlier `ends`, only what was added to them."""
    stored = Stored([], 0, {}, [])
    last_run = 0
    for run, answer in _merged(folder, since or {}, stored):
        stored.answers.append(answer)
        last_run = run
    return stored._replace(last_run=last_run)


def iterate_answers(folder: Path, wanted: Iterable[str] | None = None) -> Iterator[Prediction]:
    """A task's stored answers, oldest first, one at a time; what is no whole prediction is skipped.

    With `wanted`, those to samples of these ids only, which takes a third of the time where they are few.
    """
    ids = None if wanted is None else frozenset(name.encode("utf-8", ESCAPES) for name in wanted)
    return (answer for _, answer in _merged(folder, {}, Stored([], 0, {}, []), ids))


def read_answers(folder: Path) -> list[Prediction]:
    """A task's stored answers, oldest first; what is no whole prediction is skipped."""
    return list(iterate_answers(folder))


def is_free(path: Path) -> bool:
    """Whether no process has this journal open to write: one of an earlier try may be about to end."""
    with path.open("ab") as file:
        return _lock(file)


def line_of(prediction: Prediction, run: int, **instead: str | None) -> bytes:
    """A prediction as the journal holds it, some of its fields by name replaced."""
    held = {name: getattr(prediction, name) for name in FIELDS}
    return (_encode({**held, **instead, "run": run}) + "\n").encode("utf-8", ESCAPES)


class Journal:
    """The file of one process, which grows by one line per answer and is locked against others.

    Opening drops a torn last line. Closing is safe at any time, and so is not closing.
    """

    def __init__(self, folder: Path, rank: int = 0, run: int = 1):
        self.path, self.run = folder / name_of(rank), run
        self._file: BinaryIO = self.path.open("ab", buffering=0)
        if not _lock(self._file):
            self._file.close()
            raise UserError(f"{self.path}: another process is writing there; wait for it")
        _drop_torn_line(self.path)
        self._end = os.fstat(self._file.fileno()).st_size
        self._lock = threading.Lock()  # of closing, against `sync` in another thread

    def append(self, prediction: Prediction) -> None:
        """Records one answer, on disk when this returns (as far as the operating system goes)."""
        self.write(line_of(prediction, self.run))

    def write(self, lines: bytes) -> None:
        """Records whole lines, all or none.

        Raises:
            OSError: a full disk and the like; the file ends with its last whole line.
        """
        try:
            left = memoryview(lines)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            os.ftruncate(self._file.fileno(), self._end)
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._end += len(lines)

    def sync(self) -> None:
        """Has other machines see what was recorded, and a power cut spare it."""
        with self._lock:
            if not self._file.closed:
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file and frees it."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _merged(
    folder: Path, since: Mapping[str, int], stored: Stored, wanted: Set[bytes] | None = None
) -> Iterator[tuple[int, Prediction]]:
    """The answers of all files with their runs, oldest first; notes the ends and spoilt lines of each."""
    read = [_lines(path, since.get(path.name, 0), stored, wanted) for path in files(folder)]
    return read[0] if len(read) == 1 else heapq.merge(*read, key=lambda line: line[0])


def _lines(
    path: Path, start: int, stored: Stored, wanted: Set[bytes] | None
) -> Iterator[tuple[int, Prediction]]:
    """The answers of one file from a line's start on; within a file runs never fall."""
    with path.open("rb") as file:
        end = file.seek(start)
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            end += len(line)
            if wanted is not None and not _is_of(line, wanted):
                continue
            parsed = _parse(line)
            if parsed is not None:
                yield parsed
            else:
                stored.spoilt.append(f"{path.name}:{number}")
    stored.ends[path.name] = end


def _is_of(line: bytes, wanted: Set[bytes]) -> bool:
    """Whether a line may be of one of these samples, by its beginning as `line_of` writes it."""
    if not line.startswith(BEGINNING):
        return True
    name = line[len(BEGINNING) : line.find(b'"', len(BEGINNING))]
    return b"\\" in name or name in wanted


def _parse(line: bytes) -> tuple[int, Prediction] | None:
    """A line's run and prediction, or None for a spoilt one."""
    try:
        held: dict[str, Any] = _decode(line.decode())
        run = held.pop("run", 0)
        if held["choice_logprobs"] is not None:
            held["choice_logprobs"] = tuple(held["choice_logprobs"])
        if held.get("image_size") is not None:
            held["image_size"] = tuple(held["image_size"])
        answer = Prediction(**held)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    texts = (
        answer.id,
        answer.key,
        answer.text,
        answer.error or "",
        answer.stop_reason or "",
        answer.reasoning,
    )
    counts = (answer.prompt_tokens or 0, answer.new_tokens or 0, run)
    numbers = (*(answer.choice_logprobs or ()), *(answer.image_size or ()))
    kinds = ({*map(type, texts)}, {*map(type, counts)}, {*map(type, numbers)})
    whole = kinds[0] == {str} and kinds[1] == {int} and kinds[2] <= {int, float}
    return (run, answer) if whole else None


def _lock(file: BinaryIO) -> bool:
    """Locks a file until it is closed; False where another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def _drop_torn_line(path: Path) -> None:
    """Cuts what follows the last line end, so the next line starts on its own."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - BLOCK)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)
