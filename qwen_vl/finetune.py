"""Supervised training of a checkpoint on conversations, on one process or several, resumable at any step.

Every parameter is trained unless frozen (the resampler's sin-cos table always is, as published). AdamW with
weight decay on matrices, warm-up and cosine decay to a tenth, clipped gradients. Weights and optimiser are
float32; `bfloat16` computes in it by autocast. A step's loss is the mean over its learned tokens, whatever
the number of batches (`accumulate`) and processes it is spread over, so one process and several take the same
step.

    <out>/log.jsonl           step, loss, learning rate; evaluation losses
    <out>/state-000200/       weights, optimiser, position in the data; only the newest is kept
    <out>/                    the checkpoint, when training has ended

There is no random state beside the seed: the order of the data is a function of seed and epoch, and nothing
is dropped out. So a run that was killed and started again ends with the same weights.
"""

import hashlib
import math
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn
from tqdm import tqdm

from qwen_vl.checkpoint import DTYPES, LoadedModel, find_vocabulary, load, save_checkpoint
from qwen_vl.conversations import Format, read_conversations
from qwen_vl.distributed import Processes
from qwen_vl.errors import TrainingDataError
from qwen_vl.fingerprint import fingerprint
from qwen_vl.image import load_image, preprocess
from qwen_vl.loss import batch_loss
from qwen_vl.model import QwenVL
from qwen_vl.packing import Batch, Group, Span, hold_out, images_of, make_groups, plan_epoch, share
from qwen_vl.training_state import TrainingState

FINAL_RATE = 0.1
"""The learning rate at the end, as a part of the highest."""

PARTS = {
    "resampler": ("transformer.visual.attn_pool.", "transformer.visual.ln_post.", "transformer.visual.proj"),
    "vision": ("transformer.visual.",),
    "embeddings": ("transformer.wte.",),
    "decoder": ("transformer.h.", "transformer.ln_f.", "lm_head."),
}
"""What --freeze takes; a parameter belongs to the first part that its name fits."""

ALWAYS_FROZEN = "transformer.visual.attn_pool.pos_embed"


@dataclass(frozen=True, slots=True)
class Settings:
    """A training run. Those that change the weights are compared when a run is resumed."""

    model: str
    data: str
    out: str
    format: Format = "chatml"
    epochs: int = 1
    max_steps: int | None = None
    stop_after: int | None = None
    batch_tokens: int = 4096
    max_rows: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-5
    warmup: float = 0.01
    weight_decay: float = 0.1
    beta2: float = 0.95
    clip: float = 1.0
    freeze: tuple[str, ...] = ()
    dtype: str = "float32"
    device: str = "auto"
    max_length: int | None = None
    eval_fraction: float = 0.01
    eval_every: int = 200
    save_every: int = 200
    save_dtype: str = "bfloat16"
    seed: int = 0


def finetune(settings: Settings, progress: bool = False) -> Path | None:
    """Trains and writes the checkpoint to `settings.out`; goes on where an earlier run of the same settings
    stopped.

    Returns `out` in the process that wrote it, None in the others.

    Raises:
        CheckpointError: the model cannot be had.
        TrainingDataError: a bad row or option, an `out` that holds another run, a loss that is no number.
        ImageError: a picture that cannot be read.
    """
    out = Path(settings.out)
    if out.resolve() == Path(os.path.expanduser(settings.model)).resolve():
        raise TrainingDataError(f"--out {out}: is the model training starts from; name another folder")
    with Processes.join(settings.device) as processes:
        loaded = load(settings.model, str(processes.device), "float32")
        train, held_out = _read_groups(settings, loaded)
        steps = _plan(train, settings)
        ends = min(len(steps), settings.stop_after or len(steps))
        content = {"data_sha256": _sha256(Path(settings.data)), "start": fingerprint(loaded.folder)}
        state = TrainingState.open(out, asdict(settings) | content, processes)
        trained = _choose_parameters(loaded.model, settings.freeze)
        optimiser = _optimiser(loaded.model, trained, settings)
        done = state.restore(loaded.model, optimiser)
        if done > ends:
            raise TrainingDataError(f"--stop-after {ends}: {out} is at step {done} already")
        with _progress(ends, done, progress and processes.rank == 0) as bar:
            for index, (batches, pixels) in _prefetched(steps[:ends], done, loaded.model, processes):
                rate = learning_rate(index, len(steps), settings)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                loss, norm = take_step(loaded.model, trained, optimiser, batches, pixels, settings, processes)
                record: dict[str, float] = {"step": index + 1, "loss": loss, "norm": norm, "rate": rate}
                last = index + 1 == ends
                if held_out and (last or (index + 1) % settings.eval_every == 0):
                    record["held_out_loss"] = mean_loss(loaded.model, held_out, settings, processes)
                state.log(record)
                if last or (index + 1) % settings.save_every == 0:
                    state.save(index + 1, loaded.model, optimiser, trained)
                if bar is not None:
                    bar.update()
                    shown = {"loss": f"{loss:.4f}"}
                    if "held_out_loss" in record:
                        shown["held out"] = f"{record['held_out_loss']:.4f}"
                    bar.set_postfix(shown)
        last_groups = [group for batch in steps[ends - 1] for group in batch]
        if not math.isfinite(mean_loss(loaded.model, last_groups, settings, processes)):
            raise TrainingDataError("training has broken down in its last step; take a lower --learning-rate")
        if processes.rank == 0:
            save_checkpoint(
                loaded.model,
                find_vocabulary(loaded.folder),
                out,
                DTYPES[settings.save_dtype],
                "chatml" if settings.format == "chatml" else "raw",
            )
        processes.wait()
        return out if processes.rank == 0 else None


def learning_rate(step: int, num_steps: int, settings: Settings) -> float:
    """The rate of a step (from 0): linear warm-up over the first part, then half a cosine down to a tenth."""
    warm = max(1, round(settings.warmup * num_steps))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    turn = (step - warm) / max(1, num_steps - warm)
    share_left = FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * turn)) / 2
    return settings.learning_rate * share_left


def take_step(
    model: QwenVL,
    trained: dict[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    batches: Sequence[Batch],
    pixels: dict[Path, Tensor],
    settings: Settings,
    processes: Processes,
) -> tuple[float, float]:
    """One optimiser step over some batches, of which this process takes its share; returns loss and gradient
    norm.
    """
    loss = backward(model, trained, batches, pixels, settings.dtype, processes)
    norm = float(nn.utils.clip_grad_norm_(trained.values(), settings.clip or math.inf))
    if not math.isfinite(loss + norm):
        raise TrainingDataError(
            f"the loss is {loss}, the gradient's norm {norm}: training has broken down; take a lower "
            f"--learning-rate, going on from the last saved step needs another --out"
        )
    optimiser.step()
    return loss, norm


def backward(
    model: QwenVL,
    trained: dict[str, nn.Parameter],
    batches: Sequence[Batch],
    pixels: dict[Path, Tensor],
    dtype: str,
    processes: Processes,
) -> float:
    """The gradient of the mean loss over all learned tokens of the batches, in `grad` of each parameter; the
    loss.
    """
    num_learned = sum(group.num_learned for batch in batches for group in batch)
    for parameter in trained.values():
        parameter.grad = torch.zeros_like(parameter)
    total = 0.0
    for batch in batches:
        mine = share(batch, processes.rank, processes.world)
        if mine:
            with _computing_in(dtype, model.device):
                loss = batch_loss(model, mine, pixels) / num_learned
            loss.backward()
            total += float(loss.detach())
    processes.add_up([parameter.grad for parameter in trained.values() if parameter.grad is not None])
    return processes.add_up_number(total)


def mean_loss(model: QwenVL, groups: Sequence[Group], settings: Settings, processes: Processes) -> float:
    """The mean loss per learned token of held-out groups."""
    total, num_learned = 0.0, sum(group.num_learned for group in groups)
    with torch.no_grad(), _computing_in(settings.dtype, model.device):
        for batch in plan_epoch(groups, settings.batch_tokens, 0, 0):
            mine = share(batch, processes.rank, processes.world)
            if mine:
                total += float(batch_loss(model, mine, _read_pixels(images_of(mine), model)))
    return processes.add_up_number(total) / num_learned


def _read_groups(settings: Settings, loaded: LoadedModel) -> tuple[list[Group], list[Group]]:
    """The groups to train on and the held-out ones, whole pictures each, drawn by the seed."""
    limit = settings.max_length or loaded.config.seq_length
    tokenizer = loaded.tokenizer
    examples = read_conversations(Path(settings.data), tokenizer, settings.format, limit)
    span = Span(tokenizer.image_start_id, tokenizer.image_end_id)
    groups = make_groups(examples, span, settings.max_rows)
    train, held_out = hold_out(groups, settings.eval_fraction, settings.seed)
    if not train:
        raise TrainingDataError(f"{settings.data}: nothing is left to train on after --eval-fraction")
    return train, held_out


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plan(groups: Sequence[Group], settings: Settings) -> list[list[Batch]]:
    """The batches of every step of the whole run."""
    steps = []
    for epoch in range(settings.epochs):
        batches = plan_epoch(groups, settings.batch_tokens, settings.seed, epoch)
        steps += [batches[i : i + settings.accumulate] for i in range(0, len(batches), settings.accumulate)]
    return steps[: settings.max_steps]


def _choose_parameters(model: QwenVL, freeze: Sequence[str]) -> dict[str, nn.Parameter]:
    """The parameters to train by name, gradients switched on."""
    trained = {}
    for name, parameter in model.named_parameters():
        part = next(part for part, prefixes in PARTS.items() if name.startswith(prefixes))
        parameter.requires_grad_(part not in freeze and name != ALWAYS_FROZEN)
        if parameter.requires_grad:
            trained[name] = parameter
    if not trained:
        raise TrainingDataError(f"--freeze {','.join(freeze)} leaves nothing to train")
    return trained


def _optimiser(model: QwenVL, trained: dict[str, nn.Parameter], settings: Settings) -> torch.optim.Optimizer:
    matrices = [p for name, p in trained.items() if p.ndim >= 2 and "wte" not in name]
    others = [p for name, p in trained.items() if p.ndim < 2 or "wte" in name]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=settings.learning_rate, betas=(0.9, settings.beta2), fused=model.device.type == "cuda"
    )


def _progress(num_steps: int, done: int, shown: bool) -> AbstractContextManager["tqdm[NoReturn] | None"]:
    """A bar with loss, rate and time left, or nothing."""
    if not shown:
        return nullcontext()
    pace = 0.5 if sys.stderr.isatty() else 30.0  # a log file wants few lines
    return tqdm(total=num_steps, initial=done, desc="finetune", unit="step", mininterval=pace)


def _computing_in(dtype: str, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16")


def _prefetched(
    steps: Sequence[list[Batch]], start: int, model: QwenVL, processes: Processes
) -> Iterator[tuple[int, tuple[list[Batch], dict[Path, Tensor]]]]:
    """Steps with the pixels of this process's share, read while the step before is computed."""

    def read(index: int) -> dict[Path, Tensor]:
        mine = [group for batch in steps[index] for group in share(batch, processes.rank, processes.world)]
        return _read_pixels(images_of(mine), model)

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, start) if start < len(steps) else None
        for index in range(start, len(steps)):
            assert coming is not None
            pixels = coming.result()
            coming = reader.submit(read, index + 1) if index + 1 < len(steps) else None
            yield index, (steps[index], pixels)


def _read_pixels(paths: Sequence[Path], model: QwenVL) -> dict[Path, Tensor]:
    size = model.config.visual.image_size
    return {path: preprocess(load_image(path), size) for path in paths}
