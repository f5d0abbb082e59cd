"""A model behind a server of tests/serving.py, as the tests of its back end ask it."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval_mm.calls.patience import Patience
from eval_mm.models import Settings
from eval_mm.models.openai_api import OpenAIBackend
from eval_mm.models.openai_target import target
from eval_mm.run import run
from eval_mm.schema import Result

QUICK = Patience(tries=12, first=0.01, longest=0.05)


def backend(url: str, patience: Patience = QUICK, **changes: Any) -> OpenAIBackend:
    """The model `m` behind the server, impatient."""
    settings = Settings(base_url=url, **{"box_scale": "999", "timeout": 5.0, **changes})
    return OpenAIBackend(target("openai:m", "m", settings), settings, patience)


def ask(url: str, data: Path, out: Path, patience: Patience = QUICK, **changes: Any) -> Result:
    """The result of refcoco_val."""
    return run(backend(url, patience, **changes), ["refcoco_val"], data, out=out).outcomes[0].result


def journal(out: Path, task: str = "refcoco_val") -> list[dict[str, Any]]:
    """The lines of a task's journal."""
    text = (out / task / "predictions.rank0.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def command(url: str, data: Path, out: Path, *options: str) -> list[str]:
    """The command line of a run."""
    start = ["run", "--task", "refcoco_val", "--model", "openai:m", "--base-url", url, "--box-scale", "999"]
    return [*start, "--data", str(data), "--out", str(out), *options]


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr but a progress bar."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line and "%|" not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]
