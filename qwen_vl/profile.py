"""`python -m qwen_vl profile`: how fast an engine answers what a benchmark asks, and where the time goes.

Engines: `fast` (engine.py), `static` (the published loop, static.py), `reference` (generate.py, one question
at a time). Sizes: `demo` (the bundled checkpoint), `small` and `qwen-vl-7b` (random weights, since speed
needs no download). "Useful" work is arithmetic.useful_flop for every engine, so that two rates compare.
"Peak" is a measured product of large square matrices in the same dtype.

The workloads `generate-2048` and `generate-8192` measure the two figures of the model's README: one picture
(258 tokens) as context, the rest generated; and the memory to read so many tokens, one generated.
"""

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from qwen_vl import static
from qwen_vl.arithmetic import image_flop, logits_flop, parameters, token_flop, useful_flop
from qwen_vl.checkpoint import DEMO_FOLDER, load, pick_device, pick_dtype
from qwen_vl.config import QwenVLConfig
from qwen_vl.engine import Answer, Engine, Query
from qwen_vl.errors import CheckpointError
from qwen_vl.generate import generate, mean_logprobs
from qwen_vl.image import load_image, preprocess
from qwen_vl.memory import free_memory
from qwen_vl.model import QwenVL, random_model
from qwen_vl.prompt import TokenPrompt
from qwen_vl.workloads import WORKLOADS, draw, image_span, queries, text

SMALL = {
    "vocab_size": 151936,
    "hidden_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "kv_channels": 64,
    "intermediate_size": 2816,
    "layer_norm_epsilon": 1e-6,
    "rotary_emb_base": 10000,
    "seq_length": 2048,
    "no_bias": True,
    "use_dynamic_ntk": True,
    "use_logn_attn": True,
    "visual": {
        "image_size": 224,
        "patch_size": 14,
        "width": 256,
        "layers": 8,
        "heads": 4,
        "mlp_ratio": 4.0,
        "output_dim": 512,
        "image_start_id": 151857,
    },
}
OFFICIAL = SMALL | {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "kv_channels": 128,
    "intermediate_size": 22016,
    "visual": {
        "image_size": 448,
        "patch_size": 14,
        "width": 1664,
        "layers": 48,
        "heads": 16,
        "mlp_ratio": 4.9231,
        "output_dim": 4096,
        "image_start_id": 151857,
    },
}
CONFIGS = {"small": SMALL, "qwen-vl-7b": OFFICIAL}
ENGINES = ("fast", "static", "reference")
GENERATE = {"generate-2048": 2048, "generate-8192": 8192}
WARM_UP = 2  # questions answered before the clock starts


class Measured(NamedTuple):
    """One engine on one workload."""

    engine: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    answers: dict[object, Answer]
    split: dict[str, float]


def run(arguments: argparse.Namespace) -> int:
    """The command; prints a table, and with `--compare` ends with the ratio."""
    device = pick_device(arguments.device)
    dtype = pick_dtype(arguments.dtype, device)
    model = _model(arguments.config, device, dtype)
    print(f"{arguments.config}, {str(dtype).removeprefix('torch.')}, {_machine(device)}")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.workload in GENERATE:
            _generation(model, arguments.engine, GENERATE[arguments.workload], Path(folder))
        else:
            _benchmark(model, arguments, Path(folder))
    return 0


def _benchmark(model: QwenVL, arguments: argparse.Namespace, folder: Path) -> None:
    workload = WORKLOADS[arguments.workload]
    images = arguments.images or workload.images
    asked = queries(model.config, workload, images, folder)
    print(
        f"{arguments.workload}: {images} pictures, {len(asked)} questions ({workload.source}), "
        f"{workload.options or workload.new_tokens} {'options' if workload.options else 'new tokens'} each"
    )
    useful, peak = useful_flop(model.config, asked), matrix_peak(model.device, model.dtype)
    print(f"useful work {useful / 1e12:.3f} TFLOP; matrix peak {peak / 1e12:.3f} TFLOP/s, measured")
    rows = []
    engines = [arguments.engine]
    if arguments.compare not in (None, arguments.engine):
        engines.append(arguments.compare)
    print("engine     seconds    cpu s  samples/s  images/s  tokens/s  TFLOP/s  of peak  peak MB")
    for engine in engines:
        _answer(model, engine, asked[:WARM_UP])
        found = measure(model, engine, asked)
        rows.append(found)
        rate = useful / found.seconds
        print(
            f"{engine:9} {found.seconds:8.2f} {found.cpu_seconds:8.2f} {len(asked) / found.seconds:10.2f} "
            f"{images / found.seconds:9.2f} {len(asked) * workload.new_tokens / found.seconds:9.1f} "
            f"{rate / 1e12:8.3f} {100 * rate / peak:6.1f} % {found.peak_bytes / 1e6:8.0f}",
            flush=True,
        )
    for found in rows:
        if found.split:
            parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in found.split.items())
            print(f"seconds of {found.engine}: {parts} (read: in threads, beside the rest)")
    if len(rows) == 2:
        first, second = rows
        print(f"answers that differ: {_differ(first, second)} of {len(asked)}")
        print(f"ratio {first.engine}/{second.engine} in processor time: "
              f"{second.cpu_seconds / first.cpu_seconds:.1f}")  # fmt: skip
        print(f"ratio {first.engine}/{second.engine}: {second.seconds / first.seconds:.1f}")


def measure(model: QwenVL, engine: str, asked: Sequence[Query]) -> Measured:
    """All answers of an engine, with the clock around them."""
    _reset_peak(model.device)
    started, cpu = time.perf_counter(), time.process_time()
    answers, split = _answer(model, engine, asked)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    for answer in answers.values():
        if answer.error is not None:
            raise CheckpointError(f"profile: {answer.error}")
    return Measured(engine, seconds, cpu, _peak(model.device), answers, split)


def _answer(
    model: QwenVL, engine: str, asked: Sequence[Query]
) -> tuple[dict[object, Answer], dict[str, float]]:
    def pixels(path: str) -> Tensor:
        return preprocess(load_image(path), model.config.visual.image_size)

    split: dict[str, float] = {}
    if engine == "fast":
        fast = Engine(model)
        answers = {answer.id: answer for answer in fast.answer(asked, pixels)}
        split = fast.work.seconds
    else:
        ways: dict[str, Callable[[QwenVL, Iterable[Query], Callable[[str], Tensor]], Iterator[Answer]]] = {
            "static": static.answer,
            "reference": _reference,
        }
        answers = {answer.id: answer for answer in ways[engine](model, asked, pixels)}
    assert len(answers) == len(asked), (len(answers), len(asked))
    return dict(answers), split


def _reference(model: QwenVL, asked: Iterable[Query], pixels: Callable[[str], Tensor]) -> Iterator[Answer]:
    for query in asked:
        prompt = TokenPrompt(query.ids, tuple(pixels(str(key)) for key in query.images))
        if query.options:
            yield Answer(query.id, logprobs=tuple(mean_logprobs(model, prompt, query.options)))
            continue
        (found,) = generate(
            model,
            [prompt],
            min_new_tokens=query.min_new_tokens,
            max_new_tokens=query.max_new_tokens,
            stop_ids=query.stop_ids,
        )
        yield Answer(query.id, found.ids, found.stop_reason)


def _differ(first: Measured, second: Measured) -> int:
    def said(answer: Answer) -> object:
        scores = answer.logprobs
        return answer.ids if scores is None else scores.index(max(scores))

    return sum(said(answer) != said(second.answers[name]) for name, answer in first.answers.items())


def _generation(model: QwenVL, engine: str, tokens: int, folder: Path) -> None:
    import random

    picture = folder / "picture.jpg"
    draw(picture, 0)
    span = image_span(model.config)
    new = tokens - len(span)
    _answer(model, engine, [Query(0, span, (str(picture),), (), 8, 8)])
    found = measure(model, engine, [Query(0, span, (str(picture),), (), new, new)])
    print(f"{engine}: {new / found.seconds:.2f} tokens/s, {len(span)} tokens of context, {new} generated")
    print(f"{engine}: peak memory {found.peak_bytes / 1e9:.2f} GB generating {tokens} tokens")
    ids = (*span, *text(random.Random(0), new - 1))
    found = measure(model, engine, [Query(0, ids, (str(picture),), (), 1, 1)])
    print(f"{engine}: peak memory {found.peak_bytes / 1e9:.2f} GB encoding {tokens} tokens, one generated")


def _model(name: str, device: torch.device, dtype: torch.dtype) -> QwenVL:
    """The demo checkpoint, or random weights of a size; CheckpointError where memory is too small."""
    if name == "demo":
        return load(DEMO_FOLDER, str(device), str(dtype).removeprefix("torch.")).model
    config = QwenVLConfig.from_dict(CONFIGS[name], name)
    needed = parameters(config) * dtype.itemsize
    free = free_memory(device)
    if needed > 0.9 * free:
        question = config.visual.n_queries + 2 + 12
        once = (image_flop(config) + question * token_flop(config, question / 2)) / 1e12
        every = question * logits_flop(config) / 1e12
        raise CheckpointError(
            f"config {name}: {needed / 1e9:.1f} GB of weights, {free / 1e9:.1f} GB of memory are free; take "
            f"--config small. By arithmetic a picture with its question is {once:.1f} TFLOP, and {every:.1f} "
            "more with logits at all positions"
        )
    return random_model(config, 0, device=device, dtype=dtype)


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the best of some products of large square matrices."""
    side = 8192 if device.type == "cuda" else 1536
    left, right = (torch.ones(side, side, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(6):
        _synchronise(device)
        started = time.perf_counter()
        left @ right
        _synchronise(device)
        best = max(best, 2 * side**3 / (time.perf_counter() - started))
    return best


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # then the peak is that of the whole process
        return


def _peak(device: torch.device) -> int:
    """Bytes: of the GPU, or resident of the process, weights included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
