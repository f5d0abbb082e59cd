"""A judge behind OpenAI's chat completions, or any server that speaks them."""

from typing import Any

from eval_mm.calls.access import Access
from eval_mm.calls.faults import Again
from eval_mm.calls.server import Server, tokens
from touchstone.judges import Reply
from touchstone.prompts import Ask
from touchstone.replies import read
from touchstone.settings import Settings

PATH = "/chat/completions"
NO_COMPLETION = "the server's reply is no chat completion"


class OpenAIJudge:
    """Asks one server with one key, which is put in no text."""

    def __init__(self, settings: Settings, access: Access, seconds: float):
        assert settings.base_url == access.base_url, f"{settings.base_url} is not {access.base_url}"
        self._settings = settings
        self._fixed: dict[str, object] = {
            "model": settings.model,
            "max_completion_tokens": settings.max_reply_tokens,
        }
        if settings.temperature is not None:
            self._fixed["temperature"] = settings.temperature
        if settings.prompt.stop:
            self._fixed["stop"] = list(settings.prompt.stop)
        self.server = Server(access, settings.model, seconds, "the judge's server")

    async def ask(self, ask: Ask) -> Reply:
        """The reply of the server; raises Stop, Again or Refused, the key in none of them."""
        told = [message._asdict() for message in self._settings.prompt.messages(ask)]
        return self._reply(await self.server.post(PATH, {**self._fixed, "messages": told}))

    async def close(self) -> None:
        """Ends the connections."""
        await self.server.close()

    def _reply(self, value: Any) -> Reply:
        try:
            choice = value["choices"][0]
            message = choice["message"]
            text = message.get("content") or message.get("refusal") or ""
        except (LookupError, TypeError, AttributeError):
            raise Again(NO_COMPLETION) from None
        if not isinstance(text, str):
            raise Again(NO_COMPLETION)
        usage = value.get("usage")
        if read(text) is None:
            shown = self.server.hidden(text)
        else:  # the scores stay as they came, whatever the key is
            scores, newline, reason = text.lstrip().partition("\n")
            shown = scores + newline + self.server.hidden(reason)
        cut = choice.get("finish_reason") == "length" and "\n" not in text.lstrip()
        return Reply(shown, tokens(usage, "prompt_tokens"), tokens(usage, "completion_tokens"), cut)
