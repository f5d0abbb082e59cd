"""No test of the judge reaches for the network."""

import pytest

from touchstone import cost


@pytest.fixture(autouse=True)
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiktoken downloads its tables, and a network that swallows packets would hold every test."""
    monkeypatch.setattr(cost, "tokeniser", lambda model: cost.ESTIMATE)
