"""Workloads and arithmetic: pure functions of sizes and tables."""

from pathlib import Path

import pytest

from qwen_vl.profiling.arithmetic import (
    image_flop,
    logits_flop,
    parameters,
    static_flop,
    token_flop,
    useful_flop,
)
from qwen_vl.profiling.command import ASKED, PICTURES
from qwen_vl.profiling.sizes import size_of
from qwen_vl.profiling.workloads import WORKLOADS, draw_pictures, one_question, queries

DEMO, SMALL, OFFICIAL = (size_of(name) for name in ("demo", "small", "qwen-vl-7b"))


def test_the_official_size() -> None:
    """853 tensors of 9,656,935,168 parameters; 4.1 TFLOP of vision and 3.3 of prompt for one picture."""
    assert parameters(OFFICIAL) == 9_656_935_168
    assert image_flop(OFFICIAL) / 1e12 == pytest.approx(4.1, abs=0.15)
    assert 258 * token_flop(OFFICIAL, 129) / 1e12 == pytest.approx(3.3, abs=0.2)
    assert (SMALL.visual.grid, SMALL.mlp_width, SMALL.vocab_size) == (16, 1408, 151_936)
    assert logits_flop(SMALL) == 2 * 512 * 151_936


@pytest.mark.parametrize(
    ("name", "per_image", "text"),
    [("gqa", 31.6, 11.7), ("refcoco", 7.22, 7.0), ("docvqa", 4.16, 13.0), ("seedbench", 2.53, 38.9)],
)
def test_workloads_are_like_the_real_ones(name: str, per_image: float, text: float) -> None:
    """The means of the tables are those of the data they were counted in."""
    workload = WORKLOADS[name]
    assert sum(workload.questions) / 20 == pytest.approx(per_image, rel=0.04)
    assert sum(workload.text) / 20 == pytest.approx(text, rel=0.04)


def test_pictures_stand_for_the_whole_distribution(tmp_path: Path) -> None:
    """A few pictures of the workload have its mean, so that a short measurement is about the right thing; and
    every engine, in its own process, is asked the same.
    """
    asked = queries(DEMO, WORKLOADS["gqa"], 4, tmp_path)
    assert len(asked) / 4 == pytest.approx(31.6, rel=0.05)
    assert len({query.images for query in asked}) == 4
    assert all(query.min_new_tokens == query.max_new_tokens == 10 for query in asked)
    again = queries(DEMO, WORKLOADS["gqa"], 4, tmp_path)
    assert [query.ids for query in asked] == [query.ids for query in again]
    whole = queries(DEMO, WORKLOADS["gqa"], 398, tmp_path)
    assert len(whole) == pytest.approx(12_578, rel=0.005)


def test_pictures_are_drawn_once_and_alike(tmp_path: Path) -> None:
    """Two pictures that are equal would let a cache cheat; two drawings of one would let engines differ."""
    asked = queries(DEMO, WORKLOADS["seedbench"], 3, tmp_path / "a")
    draw_pictures(asked)
    draw_pictures([one_question(DEMO, 5, 5, tmp_path / "b")])
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert len(set(drawn.values())) == 3
    assert (tmp_path / "b/0.jpg").read_bytes() == drawn["0.jpg"]


def test_the_published_loop_does_more(tmp_path: Path) -> None:
    """What arithmetic alone allows, as known from the shapes: 18, 7.6 and 3 times for `small`; one picture
    with one question leaves nothing to share but logits; and options cost a prompt each.
    """

    def ratio(name: str, images: int = 20) -> float:
        asked = queries(SMALL, WORKLOADS[name], images, tmp_path)
        return static_flop(SMALL, asked) / useful_flop(SMALL, asked)

    assert ratio("gqa") == pytest.approx(18, rel=0.1)
    assert ratio("refcoco") == pytest.approx(7.6, rel=0.1)
    assert ratio("caption") == pytest.approx(3, rel=0.15)
    assert ratio("seedbench") > 13
    one = [one_question(OFFICIAL, 6, 1, tmp_path)]
    logits = 263 * logits_flop(OFFICIAL) / useful_flop(OFFICIAL, one)
    assert static_flop(OFFICIAL, one) / useful_flop(OFFICIAL, one) == pytest.approx(1 + logits, rel=0.02)


def test_the_help_says_the_defaults() -> None:
    """The command's help, which does not load torch, and the tables must not drift apart."""
    assert set(WORKLOADS) == set(ASKED)
    assert ", ".join(f"{name} {WORKLOADS[name].images}" for name in ASKED) == PICTURES
