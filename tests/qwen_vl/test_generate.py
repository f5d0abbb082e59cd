"""Reference generation: the recorded answers id for id, and rows that do not know their neighbours."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from qwen_vl.config import QwenVLConfig
from qwen_vl.generate import DenseCache, Generation, generate, image_features, mean_logprobs
from qwen_vl.model import QwenVL, random_model
from qwen_vl.prompt import TokenPrompt
from qwen_vl.tokenizer import Tokenizer
from tests.qwen_vl.golden import GENERATE_BATCH, GENERATE_SINGLE, Arrays, images, prompts, until_stop


def answers(
    model: QwenVL, rows: Sequence[TokenPrompt], case: dict[str, Any], padded: bool
) -> list[Generation]:
    arguments = case["args"]
    return generate(
        model,
        rows,
        min_new_tokens=arguments["min_new_tokens"],
        max_new_tokens=arguments["max_new_tokens"],
        stop_ids=[arguments["eos_token_id"]],
        padded=padded,
    )


@pytest.mark.parametrize(
    ("name", "padded"),
    [(name, False) for name in GENERATE_SINGLE + GENERATE_BATCH if name != "f_seq128_generate_batch"]
    + [(name, True) for name in GENERATE_BATCH],
)
def test_recorded_answers(
    reference: Path,
    tiny: Callable[[str], QwenVL],
    cases: dict[str, Any],
    arrays: Arrays,
    name: str,
    padded: bool,
) -> None:
    """Captions, boxes, several images, few shots, early stop, forbidden stop, and all of it beyond
    seq_length.

    One by one, and batches left-padded too; beyond seq_length a published batch agrees with the padded way
    only.
    """
    case, recorded = cases[name], arrays(name)
    rows = prompts(reference, case, recorded)
    stop_id = case["args"]["eos_token_id"]
    expected = [until_stop(ids, stop_id) for ids in recorded["new_ids"].tolist()]
    found = answers(tiny(case["config"]), rows, case, padded)
    assert [answer.ids for answer in found] == expected
    most = case["args"]["max_new_tokens"]
    assert [answer.stop_reason for answer in found] == [
        "length" if len(ids) == most else "stop" for ids in expected
    ]


def test_recorded_uncached_answer(
    reference: Path, tiny: Callable[[str], QwenVL], cases: dict[str, Any], arrays: Arrays
) -> None:
    """Without a cache the stretch grows as the answer crosses seq_length, so this answer differs from the
    cached.
    """
    name = "f_seq128_generate_cross_nocache"
    model, recorded = tiny("seq128"), arrays(name)
    (prompt,) = prompts(reference, cases[name], recorded)
    ids = list(prompt.ids)
    with torch.inference_mode():
        for _ in range(cases[name]["args"]["max_new_tokens"]):
            hidden_BTC = DenseCache(model).advance(torch.tensor([ids]))
            ids.append(int(model.lm_head(hidden_BTC[0, -1]).argmax()))
    assert ids[len(prompt.ids) :] == recorded["new_ids"][0].tolist()
    assert ids[len(prompt.ids) :] != arrays("f_seq128_generate_cross")["new_ids"][0].tolist()


@pytest.mark.parametrize("name", ["d_chat_first", "d_chat_history", "d_chat_injection", "d_chat_text"])
def test_recorded_chat_answers(
    reference: Path, tiny: Callable[[str], QwenVL], cases: dict[str, Any], name: str
) -> None:
    """Recorded chat contexts hold path bytes in their image rows, which the model must not read."""
    case = cases[name]
    prompt = TokenPrompt(tuple(case["context_tokens"]), images(reference, case["raw_text"], 112))
    new = case["new_ids"]
    (answer,) = generate(tiny("s112"), [prompt], min_new_tokens=0, max_new_tokens=len(new), stop_ids=[])
    assert list(answer.ids) == new


def test_recorded_choices(
    reference: Path,
    tiny: Callable[[str], QwenVL],
    cases: dict[str, Any],
    arrays: Arrays,
    tokenizer: Tokenizer,
) -> None:
    """Ranked options: a shift by one between logits and targets still gives plausible losses.

    Each option is asked with the prompt of its own recorded row. They should be one prompt, but the recorded
    row of the second option lacks the last four tokens of the case's text (" blue", newline, "Answer", ":"),
    so its recorded loss is that of the shortened prompt. The full prompt is asked below for its ranking
    alone.
    """
    case, recorded = cases["h_multiple_choice"], arrays("h_multiple_choice")
    model, pictures = tiny("s112"), images(reference, case["prompt"], 112)
    rows = [ids[mask == 1].tolist() for ids, mask in zip(recorded["tokens"], recorded["mask"], strict=True)]
    options = case["target_tokens"]
    for row, option, loss in zip(rows, options, case["option_loss"], strict=True):
        assert row[-len(option) :] == option
        (found,) = mean_logprobs(model, TokenPrompt(tuple(row[: -len(option)]), pictures), [option])
        assert found == pytest.approx(-loss, abs=1e-4)
    ranked = mean_logprobs(model, TokenPrompt(tuple(tokenizer.encode(case["prompt"])), pictures), options)
    assert [ranked[0], ranked[2]] == pytest.approx(
        [-case["option_loss"][0], -case["option_loss"][2]], abs=1e-4
    )
    assert ranked.index(max(ranked)) == case["pred"]


# From here on: nothing recorded is needed.


@pytest.fixture(scope="module")
def small(tiny_config: QwenVLConfig) -> QwenVL:
    return random_model(tiny_config, seed=5, std=0.2)


def image_prompt(config: QwenVLConfig, seed: int, text: Sequence[int]) -> TokenPrompt:
    start = config.visual.image_start_id
    pixels = torch.randn(3, 28, 28, generator=torch.Generator().manual_seed(seed))
    return TokenPrompt((start, *[start + 2] * config.visual.n_queries, start + 1, *text), (pixels,))


def many(config: QwenVLConfig) -> list[TokenPrompt]:
    same = [image_prompt(config, seed, (10, 20, 30)) for seed in (1, 2)]
    return [*same, TokenPrompt((40,)), TokenPrompt(tuple(range(50, 75))), image_prompt(config, 1, (11,))]


def test_cached_equals_uncached(small: QwenVL) -> None:
    """Within seq_length a cache only saves work; wrong positions or a stale mask would show here."""
    for prompt in many(small.config):
        (cached,) = generate(small, [prompt], min_new_tokens=12, max_new_tokens=12, stop_ids=[0])
        ids = list(prompt.ids)
        with torch.inference_mode():
            features = image_features(small, prompt.images)
            for _ in range(12):
                logits = small.lm_head(DenseCache(small).advance(torch.tensor([ids]), features)[0, -1])
                logits[0] = -torch.inf
                ids.append(int(logits.argmax()))
        assert list(cached.ids) == ids[len(prompt.ids) :]
        assert len(set(cached.ids)) > 1


def test_answers_do_not_depend_on_neighbours(small: QwenVL) -> None:
    """An image seen by the wrong row, or padding that is attended to, changes an answer."""
    rows = many(small.config)
    limits: dict[str, Any] = {"min_new_tokens": 0, "max_new_tokens": 10, "stop_ids": [0]}
    alone = [generate(small, [row], **limits)[0] for row in rows]
    assert generate(small, rows, **limits) == alone
    assert generate(small, rows, padded=True, **limits) == alone
    assert generate(small, rows[::-1], padded=True, **limits) == alone[::-1]
    assert alone[0] != alone[1], "the same question about two images"


def test_features_instead_of_pixels(small: QwenVL) -> None:
    """An image encoded once serves every question about it."""
    prompt = image_prompt(small.config, 1, (10, 20))
    with torch.inference_mode():
        features = small.encode_images(prompt.images[0][None])[0]
    limits: dict[str, Any] = {"min_new_tokens": 0, "max_new_tokens": 8, "stop_ids": [0]}
    reused = TokenPrompt(prompt.ids, (features,))
    assert generate(small, [reused], **limits) == generate(small, [prompt], **limits)
    assert mean_logprobs(small, reused, [[1, 2], [3]]) == mean_logprobs(small, prompt, [[1, 2], [3]])


def test_mean_logprobs_against_a_step_by_step_sum(small: QwenVL) -> None:
    """Continuations of several lengths: the mean must be per token, not per batch or padded length."""
    prompt = image_prompt(small.config, 2, (10,))
    continuations = [[7], [7, 8, 9], [100, 200]]
    expected = []
    with torch.inference_mode():
        features = image_features(small, prompt.images)
        for continuation in continuations:
            total, ids = 0.0, list(prompt.ids)
            for token in continuation:
                logits = small.lm_head(DenseCache(small).advance(torch.tensor([ids]), features)[0, -1])
                total += float(logits.log_softmax(-1)[token])
                ids.append(token)
            expected.append(total / len(continuation))
    assert mean_logprobs(small, prompt, continuations) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("stops", [[], [0], list(range(470))])
@pytest.mark.parametrize(("least", "most"), [(0, 0), (0, 3), (2, 2), (2, 5)])
def test_limits(small: QwenVL, least: int, most: int, stops: list[int]) -> None:
    """No answer is shorter than the minimum, longer than the maximum, or holds a stop id."""
    limits: dict[str, Any] = {"min_new_tokens": least, "max_new_tokens": most, "stop_ids": stops}
    for ids, reason in generate(small, many(small.config), **limits):
        assert least <= len(ids) <= most
        assert not set(stops) & set(ids)
        assert reason in (("length", "stop") if len(ids) == most else ("stop",))
