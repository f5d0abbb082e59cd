"""An image file to the pixels the vision tower reads.

Follows the published preprocessing (https://huggingface.co/Qwen/Qwen-VL, `visual.py`), bit for bit on the
recorded images: RGB (transparency dropped, not composited; the EXIF rotation is not applied), resized to a
square with Pillow's antialiased bicubic filter without keeping the aspect ratio, scaled to 0..1, normalised
with CLIP's mean and deviation.

Deviation: no web addresses; fetching is not the model's business. A picture of more than MAX_PIXELS pixels is
refused before it is decoded.

Shapes: S image_size.
"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from qwen_vl.errors import ImageError

MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
DEVIATION: Final = (0.26862954, 0.26130258, 0.27577711)
MAX_PIXELS: Final = 178_956_970  # half a gigabyte of RGB; Pillow's own limit for an error

# What Pillow's decoders raise on broken files, besides OSError.
_DECODER_ERRORS: Final = (
    Image.DecompressionBombError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)


def load_image(path: str | Path) -> Image.Image:
    """Decode a file to RGB; ImageError names the path if it is missing, broken, empty or too large."""
    return decode(path, str(path))


def decode(
    source: str | Path | BinaryIO,
    name: str,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] | None = None,
) -> Image.Image:
    """Decode a file to RGB, of the given formats only; ImageError begins with the name."""
    try:
        with Image.open(source, formats=formats) as image:
            _check_size(image, name, max_pixels)
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise ImageError(f"{name}: no such image file") from error
    except UnidentifiedImageError as error:
        known = "" if formats is None else f" of a known format ({', '.join(formats)})"
        raise ImageError(f"{name}: cannot be read as an image{known or f' ({error})'}") from error
    except OSError as error:
        raise ImageError(f"{name}: cannot be read as an image ({error})") from error
    except _DECODER_ERRORS as error:
        raise ImageError(f"{name}: cannot be read as an image ({type(error).__name__}: {error})") from error


def preprocess(image: Image.Image, image_size: int) -> Tensor:
    """Normalised pixels of an RGB image, float32 (3, S, S)."""
    _check_size(image, "image")
    resized = image.convert("RGB").resize((image_size, image_size), Image.Resampling.BICUBIC)
    values_SS3 = np.asarray(resized, dtype=np.float32) / np.float32(255)
    values_SS3 -= np.asarray(MEAN, dtype=np.float32)
    values_SS3 /= np.asarray(DEVIATION, dtype=np.float32)
    return torch.from_numpy(np.ascontiguousarray(values_SS3.transpose(2, 0, 1)))


def _check_size(image: Image.Image, name: str, max_pixels: int = MAX_PIXELS) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: is {width} x {height} pixels, nothing to see")
    if width * height > max_pixels:
        raise ImageError(f"{name}: is {width} x {height} pixels, more than {max_pixels}; make it smaller")
