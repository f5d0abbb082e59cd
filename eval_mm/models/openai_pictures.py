"""Pictures as data URLs, the form in which servers take them.

A file goes as it is where its format is one that servers take: PNG, JPEG, WebP and GIF, but not animated. Any
other becomes a PNG of the same pixels, its first frame if it moves. Nothing is compressed with loss, and
nothing is made smaller unless the user says so.
"""

import base64
import io
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

KEPT = 8
"""Pictures kept: the questions about one come together."""

PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
"""What a PNG can hold as it is."""

ORIENTATION = 0x0112
"""The field of EXIF that says which side is up."""


class PictureError(Exception):
    """A file that is no picture; the message names it."""


class Sent(NamedTuple):
    """A picture as it is sent; `size` is width and height, None where nobody needed to know."""

    url: str
    size: tuple[int, int] | None


class Pictures:
    """Data URLs of picture files, each made once as long as its questions come together.

    Args:
        max_size: the most pixels of the longest side; larger pictures are made smaller.
        sized: whether the size is needed.
    """

    def __init__(self, max_size: int | None = None, sized: bool = False):
        self._max_size, self._sized = max_size, sized
        self._kept: OrderedDict[str, Sent] = OrderedDict()

    def sent(self, path: str) -> Sent:
        """The picture in a file; PictureError where there is none."""
        if path in self._kept:
            self._kept.move_to_end(path)
        else:
            self._kept[path] = self._made(path)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[path]

    def _made(self, path: str) -> Sent:
        try:
            raw = Path(path).read_bytes()
        except FileNotFoundError:
            raise PictureError(f"{path}: no such image file") from None
        except OSError as error:
            raise PictureError(f"{path}: cannot be read ({error.strerror or error})") from None
        try:
            return self._sent(raw)
        except Exception as error:  # Pillow's decoders raise whatever a broken file makes them meet
            said = "" if "object at 0x" in str(error) else f": {error}"
            raise PictureError(f"{path}: cannot be read as an image ({type(error).__name__}{said})") from None

    def _sent(self, raw: bytes) -> Sent:
        kind = _kind(raw)
        if kind in ("jpeg", "png") and self._max_size is None and not self._sized:
            return Sent(_url(kind, raw), None)
        from PIL import Image as Pillow

        with Pillow.open(io.BytesIO(raw)) as image:
            smaller = self._smaller(image.size)
            moves = kind in ("gif", "webp") and getattr(image, "is_animated", False)
            if kind is not None and not moves and smaller is None:
                return Sent(_url(kind, raw), image.size)
            shown = _still(image)
            if smaller is not None:
                shown = _smooth(shown).resize(smaller, Pillow.Resampling.LANCZOS)
            packed = io.BytesIO()
            shown.save(packed, "PNG", exif=_turned(image))
            return Sent(_url("png", packed.getvalue()), shown.size)

    def _smaller(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """The size a picture is brought to, None where it stays."""
        if self._max_size is None or max(size) <= self._max_size:
            return None
        width, height = (max(1, round(side * self._max_size / max(size))) for side in size)
        return width, height


def _kind(raw: bytes) -> str | None:
    """The format by its first bytes, whatever the file is called; None for one that servers do not take."""
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if raw.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if raw.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" else None


def _still(image: "Image") -> "Image":
    """The first frame, in colours that a PNG can hold."""
    image.seek(0)
    if image.mode in PNG_MODES:
        return image.copy()
    if image.mode in ("I", "F", "I;16B"):
        return _sixteen_bits(image)
    shown = image.convert("RGBA" if image.mode in ("PA", "La", "RGBa") else "RGB")
    shown.info.pop("icc_profile", None)  # that of other colours: readers of PNG refuse it or paint it wrong
    return shown


def _sixteen_bits(image: "Image") -> "Image":
    """Numbers as greys; ValueError where a PNG has no such grey: the picture would be another."""
    whole = image if image.mode == "F" else image.convert("I")
    low, high = whole.getextrema()
    if image.mode == "F" or not 0 <= low <= high < 1 << 16:  # type: ignore[operator]
        raise ValueError(f"its pixels are numbers from {low} to {high}, which no PNG can hold")
    return whole.convert("I;16")


def _turned(image: "Image") -> "Exif":
    """Which side of the picture is up, where its file says so: lost, it would lie on its side."""
    from PIL import Image as Pillow

    found, up = Pillow.Exif(), image.getexif().get(ORIENTATION)
    if up is not None:
        found[ORIENTATION] = up
    return found


def _smooth(image: "Image") -> "Image":
    """In colours that can be mixed: a palette's cannot."""
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    return image.convert("L") if image.mode == "1" else image


def _url(kind: str, raw: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode('ascii')}"
