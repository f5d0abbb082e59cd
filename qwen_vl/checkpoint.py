"""A checkpoint folder or hub id to a model that can be asked, and a model to a folder.

A folder holds config.json, weights (weights.py), a vocabulary (`qwen.tiktoken`, or the only `*.tiktoken`)
and, if it likes, generation_config.json, of which only `chat_format` is read: "raw" (base model, the default)
or "chatml". Nothing in a folder is ever executed; of a hub repository only data files are fetched.
"""

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from safetensors.torch import save_file

from qwen_vl.config import QwenVLConfig
from qwen_vl.errors import CheckpointError, NotHereError
from qwen_vl.files import replace_file
from qwen_vl.model import QwenVL, empty_model
from qwen_vl.tokenizer import Tokenizer
from qwen_vl.weights import check_weights, load_weights

ChatFormat = Literal["raw", "chatml"]
CHAT_FORMATS = ("raw", "chatml")
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
HUB_FILES = ("*.json", "*.tiktoken", "*.safetensors", "*.bin")
HUB_SECONDS = 10.0
"""How long the hub is asked whether it has a repository."""
DEMO_FOLDER = Path(__file__).parent / "demo"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """Everything a caller needs to ask a model."""

    model: QwenVL
    tokenizer: Tokenizer
    config: QwenVLConfig
    folder: Path
    chat_format: ChatFormat


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """All of a checkpoint but its weights, and where and in what they would be computed with."""

    tokenizer: Tokenizer
    config: QwenVLConfig
    folder: Path
    chat_format: ChatFormat
    device: torch.device
    dtype: torch.dtype


def find_checkpoint(path_or_id: str | Path, fetch: bool = True, files: Sequence[str] = HUB_FILES) -> Path:
    """The folder of a checkpoint: the folder itself, or a hub id.

    Of what is not here these files are fetched, or with `fetch` false it is a NotHereError.
    """
    name = str(path_or_id)
    folder = Path(os.path.expanduser(path_or_id))  # leaves ~nosuchuser as it is
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                f"{name}: no checkpoint, it has no config.json; one holds that, weights and a *.tiktoken file"
            )
        return folder
    if folder.exists():
        raise CheckpointError(f"{name}: is a file; pass the folder that holds config.json and the weights")
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise CheckpointError(f"{name}: no such folder, and not a hub id of the form OWNER/NAME")
    # Imported late: half a second that a folder does not need.
    from huggingface_hub import HfApi, snapshot_download

    silent: Exception | None = None
    if fetch:
        try:  # the download asks the same without a limit: behind some firewalls it waited for ever
            HfApi().repo_info(name, timeout=HUB_SECONDS)
        except Exception as error:  # whatever it is, the files may have been fetched before
            silent = error
    try:
        here = not fetch or silent is not None
        return Path(snapshot_download(name, allow_patterns=[*files], local_files_only=here))
    except Exception as error:  # the one call to the network: whatever it raises, the advice is the same
        if not fetch:
            raise NotHereError(f"{name}: not on this machine yet; a run fetches it from the hub") from error
        reason = str(silent or error).strip().split("\n")[0][:200] or type(error).__name__
        raise CheckpointError(
            f"{name}: is no folder here and could not be fetched from the hub ({reason}); "
            "download its files on a machine with a connection and pass the folder"
        ) from error


def load(path_or_id: str | Path, device: str = "auto", dtype: str = "auto") -> LoadedModel:
    """Load a checkpoint.

    device: "auto" (the GPU if there is one) or what torch calls a device. dtype: "auto" (bfloat16 on a GPU
    that has it, else float16; float32 on the CPU), "bfloat16", "float16", "float32".
    """
    checkpoint = _read(find_checkpoint(path_or_id), device, dtype)
    empty = empty_model(checkpoint.config)
    model = load_weights(empty, checkpoint.folder, checkpoint.device, checkpoint.dtype)
    return LoadedModel(
        model, checkpoint.tokenizer, checkpoint.config, checkpoint.folder, checkpoint.chat_format
    )


def describe(
    path_or_id: str | Path, device: str = "auto", dtype: str = "auto", fetch: bool = True
) -> Checkpoint:
    """What `load` would load, checked to the names and shapes of the weights, of which none is read."""
    checkpoint = _read(find_checkpoint(path_or_id, fetch), device, dtype)
    check_weights(empty_model(checkpoint.config), checkpoint.folder)
    return checkpoint


def _read(folder: Path, device: str, dtype: str) -> Checkpoint:
    config = QwenVLConfig.from_file(folder / "config.json")
    tokenizer = Tokenizer.from_file(find_vocabulary(folder), config.visual.n_queries)
    if tokenizer.image_start_id != config.visual.image_start_id:
        raise CheckpointError(
            f"{folder}: config.json says <img> is {config.visual.image_start_id}, "
            f"the vocabulary says {tokenizer.image_start_id}; one of the two is of another model"
        )
    target = pick_device(device)
    chat_format = read_chat_format(folder / "generation_config.json")
    return Checkpoint(tokenizer, config, folder, chat_format, target, pick_dtype(dtype, target))


def find_vocabulary(folder: Path) -> Path:
    """The vocabulary file of a folder."""
    official = folder / "qwen.tiktoken"
    if official.is_file():
        return official
    files = sorted(folder.glob("*.tiktoken"))
    if len(files) != 1:
        raise CheckpointError(
            f"{folder}: needs qwen.tiktoken or exactly one *.tiktoken file, found {len(files)}"
        )
    return files[0]


def read_chat_format(path: Path) -> ChatFormat:
    """The chat format a generation_config.json names; "raw" if there is no such file or field."""
    if not path.is_file():
        return "raw"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not valid JSON ({error})") from error
    found = values.get("chat_format", "raw") if isinstance(values, dict) else None
    if found not in CHAT_FORMATS:
        raise CheckpointError(
            f"{path}: field chat_format is {found!r}; must be one of {', '.join(CHAT_FORMATS)}"
        )
    return cast(ChatFormat, found)


def pick_device(name: str) -> torch.device:
    """The device of this name; "auto" is the current GPU if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise CheckpointError(f"device {name!r}: not one of auto, cpu, cuda, cuda:N")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise CheckpointError(
            f"device {name!r}: torch sees {torch.cuda.device_count()} GPUs here; take another, cpu or auto"
        )
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of this name; "auto" goes by the device."""
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if name not in DTYPES:
        raise CheckpointError(f"dtype {name!r}: not one of auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def save_checkpoint(
    model: QwenVL,
    vocabulary: Path,
    folder: Path,
    dtype: torch.dtype,
    chat_format: ChatFormat = "raw",
) -> None:
    """Write a folder that `load` reads: config.json, the vocabulary, generation_config.json,
    model.safetensors.

    Each file appears whole under its name or not at all; the weights come last, so a folder that has them is
    complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    eod = Tokenizer.from_file(vocabulary).eod_id
    generation = {"chat_format": chat_format, "eos_token_id": eod, "pad_token_id": eod}
    texts = {"config.json": model.config.to_dict(), "generation_config.json": generation}
    for name, values in texts.items():
        text = json.dumps(values, indent=2) + "\n"
        replace_file(folder / name, lambda path, text=text: path.write_text(text, encoding="utf-8"))  # type: ignore[misc]
    target = folder / "qwen.tiktoken"
    if not (target.exists() and target.samefile(vocabulary)):
        replace_file(target, lambda path: shutil.copyfile(vocabulary, path))
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()
    }
    replace_file(
        folder / "model.safetensors", lambda path: save_file(tensors, path, metadata={"format": "pt"})
    )
