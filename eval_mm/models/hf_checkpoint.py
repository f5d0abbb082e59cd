"""A folder or hub id of a transformers model -> its processor and weights, checked.

AutoProcessor wants torchvision for the video part of some processors. Pictures need none of it: where that is
missing, the processor is put together from its image part on Pillow and its tokenizer.
"""

import inspect
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

from eval_mm import extras
from eval_mm.errors import UserError
from eval_mm.models import NotHereError, Settings
from eval_mm.models.hf_families import BOX_SCALES
from eval_mm.schema import ModelInfo
from qwen_vl.checkpoint import find_checkpoint, pick_device, pick_dtype
from qwen_vl.errors import CheckpointError
from qwen_vl.errors import NotHereError as NoFilesHereError
from qwen_vl.fingerprint import fingerprint_of

FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
"""What is fetched of a hub repository, and what its fingerprint is made of: data, never code."""

GRID = "image_grid_thw"
"""What processors that resize freely call the size of a picture, in patches."""


@dataclass(frozen=True, slots=True, eq=False)
class HFCheckpoint:
    """A model ready to be asked, the device that it is asked on, and what ends and pads its answers."""

    model: Any
    device: torch.device
    processor: Any
    eos_ids: tuple[int, ...]
    pad_id: int


def describe(value: str, settings: Settings, fetch: bool = True) -> ModelInfo:
    """What `load` would load: configuration read, weights hashed in part, none loaded.

    Raises:
        UserError: no such model, one this library does not know, a device or dtype that cannot be had.
    """
    folder = _find(value, fetch)
    model_type = _model_type(folder, value)
    adapter = _adapter(settings.adapter)
    device, dtype = _compute(settings)
    if settings.box_scale == "resized" and BOX_SCALES.get(model_type) != "resized":
        _check_sizes(folder, value)
    name = folder.resolve().name if Path(value).is_dir() else value
    files = [*_files(folder), *(_files(adapter) if adapter is not None else ())]
    return ModelInfo(
        name=name if adapter is None else f"{name}+{adapter.resolve().name}",
        fingerprint=f"{fingerprint_of(files)}-{dtype}",
        box_scale=settings.box_scale or BOX_SCALES.get(model_type),
        compute=f"{settings.device_map or device}, {dtype}",
        plain=not _has_chat_template(folder),
    )


def load(value: str, settings: Settings) -> HFCheckpoint:
    """The processor and the model, on its device, every weight accounted for; UserError as `describe`."""
    folder = _find(value, True)
    _model_type(folder, value)
    adapter = _adapter(settings.adapter)
    device, dtype = _compute(settings)
    with _said(value):
        processor = _processor(folder)
        model, info = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            device_map=settings.device_map,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(map(str, info[what])):
            raise UserError(
                f"--model hf:{value}: {len(names):,} weights do not fit config.json ({what}, the first "
                f"{names[0]}); the files are of another model or not whole"
            )
    if adapter is not None:
        model = _adapted(model, adapter)
    if settings.device_map is None:
        model = model.to(device)
    model = model.eval().requires_grad_(False)
    defaults, model.generation_config = model.generation_config, GenerationConfig()
    eos = defaults.eos_token_id
    ends = [
        *(eos if isinstance(eos, list) else [eos]),
        processor.tokenizer.eos_token_id,
    ]  # often but one knows it
    eos_ids = tuple(dict.fromkeys(end for end in ends if end is not None))
    pads = (processor.tokenizer.pad_token_id, defaults.pad_token_id, *eos_ids, 0)
    return HFCheckpoint(
        model, _entrance(model), processor, eos_ids, next(pad for pad in pads if pad is not None)
    )


def _entrance(model: Any) -> torch.device:
    """Where a model takes its inputs: of one that is spread out, the first GPU that has a part of it."""
    for place in (getattr(model, "hf_device_map", None) or {}).values():
        if str(place) not in ("cpu", "disk"):
            return torch.device(place)
    return torch.device("cpu") if model.device.type == "meta" else torch.device(model.device)


def _find(value: str, fetch: bool) -> Path:
    try:
        return find_checkpoint(value, fetch, FILES)
    except NoFilesHereError as error:
        raise NotHereError(f"--model hf:{error}") from error
    except CheckpointError as error:
        raise UserError(f"--model hf:{error}") from error


def _model_type(folder: Path, value: str) -> str:
    """The family, known to the library as one that reads pictures and writes text."""
    with _said(value):
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = fields.get("model_type") if isinstance(fields, dict) else None
    if found in KNOWN:
        with _said(value):
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        if config.is_encoder_decoder or config.get_text_config().is_encoder_decoder:
            raise UserError(
                f"--model hf:{value}: models of the family {found} write with a decoder of their own, apart "
                f"from the prompt; they cannot be asked"
            )
        return str(found)
    own_code = isinstance(fields, dict) and fields.get("auto_map")
    why = "; it brings code of its own, which is never run" if own_code else ""
    if found == "qwen":
        why = f"; Qwen-VL needs no hf: (--model {value})"
    raise UserError(
        f"--model hf:{value}: config.json has model_type {found!r}, which transformers "
        f"{transformers.__version__} does not know as a model of pictures and text{why}"
    )


def _check_sizes(folder: Path, value: str) -> None:
    """Raises UserError for a processor that does not tell at which size the model sees a picture."""
    with _said(value):
        known = _processor(folder).image_processor.model_input_names
    if GRID not in known:
        raise UserError(
            f"--box-scale resized: the processor of {value} does not tell at which size its model sees a "
            f"picture; name another unit"
        )


def _has_chat_template(folder: Path) -> bool:
    """Whether the checkpoint brings a chat template, in which it is then asked everything."""
    if (folder / "chat_template.jinja").is_file():
        return True
    for name in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            with _said(str(folder)):
                fields = json.loads((folder / name).read_text(encoding="utf-8"))
            if isinstance(fields, dict) and fields.get("chat_template"):
                return True
    return False


def _compute(settings: Settings) -> tuple[torch.device, str]:
    """The device, and the dtype by name."""
    if settings.device_map is not None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "--device-map: spreads one model over the GPUs, of which torchrun gives each process one"
        )
    try:
        device = pick_device(settings.device)
        return device, str(pick_dtype(settings.dtype, device)).removeprefix("torch.")
    except CheckpointError as error:
        raise UserError(str(error)) from None


def _files(folder: Path) -> list[Path]:
    return sorted({file for pattern in FILES for file in folder.glob(pattern) if file.is_file()})


def _adapter(named: str | None) -> Path | None:
    """The folder of a LoRA adapter."""
    if named is None:
        return None
    folder = Path(named)
    if not (folder / "adapter_config.json").is_file() or not (folder / "adapter_model.safetensors").is_file():
        raise UserError(
            f"--adapter {named}: expected a folder with adapter_config.json and .safetensors weights"
        )
    return folder


def _adapted(model: Any, folder: Path) -> Any:
    """The model with the adapter's weights merged in."""
    extras.require("hf", "--adapter")
    from peft import PeftModel

    with _said(str(folder), "--adapter "), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of one library to the other
        # peft only warns of weights that it does not find under the names of this model, and goes on without
        warnings.filterwarnings("error", "Found missing adapter keys")
        return PeftModel.from_pretrained(model, folder).merge_and_unload(safe_merge=True)


def _processor(folder: Path) -> Any:
    """The checkpoint's processor, with its chat template wherever that stands."""
    try:
        made = AutoProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (ImportError, ValueError) as error:
        if "torchvision" not in str(error).lower():
            raise
        made = _without_video(folder)
    if not hasattr(made, "tokenizer") or not hasattr(made, "image_processor"):
        raise ValueError(f"a {type(made).__name__} does not prepare pictures and text together")
    made.chat_template = made.chat_template or made.tokenizer.chat_template
    if not made.chat_template and not getattr(made, "image_token", None):
        raise ValueError("it has neither a chat template nor a token that stands for a picture")
    return made


def _without_video(folder: Path) -> Any:
    """The processor where its video part cannot be had."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    whole: Any = getattr(transformers, PROCESSOR_MAPPING_NAMES[config.model_type])

    class WithoutVideo(whole):  # type: ignore[misc]
        """The processor, content with no video part."""

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            """Lets an absent video part pass."""
            if argument is None and argument_name == "video_processor":
                return type(None)
            return super().check_argument_for_proper_class(argument_name, argument)

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    images = AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    known = inspect.signature(whole.__init__).parameters
    path = folder / "processor_config.json"
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    own = {name: value for name, value in said.items() if name in known and not isinstance(value, dict)}
    parts = {"image_processor": images, "tokenizer": tokenizer, "chat_template": tokenizer.chat_template}
    return WithoutVideo(**{**own, **parts, "video_processor": None})


@contextmanager
def _said(value: str, option: str = "--model hf:") -> Iterator[None]:
    """What the library raises over somebody's files, in one line: it raises nearly everything."""
    try:
        yield
    except Exception as error:  # the one call that reads a foreign checkpoint
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"{option}{value}: cannot be loaded ({type(error).__name__}: {reason})") from error
