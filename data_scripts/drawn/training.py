"""Training conversations on disk: drawn pictures, and questions in Qwen-VL's own fine-tuning form.

    DIR/pictures/000/000123.png    1,000 to a folder
    DIR/conversations.json         [{"id": .., "conversations": [{"from": "user", "value": ..},
                                                                 {"from": "assistant", "value": ..}]}, ..]

A row has one question with its answer; its user value begins with `<img>` and the picture's path, relative to
the folder of the JSON file. A clip has four pictures, `000123_0.png` to `000123_3.png`, and its rows all of
them, on a line each. Rows of one picture stand together. The JSON file gets its name when all else is
complete, so a folder that has it is whole.
"""

import json
import os
import random
import re
import signal
import sys
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from data_scripts.drawn import choosing, clips
from data_scripts.drawn.conversations import ASKED, SHOWS, Picture, asked, draw
from data_scripts.drawn.scenes import FIRST_TRAINING_SEED
from data_scripts.drawn.turns import Turn
from eval_mm.console import align, count
from eval_mm.errors import UserError

MOST_SCENES = 1_000_000
"""Scenes of one training seed: --seed S draws from FIRST_TRAINING_SEED + S * MOST_SCENES upwards."""

FOLDER = 1000
"""Pictures in one folder."""

PART = 100
"""Scenes that a process is given at a time."""


CLIP = "clip"
"""What a lesson may show besides `SHOWS`."""

COORDINATE = re.compile(r"(?<=[(,])\d+")


class Part(NamedTuple):
    """Some consecutive scenes, written."""

    scenes: int
    kinds: tuple[str, ...]
    rows: str
    """JSON objects, separated by a comma and a line end."""


class Lesson(NamedTuple):
    """What is asked about scenes: how many shapes they have at most, which kinds of turns, how exactly."""

    max_shapes: int = 3
    kinds: tuple[str, ...] = ASKED
    """Also `choosing.KINDS`, which are asked only where they are named."""

    coarse: int = 10
    """Coordinates are rounded to this many thousandths; 10 leaves them as the turns have them."""

    shows: tuple[str, ...] = ()
    """What pictures show in turn; empty for the usual order."""


def write(out: Path, scenes: int, seed: int, lesson: Lesson, workers: int) -> None:
    """Draws the scenes and writes pictures and rows; the same files whatever the number of workers.

    Raises:
        UserError: a number is out of range, `out` has a conversations.json already, or a process died.
    """
    path = out / "conversations.json"
    if not 1 <= scenes <= MOST_SCENES:
        raise UserError(f"--scenes {scenes}: expected 1 to {MOST_SCENES}")
    if seed < 0:
        raise UserError(f"--seed {seed}: expected 0 or more")
    for option, given, known in (
        ("--kinds", lesson.kinds, (*ASKED, *choosing.KINDS)),
        ("--shows", lesson.shows, (*SHOWS, CLIP)),
    ):
        if not set(given) <= set(known):
            raise UserError(f"{option} {','.join(given)}: expected some of {', '.join(known)}")
    if workers < 1:
        raise UserError(f"--workers {workers}: expected 1 or more")
    if path.exists():
        raise UserError(f"{path} is already there; remove it or name another --out")
    for folder in range(-(-scenes // FOLDER)):
        (out / f"pictures/{folder:03d}").mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    kinds: dict[str, int] = {}
    try:
        with temporary.open("w", encoding="utf-8") as file:
            separator = "[\n"
            with closing(_parts(out, scenes, seed, lesson, workers)) as parts:
                for part in parts:
                    if part.rows:
                        file.write(separator + part.rows)
                        separator = ",\n"
                    for kind in part.kinds:
                        kinds[kind] = kinds.get(kind, 0) + 1
            if not kinds:
                raise UserError(f"none of {scenes} scenes has questions of --kinds {','.join(lesson.kinds)}")
            file.write("\n]\n")
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    table = [("turns", "rows"), *((kind, count(number)) for kind, number in sorted(kinds.items()))]
    print(align(table))
    print(f"{count(scenes)} pictures, {count(sum(kinds.values()))} rows, under {out}")


def picture_path(index: int, frame: int | None = None) -> str:
    """Where the picture of a scene lies, or a frame of a clip, relative to the JSON file."""
    of = "" if frame is None else f"_{frame}"
    return f"pictures/{index // FOLDER:03d}/{index:06d}{of}.png"


def scene_seed(seed: int, index: int) -> int:
    """The seed of scene `index` of a training seed; never one of an evaluation."""
    assert seed >= 0, f"training seed {seed}"
    assert 0 <= index < MOST_SCENES, f"scene {index}"
    return FIRST_TRAINING_SEED + seed * MOST_SCENES + index


def rows(
    seed: int, index: int, turns: Sequence[Turn], paths: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The rows of the turns about one scene, or about the pictures at `paths`."""
    image = "\n".join(f"<img>{path}</img>" for path in paths or (picture_path(index),))
    return [
        {
            "id": f"{scene_seed(seed, index)}-{number}-{turn.kind}",
            "conversations": [
                {"from": "user", "value": image + turn.question},
                {"from": "assistant", "value": turn.answer},
            ],
        }
        for number, turn in enumerate(turns)
    ]


def _parts(out: Path, scenes: int, seed: int, lesson: Lesson, workers: int) -> Generator[Part, None, None]:
    """The parts in order, made by several processes, with a progress bar on stderr."""
    spans = deque(range(start, min(start + PART, scenes)) for start in range(0, scenes, PART))
    work = partial(_write_part, out, seed, lesson)
    with tqdm(total=scenes, desc="scenes", unit="scene", file=sys.stderr) as bar:
        if workers == 1:
            for part in map(work, spans):
                bar.update(part.scenes)
                yield part
            return
        # spawned, not forked: a forked process may inherit a lock that another thread held
        pool = ProcessPoolExecutor(workers, get_context("spawn"))
        try:
            handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # workers inherit it: Ctrl-C is ours alone
            try:  # few at a time: a million scenes are ten thousand parts
                first = [spans.popleft() for _ in range(min(len(spans), workers * 3))]
                pending = deque(pool.submit(work, span) for span in first)
            finally:
                signal.signal(signal.SIGINT, handler)
            while pending:
                part = pending.popleft().result()
                if spans:
                    pending.append(pool.submit(work, spans.popleft()))
                bar.update(part.scenes)
                yield part
        except BrokenProcessPool:
            raise UserError(
                "a drawing process was killed, perhaps for want of memory; try fewer --workers"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _write_part(out: Path, seed: int, lesson: Lesson, span: range) -> Part:
    """Draws and writes the pictures of some scenes, and returns their rows."""
    texts, kinds = [], []
    for index in span:
        pictures, turns = _about(scene_seed(seed, index), lesson)
        frames = range(len(pictures)) if len(pictures) > 1 else (None,)
        paths = [picture_path(index, frame) for frame in frames]
        for path, shown in zip(paths, pictures, strict=True):
            draw(shown).save(out / path, "PNG", compress_level=1)
        turns = [_coarser(turn, lesson.coarse) for turn in turns if turn.kind in lesson.kinds]
        kinds += [turn.kind for turn in turns]
        texts += [json.dumps(row, ensure_ascii=False) for row in rows(seed, index, turns, paths)]
    return Part(len(span), tuple(kinds), ",\n".join(texts))


def _about(seed: int, lesson: Lesson) -> tuple[Sequence[Picture], list[Turn]]:
    """The picture of a seed, or the frames of its clip, and all that a lesson might ask."""
    rng = random.Random(f"choosing {seed}")
    if lesson.shows and lesson.shows[seed % len(lesson.shows)] == CLIP:
        clip = clips.clip(seed)
        return clip.frames, choosing.about_clip(clip, rng)
    shown, turns = asked(seed, lesson.max_shapes, shows=lesson.shows)
    return (shown,), turns + (choosing.about_picture(shown, rng) if "options" in lesson.kinds else [])


def _coarser(turn: Turn, step: int) -> Turn:
    """A turn with its coordinates rounded to `step`, below 1000: early lessons want one digit, not two."""
    if step == 10 or turn.kind not in ("grounding", "point"):
        return turn

    def rounded(number: re.Match[str]) -> str:
        return str(min(990 // step, round(int(number[0]) / step)) * step)

    question, answer = (COORDINATE.sub(rounded, text) for text in (turn.question, turn.answer))
    return replace(turn, question=question, answer=answer)
