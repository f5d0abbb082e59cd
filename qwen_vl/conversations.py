r"""Qwen-VL's fine-tuning JSON to token ids, every row checked before anything is trained.

    [{"id": "1", "conversations": [{"from": "user", "value": "<img>a.png</img>What colour? Answer:"},
                                   {"from": "assistant", "value": " red"}]}, ...]

The form is that of the published `finetune.py` (https://github.com/QwenLM/Qwen-VL). `<img>path</img>`,
`<ref>`, `<box>`, `<quad>` and their ends are structure; anything else, `<|im_end|>` too, is plain text.
Picture paths are relative to the file's folder. What is learned (`=`) and what is only read (`.`):

    raw      user assistant <|endoftext|>
             .... ========= =============
    chatml   <|im_start|>system .. <|im_end|> <|im_start|>user . <|im_end|> <|im_start|>assistant a <|im_end|>
             ................................................................................... = ==========

Deviations from the published loss: it also learns the assistant turn's `<|im_start|>` and the line end after
its `<|im_end|>`; it cuts a conversation at the maximal length, here a longer one is an error.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from qwen_vl.chat import SYSTEM
from qwen_vl.errors import TrainingDataError
from qwen_vl.tokenizer import Tokenizer

Format = Literal["raw", "chatml"]
FORMATS: tuple[Format, ...] = ("raw", "chatml")
MARKS = re.compile(r"(<img>.*?</img>|</?(?:ref|box|quad)>)", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One conversation: ids (T,) with imgpad at image rows, learned (T,), and its pictures in order."""

    row: int
    ids: npt.NDArray[np.int32]
    learned: npt.NDArray[np.bool_]
    images: tuple[Path, ...]


class _Turn(NamedTuple):
    speaker: str
    value: str


def read_conversations(path: Path, tokenizer: Tokenizer, form: Format, max_length: int) -> list[Example]:
    """Every row as an example; TrainingDataError names file and row (counted from 0) of the first bad one.

    That pictures exist is checked here, too; whether they decode is seen when they are read.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingDataError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise TrainingDataError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(rows, list) or not rows:
        raise TrainingDataError(f"{path}: expected a list of conversations, not an empty or another value")
    exists: dict[Path, bool] = {}
    examples = []
    for number, row in enumerate(rows):
        try:
            example = _example(number, _turns(row), tokenizer, form, path.parent)
            for image in example.images:
                if image not in exists:
                    exists[image] = image.is_file()
                if not exists[image]:
                    raise ValueError(f"no picture {image}")
            if len(example.ids) > max_length:
                raise ValueError(f"{len(example.ids)} tokens, more than the --max-length of {max_length}")
        except ValueError as error:
            raise TrainingDataError(f"{path}: row {number}: {error}") from None
        examples.append(example)
    return examples


def _turns(row: Any) -> list[_Turn]:
    """The turns of a row: user and assistant in alternation, a user first and an assistant last."""
    turns = row.get("conversations") if isinstance(row, dict) else None
    if not isinstance(turns, list) or not turns or len(turns) % 2:
        raise ValueError("field 'conversations' must be a list of user and assistant turns in pairs")
    found = []
    for index, turn in enumerate(turns):
        wanted = ("user", "assistant")[index % 2]
        speaker, value = (turn.get("from"), turn.get("value")) if isinstance(turn, dict) else (None, None)
        if speaker != wanted:
            raise ValueError(f"turn {index}: field 'from' is {speaker!r}, must be '{wanted}'")
        if not isinstance(value, str) or not (value or wanted == "user"):
            raise ValueError(f"turn {index}: field 'value' must be text, not {value!r:.40}")
        found.append(_Turn(wanted, value))
    return found


def _example(row: int, turns: Sequence[_Turn], tokenizer: Tokenizer, form: Format, folder: Path) -> Example:
    ids: list[int] = []
    learned: list[bool] = []
    images: list[Path] = []

    def add(new: Sequence[int], learn: bool) -> None:
        ids.extend(new)
        learned.extend([learn] * len(new))

    if form == "raw":
        if len(turns) != 2:
            raise ValueError("format raw takes one user and one assistant turn; for more use --format chatml")
        for turn in turns:
            add(list(_ids(turn.value, tokenizer, folder, images)), turn.speaker == "assistant")
        add([tokenizer.eod_id], True)
    else:
        start, end = tokenizer.special_id("<|im_start|>"), tokenizer.special_id("<|im_end|>")
        newline = tokenizer.encode_text("\n")
        for speaker, value in (_Turn("system", SYSTEM), *turns):
            add([start, *tokenizer.encode_text(speaker), *newline], False)
            add([*_ids(value, tokenizer, folder, images), end], speaker == "assistant")
            add(newline, False)
    return Example(row, np.array(ids, np.int32), np.array(learned, np.bool_), tuple(images))


def _ids(text: str, tokenizer: Tokenizer, folder: Path, images: list[Path]) -> Iterator[int]:
    for part in MARKS.split(text):
        if part.startswith("<img>") and part.endswith("</img>"):
            name = part[5:-6]
            if not name:
                raise ValueError("an <img> without a path")
            images.append(folder / name)
            yield from tokenizer.image_span()
        elif MARKS.fullmatch(part):
            yield tokenizer.special_id(part)
        elif "<img>" in part:
            raise ValueError("an <img> without </img>")
        else:
            yield from tokenizer.encode_text(part)
