"""Back ends. One file here is one back end: a class with `info` and `generate`, loaded only when it is asked
for.
"""

import importlib
from dataclasses import dataclass
from typing import NamedTuple

from eval_mm import extras
from eval_mm.errors import UserError
from eval_mm.schema import Backend


class Scheme(NamedTuple):
    """Where a back end lies ("module:Class"), and the extra it needs."""

    target: str
    extra: str | None = None


NATIVE = Scheme("eval_mm.models.qwen_vl:QwenVLBackend", extra="qwen")
SCHEMES = {"demo": NATIVE, "echo": Scheme("eval_mm.models.echo:EchoBackend")}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user may choose of how a model runs; each back end takes what concerns it."""

    device: str = "auto"
    dtype: str = "auto"


DEFAULTS = Settings()


def load(spec: str, settings: Settings = DEFAULTS) -> Backend:
    """The back end for `--model SPEC`; raises UserError where it cannot be had.

    `demo`, `echo[:FILE]`, else a folder or hub id of a Qwen-VL checkpoint.
    """
    name, colon, value = spec.partition(":")
    if not spec or (colon and name in SCHEMES and not value):
        raise UserError(f"--model '{spec}': incomplete; a folder, a hub id, demo, echo or echo:FILE")
    scheme = SCHEMES.get(name, NATIVE)
    if scheme.extra is not None:
        extras.require(scheme.extra, f"--model {spec}")
    module, _, attribute = scheme.target.partition(":")
    backend: Backend = getattr(importlib.import_module(module), attribute).load(spec, value, settings)
    return backend
