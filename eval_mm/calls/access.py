"""Which server is asked with which key. The key is read from the environment here and nowhere else."""

import os
import re
import urllib.parse
from dataclasses import dataclass, field

from eval_mm.errors import UserError

OPENAI = "https://api.openai.com/v1"
"""Where the key goes without an address of one's own, whatever the client's own variables say."""

KEY_NAME = "OPENAI_API_KEY"

HIDDEN = "[key]"
"""What stands for the key wherever somebody repeats it."""

SHORTEST = 8
"""Characters from which on a key is hidden: a shorter one is a placeholder and may stand in any text."""

LOCAL_KEY = "none"
"""What a server of one's own gets where no key is set: the client insists on one."""

NO_KEY_IN_URL = "a key belongs into the environment (--api-key-env NAME), not into a URL"


@dataclass(frozen=True, slots=True)
class Access:
    """A server's address and the key for it, which is kept in memory and put in no text.

    `key_name` is what messages call the key: the variable that holds it.
    """

    base_url: str
    key: str = field(repr=False)
    key_name: str

    def is_in(self, text: str) -> bool:
        """Whether the text repeats the key."""
        return len(self.key) >= SHORTEST and self.key in text

    def hidden(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self.key, HIDDEN) if self.is_in(text) else text


def address(base_url: str | None) -> str:
    """The address in the form that names a server."""
    return (base_url or OPENAI).rstrip("/")


def access(base_url: str | None, api_key_env: str, who: str, keyless: bool = False) -> Access:
    """The access that --base-url and --api-key-env mean.

    Args:
        base_url: the server; None is OpenAI's, which needs a key.
        api_key_env: the name of the variable that holds the key.
        who: who needs it, for the message.
        keyless: whether it is fine that there is no key.

    Raises:
        UserError: an address that is none or holds a key, no variable's name, no key; no key is repeated.
    """
    if base_url is not None:
        _check_address(base_url)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", api_key_env):  # not repeated: it may be the key itself
        raise UserError("--api-key-env: expected the name of an environment variable")
    key = os.environ.get(api_key_env, "").strip()
    # a name that somebody chose is of a variable that is set, else it may be the key itself, and is recorded
    if not key and (base_url is None or api_key_env != KEY_NAME) and not keyless:
        raise UserError(f"{who} needs a key in the environment: set {_shown(api_key_env)}")
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise UserError(f"{_shown(api_key_env)}: expected a key of printable ASCII characters")
    found = Access(address(base_url), key or LOCAL_KEY, f"${api_key_env}")
    if found.is_in(urllib.parse.unquote(found.base_url)):
        raise UserError(f"--base-url: {NO_KEY_IN_URL}")
    return found


def _check_address(base_url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(base_url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        known = False
    if not known:
        raise UserError("--base-url: expected http://HOST/PATH or https://HOST/PATH")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(f"--base-url: {NO_KEY_IN_URL}")


def _shown(name: str) -> str:
    return KEY_NAME if name == KEY_NAME else "the variable that --api-key-env names"
