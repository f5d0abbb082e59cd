"""A server of the bundled demo model for all tests here."""

from collections.abc import Iterator

import pytest

from qwen_vl.session import QwenVL
from tests.qwen_vl.serving.running import Running, serving


@pytest.fixture(scope="session")
def session() -> QwenVL:
    """The demo model: a base model, which completes every question on its own."""
    return QwenVL.from_pretrained("demo", "cpu", "float32")


@pytest.fixture(scope="session")
def server(session: QwenVL) -> Iterator[Running]:
    """One server for all tests that do not change it."""
    with serving(session) as running:
        yield running
