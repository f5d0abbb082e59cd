"""Which model of which server is asked how: the user's settings, and what the server says of itself.

A server's list of models may say of one, besides its id: `prompt_parts` (it takes prompts in parts), `chat`
(whether it has a chat format), `box_scale`, `fingerprint` (of its checkpoint), `demo`. Ours does; others say
nothing, and then the address stands for the checkpoint: two servers may run two models under one name.
"""

import hashlib
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from eval_mm.calls.access import OPENAI, Access, access
from eval_mm.calls.background import each
from eval_mm.calls.cost import check_limit, priced
from eval_mm.calls.faults import Again, Refused, Stop
from eval_mm.calls.pacing import Pacing
from eval_mm.calls.patience import Patience, patiently
from eval_mm.calls.server import Server
from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.models.openai_extra import extra_fields
from eval_mm.schema import BoxScale, ModelInfo

WHO = "the server"
"""What messages call it."""

FEW_NAMES = 20
"""Models of a server that has them loaded; a longer list is a shop's, which may have more than it lists."""

QUICK = Patience(tries=3, first=0.5, longest=2.0, most_asked=10.0)
SECONDS = 20.0
"""How a server is asked what it has, with fewer tries where the user wants fewer."""


@dataclass(frozen=True, slots=True)
class Target:
    """A model behind a server: what is known of it, whom to ask, and what every request says.

    `chat` are the fields of every chat turn, `plain` those of every other request.
    """

    info: ModelInfo
    access: Access
    chat: Mapping[str, object]
    plain: Mapping[str, object]
    limit: str
    """What this server calls the most new tokens."""


def target(spec: str, name: str, settings: Settings) -> Target:
    """The model that `--model SPEC` and the settings mean; the server is asked what it is.

    Raises:
        UserError: settings that do not go together, no key, no server, no such model.
    """
    check_limit(priced(settings.price_in, settings.price_out), settings.max_cost)
    if settings.box_scale == "pixels" and settings.max_image_size is not None:
        raise UserError(
            "--box-scale pixels with --max-image-size: the model would count pixels of the picture as it is "
            "sent; say --box-scale resized"
        )
    found = access(settings.base_url, settings.api_key_env, f"--model {spec}")
    extra = extra_fields(settings.extra_body, found)
    said = _entry(found, name, replace(QUICK, tries=min(QUICK.tries, settings.tries)))
    scale = settings.box_scale or said.get("box_scale")
    told: dict[str, Any] = {
        "temperature": None if settings.temperature == "server" else float(settings.temperature),
        "seed": settings.generation_seed,
        "reasoning_effort": settings.reasoning_effort,
    }
    fixed = {key: value for key, value in {"model": name, **told}.items() if value is not None} | extra
    told |= {"extra_body": extra or None, "max_image_size": settings.max_image_size}
    shown = {key: value for key, value in told.items() if value is not None}
    chat, where = said.get("chat") is not False, str(said.get("fingerprint") or found.base_url)
    # answers that were given without the size of the picture cannot be read as pixels of it
    sized = ["sized"] if scale == "resized" else []
    info = ModelInfo(
        name=name,
        fingerprint=f"openai-{_hash([name, where, shown, *sized])}",
        protocol="instruct" if chat else "qwen-vl",
        box_scale=scale if scale in get_args(BoxScale) else None,
        chat=chat,
        compute=found.base_url,
        demo=said.get("demo") is True,
        plain=said.get("prompt_parts") is True,
        settings={"server": found.base_url, **shown},
    )
    if not info.plain:
        return Target(info, found, fixed, fixed, _limit(found.base_url))
    # our server writes structural tokens as tags, and numbers pictures as Qwen-VL-Chat learned it
    plain = {"skip_special_tokens": True, **fixed}
    return Target(info, found, {"picture_numbers": False, **plain}, plain, _limit(found.base_url))


def _entry(found: Access, name: str, patience: Patience) -> Mapping[str, Any]:
    """What the server's list says of the model; empty where it has no list, or says nothing."""
    server_said: list[Any] = []

    async def ask(server: Server) -> None:
        try:
            server_said.append(await patiently(server.models, patience, SECONDS, Pacing(1), WHO))
        except Again as fault:
            raise Stop(f"{found.base_url}: cannot be asked ({fault}); is the server running?") from None
        except Refused:
            pass

    server = Server(found, name, SECONDS, WHO)
    for _ in each(ask, [server], 1, server.close):
        pass
    listed = server_said[0] if server_said else []
    entries = [entry for entry in listed if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    for entry in entries:
        if entry["id"] == name:
            return entry
    if 0 < len(entries) <= FEW_NAMES:
        names = " ".join(found.hidden(", ".join(entry["id"] for entry in entries)).split())
        raise UserError(f"{found.base_url}: has no model '{name}'; it has {names}")
    return {}


def _limit(base_url: str) -> str:
    """OpenAI's newer models refuse the old name, which is the only one that some servers know."""
    host = urllib.parse.urlsplit(base_url).hostname or ""
    openai = urllib.parse.urlsplit(OPENAI).hostname
    return "max_completion_tokens" if host == openai or host.endswith(f".{openai}") else "max_tokens"


def _hash(parts: object) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
