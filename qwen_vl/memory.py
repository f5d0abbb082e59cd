"""How much memory there is for the engine, and what happens when there was not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from qwen_vl.budget import Limits
from qwen_vl.kv_cache import bytes_per_token
from qwen_vl.model import QwenVL
from qwen_vl.rows import Step

CACHE_SHARE = 0.5
"""Of the memory that is free at the start, what the cache may take in the end; the rest is for the pass."""
OF_THE_CPU = ("can't allocate memory", "not enough memory")
OF_LIBRARIES = ("ALLOC_FAILED", "CUDA error: out of memory")  # cuBLAS and cuDNN; what no tensor asked for


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
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        return Attempt(None, str(error).partition("\n")[0] or type(error).__name__)


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Of Python and numpy, of the device, or where torch raises a plain RuntimeError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in (*OF_THE_CPU, *OF_LIBRARIES))


def with_less(limits: Limits, step: Step, growing: bool) -> Limits:
    """Half of what failed, for a step of several rows that ran out of memory: of the cache if that was
    growing, else of the new tokens of a pass, or of the rows at once where one row alone was new.
    """
    new, rows = step.num_tokens - len(step.active), len(step.active) + len(step.starts)
    assert rows > 1, rows
    if growing:
        return limits._replace(cache_tokens=max(step.shape.tokens // 2, 1))
    if len(step.starts) > 1:
        return limits._replace(step_tokens=max(new // 2, 1))
    return limits._replace(slots=rows // 2)


def free_tokens(model: QwenVL) -> int:
    """Room for keys and values in a part of the memory that is free now, one layer being held twice."""
    share, layers = int(free_memory(model.device) * CACHE_SHARE), model.config.num_hidden_layers
    return max(1, share * layers // (layers + 1) // bytes_per_token(model.config, model.dtype))


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
