"""The machine that measures: its name, its matrix peak, the peak of its memory."""

import platform
import resource
import sys
import time
from pathlib import Path

import torch

LEAST_SECONDS, LEAST_PRODUCTS = 1.0, 6


def describe(device: torch.device) -> str:
    """What measures, in a few words."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the best of some products of large square matrices of random numbers."""
    side = 8192 if device.type == "cuda" else 1536
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best, started, products = float("inf"), time.perf_counter(), 0
    while products < LEAST_PRODUCTS or time.perf_counter() - started < LEAST_SECONDS:
        _synchronise(device)
        before = time.perf_counter()
        left @ right
        _synchronise(device)
        best, products = min(best, time.perf_counter() - before), products + 1
    return 2 * side**3 / best


def forget_peak_bytes(device: torch.device) -> None:
    """Lets the peak begin again, on a GPU; elsewhere it is that of the whole process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """The most memory so far: allocated on the GPU, or resident of this process, libraries included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:  # not what getrusage says: on Linux that is at least the peak of whoever started this process
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
