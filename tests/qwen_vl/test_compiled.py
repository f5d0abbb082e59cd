"""Compiled functions beside the plain ones, and a machine without a compiler."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from qwen_vl.checkpoint import DEMO_FOLDER, load
from qwen_vl.compiled import PARTS, compile_parts
from qwen_vl.config import QwenVLConfig
from qwen_vl.engine import Answer, Engine, Query
from qwen_vl.image import load_image, preprocess
from qwen_vl.model import random_model
from qwen_vl.profiling.static import answer as answer_static
from qwen_vl.prompt import LATER, Special, build_prompt
from qwen_vl.text import rms_norm

DATA = Path(__file__).parents[2] / "eval_mm/demo"


def test_every_part_is_where_compiled_looks(tiny_config: QwenVLConfig) -> None:
    """A function renamed in text.py, or called by another name there, would silently not be compiled."""
    modules = list(random_model(tiny_config, seed=0).modules())
    for kind, (name, function) in PARTS.items():
        found = [module for module in modules if type(module) is kind]
        assert found
        assert all(getattr(module, name) is function for module in found)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The reason is one line, and the model stays whole: else it would fail at the first answer."""
    monkeypatch.setenv("CXX", "/nonexistent/compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    code = (
        "from qwen_vl.checkpoint import DEMO_FOLDER, load\n"
        "from qwen_vl.compiled import PARTS, compile_parts\n"
        "model = load(DEMO_FOLDER, 'cpu', 'float32').model\n"
        "print(compile_parts(model))\n"
        "names = {name for name, _ in PARTS.values()}\n"
        "print([name for module in model.modules() for name in names & vars(module).keys()])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    reason, replaced = ended.stdout.splitlines()
    assert "No working C++ compiler" in reason
    assert replaced == "[]"


def demo_queries() -> Iterator[Query]:
    """The demo's expressions about its first pictures, with its own ids."""
    tokenizer = load(DEMO_FOLDER, "cpu", "float32").tokenizer
    rows = (DATA / "refcoco/refcoco_val.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    for number, row in enumerate(map(json.loads, rows)):
        marks = (Special("<ref>"), row["expression"], Special("</ref>"), Special("<box>"))
        ids = build_prompt(tokenizer, (LATER, *marks)).ids
        yield Query(number, ids, (row["image"],), (), 0, 28, frozenset({tokenizer.eod_id}))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs the C++ compiler g++")
def test_answers_stay_the_same() -> None:
    """Compiled functions sum in another order and round otherwise, but must not choose otherwise: neither for
    packed rows, nor for the padded batches of the static loop.
    """
    model = load(DEMO_FOLDER, "cpu", "float32").model
    size = model.config.visual.image_size
    asked = list(demo_queries())

    def pixels(key: str) -> torch.Tensor:
        return preprocess(load_image(DATA / key), size)

    def answers() -> list[dict[object, Answer]]:
        both = (Engine(model).answer(asked, pixels), answer_static(model, asked, pixels))
        return [{answer.id: answer for answer in one} for one in both]

    ids = torch.tensor(asked[0].ids)
    tables = model.rotation(torch.arange(len(ids)), 1.0)
    rows_TC = model.embed(ids)

    def hidden() -> torch.Tensor:
        with torch.inference_mode():
            return model.decode(rows_TC, tables, lambda layer, q, k, v: v)

    plain, plain_hidden = answers(), hidden()
    assert compile_parts(model) is None
    torch.testing.assert_close(hidden(), plain_hidden, rtol=1e-5, atol=1e-5)
    assert model.transformer.ln_f.normalise is not rms_norm
    assert answers() == plain
    assert all(answer.ids and answer.error is None for answer in plain[0].values())
