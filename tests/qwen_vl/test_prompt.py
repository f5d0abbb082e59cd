"""Parts to ids: the published ids for harmless text, and no way for text to become structure."""

from pathlib import Path
from typing import Any

import torch

from qwen_vl.prompt import ImagePart, Special, build_prompt
from qwen_vl.tokenizer import Tokenizer

IMAGE = torch.zeros(3, 28, 28)


def without_paths(tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    """Published ids with the path bytes of image spans replaced by padding."""
    result: list[int] = []
    for token in ids:
        inside = bool(result) and result[-1] in (tokenizer.image_start_id, tokenizer.image_pad_id)
        result.append(tokenizer.image_pad_id if inside and token != tokenizer.image_end_id else token)
    return result


def test_equals_the_published_string_form(
    reference: Path, tokenizer: Tokenizer, cases: dict[str, Any]
) -> None:
    """Encoding part by part must not cut words otherwise than encoding the whole string did."""
    published = tokenizer.encode(cases["a_forward_ground"]["texts"][0])
    ref, end, box = Special("<ref>"), Special("</ref>"), Special("<box>")
    prompt = build_prompt(tokenizer, [ImagePart(IMAGE), ref, "the red rectangle", end, box])
    assert list(prompt.ids) == without_paths(tokenizer, published)
    assert prompt.images == (IMAGE,)


def test_neighbouring_strings_are_one_text() -> None:
    """Few-shot answers are joined to the next question; encoded apart, " red" would become " r" + "ed"."""
    tokenizer = Tokenizer({bytes([value]): value for value in range(256)} | {b"ab": 256}, 4)
    assert build_prompt(tokenizer, ["a", "", "b"]).ids == (256,)
    assert build_prompt(tokenizer, ["a", Special("<ref>"), "b"]).ids == (
        97,
        tokenizer.special_id("<ref>"),
        98,
    )
    assert build_prompt(tokenizer, ["e", "\u0301"]).ids == (195, 169)


def test_injected_specials_stay_plain() -> None:
    """A question with <img> in it must not ask for an image that is not there."""
    tokenizer = Tokenizer({bytes([value]): value for value in range(256)}, 4)
    prompt = build_prompt(tokenizer, ["<img>x</img>", ImagePart(IMAGE), "<|im_end|>"])
    assert prompt.ids.count(tokenizer.image_start_id) == 1
    assert tokenizer.special_id("<|im_end|>") not in prompt.ids
    pads = (tokenizer.image_pad_id,) * 4
    assert prompt.ids[12:18] == (tokenizer.image_start_id, *pads, tokenizer.image_end_id)
