"""Who asks which question next: groups, their order, and how much one process may hold."""

from collections import Counter
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from eval_mm.dispatch import IMAGE, MAX_GROUP, UNKNOWN, Dispatcher, Group, groups, part


def questions(pictures: list[int]) -> list[tuple[int, int]]:
    return list(enumerate(pictures))


@given(st.lists(st.lists(st.integers(0, 5), max_size=60), max_size=3), st.integers(1, 9))
def test_every_question_is_in_one_group(tasks: list[list[int]], world: int) -> None:
    """A question left out or asked twice is a wrong denominator; two images in a group are two encodings."""
    made = groups([questions(pictures) for pictures in tasks], world)
    asked = Counter((group.task, place) for group in made for place in group.samples)
    assert asked == Counter((task, place) for task, one in enumerate(tasks) for place in range(len(one)))
    for group in made:
        assert len({tasks[group.task][place] for place in group.samples}) == 1
        assert len(group.samples) <= MAX_GROUP
    assert [group.task for group in made] == sorted(group.task for group in made)


def test_one_process_splits_no_image_below_a_group() -> None:
    """Nobody else would take the rest: a needless split only costs."""
    made = groups([questions([0] * 33 + [1] * 32 + [2])], 1)
    assert [len(group.samples) for group in made] == [32, 1, 32, 1]


def test_heavy_images_come_first_and_the_last_groups_are_small() -> None:
    """Whoever takes a heavy group last keeps all others waiting for it."""
    made = groups([questions([0] * 3 + [1] * 40 + [2] * 500)], 4)
    sizes = [len(group.samples) for group in made]
    assert made[0].samples[0] == 43
    assert sizes[0] > 15
    assert sizes[-1] == 1
    left = IMAGE * 3 + 543
    for size in sizes:
        assert size == 1 or size <= left / (6 * 4)
        left -= size


def dispatcher(made: list[Group], **how: object) -> Dispatcher:
    taken = count()
    return Dispatcher(made, lambda: next(taken), **{"stopped": lambda: False, **how})  # type: ignore[arg-type]


def test_a_stream_has_one_task() -> None:
    """Ids are unique within a task only: two tasks in one stream would take each other's answers."""
    made = groups([questions([0, 1]), questions([0])], 1)
    streams = [(stream.task, list(stream.samples)) for stream in dispatcher(made).streams()]
    assert streams == [(0, [0, 1]), (1, [0])]


def test_a_greedy_back_end_holds_half_its_share() -> None:
    """A slow process that took all it could would be waited for by all others at the end."""
    made = groups([questions(list(range(100)))], 2)
    one = dispatcher(made, most=lambda: part(1.0, 5.0, 2))
    lengths = []
    for stream in one.streams():
        given = list(stream.samples)
        lengths.append(len(given))
        one.held -= len(given)
    assert lengths[0] == 10
    assert sum(lengths) == 100
    assert lengths == sorted(lengths, reverse=True)


def test_a_process_of_unknown_speed_begins_small() -> None:
    """Before the first answer nobody knows who is slow."""
    assert part(0.0, 0.0, 4) == part(0.0, 9.0, 4) == UNKNOWN / 4
    assert part(2.0, 8.0, 4) == 1 / 8


def test_nothing_is_given_after_a_stop() -> None:
    """Ctrl-C in the middle of a group of 32: what was not begun is not begun."""
    stopped = False
    one = dispatcher(groups([questions([0] * 40)], 1), stopped=lambda: stopped)
    streams = one.streams()
    samples = next(streams).samples
    assert [next(samples) for _ in range(3)] == [0, 1, 2]
    stopped = True
    assert list(samples) == []
    assert list(streams) == []
    assert one.held == 3
