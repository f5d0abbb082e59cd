"""Back ends. One file here is one back end: a class with `info` and `generate`, loaded only when it is asked
for.

Its `load(spec, value, settings)` makes the model ready; `describe(spec, value, settings, fetch)` tells the
same `info` without: what cannot be had is found before an hour is spent on another model.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from eval_mm import extras
from eval_mm.calls.access import KEY_NAME
from eval_mm.errors import UserError
from eval_mm.schema import Backend, BoxScale, ModelInfo, Request
from eval_mm.variant import Variant, read_variant


class NotHereError(UserError):
    """A model whose files a run would have to fetch first."""


class Scheme(NamedTuple):
    """Where a back end lies ("module:Class"), the extra it needs, the settings it takes, whether it looks at
    pictures.
    """

    target: str
    extra: str | None = None
    takes: tuple[str, ...] = ("device", "dtype")
    sees: bool = True


NATIVE = Scheme("eval_mm.models.qwen_vl:QwenVLBackend", extra="qwen")
SCHEMES = {
    "demo": NATIVE,
    "echo": Scheme("eval_mm.models.echo:EchoBackend", sees=False),
    "hf": Scheme(
        "eval_mm.models.hf:HFBackend",
        extra="hf",
        takes=("device", "dtype", "box_scale", "device_map", "adapter", "batch_tokens"),
    ),
    "openai": Scheme(
        "eval_mm.models.openai_api:OpenAIBackend",
        extra="api",
        takes=(
            "box_scale",
            "base_url",
            "api_key_env",
            "temperature",
            "generation_seed",
            "reasoning_effort",
            "extra_body",
            "max_image_size",
            "max_concurrency",
            "timeout",
            "tries",
            "price_in",
            "price_out",
            "max_cost",
        ),
    ),
    "py": Scheme("eval_mm.models.own_class:OwnBackend", takes=("device", "dtype", "box_scale")),
}

WORDING = ("prompt_template", "system", "max_new_tokens")
"""Settings that change what is asked and not how the model runs: every back end takes them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user may choose of how a model is asked and runs; each back end takes what concerns it.

    `temperature` is "server" where the server is to choose it. `extra_body` is a JSON object, as text. Times
    are in seconds, prices in dollars per million tokens.
    """

    device: str = "auto"
    dtype: str = "auto"
    box_scale: BoxScale | None = None
    device_map: str | None = None
    adapter: str | None = None
    batch_tokens: int | None = None
    prompt_template: str | None = None
    system: str | None = None
    max_new_tokens: int | None = None
    base_url: str | None = None
    api_key_env: str = KEY_NAME
    temperature: float | Literal["server"] = 0.0
    generation_seed: int | None = None
    reasoning_effort: str | None = None
    extra_body: str | None = None
    max_image_size: int | None = None
    max_concurrency: int = 16
    timeout: float = 300.0
    tries: int = 8
    price_in: float | None = None
    price_out: float | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        """Checks what Python code may hand over as it likes; raises UserError."""
        for name in ("max_image_size", "max_concurrency", "tries", "batch_tokens"):
            number = getattr(self, name)
            if number is not None and (not isinstance(number, int) or number < 1):
                raise UserError(f"{name}: expected a whole number above 0, got {number!r}")
        drawn = self.temperature
        if drawn != "server" and not (isinstance(drawn, int | float) and 0 <= drawn <= 2):
            raise UserError(f"temperature: expected 0 to 2, or 'server', got {drawn!r}")
        if not self.timeout > 0:
            raise UserError(f"timeout: expected seconds above 0, got {self.timeout!r}")

    def variant(self) -> Variant:
        """How the protocols' own wording and limits are changed; UserError for files that cannot be used."""
        return read_variant(self.prompt_template, self.system, self.max_new_tokens)


DEFAULTS = Settings()


def load(spec: str, settings: Settings = DEFAULTS) -> Backend:
    """The back end for `--model SPEC`; raises UserError where it cannot be had.

    `demo`, `openai:NAME`, `hf:FOLDER_OR_ID`, `py:module:Class`, `echo[:FILE]`, else a folder or hub id of a
    Qwen-VL checkpoint.
    """
    backend: Backend = _class_of(spec, settings).load(spec, _value(spec), settings)
    return backend


def describe(spec: str, settings: Settings = DEFAULTS, fetch: bool = True) -> ModelInfo:
    """What `load` would give as `info`, everything checked that can be without loading a weight.

    With `fetch` false nothing is downloaded: a model that is not on this machine is a NotHereError.
    """
    info: ModelInfo = _class_of(spec, settings).describe(spec, _value(spec), settings, fetch)
    return info


def prompt_counter(spec: str, settings: Settings = DEFAULTS) -> Callable[[Request], int] | None:
    """Counts the tokens of a prompt with its pictures; None where a back end cannot without its weights."""
    found = _class_of(spec, settings)
    if not hasattr(found, "prompt_counter"):
        return None
    counter: Callable[[Request], int] = found.prompt_counter(spec, _value(spec), settings)
    return counter


def scheme_of(spec: str) -> Scheme:
    """The back end that `--model SPEC` names; a name without a scheme is a checkpoint of Qwen-VL."""
    return SCHEMES.get(spec.partition(":")[0], NATIVE)


def _value(spec: str) -> str:
    """What follows the scheme."""
    return spec.partition(":")[2]


def _class_of(spec: str, settings: Settings) -> Any:
    """The class of a back end; UserError for a name that is not whole, an extra that is missing, a setting
    that it does not take.
    """
    name, colon, value = spec.partition(":")
    if not spec or (colon and name in SCHEMES and not value):
        forms = "a folder, a hub id, demo, openai:NAME, hf:FOLDER_OR_ID, py:module:Class, echo or echo:FILE"
        raise UserError(f"--model '{spec}': incomplete; {forms}")
    scheme = scheme_of(spec)
    for field in fields(Settings):
        if field.name not in (*WORDING, *scheme.takes) and getattr(settings, field.name) != field.default:
            raise UserError(f"--{field.name.replace('_', '-')} is not for --model {spec}")
    if scheme.extra is not None:
        extras.require(scheme.extra, f"--model {spec}")
    module, _, attribute = scheme.target.partition(":")
    return getattr(importlib.import_module(module), attribute)
