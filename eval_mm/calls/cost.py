"""What calls cost, and a limit that is kept."""

import os
from dataclasses import dataclass

from eval_mm.errors import UserError


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per million tokens."""

    per_prompt: float
    per_reply: float

    def of(self, prompt_tokens: float, reply_tokens: float) -> float:
        """The cost in dollars."""
        return (prompt_tokens * self.per_prompt + reply_tokens * self.per_reply) / 1e6


def priced(price_in: float | None, price_out: float | None) -> Prices | None:
    """The prices of --price-in and --price-out; UserError where one of them stands alone."""
    if (price_in is None) != (price_out is None):
        raise UserError("--price-in and --price-out belong together")
    return None if price_in is None or price_out is None else Prices(price_in, price_out)


def check_limit(prices: Prices | None, max_cost: float | None) -> None:
    """Raises UserError for --max-cost where nothing says what a call costs."""
    if max_cost is not None and prices is None:
        raise UserError("--max-cost needs --price-in and --price-out, in dollars per million tokens")


def share(max_cost: float | None) -> float | None:
    """What this one of torchrun's processes may spend: an equal part, for none knows of the others' calls."""
    return None if max_cost is None else max_cost / int(os.environ.get("WORLD_SIZE", "1"))


class Budget:
    """Never spends more than it may: the most a call can cost is set aside before it is made."""

    def __init__(self, prices: Prices | None, most: float | None, spent: float = 0.0):
        self.prices, self.most, self.spent = prices, most, spent
        self._held = 0.0

    def hold(self, prompt_tokens: float, reply_tokens: float) -> float | None:
        """Sets the most a call may cost aside; None where it is not there."""
        if self.prices is None or self.most is None:
            return 0.0
        cost = self.prices.of(prompt_tokens, reply_tokens)
        if self.spent + self._held + cost > self.most:
            return None
        self._held += cost
        return cost

    def settle(self, held: float, prompt_tokens: float, reply_tokens: float) -> None:
        """Gives what was set aside free and books what the call cost."""
        self._held -= held
        if self.prices is not None:
            self.spent += self.prices.of(prompt_tokens, reply_tokens)
