"""Clips whose every frame tells its number, made with PyAV."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import pytest

av = pytest.importorskip("av", reason="needs PyAV: pip install 'eval-mm[video]'")

BLOCK, COLUMNS, ROWS = 16, 4, 2
"""The number stands in the frame as 8 black or white squares, which survive lossy codecs."""


def write_clip(
    path: Path,
    length: int,
    codec: str = "ffv1",
    rate: int = 15,
    times: Callable[[int], int] = lambda index: index,
) -> Path:
    """A clip of `length` frames; frame k is shown at `times(k)` / `rate` seconds."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = BLOCK * COLUMNS, BLOCK * ROWS
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, rate)
        if codec == "libx264":
            stream.max_b_frames = 2
        for index in range(length):
            bits = [255 * (index >> bit & 1) for bit in range(COLUMNS * ROWS)]
            small = Image.new("L", (COLUMNS, ROWS))
            small.putdata(bits)
            picture = small.resize((BLOCK * COLUMNS, BLOCK * ROWS), Image.Resampling.NEAREST).convert("RGB")
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = times(index), Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def number_in(path: Path) -> int:
    """The number of the frame that a picture shows."""
    from PIL import Image

    with Image.open(path) as image:
        grey = image.convert("L")
        middles = [
            grey.getpixel((BLOCK * column + BLOCK // 2, BLOCK * row + BLOCK // 2))
            for row in range(ROWS)
            for column in range(COLUMNS)
        ]
    number = 0
    for bit, value in enumerate(middles):
        assert isinstance(value, int)
        number |= (value > 127) << bit
    return number


def numbers_in(folder: Path) -> Sequence[int]:
    """The numbers of the frames in a folder, in the order of their names."""
    return [number_in(folder / f"{index}.png") for index in range(len(list(folder.iterdir())))]
