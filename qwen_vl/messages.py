r"""Messages of a conversation: what is text, what is structure, and what a model's ids say.

A message is a str, which is plain text whatever it holds, or a list of elements, each a dict:

    {"text": "any words"}                       plain text, always
    {"image": "a.png"}                          a picture: a path or a PIL image
    {"ref": "the dog"}                          <ref>the dog</ref>
    {"box": [(12, 34, 560, 780)]}               <box>(12,34),(560,780)</box>, in thousandths
    {"ref": "the dog", "box": [(..), (..)]}     both
    {"quad": "(1,2),(3,4),(5,6),(7,8)"}         <quad>...</quad>
    {"mark": "<box>"}                           one of the six tags alone
    {"find": "the dog"}                         asks where something is, in the words of the model's format

What a model says is kept in the same elements, so a history gives back to the model the very tags it wrote,
while a "<box>" somebody typed stays five characters. Elements whose pictures are paths are plain JSON. A str
in a history from elsewhere is plain text as well; session.QwenVL.from_published reads the tags in it.

Deviations from the published `from_list_format` and chat (https://huggingface.co/Qwen/Qwen-VL-Chat): there a
message is one string and tags typed in a question, or spelled out by the model, are structure; pictures are
numbered from 1 in every message, here through the conversation (as the published web demo does), so that no
two are "Picture 1".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor

from qwen_vl.boxes import BOX_ERRORS, RefBox, box_text, parse_box
from qwen_vl.prompt import ImagePart, Special
from qwen_vl.tokenizer import KEPT_IN_ANSWERS, Tokenizer

Element = Mapping[str, Any]
Message = str | Sequence[Element]
Picture = str | Path | Image.Image
Part = str | Special | ImagePart
Look = Callable[[Picture], Tensor]
"""Opens a picture: pixels (3, S, S) or features (Q, C)."""

KINDS = {"text", "image", "ref", "box", "quad", "mark", "find"}
FIND = "Please provide the bounding box coordinate of the region this sentence describes: "
"""What asks a chat model for a box, before the expression."""


class Turn(NamedTuple):
    """What was asked and what was answered; no answer (None) only in a history from elsewhere."""

    query: Message
    response: Message | None


def elements(message: Message) -> list[Element]:
    """A message as a checked list of elements; ValueError shows the one that is none."""
    if isinstance(message, str):
        return [{"text": message}]
    if not isinstance(message, Sequence):
        what = "one element: " if isinstance(message, Mapping) else ""
        raise ValueError(f"a message is a text or a list of elements, not {what}{message!r:.80}")
    found: list[Any] = list(message)
    for element in found:
        _check(element)
    return found


def turns(history: Iterable[Sequence[Any]] | None) -> list[Turn]:
    """A history as checked turns, the oldest first; ValueError names the one that is none."""
    if history is None:
        return []
    if isinstance(history, str | Mapping) or not isinstance(history, Iterable):
        raise ValueError(f"a history is a list of (query, response), not {history!r:.80}")
    found = []
    for number, turn in enumerate(history, 1):
        if isinstance(turn, str | Mapping) or not isinstance(turn, Sequence) or len(turn) != 2:
            raise ValueError(f"turn {number} of the history is no (query, response): {turn!r:.80}")
        for message in turn if turn[1] is not None else turn[:1]:
            try:
                elements(message)
            except ValueError as error:
                raise ValueError(f"turn {number} of the history: {error}") from None
        found.append(Turn(*turn))
    return found


def parts(message: Message, look: Look, numbers: Iterator[int] | None = None) -> list[Part]:
    """A message as parts of a prompt, in the form of a chat.

    numbers: of the pictures, from the whole conversation; counted from 1 if left out.
    """
    numbers = count(1) if numbers is None else numbers
    found: list[Part] = []
    for element in elements(message):
        if "image" in element:
            found += [f"Picture {next(numbers)}: ", ImagePart(look(element["image"])), "\n"]
        elif "find" in element:
            found.append(FIND + element["find"])
        else:
            found += _marked(element)
    return found


def completion(message: Message, look: Look) -> list[Part]:
    """A message as parts of a base model's prompt, in the form of the published benchmarks:

    <img></img>What colour is the dog? Answer:
    <img></img><ref>the dog</ref><box>                the message ends with {"find": "the dog"}
    <img></img>Describe the image in English:         a text that ends with a colon is left as it is

    Several pictures are numbered as in a chat, one alone is not.
    """
    listed = elements(message)
    n_images = sum("image" in element for element in listed)
    numbers = count(1)
    found: list[Part] = []
    for element in listed:
        if "image" in element:
            picture = ImagePart(look(element["image"]))
            found += [f"Picture {next(numbers)}: ", picture, "\n"] if n_images > 1 else [picture]
        elif "find" in element:
            if element is not listed[-1]:
                raise ValueError(
                    "a base model goes on where the message ends: 'find' must be its last element"
                )
            found += opening(message)
        else:
            found += _marked(element)
    if listed and "text" in listed[-1] and not listed[-1]["text"].rstrip().endswith(":"):
        found.append(" Answer:")
    return found


def opening(message: Message) -> list[str | Special]:
    """The tags with which a base model's answer to {"find": ...} has begun already; empty otherwise."""
    listed = elements(message)
    if not listed or "find" not in listed[-1]:
        return []
    return [Special("<ref>"), listed[-1]["find"], Special("</ref>"), Special("<box>")]


def pictures(message: Message) -> list[Picture]:
    """The pictures of a message, in order."""
    return [element["image"] for element in elements(message) if "image" in element]


def answer(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Element]:
    """What a model said, as elements; never an error. Tags without their other half become "mark" elements;
    special tokens that are no tags are left out, as is white space around the whole.
    """
    tags = {tokenizer.special_id(tag): tag for tag in KEPT_IN_ANSWERS}
    openings = {tokenizer.special_id(f"<{kind}>"): kind for kind in ("ref", "box", "quad")}
    found: list[dict[str, Any]] = []
    start = 0
    while start < len(ids):
        token = ids[start]
        closed = _closed(ids, start) if token in openings else None
        if closed is not None:
            found.append({openings[token]: tokenizer.decode_answer(ids[start + 1 : closed], True)})
            start = closed + 1
        elif token in tags:
            found.append({"mark": tags[token]})
            start += 1
        else:
            end = next((i for i in range(start, len(ids)) if ids[i] in tags), len(ids))
            found.append({"text": tokenizer.decode_answer(ids[start:end])})
            start = end
    if found and "text" in found[0]:
        found[0]["text"] = found[0]["text"].lstrip()
    if found and "text" in found[-1]:
        found[-1]["text"] = found[-1]["text"].rstrip()
    return [element for element in found if element.get("text") != ""]


def boxes(message: Message) -> list[RefBox]:
    """The boxes of a message; one has a ref only where that stands directly before it, as published.

    A box that does not hold four numbers is passed over (published: an error). One that the model left open
    at the end counts.
    """
    listed = elements(message)
    if len(listed) > 1 and listed[-2].get("mark") == "<box>" and "text" in listed[-1]:
        listed[-2:] = [{"box": listed[-1]["text"]}]
    found: list[RefBox] = []
    before: Element = {}
    for element in listed:
        if "box" in element:
            ref = element.get("ref", before.get("ref") if "box" not in before else None)
            for box in _boxes(element["box"]):
                found.append(RefBox(box, None if ref is None else ref.strip()))
                ref = None
        before = element
    return found


def _closed(ids: Sequence[int], start: int) -> int | None:
    """Where the tag that opens at `start` is closed; its end follows it in the vocabulary."""
    return next((i for i in range(start + 1, len(ids)) if ids[i] == ids[start] + 1), None)


def _boxes(value: Any) -> Iterator[tuple[int, int, int, int]]:
    for box in [value] if isinstance(value, str) else value:
        try:
            yield parse_box(box if isinstance(box, str) else box_text(box)[5:-6])
        except BOX_ERRORS:
            continue


def _check(element: Any) -> None:
    keys = set(element) if isinstance(element, Mapping) else set()
    if keys != {"ref", "box"} and (len(keys) != 1 or not keys <= KINDS):
        raise ValueError(
            f"not an element: {element!r:.80}; one has {', '.join(sorted(KINDS))}, or ref and box"
        )
    for kind, value in element.items():
        if kind == "image":
            if not isinstance(value, str | Path | Image.Image):
                raise ValueError(f"'image' is a path or a PIL image, not {value!r:.80}")
        elif kind == "box" and not isinstance(value, str):
            try:
                for box in value:
                    box_text(box)
            except BOX_ERRORS:
                raise ValueError(f"'box' is a list of (x1, y1, x2, y2), not {value!r:.80}") from None
        elif not isinstance(value, str):
            raise ValueError(f"'{kind}' is a text, not {value!r:.80}")
        elif kind == "mark" and value not in KEPT_IN_ANSWERS:
            raise ValueError(f"'mark' is one of {', '.join(KEPT_IN_ANSWERS)}, not {value!r:.80}")


def _marked(element: Element) -> Iterable[str | Special]:
    """The parts of an element without a picture."""
    if "text" in element:
        return [element["text"]]
    if "mark" in element:
        return [Special(element["mark"])]
    found: list[str | Special] = []
    for kind in ("ref", "box", "quad"):
        if kind in element:
            value = element[kind]
            insides = [value] if isinstance(value, str) else [box_text(box)[5:-6] for box in value]
            for inside in insides:
                found += [Special(f"<{kind}>"), inside, Special(f"</{kind}>")]
    return found
