"""From a sample to what is sent: the request, and its plain text for people and for models without marks."""

import os
import string
from collections.abc import Iterable, Sequence
from pathlib import Path

from eval_mm.schema import Image, Mark, Prompt, Protocol, Request, Sample


def to_request(sample: Sample, protocol: Protocol, root: Path, examples: Sequence[Sample] = ()) -> Request:
    """What the protocol asks about the sample; pictures as paths that can be opened.

    Few-shot examples come first: each is its prompt, a space and its answer, joined with nothing between.
    """
    parts: list[Image | Mark | str] = []
    for example in examples:
        assert protocol.example is not None, f"{protocol.name} has no few-shot form"
        parts += [*protocol.prompt(example), " " + protocol.example(example)]
    parts += protocol.prompt(sample)
    return Request(
        id=sample.id,
        prompt=_joined(
            Image(os.path.join(root, part.path)) if isinstance(part, Image) else part for part in parts
        ),
        choices=protocol.choices(sample),
        chat=protocol.chat,
        min_new_tokens=protocol.min_new_tokens,
        max_new_tokens=protocol.max_new_tokens,
        stop=protocol.stop,
        system=protocol.system,
    )


def lettered(options: Sequence[str]) -> str:
    """`A. first` to `D. fourth`, one a line."""
    assert len(options) <= len(string.ascii_uppercase), f"{len(options)} options"
    return "\n".join(f"{string.ascii_uppercase[place]}. {option}" for place, option in enumerate(options))


def _joined(parts: Iterable[Image | Mark | str]) -> Prompt:
    """Texts that follow one another as one: a tokenizer must see them as one."""
    joined: list[Image | Mark | str] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, str) and isinstance(last, str):
            joined[-1] = last + part
        else:
            joined.append(part)
    return tuple(joined)


def plain_text(prompt: Prompt) -> str:
    """The text parts joined; pictures and marks left out."""
    return "".join(part for part in prompt if isinstance(part, str))


def images_of(prompt: Prompt) -> list[str]:
    """The paths of the pictures, in order."""
    return [part.path for part in prompt if isinstance(part, Image)]


def key_parts(prompt: Prompt) -> list[list[str]]:
    """The prompt as plain JSON for fingerprints; a picture stands as its place only, not its path."""
    kinds = {Image: "image", Mark: "mark", str: "text"}
    return [
        [kinds[type(part)], part.token if isinstance(part, Mark) else part if isinstance(part, str) else ""]
        for part in prompt
    ]
