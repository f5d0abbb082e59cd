"""Drawn tokens: exact masks on tables made by hand, shares that come out, seeds, defaults of a checkpoint."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from qwen_vl.config import QwenVLConfig
from qwen_vl.errors import CheckpointError
from qwen_vl.generate import generate
from qwen_vl.model import random_model
from qwen_vl.prompt import TokenPrompt
from qwen_vl.sampling import ChatDefaults, Sampling, choose, probabilities, read_defaults, stream

SHARES = [0.05, 0.4, 0.1, 0.25, 0.2]  # of five tokens
LOGITS = torch.tensor(SHARES).log() + 7.0


def expected(kept: set[int], shares: list[float] = SHARES) -> list[float]:
    whole = sum(shares[token] for token in kept)
    return [share / whole if token in kept else 0.0 for token, share in enumerate(shares)]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (1.0, {0, 1, 2, 3, 4}),
        (0.96, {0, 1, 2, 3, 4}),
        (0.94, {1, 2, 3, 4}),
        (0.86, {1, 2, 3, 4}),
        (0.84, {1, 3, 4}),
        (0.66, {1, 3, 4}),
        (0.64, {1, 3}),
        (0.41, {1, 3}),
        (0.39, {1}),
        (0.01, {1}),
    ],
)
def test_top_p_keeps_the_likeliest_that_reach_it(top_p: float, kept: set[int]) -> None:
    """One token too few or too many at the edge, or shares that are not spread over the rest."""
    found = probabilities(LOGITS, Sampling(1.0, top_p)).tolist()
    assert found == pytest.approx(expected(kept), abs=1e-6)
    assert [share > 0 for share in found] == [token in kept for token in range(5)]


def test_top_k_and_top_p_together() -> None:
    """top_p counts what top_k left, as published; the other order would keep three."""
    assert probabilities(LOGITS, Sampling(1.0, 1.0, 2)).tolist() == pytest.approx(expected({1, 3}), abs=1e-6)
    # Of the two left the first holds 0.4 / 0.65 = 0.615.
    assert probabilities(LOGITS, Sampling(1.0, 0.6, 2)).tolist() == pytest.approx(expected({1}), abs=1e-6)
    assert probabilities(LOGITS, Sampling(1.0, 0.64, 2)).tolist() == pytest.approx(expected({1, 3}), abs=1e-6)
    assert probabilities(LOGITS, Sampling(1.0, 1.0, 9)).tolist() == pytest.approx(SHARES, abs=1e-6)
    tied = probabilities(torch.tensor([2.0, 1.0, 1.0, 0.0]), Sampling(1.0, 1.0, 2)).tolist()
    assert [share > 0 for share in tied] == [True, True, True, False], "ties at the edge of top_k stay"


def test_top_p_of_equal_tokens() -> None:
    """Half of four equal tokens is two of them, the same two every time."""
    found = probabilities(torch.zeros(4), Sampling(1.0, 0.5)).tolist()
    assert found == [0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_comes_first(temperature: float) -> None:
    """Shares to the power of 1 / T; top_p cuts what the temperature made of them."""
    powers = [share ** (1 / temperature) for share in SHARES]
    shares = [power / sum(powers) for power in powers]
    assert probabilities(LOGITS, Sampling(temperature)).tolist() == pytest.approx(shares, abs=1e-6)
    first = shares[1]
    assert probabilities(LOGITS, Sampling(temperature, first - 0.01)).tolist() == [0, 1, 0, 0, 0]
    kept = expected({1, 3}, shares)
    assert probabilities(LOGITS, Sampling(temperature, first + 0.01)).tolist() == pytest.approx(
        kept, abs=1e-6
    )


@pytest.mark.parametrize("temperature", [1e-6, 1e-40, 1e-300])
def test_extreme_temperatures_stay_finite(temperature: float) -> None:
    """Logits divided by next to nothing overflow, and the answer would be NaN."""
    found = probabilities(LOGITS * 1e4, Sampling(temperature))
    assert bool(found.isfinite().all())
    assert float(found.sum()) == pytest.approx(1)
    assert float(found[1]) == 1
    assert probabilities(LOGITS, Sampling(1e30)).tolist() == pytest.approx([0.2] * 5)


def test_drawn_shares() -> None:
    """5,000 draws: a wrong table, or a draw that is no draw, is off by far more than four deviations."""
    generator, n = torch.Generator().manual_seed(1), 5_000
    sampling = Sampling(1.0, 0.86)
    counts = Counter(choose(LOGITS, sampling, generator) for _ in range(n))
    for token, share in enumerate(expected({1, 2, 3, 4})):
        deviation = (n * share * (1 - share)) ** 0.5
        assert abs(counts[token] - n * share) <= 4 * deviation
    assert choose(LOGITS, Sampling(), generator) == 1


@pytest.fixture(scope="module")
def prompts(tiny_config: QwenVLConfig) -> Any:
    """Streams of a small random model: (sampling, seed, stop ids) -> ids."""
    model = random_model(tiny_config, seed=5, std=0.2)

    def ask(sampling: Sampling, seed: int = 0, stops: tuple[int, ...] = ()) -> list[int]:
        prompt = TokenPrompt((10, 20, 30))
        return list(stream(model, prompt, max_new_tokens=12, stop_ids=stops, sampling=sampling, seed=seed))

    ask.model = model  # type: ignore[attr-defined]
    return ask


def test_greedy_equals_the_reference(prompts: Any) -> None:
    """What is shown token by token is what the reference generation answers, stop ids included."""
    for stops in ((), (prompts(Sampling())[5],)):
        (answer,) = generate(
            prompts.model,
            [TokenPrompt((10, 20, 30))],
            min_new_tokens=0,
            max_new_tokens=12,
            stop_ids=stops,
        )
        assert prompts(Sampling(), stops=stops) == list(answer.ids)
    assert len(answer.ids) < 12


def test_seeds(prompts: Any) -> None:
    """The same seed tells the same, another another, and neither touches torch's own generator."""
    before = torch.random.get_rng_state()
    drawn = [tuple(prompts(Sampling(1.0), seed)) for seed in (1, 1, 2, 3, 2**63 - 1)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    assert tuple(prompts(Sampling(1.0), 1)) == drawn[0]
    assert prompts(Sampling(1.0, top_k=1), 7) == prompts(Sampling())
    assert prompts(Sampling(1.0, top_p=1e-6), 7) == prompts(Sampling())


def test_the_stream_leaves_the_caller_its_gradients(prompts: Any) -> None:
    """Inference mode that stays on between tokens would break the caller's training in silence."""
    tokens = stream(
        prompts.model, TokenPrompt((1,)), max_new_tokens=3, stop_ids=(), sampling=Sampling(), seed=0
    )
    next(tokens)
    assert not torch.is_inference_mode_enabled()


def test_broken_weights_are_no_answer(tiny_config: QwenVLConfig) -> None:
    """The argmax of NaN is token 0, over and over."""
    model = random_model(tiny_config, seed=5)
    with torch.no_grad():
        model.lm_head.weight[3] = torch.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        list(stream(model, TokenPrompt((1,)), max_new_tokens=3, stop_ids=(), sampling=Sampling(), seed=0))


@pytest.mark.parametrize(
    "wrong",
    [(-1.0,), (float("nan"),), (float("inf"),), (1.0, 0.0), (1.0, 1.1), (1.0, float("nan")), (1.0, 1.0, -1)],
)
def test_impossible_settings(wrong: tuple[Any, ...]) -> None:
    """A negative temperature prefers the worst word; it must not be taken for a number like any other."""
    with pytest.raises(ValueError, match=r"temperature|top_p|top_k"):
        Sampling(*wrong)


def test_what_is_named_changes_what_is_drawn() -> None:
    """top_p beside a greedy default draws; temperature 0 is greedy whatever else is said."""
    assert Sampling().changed(None, 0.3, None) == Sampling(1.0, 0.3)
    assert Sampling().changed(None, None, 5) == Sampling(1.0, 1.0, 5)
    assert Sampling().changed(None, None, None) == Sampling()
    assert Sampling(1.0, 0.3).changed(0, None, None).temperature == 0
    assert Sampling(0.7, 0.3).changed(None, 0.5, None) == Sampling(0.7, 0.5)


def test_defaults_of_the_official_checkpoints(reference: Path) -> None:
    """Chat draws with top_p 0.3, the base model with 0.5, both at temperature 1 without top_k."""
    assert read_defaults(reference / "generation_config.chat.json") == ChatDefaults(Sampling(1.0, 0.3, 0))
    assert read_defaults(reference / "generation_config.base.json") == ChatDefaults(Sampling(1.0, 0.5, 0))


def test_defaults_without_a_word_are_greedy(tmp_path: Path) -> None:
    """As in the published library, who does not say do_sample does not draw."""
    assert read_defaults(tmp_path / "none.json") == ChatDefaults()
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({"top_p": 0.3, "max_new_tokens": 7, "max_window_size": 99}))
    assert read_defaults(path) == ChatDefaults(Sampling(), 7, 99)


@pytest.mark.parametrize(
    "values",
    [
        {"top_p": "0.3"},
        {"top_p": 0},
        {"top_p": True},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": 1.5},
        {"temperature": 10**400},
        {"max_new_tokens": "many"},
        {"max_new_tokens": 0},
        {"max_new_tokens": -1},
        {"max_new_tokens": 7.0},
        {"max_new_tokens": True},
        {"max_window_size": -1},
        [],
    ],
)
def test_damaged_defaults(values: Any, tmp_path: Path) -> None:
    """One line that names the file, not a traceback in the middle of an answer."""
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"generation_config\.json: ") as caught:
        read_defaults(path)
    assert "\n" not in str(caught.value)
