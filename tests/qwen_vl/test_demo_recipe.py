"""The recipe of the demo model, without its hour: each command is valid, in order, and done once."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from data_scripts.options import build_parser as data_parser
from qwen_vl.__main__ import _parser as model_parser
from qwen_vl.checkpoint import save_checkpoint
from qwen_vl.demo.make import mean_model
from qwen_vl.model import random_model
from tests.qwen_vl.training import VOCABULARY, config

SCRIPT = Path(__file__).parents[2] / "qwen_vl" / "demo" / "train.sh"

RECORDER = """#!{python}
import json, pathlib, sys
log = pathlib.Path(__file__).with_name("log")
log.write_text((log.read_text() if log.exists() else "") + json.dumps(sys.argv[1:]) + "\\n")
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1] if "--out" in sys.argv else sys.argv[-1])
out.mkdir(parents=True, exist_ok=True)
(out / ("conversations.json" if "data_scripts" in sys.argv else "model.safetensors")).touch()
"""


def test_every_command_of_the_recipe(tmp_path: Path) -> None:
    """A renamed option would be found by the next person who spends an hour on it."""
    recorder = tmp_path / "bin" / "python"
    recorder.parent.mkdir()
    recorder.write_text(RECORDER.format(python=sys.executable))
    recorder.chmod(0o755)
    command = ["bash", str(SCRIPT), str(tmp_path / "work"), str(recorder.parent)]
    subprocess.run(command, check=True, capture_output=True)
    log = tmp_path / "bin" / "log"
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert calls[0][:3] == ["-m", "qwen_vl.demo.make", "fresh"]
    assert calls[-1][:3] == ["-m", "qwen_vl.demo.make", "bundle"]
    made = {calls[0][-1]}
    for call in calls[1:-1]:
        if "data_scripts" in call:
            made.add(str(data_parser().parse_args(call[2:]).out))
        else:
            asked = model_parser().parse_args(call[call.index("finetune") :])
            assert asked.model in made, f"{asked.out} starts from what is not there yet"
            assert str(Path(asked.data).parent) in made
            made.add(asked.out)
    assert calls[-1][-1] in made
    assert len(made) == len(calls) - 1 > 8
    subprocess.run(command, check=True, capture_output=True)
    again = log.read_text().splitlines()[len(calls) :]
    assert [json.loads(line) for line in again] == calls[-1:], "finished lessons are taken again"


def test_the_mean_of_two_lessons(tmp_path: Path) -> None:
    """Guards the weights that are bundled: a weight left out of the mean would be the first lesson's."""
    folders = [tmp_path / "a", tmp_path / "b"]
    models = [random_model(config(), seed=seed, std=0.1) for seed in (3, 4)]
    for folder, model in zip(folders, models, strict=True):
        save_checkpoint(model, VOCABULARY, folder, torch.float32)
    first, second = (dict(model.named_parameters()) for model in models)
    for name, weight in mean_model(folders).named_parameters():
        assert torch.equal(weight, (first[name] + second[name]) / 2), name
    for name, weight in mean_model(folders[1:]).named_parameters():
        assert torch.equal(weight, second[name]), name
