"""Many questions at once: a picture is encoded once, a shared prefix read once, a free slot filled at once.

    engine = Engine(model)
    for answer in engine.answer(queries, load):      # queries: Iterable[Query | None], load: key -> pixels
        print(answer.id, answer.ids)

Answers are those of generate.py: in float32 token for token, log-probabilities to 1e-5, whatever the
neighbours, the order and the number of slots. They come in any order, each as soon as it is done; queries are
pulled when there is room, pictures are read ahead by threads. What goes wrong with one query is its
`Answer.error`.

How much is done at once follows from the free memory; where that was too optimistic, everything is halved,
what was on its way begins again, and the log says so.

Shapes: E rows whose logits are wanted, V vocab_size, C hidden_size.
"""

import logging
import os
import time
from collections.abc import Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from qwen_vl.attention import Kernel, pick_kernel
from qwen_vl.choosing import next_tokens
from qwen_vl.kv_cache import KVCache
from qwen_vl.memory import attempt, free_tokens
from qwen_vl.model import QwenVL
from qwen_vl.packed import PackedPass
from qwen_vl.pictures import Load, Pictures
from qwen_vl.rows import NOWHERE, Limits, Query, Row, Step
from qwen_vl.scheduler import Scheduler

__all__ = ["Answer", "Engine", "Query"]

log = logging.getLogger(__name__)

NOT_FINITE = "the model's output is not finite: broken weights, or a dtype too small"


class Answer(NamedTuple):
    """What became of a query: new ids without the stop id, or the options' mean log-probabilities, or an
    error. A cancelled one has the ids chosen until then.
    """

    id: Hashable
    ids: tuple[int, ...] = ()
    stop_reason: Literal["stop", "length", "cancelled"] | None = None
    logprobs: tuple[float, ...] | None = None
    error: Exception | None = None


@dataclass(slots=True)
class Work:
    """Where the time went and what was done; a pass that reads and decodes is split by its rows."""

    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("read", "vision", "prefill", "decode", "waiting"), 0.0)
    )
    images: int = 0
    passes: int = 0
    prefilled: int = 0  # tokens of prompts and options
    decoded: int = 0  # tokens of answers that were read again


class Engine:
    """A model, and how much it may do at once."""

    def __init__(
        self,
        model: QwenVL,
        *,
        slots: int | None = None,
        step_tokens: int | None = None,
        cache_tokens: int | None = None,
        vision_batch: int | None = None,
        threads: int | None = None,
        kernel: Kernel | None = None,
        check: bool = False,
    ) -> None:
        """What is None follows from the device and its free memory.

        slots: rows that decode at once. step_tokens: prompt tokens a pass. cache_tokens: all places for keys
        and values. vision_batch: pictures encoded at once. threads: that read pictures. check: assert after
        every step that nothing leaked.
        """
        on_gpu, config = model.device.type == "cuda", model.config
        self.model = model
        self.kernel = kernel or pick_kernel(
            model.device, model.dtype, config.num_attention_heads, config.kv_channels
        )
        self.limits = Limits(
            slots or (256 if on_gpu else 128),
            step_tokens or (8192 if on_gpu else 2048),
            cache_tokens or free_tokens(model),
        )
        self.vision_batch = vision_batch or (32 if on_gpu else 4)
        self.threads = threads or min(8, max(2, (os.cpu_count() or 2) - 1))
        self.work = Work()
        self._check = check
        log.info("%s, %d pictures at once", self.limits, self.vision_batch)

    def answer(self, queries: Iterable[Query | None], load: Load) -> Generator[Answer, None, None]:
        """Answers every query once, in any order. `load` gives the picture of a key, in threads, which end
        with the generator.

        None among the queries means that nothing waits at this moment: what has come begins, and the next
        query is asked for after one more step. The engine does not wait itself, so while none of its queries
        is without an answer an iterator should wait for the next one instead of giving None.
        """
        run = _Run(self, load)
        source = iter(queries)
        exhausted = False
        try:
            while not (exhausted and run.scheduler.is_idle):
                while run.scheduler.has_room and not exhausted:
                    try:
                        query = next(source)
                    except StopIteration:
                        query, exhausted = None, True
                    if query is None:
                        run.scheduler.close()
                        break
                    yield from run.add(query)
                yield from run.step()
                if self._check:
                    run.scheduler.check()
        finally:
            run.pictures.close()


@dataclass(slots=True)
class _Options:
    """A query whose options may be several rows: what is known of them so far."""

    rows: int
    logprobs: dict[int, float] = field(default_factory=dict)
    failed: bool = False


class _Run:
    """One stream of queries through an engine."""

    def __init__(self, engine: Engine, load: Load) -> None:
        config, batch = engine.model.config, engine.vision_batch
        self.engine, self.model, self.work = engine, engine.model, engine.work
        self.scheduler = Scheduler(
            engine.limits, self.model.ntk_alpha, config.visual.image_start_id, config.visual.n_queries
        )
        self.pictures = Pictures(self.model, load, batch, ahead=2 * batch, threads=engine.threads)
        self._options: dict[int, _Options] = {}  # by the identity of the query
        self._new_cache()

    def add(self, query: Query) -> Iterator[Answer]:
        """Takes a query in; answers at once what needs no model."""
        if not query.options and query.max_new_tokens < 1:
            yield Answer(query.id, (), "length")
            return
        try:
            rows = self.scheduler.add(query)
        except ValueError as error:
            yield Answer(query.id, error=error)
            return
        if query.options:
            self._options[id(query)] = _Options(rows)

    def step(self) -> Iterator[Answer]:
        """Encodes pictures if some are needed now, then does one pass of the model."""
        scheduler, pictures = self.scheduler, self.pictures
        for row in self._withdraw(scheduler.cancelled()):
            yield from self._ended(row, Answer(row.query.id, tuple(row.answer), "cancelled"))
        pictures.look_ahead(scheduler.images_ahead())
        front = next((family for family in scheduler.families if not family.written), None)
        if front is not None and len(scheduler.active) < scheduler.limits.slots:
            trouble = attempt(lambda: self._encode(front.images)).trouble
            yield from self._unreadable()
            if trouble is not None:
                yield from self._halve(trouble, None)
                return
        step = scheduler.plan(pictures.is_ready)
        for row in step.hopeless:
            yield from self._failed(row, MemoryError(_too_long(row, scheduler.limits)))
        if step.starts or step.active:
            passed, trouble = attempt(lambda: self._forward(step))
            if passed is None:
                yield from self._halve(str(trouble), step)
                return
            scheduler.began(step)
            yield from self._read_off(*passed)

    def _new_cache(self) -> None:
        model, kernel = self.model, self.engine.kernel
        self._cache = KVCache(model.config, model.device, model.dtype, kernel.heads_first)

    @torch.inference_mode()
    def _encode(self, images: tuple[Hashable, ...]) -> None:
        pictures, seconds = self.pictures, self.work.seconds
        before = (time.perf_counter(), pictures.waited_seconds, pictures.read_seconds, pictures.num_encoded)
        while pictures.encode(images, wait=not self.scheduler.active):
            pass
        if self.model.device.type == "cuda":
            torch.cuda.synchronize(self.model.device)  # for the clock; the pass would wait for it anyway
        waited = pictures.waited_seconds - before[1]
        seconds["waiting"] += waited
        seconds["vision"] += time.perf_counter() - before[0] - waited
        seconds["read"] += pictures.read_seconds - before[2]
        self.work.images += pictures.num_encoded - before[3]

    @torch.inference_mode()
    def _forward(self, step: Step) -> tuple[list[tuple[Row, int]], Tensor, list[bool]]:
        """Rows and how many of the logits (E, V) are theirs, the logits, and whether each is finite."""
        started = time.perf_counter()
        self._cache.resize(step.shape)
        packed = PackedPass(self.model, step, self._cache, self.engine.kernel)
        logits_EV = self.model.lm_head(packed.hidden(self.pictures))
        # A sum is not finite if anything in it is not, and quick to have; the list waits for the device.
        finite = logits_EV.sum(dim=-1, dtype=torch.float32).isfinite().tolist()
        seconds, decoding = time.perf_counter() - started, len(step.active) / step.num_tokens
        self.work.seconds["decode"] += seconds * decoding
        self.work.seconds["prefill"] += seconds * (1 - decoding)
        self.work.passes += 1
        self.work.decoded += len(step.active)
        self.work.prefilled += step.num_tokens - len(step.active)
        return packed.wanted(), logits_EV, finite

    @torch.inference_mode()
    def _read_off(self, rows: list[tuple[Row, int]], logits_EV: Tensor, finite: list[bool]) -> list[Answer]:
        """Chooses tokens, scores options, ends what is done."""
        answers: list[Answer] = []
        done: list[Row] = []
        broken: list[Row] = []
        choosing: dict[int, Row] = {}
        place = 0
        for row, count in rows:
            if not all(finite[place : place + count]):
                answers += self._failed(row, FloatingPointError(NOT_FINITE))
                broken.append(row)
            elif row.options:
                answers += self._scored(row, logits_EV[place : place + count])
                done.append(row)
            elif row.known < len(row.answer):
                row.known += 1  # chosen before the row began again
            else:
                choosing[place] = row
            place += count
        started = time.perf_counter()
        if choosing and len(choosing) < len(logits_EV):
            logits_EV = logits_EV[list(choosing)]
        chosen = next_tokens(list(choosing.values()), logits_EV) if choosing else []
        for row, token in zip(choosing.values(), chosen, strict=True):
            stopped = token in row.query.stop_ids
            if not stopped:
                row.answer.append(token)
                row.known += 1
                if row.query.on_token is not None:
                    row.query.on_token(token)
            if stopped or len(row.answer) == row.query.max_new_tokens:
                answers.append(Answer(row.query.id, tuple(row.answer), "stop" if stopped else "length"))
                done.append(row)
        self.work.seconds["decode"] += time.perf_counter() - started
        blocks = {row.family.block for row in broken if row.family.length}
        self._cache.slots.wipe([row.slot for row in broken if row.slot >= 0])
        self._cache.slots.move(self.scheduler.finish([*done, *broken]))
        self._cache.blocks.wipe(sorted(blocks - self.scheduler.blocks.keys()))
        return answers

    def _scored(self, row: Row, logits_EV: Tensor) -> Iterator[Answer]:
        """The mean log-probability of each option; the first token of all stands behind the suffix."""
        logprobs_EV = logits_EV.float().log_softmax(dim=-1)
        start = 1
        for number, tail in zip(row.options, row.tails(), strict=True):
            places = [0, *range(start, start + len(tail))]
            start += len(tail)
            mean = logprobs_EV[places, list(row.query.options[number])].mean()
            self._options[id(row.query)].logprobs[number] = float(mean)
        yield from self._row_done(row.query)

    def _failed(self, row: Row, error: Exception) -> Iterator[Answer]:
        return self._ended(row, Answer(row.query.id, error=error))

    def _ended(self, row: Row, answer: Answer) -> Iterator[Answer]:
        """The early end of a row's query, once although its options may be several rows."""
        if not row.options:
            yield answer
            return
        options = self._options[id(row.query)]
        if not options.failed:
            options.failed = True
            yield answer
        yield from self._row_done(row.query)

    @torch.inference_mode()
    def _withdraw(self, rows: list[Row]) -> list[Row]:
        """Takes rows out before their end, from a slot or from waiting."""
        active = [row for row in rows if row.slot != NOWHERE]
        self.scheduler.withdraw(row for row in rows if row.slot == NOWHERE)
        self._cache.slots.move(self.scheduler.finish(active))
        return rows

    def _row_done(self, query: Query) -> Iterator[Answer]:
        options = self._options[id(query)]
        options.rows -= 1
        if options.rows == 0:
            del self._options[id(query)]
            if not options.failed:
                logprobs = tuple(options.logprobs[number] for number in range(len(query.options)))
                yield Answer(query.id, logprobs=logprobs)

    def _unreadable(self) -> Iterator[Answer]:
        """Errors of everything that waits for a picture that cannot be read."""
        errors = self.pictures.errors
        if errors:
            for family in list(self.scheduler.families):
                error = next((errors[key] for key in family.images if key in errors), None)
                if error is not None:
                    for row in self._withdraw(list(family.waiting)):
                        yield from self._failed(row, error)
            errors.clear()

    def _halve(self, trouble: str, step: Step | None) -> Iterator[Answer]:
        """After running out of memory: everything begins again, half as much at once."""
        engine, scheduler = self.engine, self.scheduler
        scheduler.restart(step)
        self._new_cache()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        least = engine.limits.slots == 1 and engine.vision_batch == 1
        if least and scheduler.families:
            (row,) = self._withdraw([scheduler.families[0].waiting[0]])
            yield from self._failed(row, MemoryError(f"out of memory with nothing beside it: {trouble}"))
            return
        engine.limits, engine.vision_batch = engine.limits.halved(), max(engine.vision_batch // 2, 1)
        scheduler.limits, self.pictures.batch = engine.limits, engine.vision_batch
        log.warning("out of memory (%s): going on with half of everything, %s", trouble, engine.limits)


def _too_long(row: Row, limits: Limits) -> str:
    return f"a prompt of {len(row.query.ids)} tokens: the memory has room for {limits.cache_tokens}"
