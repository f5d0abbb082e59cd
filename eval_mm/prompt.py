"""From a sample to what is sent: the request, and its plain text for people and for models without marks."""

from pathlib import Path

from eval_mm.schema import Image, Mark, Prompt, Protocol, Request, Sample


def to_request(sample: Sample, protocol: Protocol, root: Path) -> Request:
    """What the protocol asks about the sample; pictures as paths that can be opened."""
    parts = protocol.prompt(sample, ())
    return Request(
        id=sample.id,
        prompt=tuple(Image(str(root / part.path)) if isinstance(part, Image) else part for part in parts),
        choices=sample.choices,
        chat=protocol.chat,
        min_new_tokens=protocol.min_new_tokens,
        max_new_tokens=protocol.max_new_tokens,
        stop=protocol.stop,
    )


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
