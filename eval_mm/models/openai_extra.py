"""The fields of `--extra-body`: what a server knows beyond the options, sent as it is."""

import json
from typing import Any

from eval_mm.calls.access import Access
from eval_mm.data import without_repeats
from eval_mm.errors import UserError

OPTIONS = {
    "model": "--model",
    "messages": "--prompt-template and --system",
    "prompt_parts": "--prompt-template",
    "max_tokens": "--max-new-tokens",
    "max_completion_tokens": "--max-new-tokens",
    "temperature": "--temperature",
    "seed": "--generation-seed",
    "reasoning_effort": "--reasoning-effort",
}
"""Fields that --extra-body may not have, since an option says them."""

FORBIDDEN = ("stream", "n", "logprobs", "top_logprobs", "choices")
"""Fields that would make the reply another than is read."""


def extra_fields(text: str | None, access: Access) -> dict[str, Any]:
    """The fields, checked; UserError for what is no object, for what an option says, for the key."""
    if text is None:
        return {}
    try:
        fields = json_fields(text)
    except ValueError as error:
        raise UserError(f"--extra-body: {error}") from None
    for name in fields:
        if name in OPTIONS or name in FORBIDDEN:
            instead = f"; {OPTIONS[name]} says it" if name in OPTIONS else ""
            raise UserError(f"--extra-body: '{name}' is not for it{instead}")
    if access.is_in(json.dumps(fields, ensure_ascii=False)):
        raise UserError("--extra-body: holds the key, which belongs into the environment alone")
    return fields


def json_fields(text: str) -> dict[str, Any]:
    """A JSON object in which every field stands once and every number is one; ValueError for another text."""
    try:
        found = json.loads(text, object_pairs_hook=without_repeats, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected a JSON object: {error}") from None
    if not isinstance(found, dict):
        raise ValueError('expected a JSON object, such as {"top_p": 0.9}')
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
