"""Recorded cases as prompts: ids with the recorded image rows, images by the paths in the recorded texts."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from qwen_vl.image import load_image, preprocess
from qwen_vl.prompt import TokenPrompt

ATOL: Final = 1e-4  # of float32 logits; the smallest gap between the two best recorded logits is 0.0035
Arrays = Callable[[str], dict[str, Any]]
FORWARD = ("a_forward_img", "a_forward_text", "a_forward_ground", "c_batch_forward", "e_multi_image")
FORWARD_BEYOND = (
    *(f"f_seq128_len{length}" for length in (100, 128, 129, 257, 513)),
    "f_seq128_img",
    "f_seq128_batch",
)
GENERATE_SINGLE = (
    "b_generate",
    "b_generate_text",
    "b_generate_caption",
    "b_generate_ground",
    "e_multi_image_generate",
    "f_seq128_generate_img",
    "f_seq128_generate_cross",
    "f_seq128_generate_short_after_long",
)
GENERATE_BATCH = (
    "c_batch_generate",
    "c_batch_generate_earlystop",
    "c_batch_generate_mineos",
    "e_fewshot_batch_generate",
    "f_seq128_generate_batch",
)


@cache
def pixels(path: Path, image_size: int) -> Tensor:
    """A preprocessed image, read once."""
    return preprocess(load_image(path), image_size)


def images(reference: Path, text: str, image_size: int) -> tuple[Tensor, ...]:
    """The images whose paths stand in a recorded text."""
    return tuple(pixels(reference / path, image_size) for path in re.findall("<img>(.*?)</img>", text))


def prompts(reference: Path, case: Mapping[str, Any], arrays: Mapping[str, Any]) -> list[TokenPrompt]:
    """The rows of a recorded case without their padding."""
    texts: Sequence[str] = case["texts"] or [""] * len(arrays["input_ids"])
    return [
        TokenPrompt(tuple(ids[mask == 1].tolist()), images(reference, text, 112))
        for text, ids, mask in zip(texts, arrays["input_ids"], arrays["attention_mask"], strict=True)
    ]


def until_stop(ids: Sequence[int], stop_id: int) -> tuple[int, ...]:
    """Recorded new ids of a row as an answer: cut before the stop id, which padding may follow."""
    listed = list(ids)
    return tuple(listed[: listed.index(stop_id)] if stop_id in listed else listed)
