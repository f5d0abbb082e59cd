"""Pictures in requests: data URLs to RGB, each refused with a reason before it costs memory or time.

A picture's size is read from its header and checked before a pixel is decoded, so that a file of a few
kilobytes cannot become gigabytes. Only formats of pictures are tried: no SVG, no PDF, no archive.
"""

import base64
import binascii
import io
from typing import NamedTuple

from PIL import Image

from qwen_vl.errors import ImageError
from qwen_vl.image import decode
from qwen_vl.serving.fetching import Fetch

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class Limits(NamedTuple):
    """What a request may bring: pictures, bytes of one, pixels of one."""

    images: int = 16
    image_bytes: int = 20 << 20
    image_pixels: int = 50_000_000


def from_url(url: str, limits: Limits, fetch: Fetch | None = None, seconds: float = 0) -> Image.Image:
    """The picture of a data URL, or of a web address where `fetch` may get it in so many seconds.

    Raises:
        ImageError: no picture, or one beyond the limits; says which.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "data":
        content = _data(url, limits)
    elif scheme in ("http", "https") and fetch is not None:
        content = fetch(url, limits.image_bytes, seconds)
    elif scheme in ("http", "https"):
        raise ImageError("web addresses of pictures are off on this server; send a data URL")
    else:
        raise ImageError("expected a data URL such as data:image/png;base64,...")
    if not content:
        raise ImageError("the picture is empty")
    return decode(io.BytesIO(content), "the picture", limits.image_pixels, FORMATS)


def _data(url: str, limits: Limits) -> bytes:
    head, comma, body = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise ImageError("expected a data URL in base64: data:image/png;base64,...")
    if len(body) > limits.image_bytes * 4 // 3 + 4:
        raise ImageError(f"the picture has more than {limits.image_bytes:,} bytes")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"the picture is not valid base64 ({error})") from None
