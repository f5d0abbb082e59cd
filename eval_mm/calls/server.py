"""A server that speaks OpenAI's protocol, as a place to post JSON to and get JSON from.

The client's own retries are off: what is asked again, and when, is decided in patience.py alone. A reply is
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

from eval_mm.calls.access import Access
from eval_mm.calls.faults import Again, Refused, Stop

LONGEST = 500
"""Characters of a server's words that are kept: some send a page."""

OVERLOADED = frozenset({429, 503, 529})
LATER = frozenset({408, 409, 425})

NO_JSON = "the server's reply is no JSON"

MOST_TOKENS = 10**12
"""A larger count is none."""


class Server:
    """One server, asked for one model with one key; `who` is what messages call it."""

    def __init__(self, access: Access, model: str, seconds: float, who: str):
        self.who = who
        self._access, self._model = access, model
        self._client = AsyncOpenAI(
            api_key=access.key,
            base_url=access.base_url,  # given always: OPENAI_BASE_URL would send the key elsewhere
            max_retries=0,
            timeout=Timeout(seconds, connect=min(seconds, 10.0)),
        )

    async def post(self, path: str, body: Mapping[str, object]) -> Any:
        """The reply as JSON; raises Stop, Again or Refused, the key in none of them."""
        try:
            # the client's post, not its `create`, which spends a third of all time on walking types
            value: Any = await self._client.post(path, cast_to=object, body=body)
        except UnicodeEncodeError:
            raise Refused("the question holds what no JSON can: half of a surrogate pair") from None
        except (ValueError, RecursionError, APIConnectionError, APIStatusError) as error:
            raise self._fault(error) from None
        if isinstance(value, dict) and value.get("error") and not value.get("choices"):
            # gateways report a fault of the server behind them in a reply that is none
            raise Again(self.hidden(f"the server's reply is an error: {_words(value['error'])}")[:LONGEST])
        return value

    async def models(self) -> list[Any]:
        """What the server lists as its models, empty where it has no list to show; raises Stop or Again."""
        try:
            value: Any = await self._client.get("/models", cast_to=object)
        except (APIConnectionError, APIStatusError) as error:
            fault = self._fault(error)
            # a key may ask and yet not list, and some servers have no list
            if isinstance(fault, Refused) or getattr(error, "status_code", 0) in (403, 404, 501):
                return []
            raise fault from None
        except (ValueError, RecursionError):
            return []
        listed = value.get("data") if isinstance(value, dict) else None
        return listed if isinstance(listed, list) else []

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()

    def hidden(self, text: str) -> str:
        """The text without the key."""
        return self._access.hidden(text)

    def _fault(self, error: Exception) -> Exception:
        if isinstance(error, APIConnectionError):
            cause = error.__cause__ or error
            return Again(self.hidden(f"no connection: {cause or type(cause).__name__}"))
        if not isinstance(error, APIStatusError):  # JSON by its header only
            return Again(NO_JSON)
        status = error.status_code
        said = self.hidden(_said(error))[:LONGEST]
        if status in (401, 403):
            return Stop(f"{self.who} refuses the key in {self._access.key_name}: {said}")
        if status == 402 or error.code == "insufficient_quota":
            return Stop(f"the account of the key in {self._access.key_name} is used up: {said}")
        if status == 404:
            return Stop(
                f"{self.who} knows no '{self._model}', or no such address as {self._access.base_url} "
                f"(most end in /v1): {said}"
            )
        if status in OVERLOADED | LATER or status >= 500:
            return Again(said, retry_after(error.response.headers), overloaded=status in OVERLOADED)
        return Refused(said, error.code if isinstance(error.code, str) else None)


def _said(error: APIStatusError) -> str:
    """Status and words of a fault in one line; the whole reply where it has no message of its own."""
    plain = f"Error code: {error.status_code}"
    words = error.message.removeprefix(plain).removeprefix(" - ") or error.response.text
    return " ".join(f"{error.status_code} {words}".split())


def _words(fault: object) -> str:
    """What an error of a reply says, in one line."""
    said = fault.get("message") if isinstance(fault, dict) else fault
    return " ".join(said.split()) if isinstance(said, str) else "without a message"


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


def tokens(usage: Any, name: str) -> int | None:
    """A count of a reply's `usage`; None where the server did not say."""
    value = usage.get(name) if isinstance(usage, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MOST_TOKENS else None
