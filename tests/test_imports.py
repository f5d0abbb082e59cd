"""Imports point one way, and heavy packages stay where they are needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "pandas", "PIL", "openai", "tiktoken", "huggingface_hub", "numpy"}

FORBIDDEN = {
    "qwen_vl": {"eval_mm", "data_scripts", "touchstone"},
    "eval_mm": {"data_scripts", "touchstone", "qwen_vl"},
    "data_scripts": {"qwen_vl", "touchstone", "torch"},
    "touchstone": {"qwen_vl", "data_scripts", "torch"},
}
ALLOWED = {
    "eval_mm/models/qwen_vl.py": {"qwen_vl"},
    "eval_mm/models/hf.py": {"qwen_vl"},
    "eval_mm/models/hf_checkpoint.py": {"qwen_vl"},
}


def imports(path: Path) -> Iterator[str]:
    """The top-level packages a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    """data_scripts -> eval_mm; eval_mm.models -> qwen_vl; touchstone -> eval_mm; never back."""
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        wrong = set(imports(path)) & FORBIDDEN[package] - ALLOWED.get(name, set())
        assert not wrong, f"{name} imports {wrong}"


@pytest.mark.parametrize(
    "module", ["eval_mm", "eval_mm.cli", "eval_mm.rescore", "eval_mm.models", "qwen_vl", "touchstone.cli"]
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    """`--help` and scoring answer at once because torch and its like are loaded on demand only."""
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_every_task_can_be_listed_without_heavy_imports() -> None:
    """Listing the tasks takes milliseconds, not the seconds of a deep-learning stack."""
    code = (
        "import sys; from eval_mm.tasks import all_tasks; all_tasks(); "
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
