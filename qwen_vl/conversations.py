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

Deviations from the published loss: it also learns `<|im_start|>`, `<|im_end|>` and line end of every turn,
the system's and the user's too; it cuts a conversation at the maximal length, here a longer one is an error.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

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

    That pictures are there and begin like pictures is checked, too; the rest is seen when they are decoded.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingDataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise TrainingDataError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(rows, list) or not rows:
        raise TrainingDataError(f"{path}: expected a list of conversations, not an empty or another value")
    faults: dict[Path, str | None] = {}
    examples = []
    for number, row in enumerate(rows):
        try:
            example = _example(number, _turns(row), tokenizer, form, path.parent)
            for image in example.images:
                if image not in faults:
                    faults[image] = _fault(image)
                if faults[image] is not None:
                    raise ValueError(faults[image])
            if len(example.ids) > max_length:
                raise ValueError(f"{len(example.ids)} tokens, more than the --max-length of {max_length}")
        except ValueError as error:
            raise TrainingDataError(f"{path}: row {number}: {error}") from None
        examples.append(example)
    return examples


def _fault(image: Path) -> str | None:
    """Why a picture cannot be used, as far as its header tells."""
    try:
        with Image.open(image):
            return None
    except FileNotFoundError:
        return f"no picture {image}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"not a picture: {image} ({' '.join(str(error).split())})"


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
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError(f"turn {index}: field 'value' holds half of a surrogate pair")
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
            add(list(_ids(turn, tokenizer, folder, images)), turn.speaker == "assistant")
        add([tokenizer.eod_id], True)
    else:
        start, end = tokenizer.special_id("<|im_start|>"), tokenizer.special_id("<|im_end|>")
        newline = tokenizer.encode_text("\n")
        for turn in (_Turn("system", SYSTEM), *turns):
            add([start, *tokenizer.encode_text(turn.speaker), *newline], False)
            add([*_ids(turn, tokenizer, folder, images), end], turn.speaker == "assistant")
            add(newline, False)
    if learned[0]:
        raise ValueError("format raw needs a user text: an answer to nothing cannot be learned")
    return Example(row, np.array(ids, np.int32), np.array(learned, np.bool_), tuple(images))


def _ids(turn: _Turn, tokenizer: Tokenizer, folder: Path, images: list[Path]) -> Iterator[int]:
    """The ids of a turn's text; its pictures are added to `images`."""
    for part in MARKS.split(turn.value):
        if part.startswith("<img>") and part.endswith("</img>"):
            if turn.speaker == "assistant":
                raise ValueError("a picture in an assistant turn: the model writes no pictures")
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
