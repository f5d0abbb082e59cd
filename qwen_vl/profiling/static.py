"""The published evaluation loop on our modules, to measure against: padded batches, nothing shared.

As the published scripts do it (https://github.com/QwenLM/Qwen-VL, `eval_mm`): every question is a left-padded
row of a batch of 8 with its picture encoded for itself, the logits of a prompt are computed at all positions,
and for ranked options the whole prompt is repeated for each. The next batch begins when the longest row of
the last is done.

Shapes: B rows, T positions, C hidden_size, V vocab_size, N images.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional

from qwen_vl.engine import Answer, Query
from qwen_vl.generate import DenseCache, left_pad
from qwen_vl.model import QwenVL
from qwen_vl.pictures import Load

BATCH = 8


def answer(model: QwenVL, queries: Iterable[Query], load: Load) -> Iterator[Answer]:
    """Answers in order. All queries of a batch are of one kind and have the same limits."""
    for batch in batches(queries):
        with torch.inference_mode():
            answers = (_ranked if batch[0].options else _generated)(model, batch, load)
        yield from answers


def batches(queries: Iterable[Query]) -> Iterator[list[Query]]:
    """Queries of 8 rows; a row is a question or one of its options."""
    source = iter(queries)
    while first := next(source, None):
        size = max(BATCH // len(first.options), 1) if first.options else BATCH
        yield [first, *islice(source, size - 1)]


def _generated(model: QwenVL, batch: Sequence[Query], load: Load) -> list[Answer]:
    least, most, stop_ids = batch[0].min_new_tokens, batch[0].max_new_tokens, batch[0].stop_ids
    ids_BT, keep_BT = left_pad([query.ids for query in batch], model.device)
    cache, answers = DenseCache(model), [list[int]() for _ in batch]
    stopped = [False] * len(batch)
    for step in range(most):
        if step == 0:
            hidden_BTC = cache.advance(ids_BT, _features(model, batch, load), keep_BT)
        else:
            hidden_BTC = cache.advance(ids_BT)
        logits_BV = model.lm_head(hidden_BTC)[:, -1]
        if step < least and stop_ids:
            logits_BV[:, list(stop_ids)] = -torch.inf
        chosen_B = logits_BV.argmax(dim=-1)
        for row, token in enumerate(chosen_B.tolist()):
            stopped[row] = stopped[row] or token in stop_ids
            if not stopped[row]:
                answers[row].append(token)
        if all(stopped):
            break
        ids_BT = chosen_B[:, None]
    return [
        Answer(query.id, tuple(ids), "stop" if ended else "length")
        for query, ids, ended in zip(batch, answers, stopped, strict=True)
    ]


def _ranked(model: QwenVL, batch: Sequence[Query], load: Load) -> list[Answer]:
    repeated = [query for query in batch for _ in query.options]
    options = [option for query in batch for option in query.options]
    rows = [(*query.ids, *option) for query, option in zip(repeated, options, strict=True)]
    ids_BT, keep_BT = left_pad(rows, model.device)
    hidden_BTC = DenseCache(model).advance(ids_BT[:, :-1], _features(model, repeated, load), keep_BT[:, :-1])
    logits_BTV = model.lm_head(hidden_BTC).float()
    losses = functional.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="none")
    losses_BT = losses.unflatten(0, (len(rows), -1))
    means = [-float(losses_BT[row, -len(option) :].mean()) for row, option in enumerate(options)]
    answers, start = [], 0
    for query in batch:
        answers.append(Answer(query.id, logprobs=tuple(means[start : start + len(query.options)])))
        start += len(query.options)
    return answers


def _features(model: QwenVL, batch: Sequence[Query], load: Load) -> Tensor | None:
    images = [load(key) for query in batch for key in query.images]
    return model.encode_images(torch.stack(images)) if images else None
