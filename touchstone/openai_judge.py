"""A judge behind OpenAI's chat completions, or any server that speaks them.

The client's own retries are off: what is asked again, and when, is decided in asking.py alone. A reply is
read as JSON and not as the client's types, since a server that is not OpenAI's may send anything.
"""

import email.utils
import time
from collections.abc import Mapping
from typing import Any

from openai import (
    APIConnectionError,
    APIStatusError,
    AsyncOpenAI,
    Timeout,
)

from touchstone.judges import Again, Refused, Reply, Stop
from touchstone.prompts import Ask
from touchstone.replies import read
from touchstone.settings import Settings

PATH = "/chat/completions"
NO_COMPLETION = "the server's reply is no chat completion"

HIDDEN = "[key]"
"""What stands for the key wherever a server repeats it."""

SHORTEST = 8
"""Characters from which on a key is hidden: a shorter one is a placeholder and may stand in any text."""

OVERLOADED = frozenset({408, 409, 425, 429})


class OpenAIJudge:
    """Asks one server with one key, which is kept in memory and put in no text."""

    def __init__(self, settings: Settings, key: str, key_name: str, seconds: float):
        assert settings.base_url, f"{settings.model} has no server"
        self._settings, self._key, self._key_name = settings, key, key_name
        self._fixed: dict[str, object] = {
            "model": settings.model,
            "max_completion_tokens": settings.max_reply_tokens,
        }
        if settings.temperature is not None:
            self._fixed["temperature"] = settings.temperature
        if settings.prompt.stop:
            self._fixed["stop"] = list(settings.prompt.stop)
        self._client = AsyncOpenAI(
            api_key=key,
            base_url=settings.base_url,  # given always: OPENAI_BASE_URL would send the key elsewhere
            max_retries=0,
            timeout=Timeout(seconds, connect=min(seconds, 10.0)),
        )

    async def ask(self, ask: Ask) -> Reply:
        """The reply of the server; raises Stop, Again or Refused, the key in none of them."""
        told = [message._asdict() for message in self._settings.prompt.messages(ask)]
        try:
            # the client's post, not its `create`, which spends a third of all time on walking types
            value = await self._client.post(PATH, cast_to=object, body={**self._fixed, "messages": told})
            return self._reply(value)
        except ValueError:  # JSON by its header only
            raise Again(NO_COMPLETION) from None
        except APIConnectionError as error:
            cause = error.__cause__ or error
            raise Again(self._hidden(f"no connection: {cause or type(cause).__name__}")) from None
        except APIStatusError as error:
            raise self._fault(error) from None

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()

    def _reply(self, value: Any) -> Reply:
        try:
            choice = value["choices"][0]
            message = choice["message"]
            text = message.get("content") or message.get("refusal") or ""
        except (LookupError, TypeError, AttributeError):
            raise Again(NO_COMPLETION) from None
        if not isinstance(text, str):
            raise Again(NO_COMPLETION)
        usage = value.get("usage") or {}
        if read(text) is None:
            shown = self._hidden(text)
        else:  # the scores stay as they came, whatever the key is
            scores, newline, reason = text.lstrip().partition("\n")
            shown = scores + newline + self._hidden(reason)
        cut = choice.get("finish_reason") == "length" and "\n" not in text.lstrip()
        return Reply(shown, _number(usage, "prompt_tokens"), _number(usage, "completion_tokens"), cut)

    def _fault(self, error: APIStatusError) -> Exception:
        status = error.status_code
        said = self._hidden(f"{status} {error.message}")
        if status in (401, 403):
            return Stop(f"the judge's server refuses the key in {self._key_name}: {said}")
        if error.code == "insufficient_quota":
            return Stop(f"the account of the key in {self._key_name} is used up: {said}")
        if status == 404:
            return Stop(f"the judge's server knows no '{self._settings.model}', or no such address: {said}")
        if status in OVERLOADED or status >= 500:
            return Again(said, retry_after(error.response.headers))
        return Refused(said)

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, HIDDEN) if len(self._key) >= SHORTEST else text


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds a server asks to wait: `retry-after-ms`, `retry-after` in seconds or as a date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, date.timestamp() - time.time())


def _number(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
