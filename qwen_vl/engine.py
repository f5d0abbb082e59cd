"""Many questions at once: a picture is encoded once, a shared prefix read once, a free slot filled at once.

    engine = Engine(model)
    for answer in engine.answer(queries, load):      # queries: Iterable[Query | None], load: key -> pixels
        print(answer.id, answer.ids)

Answers are those of generate.py: in float32 token for token, log-probabilities within 1e-5, whatever the
neighbours, the order and the number of slots. (Measured: 3e-6 on the recorded prompts, 7e-6 on the demo
model. Random weights can make more of float32's own rounding, up to 4e-5 in hundreds of random streams.) They
come in any order, each as soon as it is done; queries are pulled when there is room, pictures are read ahead
by threads. What goes wrong with one query is its `Answer.error`.

How much is done at once follows from the free memory. Where that was too optimistic, what failed is halved:
pictures at once, the cache, new tokens a pass, or rows at once. What was on its way begins again and keeps
what it has said, and the log says so. Only a row that fails alone is given up.
"""

import logging
import os
import time
from collections.abc import Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass, field

import torch

from qwen_vl.answers import NOT_FINITE, Answer, answered, failed, out_of_memory, ranked, too_long
from qwen_vl.attention import Kernel, pick_kernel
from qwen_vl.budget import Limits, Shape
from qwen_vl.choosing import Said, draw, read_off
from qwen_vl.kv_cache import KVCache
from qwen_vl.memory import attempt, free_tokens, with_less
from qwen_vl.model import QwenVL
from qwen_vl.packed import PackedPass
from qwen_vl.pictures import Load, Pictures
from qwen_vl.queries import Query, check_query
from qwen_vl.rows import NOWHERE, Row, Step
from qwen_vl.scheduler import Scheduler, tokens_alone

__all__ = ["Answer", "Engine", "Query"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Work:
    """Where the time went and what was done; a pass that reads and decodes is split by its rows. Logits, and
    what is read off them, are part of both.
    """

    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(
            ("read", "vision", "prefill", "decode", "waiting", "logits"), 0.0
        )
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
        self.first_limits = self.limits  # before any was halved
        self.vision_batch = vision_batch or (32 if on_gpu else 4)
        self.threads = threads or min(8, max(2, (os.cpu_count() or 2) - 1))
        self.work = Work()
        self._check = check
        log.info("%s, pictures at once: %d", self.limits, self.vision_batch)

    def answer(self, queries: Iterable["Query | Answer | None"], load: Load) -> Generator[Answer, None, None]:
        """Answers every query once, in any order. `load` gives the picture of a key, in threads, which end
        with the generator.

        None among the queries means that nothing waits at this moment: what has come begins, and the next
        query is asked for after one more step. The engine does not wait itself, so while none of its queries
        is without an answer an iterator should wait for the next one instead of giving None. An Answer among
        them, to what did not even become a query, is handed on.
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
                    if isinstance(query, Answer):
                        yield query
                    else:
                        yield from run.add(query)
                yield from run.step()
                if self._check:
                    run.scheduler.check()
        finally:
            run.pictures.close()


class _Run:
    """One stream of queries through an engine."""

    def __init__(self, engine: Engine, load: Load) -> None:
        config, batch = engine.model.config, engine.vision_batch
        self.engine, self.model, self.work = engine, engine.model, engine.work
        self.scheduler = Scheduler(
            engine.limits, self.model.ntk_alpha, config.visual.image_start_id, config.visual.n_queries
        )
        self.scheduler.most_tokens = engine.first_limits.cache_tokens
        self.pictures = Pictures(self.model, load, batch, ahead=2 * batch, threads=engine.threads)
        self._warned = False
        self._empty_cache()

    def add(self, query: Query) -> Iterator[Answer]:
        """Takes a query in; answers at once what needs no model."""
        config = self.model.config
        try:
            check_query(query, config)
        except (ValueError, TypeError) as error:
            yield Answer(query.id, error=error)
            return
        if not query.options and query.max_new_tokens == 0:
            yield Answer(query.id, (), "length")
            return
        if len(query.ids) > config.seq_length and not self._warned:
            self._warned = True
            log.warning(
                "a prompt of %d tokens: the model was trained on %d", len(query.ids), config.seq_length
            )
        self.scheduler.add(query)

    def step(self) -> Iterator[Answer]:
        """Encodes pictures if some are needed now, then does one pass of the model."""
        scheduler, pictures = self.scheduler, self.pictures
        for row in self._withdraw(scheduler.cancelled()):
            yield from answered(row, Answer(row.query.id, tuple(row.answer), "cancelled"))
        yield from self._look()
        step = scheduler.plan(pictures.is_ready)
        for row in step.hopeless:
            yield from failed(row, too_long(row, tokens_alone(row), scheduler.most_tokens))
        if not step.starts and not step.active:
            return
        self._begun += len(step.starts)
        trouble = attempt(lambda: self._make_place(step.shape)).trouble
        if trouble is not None:
            yield from self._begin_again(trouble, step, growing=True)
            return
        said, trouble = attempt(lambda: self._pass(step))
        if trouble is not None:
            yield from self._begin_again(trouble, step, growing=False)
            return
        scheduler.began(step)
        yield from self._take(said)

    def _look(self) -> Iterator[Answer]:
        """Has pictures read, and those encoded that are needed next; errors of those that cannot be read, for
        everything that waits for them.
        """
        scheduler, pictures = self.scheduler, self.pictures
        pictures.look_ahead(scheduler.images_ahead())
        front = next((family for family in scheduler.families if not family.written), None)
        if front is not None and len(scheduler.active) < scheduler.limits.slots:
            while (trouble := attempt(lambda: self._encode(front.images)).trouble) is not None:
                self._encode_less(trouble, front.images)
        if pictures.errors:
            for family in list(scheduler.families):
                error = next((pictures.errors[key] for key in family.images if key in pictures.errors), None)
                if error is not None:
                    for row in self._withdraw(list(family.waiting)):
                        yield from failed(row, error)
            pictures.errors.clear()

    @torch.inference_mode()
    def _encode(self, images: tuple[Hashable, ...]) -> None:
        pictures, seconds = self.pictures, self.work.seconds
        before = (time.perf_counter(), pictures.waited_seconds, pictures.read_seconds, pictures.num_encoded)
        while pictures.encode(images, wait=not self.scheduler.active):
            pass
        waited = pictures.waited_seconds - before[1]
        seconds["waiting"] += waited
        seconds["vision"] += self._now() - before[0] - waited
        seconds["read"] += pictures.read_seconds - before[2]
        self.work.images += pictures.num_encoded - before[3]

    @torch.inference_mode()
    def _make_place(self, shape: Shape) -> None:
        for moves in self._moves:
            self._cache.slots.move(moves)
        self._moves.clear()
        self._cache.resize(shape)

    @torch.inference_mode()
    def _pass(self, step: Step) -> list[Said]:
        started = time.perf_counter()
        packed = PackedPass(self.model, step, self._cache, self.engine.kernel)
        hidden_EC, wanted = packed.hidden(self.pictures), packed.wanted()
        before_logits = self._now()
        said = read_off(self.model.lm_head, hidden_EC, wanted)
        ended, decoding = time.perf_counter(), len(step.active) / step.num_tokens
        seconds = ended - started
        self.work.seconds["logits"] += ended - before_logits
        self.work.seconds["decode"] += seconds * decoding
        self.work.seconds["prefill"] += seconds * (1 - decoding)
        self.work.passes += 1
        self.work.decoded += len(step.active)
        self.work.prefilled += step.num_tokens - len(step.active)
        return said

    def _now(self) -> float:
        """The time when the device has done all it was asked; what comes next would wait for it anyway."""
        if self.model.device.type == "cuda":
            torch.cuda.synchronize(self.model.device)
        return time.perf_counter()

    def _take(self, said: list[Said]) -> list[Answer]:
        """Rows take their tokens and scores; ends what is done."""
        answers: list[Answer] = []
        done: list[Row] = []
        for row, finite, token, logits_V, logprobs in said:
            if not finite:
                answers += failed(row, FloatingPointError(NOT_FINITE))
                done.append(row)
            elif row.options:
                answers += ranked(row, logprobs)
                done.append(row)
            elif row.known < len(row.answer):
                row.known += 1  # chosen before the row began again
            else:
                query, chosen = row.query, token if logits_V is None else draw(row, logits_V)
                stopped = chosen in query.stop_ids
                if not stopped:
                    row.answer.append(chosen)
                    row.known += 1
                    if query.on_token is not None:
                        query.on_token(chosen)
                if stopped or len(row.answer) == query.max_new_tokens:
                    answers.append(Answer(query.id, tuple(row.answer), "stop" if stopped else "length"))
                    done.append(row)
        self._moves.append(self.scheduler.finish(done))
        return answers

    def _withdraw(self, rows: list[Row]) -> list[Row]:
        """Takes rows out before their end, from a slot or from waiting."""
        active = [row for row in rows if row.slot != NOWHERE]
        self.scheduler.withdraw([row for row in rows if row.slot == NOWHERE])
        self._moves.append(self.scheduler.finish(active))
        return rows

    def _empty_cache(self) -> None:
        model, kernel = self.model, self.engine.kernel
        self._cache = KVCache(model.config, model.device, model.dtype, kernel.heads_first)
        self._moves: list[list[tuple[int, int]]] = []  # of slots, to be made before the next pass
        self._begun = 0  # rows since the cache was empty
        if model.device.type == "cuda":
            torch.cuda.empty_cache()

    def _begin_again(self, trouble: str, step: Step, growing: bool) -> Iterator[Answer]:
        """After a step that ran out of memory: all rows begin again, the first alone, then less at once. One
        that was alone since the cache was empty is given up, and the limits were not to blame.
        """
        engine, scheduler = self.engine, self.scheduler
        rows = [*step.active, *step.starts]
        alone = len(rows) == 1 and self._begun == 1
        large = any(row.known for row in step.starts)  # a pass it did without, before it began again
        scheduler.restart(step, slowly=True)
        self._empty_cache()
        given_up = rows if alone and not large else []
        if given_up:
            engine.limits = engine.first_limits
        elif len(rows) > 1:
            engine.limits = with_less(engine.limits, step, growing)
        scheduler.limits = engine.limits
        scheduler.withdraw(given_up)
        log.warning("out of memory (%s): everything begins again, %s", trouble, engine.limits)
        for row in given_up:
            yield from failed(row, out_of_memory(trouble))

    def _encode_less(self, trouble: str, images: tuple[Hashable, ...]) -> None:
        """After pictures that ran out of memory: fewer at once, then without rows beside them; one that was
        alone is given up.
        """
        engine, pictures = self.engine, self.pictures
        if engine.vision_batch > 1:
            engine.vision_batch = pictures.batch = engine.vision_batch // 2
            log.warning("out of memory (%s): pictures at once: %d", trouble, engine.vision_batch)
        elif self._begun:
            if self.scheduler.active:
                engine.limits = engine.limits._replace(slots=max(len(self.scheduler.active) // 2, 1))
            self.scheduler.limits = engine.limits
            self.scheduler.restart(slowly=True)
            self._empty_cache()
            log.warning("out of memory (%s): everything begins again, %s", trouble, engine.limits)
        else:
            left = (key for key in images if not pictures.is_ready(key) and key not in pictures.errors)
            pictures.errors[next(left)] = out_of_memory(trouble)
