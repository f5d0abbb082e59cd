"""What judging will cost, told before it is spent."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eval_mm.calls.cost import Prices
from touchstone.journal import Judgement
from touchstone.prompts import Ask
from touchstone.settings import Settings

PER_CALL = 12
"""Tokens of a conversation besides its texts, about."""

PER_REPLY = 160
"""Tokens of a usual reply: two scores and a few sentences."""

SECONDS = 10.0
"""How long a tokeniser may take to come: its table is downloaded once."""


class Tokeniser(NamedTuple):
    """Counts the tokens of a text; `name` says how."""

    name: str
    count: Callable[[str], int]


ESTIMATE = Tokeniser(
    "an estimate, 4 bytes a token", lambda text: -(-len(text.encode("utf-8", "replace")) // 4)
)


def tokeniser(model: str) -> Tokeniser:
    """Tiktoken's of that model, or of the newest ones; an estimate where its table cannot be downloaded."""
    found: list[Tokeniser] = []

    def load() -> None:
        import tiktoken

        try:
            try:
                encoding = tiktoken.encoding_for_model(model)
            except KeyError:
                encoding = tiktoken.get_encoding("o200k_base")
        except (OSError, ValueError):  # no network, a table that is damaged
            return
        found.append(
            Tokeniser(
                f"tiktoken, {encoding.name}", lambda text: len(encoding.encode(text, disallowed_special=()))
            )
        )

    # a network that swallows packets would hold tiktoken for minutes: it is not waited for
    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return found[0] if found else ESTIMATE


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be asked: calls, prompt tokens in all, reply tokens as expected and at most."""

    calls: int
    done: int
    prompt_tokens: int
    reply_tokens: int
    most_reply_tokens: int
    counted: str

    def told(self, settings: Settings, prices: Prices | None) -> str:
        """In two lines what it is and what it costs."""
        lines = [
            f"judge {settings.model}: {self.calls:,} calls to make, {self.done:,} judgements are there; "
            f"prompt {settings.prompt.name} {settings.prompt.sha256[:12]}"
            + (f"; server {settings.base_url}" if settings.base_url else ""),
            f"tokens: {self.prompt_tokens:,} in ({self.counted}), about {self.reply_tokens:,} out, at most "
            f"{self.most_reply_tokens:,}",
        ]
        if prices is not None:
            usual = prices.of(self.prompt_tokens, self.reply_tokens)
            most = prices.of(self.prompt_tokens, self.most_reply_tokens)
            lines.append(f"cost: about ${usual:.2f}, at most ${most:.2f} unless replies must be asked again")
        return "\n".join(lines)


def prompt_tokens(ask: Ask, settings: Settings, counter: Tokeniser) -> int:
    """About how many tokens one call sends."""
    told = settings.prompt.messages(ask, marker="0" * 12)
    return PER_CALL + sum(counter.count(message.content) for message in told)


def plan(asks: Sequence[Ask], done: int, settings: Settings) -> Plan:
    """Counts what is to be asked."""
    if settings.is_stub:
        return Plan(len(asks), done, 0, 0, 0, "the stub needs none")
    counter = tokeniser(settings.model) if asks else ESTIMATE
    sent = sum(prompt_tokens(ask, settings, counter) for ask in asks)
    usual = min(PER_REPLY, settings.max_reply_tokens)
    most = len(asks) * settings.max_reply_tokens
    return Plan(len(asks), done, sent, len(asks) * usual, most, counter.name)


def most_tokens(ask: Ask, settings: Settings) -> tuple[float, int]:
    """More prompt and reply tokens than one call can need."""
    # one token for two bytes is more than any text of words needs, in any language
    told = settings.prompt.messages(ask, marker="0" * 12)
    sent = sum(len(message.content.encode("utf-8", "replace")) for message in told)
    return sent / 2 + PER_CALL, settings.max_reply_tokens


def spent_on(judgements: Sequence[Judgement], prices: Prices | None) -> float:
    """What judgements have cost at these prices."""
    if prices is None:
        return 0.0
    return sum(prices.of(one.prompt_tokens, one.reply_tokens) for one in judgements)
