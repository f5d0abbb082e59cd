"""Requests as the inputs of a transformers model, one at a time, and several of them as a batch.

A model with a chat template is asked in it, whatever the protocol: it knows no other form. A model without
one (PaliGemma) gets its picture tokens, then the text. Text that looks like a control token stays text: the
template is told to keep it so (`sanitize_control_tokens`); without a template, and where a processor does not
take that, a space is put behind the token's first character.

Shapes: T tokens of one prompt, B prompts of a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eval_mm.models.hf_families import UNMARKED
from eval_mm.schema import Image, Mark, Request

PAD_ZERO = 0
"""What stands left of shorter prompts in everything but the ids: not attended to, of no kind."""


@dataclass(frozen=True, slots=True)
class Prompted:
    """One request as tensors: `sequence` has one value a token (1, T), `pictures` are its pictures' own."""

    request: Request
    sequence: Mapping[str, Tensor]
    pictures: Mapping[str, Tensor]

    @property
    def num_tokens(self) -> int:
        """T."""
        return int(self.sequence["input_ids"].shape[1])


def prompted(request: Request, processor: Any, open_picture: Callable[[str], Any]) -> Prompted:
    """A request as the processor prepares it. Raises what opening a picture or the processor raises."""
    pictures = [open_picture(part.path) for part in request.prompt if isinstance(part, Image)]
    if processor.chat_template:
        made = _by_template(request, processor, pictures)
    elif request.system:
        raise ValueError("the model has no chat template, so a system text cannot be said")
    else:
        made = _plain(request, processor, pictures)
    made.pop("labels", None)  # PaliGemma's processor prepares for training too
    if odd := [name for name, value in made.items() if not isinstance(value, Tensor)]:
        raise ValueError(f"its processor gives {', '.join(odd)} not as tensors, which are needed here")
    length = made["input_ids"].shape
    sequence = {name: value for name, value in made.items() if value.shape == length}
    return Prompted(request, sequence, {name: made[name] for name in made if name not in sequence})


def _by_template(request: Request, processor: Any, pictures: Sequence[Any]) -> dict[str, Tensor]:
    coming = iter(pictures)
    broken_up = any(kind.__name__ in UNMARKED for kind in type(processor).__mro__)
    content: list[dict[str, Any]] = []
    odd = False

    def said(text: str) -> dict[str, str]:
        nonlocal odd
        plain = _broken_up(text, processor.tokenizer)
        odd = odd or plain != text
        return {"type": "text", "text": plain if broken_up else text}

    for part in request.prompt:
        if isinstance(part, Image):
            content.append({"type": "image", "image": next(coming)})
        elif not isinstance(part, Mark):
            content.append(said(part))
    system = [{"role": "system", "content": [said(request.system)]}]
    return dict(
        processor.apply_chat_template(
            [[*(system if request.system else []), {"role": "user", "content": content}]],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            sanitize_control_tokens=odd and not broken_up,
        )
    )


def _plain(request: Request, processor: Any, pictures: Sequence[Any]) -> dict[str, Tensor]:
    text = "".join(
        processor.image_token if isinstance(part, Image) else _broken_up(part, processor.tokenizer)
        for part in request.prompt
        if not isinstance(part, Mark)
    )
    return dict(processor(text=[text], images=[list(pictures)] if pictures else None, return_tensors="pt"))


def _broken_up(text: str, tokenizer: Any) -> str:
    """The text with no control token in it."""
    for token in tokenizer.get_added_vocab():
        if len(token) > 1:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def can_stand_together(first: Prompted, other: Prompted) -> bool:
    """Whether two prompts make a batch: the same limits, and pictures' tensors that can be joined."""
    one, two = first.request, other.request
    return (one.min_new_tokens, one.max_new_tokens, one.stop, bool(one.choices)) == (
        two.min_new_tokens,
        two.max_new_tokens,
        two.stop,
        bool(two.choices),
    ) and {name: value.shape[1:] for name, value in first.pictures.items()} == {
        name: value.shape[1:] for name, value in other.pictures.items()
    }


def batch(prompts: Sequence[Prompted], pad_id: int) -> dict[str, Tensor]:
    """Prompts side by side, the shorter ones padded on the left, so that all answers begin at one place."""
    longest = max(prompt.num_tokens for prompt in prompts)
    joined: dict[str, Tensor] = {}
    for name in prompts[0].sequence:
        fill = pad_id if name == "input_ids" else PAD_ZERO
        rows = [prompt.sequence[name] for prompt in prompts]
        joined[name] = torch.cat(
            [torch.nn.functional.pad(row, (longest - row.shape[1], 0), value=fill) for row in rows]
        )
    for name in prompts[0].pictures:
        joined[name] = torch.cat([prompt.pictures[name] for prompt in prompts])
    return joined
