"""docs/models.md: its commands are valid, its examples run against a server, its tables are the code's."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eval_mm import tasks
from eval_mm.cli import build_parser
from eval_mm.models.hf_families import BOX_SCALES
from qwen_vl.serving.command import add_options

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/models.md").read_text(encoding="utf-8")
SCENE = ROOT / "eval_mm/demo/scenes/000010.png"


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """The arguments of every command of a program."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    start = f"python -m {program} "
    return [shlex.split(line.removeprefix(start)) for line in lines if line.startswith(start)]


def server_parser() -> argparse.ArgumentParser:
    """The options of `python -m qwen_vl serve`."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The first server of the page, on a free port."""
    call = next(call for call in commands("qwen_vl") if "demo" in call)
    command = [sys.executable, "-m", "qwen_vl", *call, "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert process.stderr is not None
    try:
        yield process.stderr.readline().split()[3]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_every_command_is_valid() -> None:
    """An option or a task that was renamed must not live on."""
    calls = commands("eval_mm")
    assert len(calls) >= 8
    for call in calls:
        tasks.resolve(build_parser().parse_args(call).task)
    servers = commands("qwen_vl")
    assert len(servers) == 2
    for verb, *options in servers:
        assert verb == "serve"
        server_parser().parse_args(options)


def test_the_curl_example_runs(url: str, tmp_path: Path) -> None:
    """What a reader pastes first."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    shutil.copy(SCENE, tmp_path / "scene.png")
    code = next(block for block in blocks("bash") if "curl" in block).replace("http://127.0.0.1:8000/v1", url)
    ended = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert '"finish_reason":"stop"' in ended.stdout


def test_the_python_example_runs(url: str, tmp_path: Path) -> None:
    """The client's example, as it stands but for the port."""
    shutil.copy(SCENE, tmp_path / "scene.png")
    [code] = blocks("python")
    code = code.replace("http://127.0.0.1:8000/v1", url)
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.split()) > 2


def test_the_limits_are_the_commands() -> None:
    """A default changed in the code only would make the page promise another."""
    stated = dict(re.findall(r"^\| `--([\w-]+)` \| (\d+) \|", TEXT, re.MULTILINE))
    defaults = vars(server_parser().parse_args([]))
    assert {name: int(value) for name, value in stated.items()} == {
        name: defaults[name.replace("-", "_")] for name in stated
    }
    limits = {name for name in defaults if name.startswith("max_")} | {"grace"}
    assert {name.replace("-", "_") for name in stated} == limits


def test_the_families_are_the_codes() -> None:
    """A unit that stands here and not in the code is refused, one of the code alone is asked for by hand."""
    rows = re.findall(r"^\| ((?:`\w+`,? ?)+) \| `(\w+)` \|$", TEXT, re.MULTILINE)
    stated = {name: unit for names, unit in rows for name in re.findall(r"`(\w+)`", names)}
    assert stated == BOX_SCALES


def test_links_work() -> None:
    """A moved page or chapter must not leave a dead link."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        path, _, anchor = target.partition("#")
        page = ROOT / "docs" / path
        assert page.exists(), target
        text = page.read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors | set(re.findall(r'<a id="([\w-]+)">', text)), target
