"""Back ends. One file here is one back end: a class with `info` and `generate`, loaded only when it is asked
for.

Its `load(spec, value, settings)` makes the model ready; `describe(spec, value, settings, fetch)` tells the
same `info` without: what cannot be had is found before an hour is spent on another model.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from eval_mm import extras
from eval_mm.errors import UserError
from eval_mm.schema import Backend, BoxScale, ModelInfo, Request


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
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user may choose of how a model runs; each back end takes what concerns it."""

    device: str = "auto"
    dtype: str = "auto"
    box_scale: BoxScale | None = None
    device_map: str | None = None
    adapter: str | None = None
    batch_tokens: int | None = None


DEFAULTS = Settings()


def load(spec: str, settings: Settings = DEFAULTS) -> Backend:
    """The back end for `--model SPEC`; raises UserError where it cannot be had.

    `demo`, `echo[:FILE]`, else a folder or hub id of a Qwen-VL checkpoint.
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
        raise UserError(f"--model '{spec}': incomplete; a folder, a hub id, demo, echo or echo:FILE")
    scheme = scheme_of(spec)
    for field in fields(Settings):
        if field.name not in scheme.takes and getattr(settings, field.name) != field.default:
            raise UserError(f"--{field.name.replace('_', '-')} is not for --model {spec}")
    if scheme.extra is not None:
        extras.require(scheme.extra, f"--model {spec}")
    module, _, attribute = scheme.target.partition(":")
    return getattr(importlib.import_module(module), attribute)
