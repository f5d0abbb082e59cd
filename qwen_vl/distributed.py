"""The processes of a training run: one alone, or those torchrun started.

Gradients are added up, never averaged, since every process divides by the learned tokens of the whole step.
"""

import os
from collections.abc import Sequence
from types import TracebackType

import torch
import torch.distributed as dist
from torch import Tensor

from qwen_vl.checkpoint import pick_device

PARCEL = 16_000_000
"""Numbers that are added up together: enough to be fast, few enough not to hold a second copy of a model."""


class Processes:
    """The place of this process among all: `rank` of `world`, computing on `device`."""

    def __init__(self, rank: int, world: int, device: torch.device) -> None:
        self.rank, self.world, self.device = rank, world, device

    @classmethod
    def join(cls, device: str) -> "Processes":
        """Meets the others where torchrun's variables say there are any; nccl between GPUs, else gloo."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls(0, 1, pick_device(device))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        chosen = pick_device(f"cuda:{local}" if on_gpu else device)
        if chosen.type == "cuda":
            dist.init_process_group("nccl", device_id=chosen)
        else:
            dist.init_process_group("gloo")
        return cls(dist.get_rank(), world, chosen)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes; many small ones travel together."""
        if self.world == 1:
            return
        parcel: list[Tensor] = []
        for tensor in tensors:
            parcel.append(tensor)
            if sum(part.numel() for part in parcel) >= PARCEL or tensor is tensors[-1]:
                flat = torch.cat([part.flatten() for part in parcel])
                dist.all_reduce(flat)
                for part, total in zip(parcel, flat.split([part.numel() for part in parcel]), strict=True):
                    part.copy_(total.view_as(part))
                parcel = []

    def add_up_number(self, value: float) -> float:
        """The sum of a number over all processes."""
        if self.world == 1:
            return value
        total = torch.tensor([value], dtype=torch.float64 if self.device.type == "cpu" else torch.float32)
        total = total.to(self.device)
        dist.all_reduce(total)
        return float(total)

    def wait(self) -> None:
        """Goes on when all are here."""
        if self.world > 1:
            dist.barrier()

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.world > 1:
            dist.destroy_process_group()
