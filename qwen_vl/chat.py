r"""What a user of the chat model says and hears: a turn in ChatML, the list form, boxes in a text.

    [{"image": "a.png"}, {"text": "find "}, {"ref": "the dog", "box": [(1, 2, 3, 4)]}]
    "Picture 1: <img>a.png</img>\nfind <ref>the dog</ref><box>(1,2),(3,4)</box>"

Follows `from_list_format`, `to_list_format` and the box reader of the published tokenizer
(https://huggingface.co/Qwen/Qwen-VL-Chat). Box coordinates are in thousandths of the image's width and
height. Deviation: a <box> that does not hold four numbers is a ValueError that shows it (published: a failed
assertion).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from qwen_vl.prompt import ImagePart, Special, TokenPrompt, build_prompt
from qwen_vl.tokenizer import ENDOFTEXT, IMAGE_TOKENS, Tokenizer, spans

ELEMENTS = ("image", "ref", "box", "quad")  # elements of the list form that are a pair of tags in the text


SYSTEM = "You are a helpful assistant."
"""The published default system text."""


class RefBox(NamedTuple):
    """A box in thousandths and the text it was given for, if any."""

    box: tuple[int, int, int, int]
    ref: str | None


def from_list_format(elements: Iterable[Mapping[str, Any]]) -> str:
    """The text of a list of elements, pictures numbered from 1. ValueError for an unknown element."""
    parts: list[str] = []
    n_images = 0
    for element in elements:
        if "image" in element:
            n_images += 1
            parts.append(f"Picture {n_images}: <img>{element['image']}</img>\n")
        elif "text" in element:
            parts.append(str(element["text"]))
        elif "box" in element:
            if "ref" in element:
                parts.append(f"<ref>{element['ref']}</ref>")
            parts += (_box_text(box) for box in element["box"])
        else:
            raise ValueError(
                f"Unsupport element: {element}; an element has one of: image, text, box (and ref)"
            )
    return "".join(parts)


def to_list_format(tokenizer: Tokenizer, text: str) -> list[dict[str, str]]:
    """The elements of a text. ValueError for a tag without end and for tokens of the chat format."""
    kinds = {
        tokenizer.special_id(tag): kind
        for tag, kind in zip(("<img>", *IMAGE_TOKENS[:6:2]), ELEMENTS, strict=True)
    }
    # Every closing tag follows its opening tag in the vocabulary.
    closing = {opening: opening + 1 for opening in kinds}
    ids = tokenizer.encode_marked(text, (*IMAGE_TOKENS, ENDOFTEXT))
    elements = []
    for opening, part in spans(ids, closing):
        inner = part if opening is None else part[1:-1]
        kind = "text" if opening is None else kinds[opening]
        elements.append({kind: tokenizer.decode_raw(inner)})
    return elements


def boxes_with_refs(tokenizer: Tokenizer, text: str) -> list[RefBox]:
    """Every box of a text; a box has a ref only where the <ref> element stands directly before it."""
    boxes: list[RefBox] = []
    before: Mapping[str, str] = {}
    for element in to_list_format(tokenizer, text):
        if "box" in element:
            ref = before.get("ref")
            boxes.append(RefBox(_parse_box(element["box"]), None if ref is None else ref.strip()))
        before = element
    return boxes


def chat_turn(
    tokenizer: Tokenizer, parts: Iterable[str | Special | ImagePart], system: str = SYSTEM
) -> TokenPrompt:
    """The prompt of a conversation's first turn in ChatML, up to where the assistant speaks.

    As published, role, system text and message are encoded apart from each other and from the line ends.
    """
    start, end = tokenizer.special_id("<|im_start|>"), tokenizer.special_id("<|im_end|>")
    newline = tokenizer.encode_text("\n")
    message = build_prompt(tokenizer, parts)

    def opening(role: str) -> list[int]:
        return [start, *tokenizer.encode_text(role), *newline]

    ids = [*opening("system"), *tokenizer.encode_text(system), end, *newline]
    ids += [*opening("user"), *message.ids, end, *newline, *opening("assistant")]
    return TokenPrompt(tuple(ids), message.images)


def _box_text(box: Sequence[float]) -> str:
    left, top, right, bottom = (int(edge) for edge in box)
    return f"<box>({left},{top}),({right},{bottom})</box>"


def _parse_box(text: str) -> tuple[int, int, int, int]:
    numbers = [int(part) for part in text.replace("(", "").replace(")", "").split(",")]
    if len(numbers) != 4:
        raise ValueError(f"a <box> holds (x1,y1),(x2,y2), not {text!r:.60}")
    left, top, right, bottom = numbers
    return left, top, right, bottom
