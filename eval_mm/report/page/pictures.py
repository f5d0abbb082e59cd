"""Small copies of pictures for a page, as many as fit into a number of bytes."""

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from eval_mm.report.one_file import thumbnail

SIDE = 384
"""The longer side in pixels."""

AT_ONCE = 32
UNREADABLE, MISSING = -1, -2
"""Numbers that stand for a file that is no picture, and for one that is not on this machine."""

SIGNS = 10
"""Bytes around a picture and around the numbers of a sample's pictures."""


class Pictures(NamedTuple):
    """Data URLs, each picture once, and by place of a sample the numbers of its pictures.

    The number is UNREADABLE or MISSING for a picture that is not there; `unreadable` are the files of both.
    """

    urls: Sequence[str]
    of: Mapping[int, Sequence[int]]
    unreadable: Sequence[Path]
    size: int

    @property
    def num_shown(self) -> int:
        """Samples of which at least one picture is there."""
        return sum(any(number >= 0 for number in numbers) for numbers in self.of.values())


def pictures_within(paths: Mapping[int, Sequence[Path]], room: int) -> Pictures:
    """The pictures of samples, by place, in that order until the next would not fit."""
    urls: list[str] = []
    of: dict[int, list[int]] = {}
    numbers: dict[Path, int] = {}
    left = room
    wanted = list(paths.items())
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")  # of large or untidy files: what can be shown is shown
        for start in range(0, len(wanted), AT_ONCE):
            batch = wanted[start : start + AT_ONCE]
            fresh = list(dict.fromkeys(path for _, some in batch for path in some if path not in numbers))
            made = dict(zip(fresh, pool.map(lambda path: thumbnail(path, SIDE), fresh), strict=True))
            for place, some in batch:
                new = [path for path in dict.fromkeys(some) if path not in numbers]
                left -= sum(len(made[path]) + SIGNS for path in new) + SIGNS * (1 + len(some))
                if left < 0:
                    return _found(urls, of, numbers, room)
                for path in new:
                    numbers[path] = len(urls) if made[path] else UNREADABLE if path.exists() else MISSING
                    urls += [made[path]] if made[path] else []
                of[place] = [numbers[path] for path in some]
    return _found(urls, of, numbers, room - left)


def _found(urls: list[str], of: dict[int, list[int]], numbers: Mapping[Path, int], size: int) -> Pictures:
    return Pictures(urls, of, [path for path, number in numbers.items() if number < 0], size)
