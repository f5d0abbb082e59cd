"""Tiny checkpoints of many families, made once."""

from pathlib import Path

import pytest

from tests.eval_mm.hf import tiny_models


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each family."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, build in (tiny_models.FAMILIES | tiny_models.OTHERS).items():
        build(folder / name)
    tiny_models.qwen_vl(folder / "qwen2_5_vl", "2_5")
    return {path.name: path for path in folder.iterdir()}
