r"""What the chat model reads: a conversation in ChatML, and the published list form of a text.

    <|im_start|>system\n{system}<|im_end|>
    <|im_start|>user\n{query}<|im_end|>             kept turns, the oldest first
    <|im_start|>assistant\n{response}<|im_end|>
    <|im_start|>user\n{query}<|im_end|>
    <|im_start|>assistant\n                         here the model goes on, until <|im_end|>

Follows `make_context`, `from_list_format`, `to_list_format` and the box reader of the published code
(https://huggingface.co/Qwen/Qwen-VL-Chat). Box coordinates are in thousandths of the image's width and
height.

Kept, on purpose (recorded ids): role, text and line ends are encoded apart from each other; the window counts
the system text and the turns but not the question that is asked (nor, so, what answers it).

Deviations from published bugs, in what becomes of an answer (session.py). Published, the response is what
stands behind as many characters of the decoded text as the context has before NFC, and so is cut at a wrong
place where NFC changes the length: here it is the text of the new ids. An answer that reaches its length
limit loses its last token there, not here; the caller's list of stop words grows there, here there is none;
special tokens that are no tags are shown there. A <box> that does not hold four numbers is a ValueError that
shows it (published: a failed assertion); "Unsupport element" is spelt "Unsupported element". There tags typed
by a user are read; messages.py keeps them text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qwen_vl.boxes import RefBox, box_text, parse_box
from qwen_vl.prompt import ImagePart, Special, TokenPrompt, build_prompt
from qwen_vl.tokenizer import ENDOFTEXT, IM_END, IM_START, IMAGE_TOKENS, Tokenizer, spans

ELEMENTS = ("image", "ref", "box", "quad")  # elements of the list form that are a pair of tags in the text

SYSTEM = "You are a helpful assistant."
"""The published default system text."""

MAX_WINDOW = 6144
"""The published default of `max_window_size`, in tokens."""


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
            parts += (box_text(box) for box in element["box"])
        else:
            raise ValueError(
                f"Unsupported element: {element}; an element has one of: image, text, box (and ref)"
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
            boxes.append(RefBox(parse_box(element["box"]), None if ref is None else ref.strip()))
        before = element
    return boxes


def chat_turn(
    tokenizer: Tokenizer, parts: Iterable[str | Special | ImagePart], system: str = SYSTEM
) -> TokenPrompt:
    """The prompt of a conversation's first turn."""
    return chat_context(tokenizer, build_prompt(tokenizer, parts), (), system)


def chat_context(
    tokenizer: Tokenizer,
    query: TokenPrompt,
    history: Sequence[tuple[TokenPrompt, TokenPrompt | None]],
    system: str = SYSTEM,
    max_window: int = MAX_WINDOW,
) -> TokenPrompt:
    """The prompt of a conversation; history: (query, response) of the turns before, the oldest first.

    Turns are kept from the newest back, while system text and kept turns together have fewer tokens than
    max_window; pictures of turns that are dropped are dropped with them. A turn without response (None) ends
    in an empty line, as published.
    """
    start, end = tokenizer.special_id(IM_START), tokenizer.special_id(IM_END)
    newline = tokenizer.encode_text("\n")

    def said(role: str, ids: Sequence[int]) -> list[int]:
        return [start, *tokenizer.encode_text(role), *newline, *ids, end]

    system_ids = said("system", tokenizer.encode_text(system))
    kept_ids: list[int] = []
    images: tuple[Any, ...] = ()
    for asked, answered in reversed(history):
        ids = [*newline, *said("user", asked.ids), *newline]
        if answered is not None:
            ids += said("assistant", answered.ids)
        if len(system_ids) + len(ids) + len(kept_ids) >= max_window:
            break
        kept_ids = ids + kept_ids
        images = (*asked.images, *(answered.images if answered is not None else ()), *images)
    ids = [*system_ids, *kept_ids, *newline, *said("user", query.ids), *newline]
    ids += [start, *tokenizer.encode_text("assistant"), *newline]
    return TokenPrompt(tuple(ids), (*images, *query.images))


def stop_ids(tokenizer: Tokenizer, chat: bool = True) -> frozenset[int]:
    """What ends an answer: end of text, and in a chat the tokens around turns."""
    ends = (ENDOFTEXT, IM_START, IM_END) if chat else (ENDOFTEXT,)
    return frozenset(tokenizer.special_id(token) for token in ends)
