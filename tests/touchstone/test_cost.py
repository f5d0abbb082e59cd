"""What judging costs, told before it is spent."""

import sys
import time
from types import SimpleNamespace

import pytest

from eval_mm.calls.cost import Budget, Prices
from touchstone import cost
from touchstone.cost import ESTIMATE, most_tokens, plan
from touchstone.cost import tokeniser as real_tokeniser
from touchstone.prompts import OURS, Ask
from touchstone.settings import Settings

ASK = Ask("A cat. " * 100, "What is it?", "A dog.", "猫" * 50)
JUDGE = Settings("gpt-4o", OURS, max_reply_tokens=100)


def offline(name: str) -> object:
    raise ConnectionError("no network")


def test_without_a_network_an_estimate_is_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a machine without a network: judging goes on, and the number says what it is."""
    absent = SimpleNamespace(encoding_for_model=offline, get_encoding=offline)
    monkeypatch.setitem(sys.modules, "tiktoken", absent)
    found = real_tokeniser("gpt-4o")
    assert found.name == "an estimate, 4 bytes a token"
    assert (found.count(""), found.count("word"), found.count("words")) == (0, 1, 2)


def test_a_network_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against minutes of silence behind a firewall."""

    def late(name: str) -> SimpleNamespace:
        time.sleep(0.5)
        return SimpleNamespace(name=name)

    silent = SimpleNamespace(encoding_for_model=late, get_encoding=offline)
    monkeypatch.setitem(sys.modules, "tiktoken", silent)
    monkeypatch.setattr(cost, "SECONDS", 0.05)
    started = time.monotonic()
    assert real_tokeniser("gpt-4o").name.startswith("an estimate")
    assert time.monotonic() - started < 4


def test_a_model_that_tiktoken_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards servers of one's own: their models are counted by the newest table, which is named."""

    def unknown(name: str) -> object:
        raise KeyError(name)

    encoding = SimpleNamespace(name="o200k_base", encode=lambda text, disallowed_special: list(text))
    known = SimpleNamespace(encoding_for_model=unknown, get_encoding=lambda name: encoding)
    monkeypatch.setitem(sys.modules, "tiktoken", known)
    found = real_tokeniser("qwen3")
    assert (found.name, found.count("<|endoftext|>")) == ("tiktoken, o200k_base", 13)


def test_the_plan() -> None:
    """Guards the sum that a user agrees to: calls, tokens in and out, usual and highest cost."""
    told = plan([ASK] * 3, 5, JUDGE)
    texts = [message.content for message in OURS.messages(ASK, "0" * 12)]
    each = 12 + sum(ESTIMATE.count(text) for text in texts)
    assert (told.calls, told.done, told.prompt_tokens) == (3, 5, 3 * each)
    assert (told.reply_tokens, told.most_reply_tokens) == (300, 300), "no reply is longer than its limit"
    lines = told.told(JUDGE, Prices(1000.0, 10_000.0)).splitlines()
    assert lines[0].startswith(
        "judge gpt-4o: 3 calls to make, 5 judgements are there; prompt touchstone-1 d2eb"
    )
    assert lines[2].startswith(f"cost: about ${3 * each / 1000 + 3:.2f}, at most ${3 * each / 1000 + 3:.2f}")


def test_the_budget() -> None:
    """Guards --max-cost while many calls are under way: what they may cost is set aside first."""
    budget = Budget(Prices(0.0, 10_000.0), 2.5)  # a reply of 100 tokens costs a dollar
    most = most_tokens(ASK, JUDGE)
    held = [budget.hold(*most) for _ in range(3)]
    assert held == [1.0, 1.0, None]
    budget.settle(1.0, 500, 20)
    assert budget.spent == pytest.approx(0.2)
    assert budget.hold(*most) == 1.0
    assert budget.hold(*most) is None
    assert Budget(None, None).hold(*most) == 0.0
