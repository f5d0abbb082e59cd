"""Fixtures of all tests."""

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # started with `&` from a script: tests of Ctrl-C need it
    signal.signal(signal.SIGINT, signal.default_int_handler)
SHARED = ROOT.parent / "shared"


@pytest.fixture
def real_refcoco() -> Path:
    """The folder of the real RefCOCO rows; tests that need it are skipped where it is absent."""
    folder = SHARED / "real_data" / "refcoco"
    if not folder.is_dir():
        pytest.skip(f"needs the real RefCOCO rows in {folder}, which may not be redistributed")
    return folder
