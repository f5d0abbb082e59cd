"""Weight files to a model, by the published names, with nothing left over on either side.

Reads, in this order of preference: model.safetensors, model.safetensors.index.json with its shards,
pytorch_model.bin, pytorch_model.bin.index.json with its shards. `.bin` files are unpickled by torch's
restricted loader, which refuses code. Every name must be consumed, every shape must be equal, no name may
come twice; the error lists what is not so.

Memory: files are mapped, not read, and every tensor is copied straight to its device and dtype, so the model
is held once and no file may change it later.
"""

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from qwen_vl.errors import CheckpointError
from qwen_vl.model import QwenVL

SINGLE_FILES: Final = ("model.safetensors", "pytorch_model.bin")

_BROKEN_FILE = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a checkpoint folder by name; CheckpointError if some are missing."""
    for name in SINGLE_FILES:
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            return [folder / name]
        if index.is_file():
            return _indexed_files(index)
    allowed = ", ".join(f"{name}, {name}.index.json" for name in SINGLE_FILES)
    raise CheckpointError(f"{folder}: no weight file; one of these is needed: {allowed}")


def _indexed_files(index: Path) -> list[Path]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{index}: not an index with a weight_map ({type(error).__name__}: {error})"
        ) from error
    if not names or not all(isinstance(name, str) and name == Path(name).name and name for name in names):
        raise CheckpointError(
            f"{index}: weight_map must name files in the same folder, not {sorted(map(str, names))[:3]}"
        )
    files = [index.parent / name for name in sorted(names)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        shown = ", ".join(missing[:5])
        raise CheckpointError(
            f"{index}: {len(missing)} of {len(files)} shards are missing: {shown}; download them again"
        )
    return files


def load_weights(model: QwenVL, folder: Path, device: torch.device, dtype: torch.dtype) -> QwenVL:
    """Fill a model made by model.empty_model and return it; CheckpointError unless the files are it."""
    for file in check_weights(model, folder):
        with _opened(file) as shard:
            for name in shard.shapes:
                stored = shard.tensor(name)
                if not stored.is_floating_point():
                    raise CheckpointError(
                        f"{file}: {name} holds {stored.dtype}; only floating-point weights are supported"
                    )
                empty = _allocate(stored.shape, device, dtype)
                assign(model, name, empty.copy_(stored))
    return model


def check_weights(model: QwenVL, folder: Path) -> list[Path]:
    """The weight files, only names and shapes of them read; CheckpointError unless they are this model."""
    wanted = {name: tuple(parameter.shape) for name, parameter in model.state_dict().items()}
    files = weight_files(folder)
    found: dict[str, tuple[int, ...]] = {}
    twice: list[str] = []
    for file in files:
        with _opened(file) as shard:
            twice += [name for name in shard.shapes if name in found]
            found |= shard.shapes
    _check_names(folder, wanted, found, twice)
    return files


def _allocate(shape: torch.Size, device: torch.device, dtype: torch.dtype) -> Tensor:
    """An empty tensor; lack of memory is not the file's fault and is said as what it is."""
    try:
        return torch.empty(shape, dtype=dtype, device=device)
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise CheckpointError(f"device {device} has no room for the weights in {dtype}: {reason}") from error


def assign(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Make a tensor the parameter of this name; the storage is shared, not copied."""
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, nn.Parameter(tensor, requires_grad=False))


def _check_names(
    folder: Path,
    wanted: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
    twice: list[str],
) -> None:
    shapes = [
        f"{n} {found[n]} instead of {wanted[n]}" for n in wanted if n in found and found[n] != wanted[n]
    ]
    problems = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": [name for name in found if name not in wanted],
        "of wrong shape": shapes,
        "stored twice": twice,
    }
    told = [
        f"{len(names)} {kind} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
        for kind, names in problems.items()
        if names
    ]
    if told:
        raise CheckpointError(f"{folder}: the weights are not those of its config.json: {'; '.join(told)}")


class _Shard:
    """One open weight file: shapes by name, and a way to one tensor."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], tensor: Callable[[str], Tensor]) -> None:
        self.shapes, self.tensor = shapes, tensor


@contextmanager
def _opened(file: Path) -> Iterator[_Shard]:
    """Map a weight file; whatever a broken file makes its reader raise becomes a CheckpointError."""
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as handle:
                names = list(handle.keys())
                yield _Shard({n: tuple(handle.get_slice(n).get_shape()) for n in names}, handle.get_tensor)
        else:
            state: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
            if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
                raise CheckpointError(f"{file}: must hold a dictionary of tensors")
            yield _Shard({name: tuple(value.shape) for name, value in state.items()}, state.__getitem__)
    except _BROKEN_FILE as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise CheckpointError(f"{file}: cannot be read as weights ({reason}); download it again") from error
