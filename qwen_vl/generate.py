"""Reference generation: slow, obvious, and what every faster path must agree with token for token.

Greedy search as the published evaluation runs it (https://github.com/QwenLM/Qwen-VL, `eval_mm`): stop tokens
are forbidden for the first `min_new_tokens` steps; the rotary stretch is chosen once, from the length of the
prompt, and kept while decoding from the cache.

Rows run one at a time, so no answer depends on its neighbours. The published code left-pads a batch instead:

    p p p a b c | d e        rotary index and logn scale count from the first p,
    f g h i j k | l m        the stretch sees the padded length

Within `seq_length` that only shifts positions, and answers agree with unpadded ones up to rounding. Beyond it
the published answers depend on the batch; `padded=True` reproduces that and exists for the tests. Deviation:
log-probabilities are computed in float64 whatever the compute dtype (published: in the compute dtype).

Shapes: B rows, T new positions, S positions so far, C hidden_size, H heads, D head width, V vocab_size, Q
n_queries, N images.
"""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from qwen_vl.attention import attend_dense, dense_mask
from qwen_vl.model import QwenVL
from qwen_vl.prompt import TokenPrompt

_FILLER = 0  # fills padding and finished rows; masked or never read, so any id would do


class Generation(NamedTuple):
    """An answer: its ids without the stop id, and why it ended."""

    ids: tuple[int, ...]
    stop_reason: Literal["stop", "length"]


class DenseCache:
    """Keys and values of left-padded rows, grown by concatenation. One per prompt or padded batch."""

    def __init__(self, model: QwenVL) -> None:
        self.model = model
        self.alpha = 1.0
        self.keys_BSHD: list[Tensor] = []  # one per layer, rotated
        self.values_BSHD: list[Tensor] = []
        self.keep_BS: Tensor | None = None
        self._mask: Tensor | None = None

    def advance(
        self, ids_BT: Tensor, features_NQC: Tensor | None = None, keep_BT: Tensor | None = None
    ) -> Tensor:
        """Hidden rows (B, T, C) of new positions; the first call is the prompt and chooses the rotary
        stretch.

        keep_BT: False at padding; all real if left out.
        """
        keep_BT = torch.ones_like(ids_BT, dtype=torch.bool) if keep_BT is None else keep_BT
        past = 0 if self.keep_BS is None else self.keep_BS.shape[1]
        n_new = ids_BT.shape[1]
        if self.keep_BS is None:
            self.keep_BS, self.alpha = keep_BT, self.model.ntk_alpha(n_new)
        else:
            self.keep_BS = torch.cat((self.keep_BS, keep_BT), dim=1)
        self._mask = dense_mask(n_new, self.keep_BS, self.model.dtype)
        positions_T = torch.arange(past, past + n_new, device=ids_BT.device)
        hidden_BTC = self.model.embed(ids_BT, features_NQC)
        return self.model.decode(hidden_BTC, self.model.rotation(positions_T, self.alpha), self._attend)

    def _attend(self, layer: int, q_XHD: Tensor, k_XHD: Tensor, v_XHD: Tensor) -> Tensor:
        if layer == len(self.keys_BSHD):
            self.keys_BSHD.append(k_XHD)
            self.values_BSHD.append(v_XHD)
        else:
            self.keys_BSHD[layer] = torch.cat((self.keys_BSHD[layer], k_XHD), dim=1)
            self.values_BSHD[layer] = torch.cat((self.values_BSHD[layer], v_XHD), dim=1)
        return attend_dense(q_XHD, self.keys_BSHD[layer], self.values_BSHD[layer], self._mask)


def generate(
    model: QwenVL,
    prompts: Sequence[TokenPrompt],
    *,
    min_new_tokens: int,
    max_new_tokens: int,
    stop_ids: Collection[int],
    padded: bool = False,
) -> list[Generation]:
    """Greedy answers, in the order of the prompts."""
    assert 0 <= min_new_tokens <= max_new_tokens, (min_new_tokens, max_new_tokens)
    batches = [list(prompts)] if padded else [[prompt] for prompt in prompts]
    with torch.inference_mode():
        return [
            answer
            for batch in batches
            for answer in _generate_batch(model, batch, min_new_tokens, max_new_tokens, frozenset(stop_ids))
        ]


def mean_logprobs(model: QwenVL, prompt: TokenPrompt, continuations: Sequence[Sequence[int]]) -> list[float]:
    """Mean log-probability per token of each continuation (minus the published loss of an option)."""
    with torch.inference_mode():
        features_NQC = image_features(model, prompt.images)
        return [_mean_logprob(model, prompt.ids, features_NQC, ids) for ids in continuations]


def image_features(model: QwenVL, images: Sequence[Tensor]) -> Tensor:
    """Features (N, Q, C) of images given as pixels (3, S, S) or features (Q, C), encoded one by one."""
    visual = model.config.visual
    features = []
    for image in images:
        if image.ndim == 3:
            image = model.encode_images(image[None])[0]
        assert image.shape == (visual.n_queries, visual.output_dim), tuple(image.shape)
        features.append(image.to(model.device, model.dtype))
    if not features:
        return torch.empty(0, visual.n_queries, visual.output_dim, device=model.device, dtype=model.dtype)
    return torch.stack(features)


def left_pad(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids (B, T) of rows padded on the left to the longest, and keep (B, T), False at padding."""
    length = max(len(row) for row in rows)
    ids_BT = torch.tensor([[_FILLER] * (length - len(row)) + list(row) for row in rows], device=device)
    padding_B1 = torch.tensor([[length - len(row)] for row in rows], device=device)
    return ids_BT, torch.arange(length, device=device) >= padding_B1


def _generate_batch(
    model: QwenVL, prompts: Sequence[TokenPrompt], min_new: int, max_new: int, stop_ids: frozenset[int]
) -> list[Generation]:
    ids_BT, keep_BT = left_pad([prompt.ids for prompt in prompts], model.device)
    features_NQC = image_features(model, [image for prompt in prompts for image in prompt.images])
    answers: list[list[int]] = [[] for _ in prompts]
    stopped = [False] * len(prompts)
    cache = DenseCache(model)
    for step in range(max_new):
        hidden_BTC = cache.advance(ids_BT, features_NQC, keep_BT) if step == 0 else cache.advance(ids_BT)
        logits_BV = model.lm_head(hidden_BTC[:, -1])
        if not bool(logits_BV.isfinite().all()):
            raise FloatingPointError("the model's output is not finite: broken weights, or a dtype too small")
        if step < min_new and stop_ids:
            logits_BV[:, list(stop_ids)] = -torch.inf
        chosen = logits_BV.argmax(dim=-1).tolist()
        for row, token in enumerate(chosen):
            stopped[row] = stopped[row] or token in stop_ids
            if not stopped[row]:
                answers[row].append(token)
        if all(stopped):
            break
        fed = [_FILLER if ended else token for ended, token in zip(stopped, chosen, strict=True)]
        ids_BT = torch.tensor(fed, device=model.device)[:, None]
    return [
        Generation(tuple(ids), "stop" if ended else "length")
        for ids, ended in zip(answers, stopped, strict=True)
    ]


def _mean_logprob(
    model: QwenVL, prompt_ids: Sequence[int], features_NQC: Tensor, ids: Sequence[int]
) -> float:
    assert len(ids) > 0, "an empty continuation has no log-probability"
    row = torch.tensor([[*prompt_ids, *ids[:-1]]], device=model.device)
    hidden_BTC = DenseCache(model).advance(row, features_NQC)
    logprobs_TV = model.lm_head(hidden_BTC[0, -len(ids) :]).double().log_softmax(dim=-1)
    return float(logprobs_TV[torch.arange(len(ids)), list(ids)].mean())
