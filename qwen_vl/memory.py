"""How much memory there is for the engine, and what happened when there was not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from qwen_vl.kv_cache import bytes_per_token
from qwen_vl.model import QwenVL

CACHE_SHARE = 0.5
"""Of the memory that is free at the start, what the cache may take in the end; the rest is for the pass."""


class Attempt(NamedTuple):
    """A result, or the first line of what was said about memory."""

    passed: Any
    trouble: str | None = None


def attempt(work: Callable[[], object]) -> Attempt:
    """What work returns, or what it says about memory; the error itself, which holds on to all tensors of the
    work, ends here.
    """
    try:
        return Attempt(work())
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        return Attempt(None, str(error).partition("\n")[0])


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Of the device, or of the CPU, where torch raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_tokens(model: QwenVL) -> int:
    """Room for keys and values in a part of the memory that is free now."""
    share = int(free_memory(model.device) * CACHE_SHARE)
    return max(1, share // bytes_per_token(model.config, model.dtype))


def free_memory(device: torch.device) -> int:
    """Bytes that can still be had; two gigabytes of a system that does not say."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 2 << 30
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["MemAvailable"].split()[0]) * 1024
