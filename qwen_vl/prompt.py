"""A prompt as ids and images, built from parts so that text can never become structure.

    parts = [ImagePart(pixels), Special("<ref>"), "man in blue", Special("</ref>"), Special("<box>")]
    build_prompt(tokenizer, parts)

Follows the published string form `<img>path</img><ref>man in blue</ref><box>`: for texts without special
tokens in them the ids are the same outside the image rows (which here hold <imgpad>, since the model is given
pixels, not paths). Neighbouring strings are joined before they are encoded, because byte-pair encoding sees
across the seam.

Shapes: S image_size, Q n_queries, C hidden_size.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, empty

from qwen_vl.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Special:
    """A special token by name, such as "<ref>"."""

    token: str


@dataclass(frozen=True, slots=True, eq=False)
class ImagePart:
    """An image: pixels (3, S, S) from image.preprocess, or features (Q, C) the model made of them before."""

    image: Tensor


LATER = ImagePart(empty(0))
"""An image that the engine opens by its key, when it is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenPrompt:
    """What the model is asked: ids with a span of rows per image, and the images in order."""

    ids: tuple[int, ...]
    images: tuple[Tensor, ...] = ()


def build_prompt(tokenizer: Tokenizer, parts: Iterable[str | Special | ImagePart]) -> TokenPrompt:
    """Encode parts: a str is always plain text, a Special one token, an ImagePart a span of rows."""
    ids: list[int] = []
    images: list[Tensor] = []
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        ids += tokenizer.encode_text(text)
        text = ""
        if isinstance(part, Special):
            ids.append(tokenizer.special_id(part.token))
        else:
            ids += tokenizer.image_span()
            images.append(part.image)
    ids += tokenizer.encode_text(text)
    return TokenPrompt(tuple(ids), tuple(images))
