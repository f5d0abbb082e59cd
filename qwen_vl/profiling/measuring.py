"""One engine measured on one job: its seconds, its peak memory, its answers, where its time went.

`measure_alone` does it in a process of its own (this file, run as a module), so that nobody else's memory is
in the peak; job and result cross as JSON.

Engines: `fast` (engine.py), `static` (the published loop, static.py), `reference` (generate.py, one question
at a time).
"""

import _thread
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qwen_vl.checkpoint import DTYPES
from qwen_vl.compiled import compile_parts
from qwen_vl.config import QwenVLConfig
from qwen_vl.engine import Answer, Engine, Query
from qwen_vl.errors import CheckpointError
from qwen_vl.generate import generate, mean_logprobs
from qwen_vl.image import load_image, preprocess
from qwen_vl.memory import attempt
from qwen_vl.model import QwenVL
from qwen_vl.profiling import static
from qwen_vl.profiling.machine import forget_peak_bytes, peak_bytes
from qwen_vl.profiling.phases import Clock
from qwen_vl.profiling.sizes import make
from qwen_vl.profiling.workloads import WORKLOADS, draw_pictures, one_question, queries
from qwen_vl.prompt import TokenPrompt

WARM_UP = 2
"""Questions answered before the clock starts. On a GPU a tenth of all if that is more; with compiled
functions all, because shapes not seen before are compiled anew.
"""


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure: the questions of a workload about so many pictures, or (workload None) one question
    about one picture with so many tokens of text. Names, so that it can cross to another process.
    """

    config: str
    device: str
    dtype: str
    engine: str
    workload: str | None = None
    images: int = 1
    text_tokens: int = 0
    new_tokens: int = 0
    compiled: bool = False
    threads: int = 1

    def questions(self, config: QwenVLConfig, folder: Path) -> list[Query]:
        """The same questions for every engine; their pictures are not drawn yet."""
        if self.workload is None:
            return [one_question(config, self.text_tokens, self.new_tokens, folder)]
        return queries(config, WORKLOADS[self.workload], self.images, folder)

    def warm_up(self, asked: list[Query], folder: Path, config: QwenVLConfig) -> list[Query]:
        """What is answered before the clock starts: never more than the job itself."""
        if self.workload is None:
            return [one_question(config, self.text_tokens, min(self.new_tokens, 8), folder)]
        if self.compiled:
            return asked
        return asked[: WARM_UP if self.device == "cpu" else max(WARM_UP, len(asked) // 10)]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it: `answers` are new ids or the options' log-probabilities, in the order of the
    questions; `split` is seconds by phase (phases.py); `trouble` is why nothing was compiled.
    """

    engine: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    split: dict[str, float]
    answers: list[list[float]]
    trouble: str | None = None


def measure_alone(job: Job) -> Measured:
    """Measures in a process of its own; CheckpointError if that fails."""
    command = [sys.executable, "-m", "qwen_vl.profiling.measuring", json.dumps(asdict(job))]
    # A session of its own: Ctrl-C is ours to answer. It ends when its input does, so with us however we end.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        text = child.stdout.read()
        code = child.wait()
    if code:
        raise CheckpointError(f"profile: the process that measured {job.engine} {_end(code)}")
    found = json.loads(text)
    if "error" in found:
        raise CheckpointError(f"profile: {job.engine}: {found['error']}")
    return Measured(**found)


def _end(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed, as happens where memory runs out; ask for less: --images, --new-tokens, --config"
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def measure_here(job: Job) -> Measured:
    """Makes the model, draws the pictures, warms up, measures: all in this process."""
    torch.set_num_threads(job.threads)
    model = make(job.config, torch.device(job.device), DTYPES[job.dtype])
    trouble = compile_parts(model) if job.compiled else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = job.questions(model.config, folder)
        draw_pictures(asked)
        measure(model, job.engine, job.warm_up(asked, folder, model.config))
        return measure(model, job.engine, asked, trouble)


def measure(model: QwenVL, engine: str, asked: Sequence[Query], trouble: str | None = None) -> Measured:
    """All answers of an engine, with the clock around them."""
    forget_peak_bytes(model.device)
    started, cpu = time.perf_counter(), time.process_time()
    answers, split = _answer(model, engine, asked)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    for answer in answers.values():
        if answer.error is not None:
            raise CheckpointError(f"profile: {answer.error}")
    in_order = [answers[query.id] for query in asked]
    said = [list(answer.ids if answer.logprobs is None else answer.logprobs) for answer in in_order]
    return Measured(engine, seconds, cpu, peak_bytes(model.device), split, said, trouble)


def num_different(first: Measured, second: Measured, options: bool) -> int:
    """Answers that differ: their ids, or with options the best one."""

    def chosen(answer: list[float]) -> object:
        return answer.index(max(answer)) if options else answer

    pairs = zip(first.answers, second.answers, strict=True)
    return sum(chosen(one) != chosen(other) for one, other in pairs)


def _answer(
    model: QwenVL, engine: str, asked: Sequence[Query]
) -> tuple[dict[object, Answer], dict[str, float]]:
    def pixels(path: str) -> Tensor:
        return preprocess(load_image(path), model.config.visual.image_size)

    if engine == "fast":
        fast = Engine(model)
        answers = {answer.id: answer for answer in fast.answer(asked, pixels)}
        split = fast.work.seconds
    else:
        with Clock(model) as clock:
            answers = {answer.id: answer for answer in WAYS[engine](model, asked, clock.timed(pixels))}
        split = clock.seconds
    assert len(answers) == len(asked), (len(answers), len(asked))
    return dict(answers), split


def _reference(model: QwenVL, asked: Iterable[Query], load: Callable[[Any], Tensor]) -> Iterator[Answer]:
    for query in asked:
        prompt = TokenPrompt(query.ids, tuple(load(key) for key in query.images))
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


WAYS: dict[str, Callable[[QwenVL, Iterable[Query], Callable[[Any], Tensor]], Iterator[Answer]]] = {
    "static": static.answer,
    "reference": _reference,
}


def _end_with_parent() -> None:
    """Waits for the end of the input, then interrupts the main thread, which clears up."""
    os.read(0, 1)
    _thread.interrupt_main()


def main() -> int:
    """The other process: the job is the argument, the result goes to the output."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts with `&`
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job = Job(**json.loads(sys.argv[1]))
    try:
        found, trouble = attempt(lambda: measure_here(job))
        result = asdict(found) if found is not None else {"error": f"out of memory: {trouble}"}
    except CheckpointError as error:
        result = {"error": str(error)}
    except KeyboardInterrupt:
        return 130
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
