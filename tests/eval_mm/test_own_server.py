"""Our own server, asked through the back end for servers, answers as the model does when it is run here."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from qwen_vl.checkpoint import DEMO_FOLDER

ROOT = Path(__file__).parents[2]

pytest.importorskip("fastapi", reason="needs the extra 'serve': pip install 'eval-mm[serve]'")
pytest.importorskip("openai", reason="needs the extra 'api': pip install 'eval-mm[api]'")


@contextmanager
def server(model: str, name: str) -> Iterator[str]:
    """The base URL of `python -m qwen_vl serve`."""
    command = [sys.executable, "-m", "qwen_vl", "serve", "--model", model, "--name", name, "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = re.search(r"http://\S+", said)
        assert found is not None, said + process.stderr.read()
        yield found[0]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def answers(out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Every journal line of a run by task and sample."""
    lines = [
        (path.parent.name, json.loads(line))
        for path in sorted(out.glob("*/predictions.rank0.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return {(task, line["id"]): line for task, line in lines}


def check_alike(here: Path, there: Path) -> int:
    """Texts, ends and counts are the same, ranks up to rounding; returns how many answers there are."""
    local, remote = answers(here), answers(there)
    assert local.keys() == remote.keys()
    for place, one in local.items():
        other = remote[place]
        for field in ("text", "stop_reason", "prompt_tokens", "new_tokens", "error"):
            assert one[field] == other[field], (place, field)
        assert one["choice_logprobs"] == pytest.approx(other["choice_logprobs"], abs=1e-4), place
    return len(local)


def both(tmp_path: Path, model: str, **how: Any) -> tuple[int, list[eval_mm.Result]]:
    """A run here and one through a server: the number of answers, which are alike, and the results."""
    here, there = tmp_path / "here", tmp_path / "there"
    local = eval_mm.evaluate(model, data="demo", out=here, **how)
    with server(model, "served") as url:
        remote = eval_mm.evaluate("openai:served", data="demo", out=there, base_url=url, **how)
    for one, other in zip(local, remote, strict=True):
        assert (one.task, one.metrics) == (other.task, other.metrics)
        assert other.model == "served"
        assert other.demo
    return check_alike(here, there), remote


def test_protocol_qwen_vl(tmp_path: Path) -> None:
    """Structure, ranked options, several pictures and every limit arrive: the base model, of every task."""
    number, results = both(tmp_path, "demo", tasks="all", limit=2)
    assert number >= 60
    assert {result.prompt_protocol for result in results} == {"qwen-vl"}
    assert {result.config["box_scale"] for result in results} == {"999"}


def test_protocol_instruct(tmp_path: Path) -> None:
    """A chat model through chat turns: no picture is numbered that the protocol does not number."""
    tasks = "refcoco_val,textvqa_val,scienceqa_test_img,nocaps_val,seedbench_video,mme"
    how = {"tasks": tasks, "limit": 3, "system": "Be brief.", "max_new_tokens": 24}
    number, _ = both(tmp_path, chat_model(tmp_path), protocol="instruct", **how)
    assert number == 18


def chat_model(folder: Path) -> str:
    """The demo's weights as a chat model."""
    checkpoint = Path(shutil.copytree(DEMO_FOLDER, folder / "chat"))
    (checkpoint / "generation_config.json").write_text(json.dumps({"chat_format": "chatml"}))
    return str(checkpoint)


@pytest.mark.slow
def test_every_answer(tmp_path: Path) -> None:
    """The whole of the demo data, as the first of these tests."""
    number, _ = both(tmp_path, "demo", tasks="all")
    assert number > 800


@pytest.mark.slow
def test_every_answer_in_a_chat(tmp_path: Path) -> None:
    """The whole of the demo data, as the second of them."""
    number, _ = both(tmp_path, chat_model(tmp_path), tasks="all", protocol="instruct")
    assert number > 800
