"""How to judge: what the user chose, checked before anything is asked or spent."""

import os
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field

from eval_mm import extras
from eval_mm.errors import UserError
from touchstone import prompts
from touchstone.asking import Limits
from touchstone.cost import Prices
from touchstone.judges import Judge, StubJudge
from touchstone.settings import STUB, Settings

LOCAL_KEY = "none"
"""What a server of one's own gets where no key is set: the client insists on one."""


OPENAI = "https://api.openai.com/v1"
"""Where the key goes without --base-url, whatever the client's own variables say."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to judge: `judge` a model's name or `stub`, the rest as on the command line."""

    judge: str
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    judge_prompt: str | None = None
    temperature: float | None = 0.0
    max_reply_tokens: int = 512
    repeat: int = 0
    limits: Limits = field(default_factory=Limits)
    prices: Prices | None = None
    max_cost: float | None = None
    dry_run: bool = False

    def settings(self) -> Settings:
        """What makes the numbers; raises UserError or DataError for a prompt that cannot be used."""
        if not self.judge.strip():
            raise UserError("--judge is empty; name a model, or 'stub'")
        prompt = prompts.load(self.judge_prompt)
        server = None if self.judge == STUB else (self.base_url or OPENAI).rstrip("/")
        return Settings(self.judge, prompt, self.temperature, self.max_reply_tokens, self.repeat, server)


def checked(options: Options) -> Callable[[Settings], Judge]:
    """What makes the judge; raises UserError now for what would make it fail later.

    The key is read from the environment here and nowhere else.
    """
    if options.judge == STUB:
        return lambda settings: StubJudge()
    extras.require("judge", f"--judge {options.judge}")
    if options.max_cost is not None and options.prices is None:
        raise UserError("--max-cost needs --price-in and --price-out, in dollars per million tokens")
    if options.base_url is not None:
        parts = urllib.parse.urlsplit(options.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError("--base-url: expected http://HOST/PATH or https://HOST/PATH")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UserError(
                "--base-url: a key belongs into the environment (--api-key-env NAME), not into a URL"
            )
    name = options.api_key_env
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):  # not repeated: it may be the key itself
        raise UserError("--api-key-env: expected the name of an environment variable")
    key = os.environ.get(name, "").strip()
    if not key and options.base_url is None and not options.dry_run:
        raise UserError(f"--judge {options.judge} needs a key in the environment: set {_shown(name)}")
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise UserError(f"{_shown(name)}: expected a key of printable ASCII characters")

    def make(settings: Settings) -> Judge:
        from touchstone.openai_judge import OpenAIJudge

        return OpenAIJudge(settings, key or LOCAL_KEY, f"${name}", options.limits.seconds)

    return make


def _shown(name: str) -> str:
    return "OPENAI_API_KEY" if name == "OPENAI_API_KEY" else "the variable that --api-key-env names"
