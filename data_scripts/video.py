"""The frames of a clip that a question shows: which ones, and their extraction with PyAV.

Frames are counted as they are decoded, so that neither a container that lies about its length nor a variable
frame rate shifts them. They are the frames of the published conversion (Qwen-VL's eval_mm/seed_bench/trans.py
with the 4 frames of its page), with named departures: PyAV decodes all dimensions, where the script used
decord for 10 and 11, and the frames are kept as PNG, where it saved JPEG, so that no second compression comes
between the clip and the model. All frames of the benchmark take about 20 GB.
"""

import shutil
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from data_scripts.forms_seedbench import FRAMES

if TYPE_CHECKING:
    from PIL.Image import Image

PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"

Segment = tuple[int, int] | tuple[float, float] | None
"""The part of a clip that a question is about: frames if whole numbers, else seconds; None is all of it."""


class Ask(NamedTuple):
    """What one question wants of its clip: the frames of a segment, in a folder as 0.png, 1.png, ..."""

    folder: Path
    segment: Segment


class Unreadable(Exception):
    """A clip that cannot be decoded; the message says why."""


def uniform(length: int, number: int = FRAMES) -> list[int]:
    """`number` indices spread over `length` frames, the published way; all of them where there are fewer."""
    if number > length:
        return list(range(length))
    step = (length - 1) / number
    return [int(step / 2) + round(step * index) for index in range(number)]


def indices(length: int, rate: float, segment: Segment, number: int = FRAMES) -> list[int]:
    """Which frames are shown of a clip of `length` frames at `rate` per second.

    Of a whole clip the last frame is never chosen (dimension 10); seconds become frames within the clip (11);
    the end of a segment in frames is cut at the clip's length (12).
    """
    if segment is None:
        return uniform(length - 1, number)
    if isinstance(segment[0], int):
        start, end = segment[0], min(int(segment[1]), length)
    else:
        start, end = (int(min(max(second * rate, 0), length - 1)) for second in segment)
    return [start + index for index in uniform(end - start, number)]


def whole(folder: Path) -> int:
    """How many frames lie in a folder, 0 where any of them is cut off or missing."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if names != [f"{index}.png" for index in range(len(names))] or len(names) > FRAMES:
        return 0
    for name in names:
        with (folder / name).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - len(PNG_END)))
            if file.read() != PNG_END:
                return 0
    return len(names)


def extract(clip: Path, asks: Sequence[Ask]) -> dict[Ask, str]:
    """Writes the frames of all questions about a clip; returns why some could not be had.

    A folder appears when all its frames are there. The clip is decoded once, as far as any question needs; a
    second time where it turns out to be shorter than that.

    Raises:
        Unreadable: the clip cannot be decoded as far as that.
    """
    rate, stated = _facts(clip)
    bounds = [_bound(ask.segment, rate) for ask in asks]
    bound = None if None in bounds else max(one for one in bounds if one is not None)
    temporary = {ask: ask.folder.with_name(f".{ask.folder.name}.tmp") for ask in asks}
    try:
        plan = _plan(asks, stated if bound is None else bound, rate)
        length = _walk(clip, plan, temporary, bound)
        exact = _plan(asks, length, rate)
        if exact != plan:
            _walk(clip, exact, temporary, bound)
        faults: dict[Ask, str] = {}
        for ask, chosen in exact.items():
            if chosen:
                shutil.rmtree(ask.folder, ignore_errors=True)
                temporary[ask].replace(ask.folder)
            else:
                faults[ask] = f"no frame lies in {ask.segment or 'it'}: the clip has {length} frames"
        return faults
    finally:
        for folder in temporary.values():
            shutil.rmtree(folder, ignore_errors=True)


def _bound(segment: Segment, rate: float) -> int | None:
    """As many frames as must be there for a segment to be known; None: the clip's length must be."""
    if segment is None:
        return None
    return int(segment[1]) if isinstance(segment[0], int) else max(1, int(segment[1] * rate) + 2)


def _plan(asks: Sequence[Ask], length: int, rate: float) -> dict[Ask, list[int]]:
    return {ask: indices(length, rate, ask.segment) for ask in asks}


def _walk(
    clip: Path, plan: Mapping[Ask, Sequence[int]], folders: Mapping[Ask, Path], bound: int | None
) -> int:
    """Saves the planned frames, and returns how many there are, at most `bound`."""
    wanted: dict[int, list[Path]] = {}
    for ask, chosen in plan.items():
        shutil.rmtree(folders[ask], ignore_errors=True)
        folders[ask].mkdir(parents=True)
        for number, index in enumerate(chosen):
            wanted.setdefault(index, []).append(folders[ask] / f"{number}.png")
    length = 0
    for picture in _decoded(clip, wanted):
        for path in wanted.get(length, ()):
            assert picture is not None, length
            picture.save(path, compress_level=1)
        length += 1
        if length == bound:
            break
    return length


def _facts(clip: Path) -> tuple[float, int]:
    """Frames per second on average, and how many frames the container says there are, 0 where it does not."""
    import av

    try:
        with av.open(str(clip)) as container:
            if not container.streams.video:
                raise Unreadable("it has no video stream")
            stream = container.streams.video[0]
            if not stream.average_rate:
                raise Unreadable("it states no frame rate")
            return float(stream.average_rate), stream.frames
    except av.FFmpegError as error:
        raise Unreadable(_reason(error)) from None


def _decoded(clip: Path, wanted: Container[int]) -> Iterator["Image | None"]:
    """The frames of a clip in order; pictures of those that are wanted, None for the others."""
    import av

    try:
        with av.open(str(clip)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for index, frame in enumerate(container.decode(video=0)):
                yield frame.to_image() if index in wanted else None  # type: ignore[no-untyped-call]
    except av.FFmpegError as error:
        raise Unreadable(_reason(error)) from None


def _reason(error: Exception) -> str:
    """One line without the path, which a report has beside it."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
