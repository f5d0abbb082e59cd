"""What a pass says of its rows: the next token of each, greedy or drawn by the row's own seed, and the
log-probabilities of options.

Logits are made for some hidden rows at a time, so that thousands of options need no more memory than a few
hundred rows. Log-probabilities of options are more exact than the logits of greedy choices: a float32 product
of more than two rows adds up the C terms of a logit one after another, which by itself moved them by 1e-5;
here a logit is a sum of `SUMS` sums, and what stands below the fraction is summed in float64.

Shapes: E hidden rows whose logits are wanted, C hidden_size, V vocab_size, P parts of 128 logits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from qwen_vl.rows import Row
from qwen_vl.sampling import choose

CHUNK = 256  # hidden rows whose logits are held at once
PART = 128
SUMS = 8


class Said(NamedTuple):
    """Of a row: whether its logits are finite; its likeliest token, and all logits if it draws; or the mean
    log-probabilities of its options.
    """

    row: Row
    finite: bool
    token: int = -1
    logits_V: Tensor | None = None
    logprobs: tuple[float, ...] = ()


def read_off(lm_head: nn.Linear, hidden_EC: Tensor, wanted: Sequence[tuple[Row, int]]) -> list[Said]:
    """What hidden rows say, so many of them of each row: one, or for options that behind the prompt and one
    for each of their tokens that was read. No row is changed.
    """
    going_on: list[Row] = []
    ranked: list[Row] = []
    places: list[int] = []
    ranked_places: list[int] = []
    start = 0
    for row, count in wanted:
        (ranked if row.options else going_on).append(row)
        (ranked_places if row.options else places).extend(range(start, start + count))
        start += count
    said = []
    for rows, at, read in ((going_on, places, _next_tokens), (ranked, ranked_places, _rank)):
        if rows:
            some_EC = hidden_EC if len(at) == start else hidden_EC[at]
            said += read(lm_head, some_EC, rows)
    return said


def draw(row: Row, logits_V: Tensor) -> int:
    """The next token of a row that draws."""
    sampling = row.query.sampling
    assert sampling is not None, row.query.id
    if row.generator is None:
        row.generator = torch.Generator().manual_seed(row.query.seed)
    return choose(logits_V, sampling, row.generator)


def _next_tokens(lm_head: nn.Linear, hidden_EC: Tensor, rows: Sequence[Row]) -> list[Said]:
    """One hidden row each. Stop ids are forbidden below the minimum."""
    said = []
    for start in range(0, len(rows), CHUNK):
        some, logits_EV = rows[start : start + CHUNK], lm_head(hidden_EC[start : start + CHUNK])
        finite_E = _finite(logits_EV)
        forbidden = [
            (place, token)
            for place, row in enumerate(some)
            if len(row.answer) < row.query.min_new_tokens
            for token in row.query.stop_ids
        ]
        if forbidden:
            at, tokens = (list(part) for part in zip(*forbidden, strict=True))
            logits_EV[at, tokens] = -torch.inf
        drawing = [
            place
            for place, row in enumerate(some)
            if row.query.sampling is not None and row.query.sampling.temperature > 0
        ]
        drawn = dict(zip(drawing, logits_EV[drawing].cpu(), strict=True)) if drawing else {}
        best = _likeliest(logits_EV)
        for place, (row, finite) in enumerate(zip(some, finite_E.tolist(), strict=True)):
            said.append(Said(row, finite, best[place], drawn.get(place)))
    return said


def _likeliest(logits_EV: Tensor) -> list[int]:
    """The largest logit of each row, the first of equals."""
    if logits_EV.shape[-1] % PART:
        return logits_EV.argmax(dim=-1).tolist()
    # torch's argmax over a long row takes four times as long on the CPU as its maximum.
    parts_EPV = logits_EV.unflatten(-1, (-1, PART))
    part_E = parts_EPV.amax(dim=-1).argmax(dim=-1)
    within_E = parts_EPV[torch.arange(len(part_E), device=part_E.device), part_E].argmax(dim=-1)
    return (part_E * PART + within_E).tolist()


def _rank(lm_head: nn.Linear, hidden_EC: Tensor, rows: Sequence[Row]) -> list[Said]:
    """The first token of every option stands behind the same hidden row, the others behind their own."""
    places: list[int] = []
    start = 0
    for row in rows:
        behind = start + 1
        for tail in row.tails():
            places += [start, *range(behind, behind + len(tail))]
            behind += len(tail)
        start = behind
    ids = [token for row in rows for number in row.options for token in row.query.options[number]]
    logprobs, finite = _logprobs(lm_head, hidden_EC, np.array(places), np.array(ids))
    said, start, token = [], 0, 0
    for row in rows:
        means, end = [], start + 1 + sum(len(tail) for tail in row.tails())
        for number in row.options:
            count = len(row.query.options[number])
            means.append(float(logprobs[token : token + count].mean()))
            token += count
        said.append(Said(row, bool(finite[start:end].all()), logprobs=tuple(means)))
        start = end
    return said


def _logprobs(
    lm_head: nn.Linear, hidden_EC: Tensor, places: np.ndarray, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The log-probability of each id behind the hidden row at its place; which hidden rows are finite."""
    found, finite = np.empty(len(ids)), np.empty(len(hidden_EC), dtype=bool)
    for start in range(0, len(hidden_EC), CHUNK):
        logits_EV = _exact_logits(lm_head, hidden_EC[start : start + CHUNK])
        finite[start : start + CHUNK] = _finite(logits_EV).cpu().numpy()
        here = (places >= start) & (places < start + CHUNK)
        at, tokens = (
            torch.from_numpy(part).to(logits_EV.device) for part in (places[here] - start, ids[here])
        )
        wanted = logits_EV[at, tokens].double()
        most_E1 = logits_EV.amax(dim=-1, keepdim=True)
        sum_E = logits_EV.sub_(most_E1).exp_().sum(dim=-1, dtype=torch.float64)
        found[here] = (wanted - (sum_E.log() + most_E1[:, 0])[at]).cpu().numpy()
    return found, finite


def _exact_logits(lm_head: nn.Linear, hidden_EC: Tensor) -> Tensor:
    """Logits (E, V) in float32."""
    if hidden_EC.dtype != torch.float32:
        return lm_head(hidden_EC).float()
    weight_VC, width = lm_head.weight, -(-hidden_EC.shape[-1] // SUMS)
    logits_EV = hidden_EC.new_zeros(len(hidden_EC), len(weight_VC))
    for hidden, weight in zip(hidden_EC.split(width, -1), weight_VC.split(width, -1), strict=True):
        logits_EV.addmm_(hidden, weight.t())
    return logits_EV


def _finite(logits_EV: Tensor) -> Tensor:
    """Which rows are (E,): a sum is not finite if anything in it is not, and quick to have."""
    return logits_EV.sum(dim=-1, dtype=torch.float32).isfinite()
