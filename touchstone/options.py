"""How to judge: what the user chose, checked before anything is asked or spent."""

from collections.abc import Callable
from dataclasses import dataclass, field

from eval_mm import extras
from eval_mm.calls.access import KEY_NAME, access, address
from eval_mm.calls.cost import Prices, check_limit
from eval_mm.errors import UserError
from touchstone import prompts
from touchstone.asking import Limits
from touchstone.judges import Judge, StubJudge
from touchstone.settings import STUB, Settings


@dataclass(frozen=True, slots=True)
class Options:
    """How to judge: `judge` a model's name or `stub`, the rest as on the command line."""

    judge: str
    base_url: str | None = None
    api_key_env: str = KEY_NAME
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
        server = None if self.judge == STUB else address(self.base_url)
        return Settings(self.judge, prompt, self.temperature, self.max_reply_tokens, self.repeat, server)


def checked(options: Options) -> Callable[[Settings], Judge]:
    """What makes the judge; raises UserError now for what would make it fail later.

    The key is read from the environment here and nowhere else.
    """
    if options.judge == STUB:
        return lambda settings: StubJudge()
    extras.require("judge", f"--judge {options.judge}")
    check_limit(options.prices, options.max_cost)
    found = access(options.base_url, options.api_key_env, f"--judge {options.judge}", keyless=options.dry_run)

    def make(settings: Settings) -> Judge:
        from touchstone.openai_judge import OpenAIJudge

        return OpenAIJudge(settings, found, options.limits.seconds)

    return make
