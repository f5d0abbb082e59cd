"""`frames`: the pictures of questions about clips, made from the clips one has.

The prepared rows say which clip, which segment and which folder. What is there and whole is not made again,
so an interrupted run is gone on with by the same command. Clips that are missing or cannot be decoded keep
their rows; a run records the samples as failed.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from data_scripts import video
from data_scripts.forms_seedbench import FRAMES, segment
from data_scripts.video import Ask, Unreadable
from eval_mm import files
from eval_mm.console import SAMPLE_ERRORS, align
from eval_mm.data import Row, json_lines, parse_row
from eval_mm.errors import UserError
from eval_mm.extras import require

REPORT = "unreadable_clips.tsv"
"""Beside the rows: the questions without frames, their clip, and why."""

READY, MISSING, UNREADABLE = "frames ready", "clip not found", "clip unreadable"


class Question(NamedTuple):
    """One question about a clip. `folder` is that of its frames, relative to the data root."""

    row: Row
    id: str
    dimension: str
    clip: str
    segment: video.Segment
    folder: str


class Lack(NamedTuple):
    """Why a question has no frames."""

    state: str
    reason: str


def make(rows: Path, root: Path, clips: Sequence[Path], workers: int) -> int:
    """Makes the frames of every question in a file of prepared rows; prints a table.

    `clips` are folders, searched with all that is in them. The rows are rewritten where a clip has fewer
    frames than they name. Returns the exit code: 0, or 3 where questions are without frames.

    Raises:
        UserError: no prepared rows, no such folder, no workers, none of the clips there, PyAV not installed.
        DataError: a row that names no clip.
    """
    if workers < 1:
        raise UserError(f"--workers {workers}: expected 1 or more")
    if not rows.is_file():
        raise UserError(
            f"{rows}: no such file; prepare the benchmark first, or name its data root with --data"
        )
    for folder in clips:
        if not folder.is_dir():
            raise UserError(f"--clips {folder}: no such folder; name the folder of the clips")
    require("video", "frames")
    questions = [_question(parse_row(text, rows, line)) for line, text in json_lines(rows.read_bytes(), rows)]
    # fewer than 4 may be a short clip, or a picture lost since: the clip tells
    waiting = [one for one in questions if video.whole(root / one.folder) < FRAMES]
    lacks: dict[str, Lack] = {}
    if waiting:
        lacks = _make(waiting, root, _paths(waiting, clips), workers)
    counts = {one.folder: video.whole(root / one.folder) for one in questions}
    _settle_rows(rows, questions, counts)
    report = rows.with_name(REPORT)
    _settle_report(report, questions, lacks)
    print(_table(questions, lacks))
    if not lacks:
        return 0
    print(f"{len(lacks):,} questions have no frames: {report} names each with its clip and the reason")
    return SAMPLE_ERRORS


def _question(row: Row) -> Question:
    pictures = row.texts("images")
    folders = {path.rpartition("/")[0] for path in pictures}
    if len(folders) != 1:
        raise row.error("images", f"expected pictures of one folder, got {', '.join(sorted(folders))}")
    return Question(
        row,
        row.identifier("id"),
        row.string("category"),
        row.image("clip").path,
        None if row.fields.get("segment") is None else segment(row),
        row.images("images")[0].path.rpartition("/")[0],
    )


def _paths(questions: Sequence[Question], folders: Sequence[Path]) -> dict[str, Path]:
    """The clips that are there, by the name that rows call them.

    A clip is known by its whole name inside its data set. Its file name alone will do, since the data sets
    come in several layouts, but not where whole numbers bound its segment: those are of Breakfast, whose
    cameras call their files alike.
    """
    by_name: dict[str, list[Path]] = {}
    for folder in folders:
        for place, _, names in os.walk(folder, followlinks=True):  # clip sets are often links in one folder
            for name in names:
                by_name.setdefault(name.lower(), []).append(Path(place, name))
    found: dict[str, Path] = {}
    for one in questions:
        alike = by_name.get(one.clip.rpartition("/")[2].lower(), [])
        tail = f"/{one.clip}".lower()
        exact = [path for path in alike if path.as_posix().lower().endswith(tail)]
        in_frames = one.segment is not None and isinstance(one.segment[0], int)
        if exact or (alike and not in_frames):
            found[one.clip] = (exact or alike)[0]
    if not found:
        raise UserError(
            f"--clips {', '.join(map(str, folders))}: none of the {len({q.clip for q in questions}):,} clips "
            f"is there; looked for {questions[0].clip} and the like"
        )
    return found


def _make(
    questions: Sequence[Question], root: Path, paths: Mapping[str, Path], workers: int
) -> dict[str, Lack]:
    """Extracts what is waiting, with a progress bar on stderr; returns what failed, by folder."""
    lacks: dict[str, Lack] = {}
    work: dict[Path, list[Ask]] = {}
    for one in questions:
        if one.clip in paths:
            work.setdefault(paths[one.clip], []).append(Ask(root / one.folder, one.segment))
        else:
            lacks[one.folder] = Lack(MISSING, "no such file in the folders of --clips")
    with tqdm(total=len(work), desc="clips", unit="clip", file=sys.stderr) as bar:
        for faults in _run(work, workers):
            bar.update()
            for folder, reason in faults.items():
                lacks[folder.relative_to(root).as_posix()] = Lack(UNREADABLE, reason)
    return lacks


def _run(work: Mapping[Path, Sequence[Ask]], workers: int) -> Iterator[dict[Path, str]]:
    """What failed of each clip, by folder, as the clips are done with."""
    if workers == 1 or len(work) < 2:
        for clip, asks in work.items():
            yield clip_frames(clip, asks)
        return
    # spawned, not forked: a forked process may inherit a lock that another thread held
    pool = ProcessPoolExecutor(min(workers, len(work)), get_context("spawn"))
    try:
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # workers inherit it: Ctrl-C is ours alone
        try:
            pending: list[Future[dict[Path, str]]] = [
                pool.submit(clip_frames, clip, asks) for clip, asks in work.items()
            ]
        finally:
            signal.signal(signal.SIGINT, handler)
        for done in as_completed(pending):
            yield done.result()
    except BrokenProcessPool:
        raise UserError(
            "a decoding process was killed, by a clip or for want of memory; what is done is kept; run again "
            "with --workers 1 to see at which clip"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def clip_frames(clip: Path, asks: Sequence[Ask]) -> dict[Path, str]:
    """Extracts the frames of all questions about a clip; returns why some failed, by folder.

    Where a part of the clip is damaged, the questions about other parts still get theirs.
    """
    try:
        return {ask.folder: reason for ask, reason in video.extract(clip, asks).items()}
    except Unreadable as error:
        if len(asks) == 1:
            return {asks[0].folder: str(error)}
    return {folder: reason for ask in asks for folder, reason in clip_frames(clip, [ask]).items()}


def _settle_rows(rows: Path, questions: Sequence[Question], counts: Mapping[str, int]) -> None:
    """Writes the rows anew if any names other frames than its clip has."""
    kept = []
    for one in questions:
        count = counts[one.folder] or FRAMES
        kept.append(one.row.fields | {"images": [f"{one.folder}/{index}.png" for index in range(count)]})
    content = files.jsonl(kept)
    if content != rows.read_bytes():
        files.write_all({rows: content})


def _settle_report(report: Path, questions: Sequence[Question], lacks: Mapping[str, Lack]) -> None:
    """The file of questions without frames; none where all have theirs."""
    if not lacks:
        report.unlink(missing_ok=True)
        return
    lines = [("id", "clip", "problem", "reason")]
    for one in questions:
        if one.folder in lacks:
            lines.append((one.id, one.clip, *lacks[one.folder]))
    files.write_text(report, "".join("\t".join(line) + "\n" for line in lines))


def _table(questions: Sequence[Question], lacks: Mapping[str, Lack]) -> str:
    """Questions by dimension and by what became of them."""
    header = ("dimension", "questions", READY, MISSING, UNREADABLE)
    counted: dict[str, dict[str, int]] = {}
    for one in questions:
        states = counted.setdefault(one.dimension, dict.fromkeys(header[2:], 0))
        states[lacks[one.folder].state if one.folder in lacks else READY] += 1
    return align(
        [
            header,
            *(
                (name, *(f"{number:,}" for number in (sum(states.values()), *states.values())))
                for name, states in counted.items()
            ),
        ]
    )
