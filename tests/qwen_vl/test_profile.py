"""Workloads, arithmetic and the profile command, on the demo model."""

import re
from pathlib import Path

import pytest
import torch

from qwen_vl.__main__ import main
from qwen_vl.arithmetic import image_flop, logits_flop, parameters, token_flop
from qwen_vl.checkpoint import DEMO_FOLDER
from qwen_vl.config import QwenVLConfig
from qwen_vl.model import QwenVL, random_model
from qwen_vl.profile import ENGINES, OFFICIAL, SMALL, measure
from qwen_vl.workloads import WORKLOADS, queries

DEMO = QwenVLConfig.from_file(DEMO_FOLDER / "config.json")


@pytest.fixture(scope="module")
def model(tiny_config: QwenVLConfig) -> QwenVL:
    values = tiny_config.to_dict()
    values["vocab_size"] = 1024
    values["visual"] = {**values["visual"], "image_start_id": 1000}
    return random_model(QwenVLConfig.from_dict(values), seed=1, std=0.2)


def test_the_official_size() -> None:
    """853 tensors of 9,656,935,168 parameters; 4.1 TFLOP of vision and 3.3 of prompt for one picture."""
    config = QwenVLConfig.from_dict(OFFICIAL)
    assert parameters(config) == 9_656_935_168
    assert image_flop(config) / 1e12 == pytest.approx(4.1, abs=0.15)
    assert 258 * token_flop(config, 129) / 1e12 == pytest.approx(3.3, abs=0.2)
    small = QwenVLConfig.from_dict(SMALL)
    assert (small.visual.grid, small.mlp_width, small.vocab_size) == (16, 1408, 151_936)
    assert logits_flop(small) == 2 * 512 * 151_936


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
    """A few pictures of the workload have its mean, so that a short measurement is about the right thing."""
    asked = queries(DEMO, WORKLOADS["gqa"], 4, tmp_path)
    assert len(asked) / 4 == pytest.approx(31.6, rel=0.05)
    assert len({query.images for query in asked}) == 4
    assert all(query.min_new_tokens == query.max_new_tokens == 10 for query in asked)
    assert [query.ids for query in asked] == [
        query.ids for query in queries(DEMO, WORKLOADS["gqa"], 4, tmp_path)
    ]


@pytest.mark.parametrize("workload", ["docvqa", "seedbench"])
def test_all_engines_answer_the_same(model: QwenVL, workload: str, tmp_path: Path) -> None:
    """A ratio between engines that do different work says nothing."""
    asked = queries(model.config, WORKLOADS[workload], 3, tmp_path)
    found = [measure(model, engine, asked).answers for engine in ENGINES]
    for name in found[0]:
        scores = [answers[name].logprobs for answers in found]
        if scores[0] is None:
            assert found[0][name] == found[1][name] == found[2][name]
        else:
            assert scores[1] == pytest.approx(scores[0], abs=3e-5)
            assert scores[2] == pytest.approx(scores[0], abs=3e-5)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is the ratio; the table has a line for each engine."""
    options = ["--config", "demo", "--workload", "docvqa", "--images", "1", "--device", "cpu"]
    assert main(["profile", *options, "--compare", "static"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"ratio fast/static: \d+\.\d", lines[-1])
    assert {line.split()[0] for line in lines} >= {"fast", "static", "engine"}
    assert main(["profile", *options]) == 0
    assert "ratio" not in capsys.readouterr().out


def test_a_model_that_does_not_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said in one line before anything is allocated."""
    monkeypatch.setattr("qwen_vl.profile.free_memory", lambda device: 10**9)
    assert main(["profile", "--config", "qwen-vl-7b", "--device", "cpu", "--dtype", "float32"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "38.6 GB of weights, 1.0 GB" in line
    assert "7." in line.partition("By arithmetic")[2]
    assert torch.get_default_dtype() == torch.float32
