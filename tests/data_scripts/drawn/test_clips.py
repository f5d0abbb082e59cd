"""Clips show what their events say, frame by frame."""

import random

import pytest

from data_scripts.drawn.clips import FRAMES, WAYS, Clip, Question, clip, questions
from data_scripts.drawn.scenes import GAP, Shape, draw

SEEDS = range(300)


def named(made: Clip, frame: int, name: str) -> Shape | None:
    """The shape of that name in a frame, if it is there."""
    found = [shape for shape in made.frames[frame].shapes if f"{shape.colour} {shape.kind}" == name]
    return found[0] if found else None


def moves(made: Clip, name: str) -> set[str]:
    """What the pictures say of a shape: ways it went, whether it grew, shrank or appeared."""
    seen = set()
    for frame in range(1, FRAMES):
        before, after = named(made, frame - 1, name), named(made, frame, name)
        assert after is not None or before is None, "what was there has gone"
        if after is None:
            continue
        if before is None:
            seen.add("appears")
            continue
        wide, old = after.box[2] - after.box[0], before.box[2] - before.box[0]
        if wide != old:
            seen.add("grows" if wide > old else "shrinks")
            continue
        x, y = after.box[0] - before.box[0], after.box[1] - before.box[1]
        assert 0 in (x, y), "a slanted way"
        if x or y:
            way = ((x > 0) - (x < 0), (y > 0) - (y < 0))
            seen.add(f"moves {next(word for word, step in WAYS.items() if step == way)}")
    return seen


def first_change(made: Clip, name: str) -> int:
    """The first frame in which a shape is other than before."""
    return next(
        frame for frame in range(1, FRAMES) if named(made, frame, name) != named(made, frame - 1, name)
    )


@pytest.mark.parametrize("parity", [0, 1])
def test_frames_show_the_events_and_nothing_else(parity: int) -> None:
    """Guards answers: a shape that goes another way than said, or a second one that changes unsaid."""
    for seed in SEEDS[parity::2]:
        made = clip(seed)
        assert len(made.events) == 1 + parity
        names = {f"{shape.colour} {shape.kind}" for frame in made.frames for shape in frame.shapes}
        happened = {(name, what) for name in names for what in moves(made, name)}
        assert happened == set(made.events), seed
        if parity:
            first, last = (first_change(made, event.who) for event in made.events)
            assert first < last, f"clip {seed}: {made.events} in another order"


def test_frames_are_one_picture_with_room_for_all_shapes() -> None:
    """Guards drawing: frames of several sizes, shapes outside the picture or over one another."""
    for seed in SEEDS:
        made = clip(seed)
        assert len(made.frames) == FRAMES
        assert len({(frame.width, frame.height, frame.ground, frame.seed) for frame in made.frames}) == 1
        assert {draw(frame).size for frame in made.frames[:1]} == {
            (made.frames[0].width, made.frames[0].height)
        }
        for frame in made.frames:
            assert 1 <= len(frame.shapes) <= 2
            for shape in frame.shapes:
                x1, y1, x2, y2 = shape.box
                assert min(x1, y1) >= GAP
                assert (x2 - x1, x2 <= frame.width - GAP, y2 <= frame.height - GAP) == (y2 - y1, True, True)
            if len(frame.shapes) == 2:
                a, b = (shape.box for shape in frame.shapes)
                assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1], seed


def test_a_seed_is_one_clip() -> None:
    """Guards the bundled rows: the same seed, the same frames and questions; another seed, other ones."""
    for seed in SEEDS[:40]:
        assert clip(seed) == clip(seed) != clip(seed + 1)
        assert questions(clip(seed), random.Random(1)) == questions(clip(seed), random.Random(1))


def test_one_answer_is_right_and_the_others_are_wrong() -> None:
    """Guards questions: a wrong option that is true of the clip, or one option twice."""
    dimensions = set()
    for seed in SEEDS:
        made = clip(seed)
        said = {str(event) for event in made.events}
        for question in questions(made, random.Random(seed)):
            dimensions.add(question.dimension)
            assert len({question.answer, *question.wrong}) == 4
            check(made, question, said)
    assert dimensions == {10, 11, 12}


def check(made: Clip, question: Question, said: set[str]) -> None:
    """The answer by the events, whose truth the first test sees in the frames."""
    if question.dimension == 12:
        place = 0 if "first" in question.text else 1
        assert question.answer == str(made.events[place])
        assert said & set(question.wrong) == {str(made.events[1 - place])}, "what never happens is no option"
        return
    (event,) = made.events
    assert f"the {event.who}" in question.text
    expected = {
        "grows": ("it grows", "even larger"),
        "shrinks": ("it shrinks", "even smaller"),
        **{f"moves {way}": (way, f"further {way}") for way in WAYS},
    }
    assert question.answer == expected[event.what][question.dimension - 10]
