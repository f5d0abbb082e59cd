"""The first turn of a conversation, against the recorded contexts of the published chat."""

from typing import Any

import torch

from qwen_vl.chat import chat_turn
from qwen_vl.prompt import ImagePart
from qwen_vl.tokenizer import Tokenizer
from tests.qwen_vl.test_prompt import without_paths


def test_first_turn(cases: dict[str, Any], tokenizer: Tokenizer) -> None:
    """One newline too few, or the role encoded together with it, asks the model in a form it never saw."""
    case, image = cases["d_chat_first"], torch.zeros(3, 112, 112)
    before, after = case["query"].split("<img>images/a.png</img>")
    prompt = chat_turn(tokenizer, [before, ImagePart(image), after])
    assert list(prompt.ids) == without_paths(tokenizer, case["context_tokens"])
    assert prompt.images == (image,)


def test_a_message_cannot_end_its_turn(cases: dict[str, Any], tokenizer: Tokenizer) -> None:
    """A question that holds <|im_end|> and a system line must not speak as the system."""
    case = cases["d_chat_injection"]
    assert list(chat_turn(tokenizer, [case["query"]]).ids) == case["context_tokens"]
