"""Clips: four frames of a scene in which something happens, as SEED-Bench's dimensions 10 to 12 ask it.

A frame is a scene, so it is drawn as one. In half of the clips one shape moves, grows or shrinks from the
first frame to the last; in the others one thing happens after another: a shape moves and the other appears,
or the other way round.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from data_scripts.drawn.scenes import GAP, Box, Scene, Shape, scene

FRAMES = 4

WAYS = {"to the left": (-1, 0), "to the right": (1, 0), "up": (0, -1), "down": (0, 1)}
"""Directions, x to the right and y down."""

SHIFT = (30, 45)
"""How far a shape moves, in percent of the picture's width or height."""

GROWTH = 180
"""Side of a grown shape in percent of what it was; shrinking is the same backwards."""

OTHER_SCENES = 10**12
"""Distance of the seeds of the scenes that clips begin with from those of the pictures."""

Track = list[Box | None]
"""Where a shape is in every frame; None where it is not there yet."""


class Event(NamedTuple):
    """Something that happens: `who` is "red circle", `what` "moves up", "grows", "shrinks" or "appears"."""

    who: str
    what: str

    def __str__(self) -> str:
        return f"the {self.who} {self.what}"


@dataclass(frozen=True, slots=True)
class Clip:
    """Four frames, which bear the clip's seed, and what happens in them, in order: one or two events.

    A shape keeps the word for its size in all frames; only boxes change.
    """

    seed: int
    frames: tuple[Scene, ...]
    events: tuple[Event, ...]


class Question(NamedTuple):
    """A question about a clip with the right answer and three wrong ones; `dimension` is SEED-Bench's."""

    dimension: int
    text: str
    answer: str
    wrong: tuple[str, ...]


def clip(seed: int) -> Clip:
    """The clip of that seed; one thing happens where it is even, two where it is odd."""
    rng = random.Random(f"clip {seed}")
    tries = 0
    while True:
        tries += 1
        start = scene(seed + tries * OTHER_SCENES, max_shapes=2, min_shapes=2)
        tracks, events = (_two if seed % 2 else _one)(start, rng)
        frames = [_frame(start, tracks, number) for number in range(FRAMES)]
        if all(map(_is_clear, frames)):
            return Clip(seed, tuple(replace(frame, seed=seed) for frame in frames), events)


def questions(clip: Clip, rng: random.Random) -> list[Question]:
    """Two questions about a clip, neither answered by a single frame."""
    event = clip.events[0]
    if len(clip.events) == 2:
        return [_when(clip, 1, rng), _when(clip, 0, rng)]
    if event.what in ("grows", "shrinks"):
        ways = ("even larger", "even smaller")
        answer, other = ways if event.what == "grows" else ways[::-1]
        happened = ("it grows", "it shrinks", "it moves up", "it disappears")
        return [
            _question(10, f"What happens to the {event.who}?", f"it {event.what}", happened),
            Question(11, f"What will the {event.who} be next?", answer, (other, "gone", "another shape")),
        ]
    way = event.what.removeprefix("moves ")
    return [
        _question(10, f"In which direction does the {event.who} move?", way, tuple(WAYS)),
        _question(
            11,
            f"Where will the {event.who} be next?",
            f"further {way}",
            tuple(f"further {other}" for other in WAYS),
        ),
    ]


def _one(start: Scene, rng: random.Random) -> tuple[list[Track], tuple[Event, ...]]:
    """One shape changes all the time, the other stays."""
    actor, other = rng.sample(start.shapes, 2)
    pace = (0, 33, 67, 100)
    if rng.random() < 0.6:
        track, event = _moved(start, actor, pace, rng)
    else:
        grows = rng.random() < 0.5
        sides = [GROWTH * step + 100 * (100 - step) for step in (pace if grows else pace[::-1])]
        track = list[Box | None](_resized(actor.box, side / 10_000) for side in sides)
        event = Event(_name(actor), "grows" if grows else "shrinks")
    still: Track = [other.box] * FRAMES
    tracks = [track if shape is actor else still for shape in start.shapes]
    return tracks, (event,)


def _two(start: Scene, rng: random.Random) -> tuple[list[Track], tuple[Event, ...]]:
    """One shape moves and then the other appears, or the other way round."""
    actor, other = rng.sample(start.shapes, 2)
    moves_first = rng.random() < 0.5
    track, moves = _moved(start, actor, (0, 50, 100, 100) if moves_first else (0, 0, 50, 100), rng)
    appears = Event(_name(other), "appears")
    seen_from = 3 if moves_first else 1
    hidden: Track = [None] * seen_from + [other.box] * (FRAMES - seen_from)
    tracks = [track if shape is actor else hidden for shape in start.shapes]
    return tracks, (moves, appears) if moves_first else (appears, moves)


def _moved(start: Scene, shape: Shape, pace: Sequence[int], rng: random.Random) -> tuple[Track, Event]:
    """A shape on its way, of which `pace` has gone in each frame, in percent."""
    way = rng.choice(list(WAYS))
    x, y = WAYS[way]
    length = rng.randint(*SHIFT) * (start.width if x else start.height) // 100
    x1, y1, x2, y2 = shape.box
    steps = [length * part // 100 for part in pace]
    boxes: Track = [(x1 + x * step, y1 + y * step, x2 + x * step, y2 + y * step) for step in steps]
    return boxes, Event(_name(shape), f"moves {way}")


def _resized(box: Box, factor: float) -> Box:
    """A square box around the same middle."""
    x1, y1, x2, y2 = box
    side = round((x2 - x1) * factor)
    x, y = (x1 + x2 - side) // 2, (y1 + y2 - side) // 2
    return x, y, x + side, y + side


def _frame(start: Scene, tracks: Sequence[Track], number: int) -> Scene:
    there = [
        replace(shape, box=box)
        for shape, track in zip(start.shapes, tracks, strict=True)
        if (box := track[number]) is not None
    ]
    return replace(start, shapes=tuple(there))


def _is_clear(frame: Scene) -> bool:
    """Whether all shapes are inside the picture and keep their distance."""
    for place, shape in enumerate(frame.shapes):
        x1, y1, x2, y2 = shape.box
        if x1 < GAP or y1 < GAP or x2 > frame.width - GAP or y2 > frame.height - GAP:
            return False
        for other in frame.shapes[:place]:
            a1, b1, a2, b2 = other.box
            if x1 < a2 + GAP and a1 < x2 + GAP and y1 < b2 + GAP and b1 < y2 + GAP:
                return False
    return True


def _when(clip: Clip, place: int, rng: random.Random) -> Question:
    """What happens first or last; one wrong answer is what happens then, the others never happen."""
    event = clip.events[place]
    moves = next(one for one in clip.events if one.what != "appears")
    never = [str(Event(moves.who, f"moves {way}")) for way in WAYS if not moves.what.endswith(way)]
    wrong = (str(clip.events[1 - place]), *rng.sample(never, 2))
    return Question(12, f"What happens {('first', 'last')[place]}?", str(event), wrong)


def _question(dimension: int, text: str, answer: str, options: tuple[str, ...]) -> Question:
    return Question(dimension, text, answer, tuple(option for option in options if option != answer))


def _name(shape: Shape) -> str:
    return f"{shape.colour} {shape.kind}"
