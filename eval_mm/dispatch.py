"""Which questions a process asks next: an image's together, heavy ones first, and never too many ahead.

All processes cut the same list of questions into the same groups, and take the groups one by one from a
counter they share. A group is at most MAX_GROUP questions of one image, so that the image is encoded once for
them. Within a task the images with the most questions come first: what is left at the end is light, and the
groups shrink with what is left of all work, to a single question (a share of 1/TAPER of what a process would
have of it).

A back end may take many questions before it answers the first. What one process holds another cannot take, so
it holds at most half of its fair share of what nobody has taken yet, fair by the speed that it has shown
(before it has shown one, an eighth of an equal share): where it wants more, the stream of questions ends, the
back end finishes what it has, and a new stream begins. One process alone holds what it likes.

A stream has the questions of one task, since ids are unique within a task only. Nobody waits for others at
the end of a task.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

MAX_GROUP = 32
TAPER = 6
IMAGE = 4
"""What reading an image costs, in questions."""
UNKNOWN = 1 / 8
"""The part of an equal share that a process may hold before its speed is known."""


class Group(NamedTuple):
    """Some questions of one task about the same images, by their places among its samples."""

    task: int
    samples: tuple[int, ...]


class Stream(NamedTuple):
    """Questions of one task, one after the other as they are wanted."""

    task: int
    samples: Iterator[int]


def part(mine: float, speed: float, world: int) -> float:
    """How much of what nobody has taken yet a process may hold; speeds of 0 are not known yet."""
    return mine / speed / 2 if mine > 0 and speed > 0 else UNKNOWN / world


def groups(todo: Sequence[Sequence[tuple[int, Hashable]]], world: int) -> list[Group]:
    """The questions of all tasks, each as its place and what its images are, in the order they are taken."""
    made: list[Group] = []
    by_task = [_by_images(questions) for questions in todo]
    left = sum(IMAGE + len(places) for images in by_task for places in images)
    for task, images in enumerate(by_task):
        for places in sorted(images, key=len, reverse=True):
            start = 0
            while start < len(places):
                fair = MAX_GROUP if world == 1 else int(left / (TAPER * world)) - IMAGE
                end = min(start + max(1, min(MAX_GROUP, fair)), len(places))
                made.append(Group(task, tuple(places[start:end])))
                left -= end - start
                start = end
            left -= IMAGE
    return made


class Dispatcher:
    """The groups of this process, taken as its back end has room.

    `held` counts what it was given and has not answered.
    """

    def __init__(
        self,
        made: Sequence[Group],
        take: Callable[[], int],
        stopped: Callable[[], bool],
        most: Callable[[], float] | None = None,
    ):
        """`take` gives the place of the next group, or one behind the last; once `stopped` nothing more is
        given; `most` is how much of what nobody has taken this process may hold, None where it is alone.
        """
        self.held = 0
        self._groups, self._take, self._stopped, self._most = made, take, stopped, most
        self._kept: Group | None = None
        self._untaken = sum(len(group.samples) for group in made)
        self._place = -1

    def streams(self) -> Iterator[Stream]:
        """One after the other, each to be used up before the next is asked for."""
        while (group := self._next()) is not None and not self._stopped():
            yield Stream(group.task, self._questions(group))

    def _questions(self, group: Group) -> Iterator[int]:
        task = group.task
        while True:
            for place in group.samples:
                if self._stopped():
                    return
                self.held += 1
                yield place
            if not self._may_take():
                return
            following = self._next()
            if following is None:
                return
            if following.task != task:
                self._kept = following
                return
            group = following

    def _next(self) -> Group | None:
        if self._kept is not None:
            group, self._kept = self._kept, None
            return group
        place = self._take()
        if place >= len(self._groups):
            return None
        self._untaken -= sum(len(group.samples) for group in self._groups[self._place + 1 : place + 1])
        self._place = place
        return self._groups[place]

    def _may_take(self) -> bool:
        return self._most is None or self.held == 0 or self.held < self._most() * self._untaken


def _by_images(questions: Sequence[tuple[int, Hashable]]) -> list[list[int]]:
    """The places of the questions, those about the same images together, by first appearance."""
    found: dict[Hashable, list[int]] = {}
    for place, images in questions:
        found.setdefault(images, []).append(place)
    return list(found.values())
