"""Files to pixels: equal to the recorded ones, and no file may end a run in any way but an ImageError."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from qwen_vl.errors import ImageError
from qwen_vl.image import MAX_PIXELS, load_image, preprocess


def test_pixels_are_the_recorded_ones(reference: Path, arrays: Callable[[str], dict[str, Any]]) -> None:
    """Palette, gray and transparent files; a resize without antialiasing or over a float image differs."""
    recorded = arrays("vision_s112")
    for key, expected in recorded.items():
        kind, _, name = key.partition("_")
        if kind not in ("pix", "pixsum"):
            continue
        pixels = preprocess(load_image(reference / "images" / name), 112)
        if kind == "pix":
            assert np.array_equal(pixels.numpy(), expected), name
        else:
            values = pixels.double()
            np.testing.assert_allclose([values.sum(), values.abs().sum()], expected, rtol=1e-9)


def encoded(kind: str) -> bytes:
    image = Image.merge("RGB", [Image.linear_gradient("L").resize((24, 16)).rotate(a) for a in (0, 90, 45)])
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"no image", encoded("PNG")[:80], encoded("JPEG")[:400]])
def test_broken_file(tmp_path: Path, content: bytes) -> None:
    """Pillow opens a truncated file without complaint and fails later, in another place."""
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.png: cannot be read as an image"):
        load_image(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow comments on damaged TIFF tags
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(data=st.data())
def test_damaged_file(tmp_path: Path, data: st.DataObject) -> None:
    """Decoders raise a dozen kinds of errors on damaged bytes; all must come out as one."""
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]))
    content = bytearray(encoded(kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with contextlib.suppress(ImageError):
        assert load_image(path).mode == "RGB"


def test_missing_and_folder(tmp_path: Path) -> None:
    """The path is what the user needs to see."""
    with pytest.raises(ImageError, match=r"nowhere\.png: no such image file"):
        load_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="cannot be read as an image"):
        load_image(tmp_path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file may claim gigabytes of pixels; refused before it is decoded, with or without Pillow's own
    limit.
    """
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, MAX_PIXELS // 20_000 + 1)).save(path)
    for limit in (Image.MAX_IMAGE_PIXELS, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ImageError, match=r"bomb\.png: "):
            load_image(path)


def test_empty_image() -> None:
    """Pillow lets a zero-sized image exist; resizing it would make pixels out of nothing."""
    with pytest.raises(ImageError, match="0 x 5 pixels"):
        preprocess(Image.new("RGB", (0, 5)), 28)
