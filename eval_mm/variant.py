"""A protocol in the user's own words: another prompt, a system text, another limit, a chat turn around it.

A template is a text file. What stands in braces is filled in, a brace itself is written twice:

    {prompt}     the protocol's whole prompt, pictures in their places
    {question}   the question, the expression
    {choices}    the options with their letters, one a line
    {hint}       the hint of a question that has one, else nothing

Without {prompt} the pictures come first. The line end that ends the file does not count. What was changed is
part of the name under which results record how they were asked ("instruct+cot-3fa21b"), so that no number of
it passes for one of the protocol, nor for one of other words.
"""

import hashlib
import json
import string
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eval_mm.errors import DataError, UserError
from eval_mm.prompt import lettered, plain_text
from eval_mm.schema import Image, Mark, Prompt, Protocol, Sample

PLACES = ("prompt", "question", "choices", "hint")


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from a protocol as it is; nothing where every field has its default.

    `name` is what the words are called, `template` and `system` are the words, None where they are the
    protocol's. `chat` asks in a chat turn, though the protocol has none.
    """

    name: str = ""
    template: str | None = None
    system: str | None = None
    max_new_tokens: int | None = None
    chat: bool = False

    def __post_init__(self) -> None:
        limit = self.max_new_tokens
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise UserError(f"max_new_tokens: expected a whole number above 0, got {limit!r}")

    def named(self, protocol: str) -> str:
        """What a protocol is called when it is asked so."""
        words = [] if self.template is None and self.system is None else [f"{self.name}-{self._hash}"]
        limit = [] if self.max_new_tokens is None else [f"{self.max_new_tokens}-tokens"]
        return "+".join([protocol, *words, *limit, *(["chat"] if self.chat else [])])

    def of(self, protocol: Protocol) -> Protocol:
        """The protocol asked so; its name stays that of its scorer."""
        template = self.template
        return replace(
            protocol,
            prompt=protocol.prompt
            if template is None
            else lambda sample: _filled(template, sample, protocol),
            system=protocol.system if self.system is None else self.system,
            max_new_tokens=self.max_new_tokens or protocol.max_new_tokens,
            min_new_tokens=min(protocol.min_new_tokens, self.max_new_tokens or protocol.max_new_tokens),
            chat=self.chat or protocol.chat,
        )

    def check(self, task: str, protocol: Protocol, samples: Sequence[Sample]) -> None:
        """Raises UserError where the words leave out what a task asks, or want what its rows lack."""
        if self.template is None:
            return
        used = {place for _, place in _parts(self.template) if place}
        first = samples[0]
        shown = bool(first.choices) and lettered(first.choices) in plain_text(protocol.prompt(first))
        for place, needed in (("question", bool(first.question)), ("choices", shown)):
            if needed and not {place, "prompt"} & used:
                raise UserError(
                    f"--prompt-template {self.name}: task {task} cannot be answered without its {place}; put "
                    f"{{{place}}} or {{prompt}} into it"
                )
            bare = next((one.id for one in samples if not getattr(one, place)), None)
            if place in used and bare is not None:
                raise UserError(
                    f"--prompt-template {self.name}: sample '{bare}' of task {task} has no {place} to put "
                    f"where {{{place}}} stands"
                )

    def to_json(self) -> dict[str, Any]:
        """What manifests and results hold: the fields that differ from the protocol."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None, False)}

    @classmethod
    def from_json(cls, fields: Any) -> "Variant":
        """The inverse of `to_json`; raises TypeError for another shape."""
        variant = cls(**(fields or {}))
        texts = (variant.name, variant.template or "", variant.system or "")
        if not all(isinstance(text, str) for text in texts) or not isinstance(variant.chat, bool):
            raise TypeError("a variant with a field of another type")
        if variant.template is not None:
            _parts(variant.template)
        return variant

    @property
    def _hash(self) -> str:
        words = json.dumps([self.template, self.system])
        return hashlib.sha256(words.encode()).hexdigest()[:6]


AS_IT_IS = Variant()


def base_of(named: str) -> str:
    """The name of the protocol that a variant's name begins with."""
    return named.partition("+")[0]


def read_variant(
    template: str | None = None, system: str | None = None, max_new_tokens: int | None = None
) -> Variant:
    """The variant that --prompt-template, --system and --max-new-tokens mean.

    Args:
        template: the file of a template.
        system: a system text, or the file of one.
        max_new_tokens: the most new tokens of an answer.

    Raises:
        UserError: a file that cannot be read, an empty text.
        DataError: braces that mean nothing, by file and line.
    """
    words, name = None, ""
    if template is not None:
        path = Path(template)
        words, name = _read(path, "--prompt-template"), path.stem
        _check_template(words, path)
    told = None
    if system is not None:
        if not system.strip():
            raise UserError("--system: the text is empty")
        path = Path(system)
        is_file = _is_file(path)
        if not is_file and not any(char.isspace() for char in system) and ("/" in system or path.suffix):
            raise UserError(f"--system {system}: no such file; a text has more than one word")
        told, name = (
            (_read(path, "--system") if is_file else system),
            name or (path.stem if is_file else "system"),
        )
    safe = "".join(char if char.isalnum() or char in "-_." else "_" for char in name)
    return Variant(safe, words, told, max_new_tokens)


def _filled(template: str, sample: Sample, protocol: Protocol) -> Prompt:
    """The prompt that a template makes of a sample."""
    parts: list[Image | Mark | str] = []
    whole = False
    for literal, place in _parts(template):
        parts.append(literal)
        if place == "prompt":
            whole = True
            parts += protocol.prompt(sample)
        elif place == "question":
            parts.append(sample.question)
        elif place == "choices":
            parts.append(lettered(sample.choices))
        elif place == "hint":
            parts.append(str(sample.metadata.get("hint") or ""))
    return tuple(part for part in (*(() if whole else sample.images), *parts) if part != "")


def _parts(template: str) -> list[tuple[str, str | None]]:
    """Literal texts, and the place that follows each. ValueError for braces that mean nothing."""
    parts: list[tuple[str, str | None]] = []
    for literal, place, form, conversion in string.Formatter().parse(template):
        if place is not None and (place not in PLACES or form or conversion):
            shown = place + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise ValueError(f"unknown {{{shown}}}")
        parts.append((literal, place))
    return parts


def _check_template(template: str, path: Path) -> None:
    known = ", ".join(f"{{{place}}}" for place in PLACES)
    try:
        _parts(template)
    except ValueError:
        for number in range(1, template.count("\n") + 2):  # the first line with which it goes wrong
            try:
                _parts("\n".join(template.split("\n")[:number]))
            except ValueError as error:
                raise DataError(
                    path, f"{error}: known are {known}; a brace itself is written twice", number
                ) from None


def _read(path: Path, option: str) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 text (byte {error.start + 1})") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{option} {path}: cannot be read ({getattr(error, 'strerror', error)})") from None
    if not text.strip():
        raise UserError(f"{option} {path}: the file is empty")
    return text


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text too long for a name, or with a null in it
        return False
