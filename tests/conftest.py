"""Fixtures of all tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture
def real_refcoco() -> Path:
    """The folder of the real RefCOCO rows; tests that need it are skipped where it is absent."""
    folder = SHARED / "real_data" / "refcoco"
    if not folder.is_dir():
        pytest.skip(f"needs the real RefCOCO rows in {folder}, which may not be redistributed")
    return folder
