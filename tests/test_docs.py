"""What README and EVALUATION say can be typed, and the tree they draw is there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from data_scripts.__main__ import main as data_scripts
from eval_mm import tasks
from eval_mm.cli import build_parser, main

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "EVALUATION.md", "CONTRIBUTING.md")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """The arguments of every `python -m PROGRAM` in the shell blocks of all pages."""
    lines = [line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines()]
    calls = [line.partition(f"python -m {program} ")[2] for line in lines if f"python -m {program} " in line]
    return [shlex.split(re.split(r"[)&]", call)[0], comments=True) for call in calls]


def test_every_eval_mm_command_is_valid() -> None:
    """An option that was renamed must not live on in the README; tasks named there exist."""
    calls = commands("eval_mm")
    assert len(calls) >= 6
    for call in calls:
        arguments = build_parser().parse_args(call)
        named = getattr(arguments, "task", None) or []
        for name in [named] if isinstance(named, str) else named:
            if name != "$task":
                tasks.resolve([name])


def test_every_training_command_is_valid() -> None:
    """On one process and under torchrun."""
    from qwen_vl.__main__ import _parser

    lines = [line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines()]
    calls = [line.partition("-m qwen_vl ")[2] for line in lines if "-m qwen_vl " in line]
    assert len(calls) >= 2
    for call in calls:
        _parser().parse_args(shlex.split(call, comments=True))


def test_the_data_commands_work_as_written(
    real_refcoco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`prepare` and `check` exactly as the pages say, in a folder laid out as they say."""
    calls = commands("data_scripts")
    assert {call[0] for call in calls} == {"prepare", "check"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DOWNLOADED").symlink_to(real_refcoco)
    (tmp_path / "train2014").mkdir()
    for call in calls:
        code = data_scripts(call)
        assert code == (0 if call[0] == "prepare" else 3), capsys.readouterr().err  # no pictures here: 3


def test_the_demo_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's answers-made-elsewhere and score commands, on the demo data and a demo run."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--task", "refcoco", "--limit", "2"]) == 0
    folder = tmp_path / "results/runs/demo"
    assert main(["score", str(folder), "--protocol", "instruct"]) == 0
    answers = folder / "refcoco_val/predictions.rank0.jsonl"
    command = ["score", "--task", "refcoco_val", "--predictions", str(answers), "--data", "demo"]
    assert main(command) == 2, "two answers for a whole split are too few"
    assert main([*command, "--subset"]) == 0


def test_the_python_example_runs(tmp_path: Path) -> None:
    """The README's Python, as it stands."""
    (code,) = blocks("README.md", "python")
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()[1] == "False"


def test_make_targets_exist() -> None:
    """The two commands of the README, and those CONTRIBUTING and CI name."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        target
        for page in PAGES
        for target in re.findall(r"\bmake ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"))
    }
    assert {"demo", "test", "setup", "check"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_tree_in_the_readme_is_there() -> None:
    """A newcomer finds places from the tree: every name in it exists, and every package file is in it."""
    tree = next(block for block in blocks("README.md", "text") if block.startswith("eval_mm/"))
    folder, named = ROOT, set()
    for line in tree.splitlines():
        words = line.split("  ")[0] if not line.startswith("  ") else line.strip().split("  ")[0]
        for word in words.split():
            if not line.startswith("  "):
                folder = ROOT / word
                path = folder
            else:
                path = folder / word
            assert path.exists(), f"{path.relative_to(ROOT)} is in the README's tree only"
            named.add(path)
    for package in ("eval_mm", "qwen_vl"):
        for path in (ROOT / package).glob("*.py"):
            if not path.name.startswith("__") and path.name != "errors.py":
                assert path in named, f"{path.relative_to(ROOT)} is missing in the README's tree"


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_work(page: str) -> None:
    """A moved file must not leave a dead link."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), f"{page} links to {target}"
