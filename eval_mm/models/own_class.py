"""A back end of the user's own: `--model py:module:Class`; how to write one is in docs/writing-a-back-end.md.

The module comes from the current folder or from PYTHONPATH. What the class does wrong is said in one line
that names it, and an answer that is none is that sample's error: nothing wrong gets into a run folder.
"""

import hashlib
import importlib
import json
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from numbers import Integral, Real
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.schema import BoxScale, ModelInfo, Prediction, Request

TEXTS = ("text", "reasoning")
OPTIONAL_TEXTS = ("error", "stop_reason")
COUNTS = ("prompt_tokens", "new_tokens")
MISSING = object()


class OwnBackend:
    """The user's object, everything that comes from it checked."""

    def __init__(self, spec: str, backend: Any, info: ModelInfo):
        self.info = info
        self._spec, self._backend = spec, backend

    @classmethod
    def describe(cls, spec: str, value: str, settings: Settings, fetch: bool = True) -> ModelInfo:
        """What the class says of its model: by its own `describe` where it has one, else by loading it."""
        made = _class_of(spec, value)
        if hasattr(made, "describe"):
            return _info(spec, _guarded(spec, made.describe, spec, value, settings), made, settings)
        return cls.load(spec, value, settings).info

    @classmethod
    def load(cls, spec: str, value: str, settings: Settings) -> "OwnBackend":
        """The object, made by the class's `load` where it has one; UserError where it is no back end."""
        made = _class_of(spec, value)
        loader = getattr(made, "load", None)
        backend = _guarded(spec, made) if loader is None else _guarded(spec, loader, spec, value, settings)
        if not callable(getattr(backend, "generate", None)):
            raise UserError(f"--model {spec}: has no method 'generate(requests)'")
        info = _guarded(spec, getattr, backend, "info", MISSING)
        if info is MISSING:
            raise UserError(f"--model {spec}: has no attribute 'info', an eval_mm.schema.ModelInfo")
        return cls(spec, backend, _info(spec, info, made, settings))

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """The object's answers, each checked; what it never answers is an error of that sample.

        Raises:
            UserError: it raises an error, or gives what no sample can be found for.
        """
        waiting: dict[str, Request] = {}
        answered: set[str] = set()
        pulled = _Pulled(requests, waiting)
        predictions = _guarded(self._spec, self._backend.generate, pulled)
        if not isinstance(predictions, Iterable):
            raise UserError(
                f"--model {self._spec}: generate returns {_kind(predictions)}, expected to yield predictions"
            )
        iterator, end = iter(predictions), object()
        while True:
            try:
                found = _guarded(self._spec, next, iterator, end)
            except UserError:
                if pulled.fault is not None:
                    raise pulled.fault from None
                raise
            if found is end:
                break
            if not isinstance(found, Prediction) or not isinstance(found.id, str):
                what = _kind(found) if not isinstance(found, Prediction) else f"the id {found.id!r:.40}"
                raise UserError(
                    f"--model {self._spec}: generate yields {what}, expected a Prediction with a request's id"
                )
            if found.id not in waiting:
                again = "a second answer to" if found.id in answered else "an answer nobody asked for,"
                raise UserError(f"--model {self._spec}: generate yields {again} '{found.id}'")
            answered.add(found.id)
            yield _checked(found, waiting.pop(found.id))
        for request in pulled:  # what it never asked for
            waiting[request.id] = request
        for name in waiting:
            yield Prediction(name, error="the back end gave no answer")


class _Pulled(Iterator[Request]):
    """Requests as the user's code pulls them; what goes wrong while they are made is not its fault."""

    def __init__(self, requests: Iterable[Request], waiting: dict[str, Request]):
        self.fault: Exception | None = None
        self._requests, self._waiting = iter(requests), waiting

    def __next__(self) -> Request:
        try:
            request = next(self._requests)
        except StopIteration:
            raise
        except Exception as error:  # kept apart from the errors of the user's code
            self.fault = error
            raise
        self._waiting[request.id] = request
        return request


def _class_of(spec: str, value: str) -> Any:
    """The class that `module:Class` names, imported."""
    name, colon, attribute = value.partition(":")
    if not colon or not attribute.isidentifier() or not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"--model {spec}: expected py:module:Class, such as py:my_model:MyModel")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    if not _guarded(spec, _is_there, name):
        raise UserError(f"--model {spec}: no module '{name}' in the current folder or on PYTHONPATH")
    module: ModuleType = _guarded(spec, importlib.import_module, name)
    if not hasattr(module, attribute):
        raise UserError(f"--model {spec}: {module.__file__ or name} has no '{attribute}'")
    found = getattr(module, attribute)
    if not callable(found):
        raise UserError(f"--model {spec}: '{attribute}' is {_kind(found)}, expected a class")
    return found


def _is_there(name: str) -> bool:
    """Whether there is such a module; its packages are imported, and raise what they raise."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            return False
        raise


def _info(spec: str, info: Any, made: Any, settings: Settings) -> ModelInfo:
    """What the class says of its model, checked; without a fingerprint the module's code stands for it."""
    if not isinstance(info, ModelInfo):
        raise UserError(f"--model {spec}: info is {_kind(info)}, expected eval_mm.schema.ModelInfo")
    for field in ("name", "fingerprint", "protocol", "compute"):
        text = getattr(info, field)
        if not isinstance(text, str) or not text.isprintable() or (field == "name" and not text.strip()):
            raise UserError(f"--model {spec}: info.{field} is {text!r:.60}, expected a text of one line")
    for field in ("chat", "plain", "demo"):
        if not isinstance(getattr(info, field), bool):
            raise UserError(f"--model {spec}: info.{field} is {getattr(info, field)!r:.60}, expected a bool")
    if info.parameters is not None and not isinstance(info.parameters, int):
        raise UserError(
            f"--model {spec}: info.parameters is {info.parameters!r:.60}, expected a whole number"
        )
    try:
        json.dumps(dict(info.settings), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"--model {spec}: info.settings: expected what JSON can hold ({error})") from None
    if info.box_scale not in (*get_args(BoxScale), None):
        raise UserError(
            f"--model {spec}: info.box_scale is {info.box_scale!r:.60}, expected one of "
            f"{', '.join(get_args(BoxScale))}, or None"
        )
    if not info.fingerprint:
        info = replace(info, fingerprint=_code(made))
    told: ModelInfo = info if settings.box_scale is None else replace(info, box_scale=settings.box_scale)
    return told


def _code(made: Any) -> str:
    """A name for the code of a class: answers of an older version of it are not its own."""
    module = sys.modules.get(getattr(made, "__module__", ""))
    try:
        content = Path(str(getattr(module, "__file__", ""))).read_bytes()
    except OSError:
        content = b""
    return f"py-{hashlib.sha256(content).hexdigest()[:16]}"


def _checked(found: Prediction, request: Request) -> Prediction:
    """An answer whose fields are what they must be; else one that says in its error which is not."""
    found = _plain(found)
    problem = _problem(found, request)
    return found if problem is None else Prediction(found.id, error=f"the back end's answer: {problem}")


def _plain(found: Prediction) -> Prediction:
    """The same answer in Python's own numbers, which can be written as JSON; NumPy's cannot."""
    told: dict[str, Any] = {}
    for field in COUNTS:
        value = getattr(found, field)
        if isinstance(value, Integral) and not isinstance(value, bool):
            told[field] = int(value)
    if isinstance(found.choice_logprobs, list | tuple):
        told["choice_logprobs"] = tuple(map(_number, found.choice_logprobs))
    if isinstance(found.image_size, list | tuple):
        told["image_size"] = tuple(
            int(side) if isinstance(side, Integral) else side for side in found.image_size
        )
    return replace(found, **told)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Real) and not isinstance(value, int) else value


def _problem(found: Prediction, request: Request) -> str | None:
    """What is wrong with an answer."""
    for field in (*TEXTS, *OPTIONAL_TEXTS):
        value = getattr(found, field)
        if not isinstance(value, str) and (field in TEXTS or value is not None):
            return f"{field} is {_kind(value)}, expected a text"
    for field in COUNTS:
        value = getattr(found, field)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            return f"{field} is {value!r:.40}, expected a whole number"
    size = found.image_size
    if size is not None and (
        not isinstance(size, tuple)
        or len(size) != 2
        or not all(isinstance(side, int) and side > 0 for side in size)
    ):
        return f"image_size is {size!r:.60}, expected width and height in pixels"
    ranks = found.choice_logprobs
    if found.error is not None:
        return None
    if request.choices and ranks is None:
        return f"no choice_logprobs for the {len(request.choices)} choices that were to be ranked"
    if ranks is None or ranks == ():  # none of the options could be told: unparsed
        return None
    if not isinstance(ranks, tuple) or len(ranks) != len(request.choices):
        return f"choice_logprobs is {ranks!r:.60}, expected {len(request.choices)} numbers"
    if not all(isinstance(rank, int | float) and abs(rank) <= sys.float_info.max for rank in ranks):
        return f"choice_logprobs is {ranks!r:.60}, expected finite numbers"
    return None


def _guarded(spec: str, call: Any, *arguments: Any) -> Any:
    """What a call of the user's code gives; its errors in one line with the place where they arose."""
    try:
        return call(*arguments)
    except UserError:
        raise
    except Exception as error:  # the one boundary to code that is not ours
        raise UserError(f"--model {spec}: {_place(error)}{type(error).__name__}: {error}") from error


def _place(error: Exception) -> str:
    """File and line where an error arose, of what is not ours as far as that can be told."""
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration):
        error = error.__cause__  # Python's own word for a `next` within a generator
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<")
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    here = [frame for frame in frames if Path(frame.filename).is_relative_to(Path.cwd())] or frames
    return f"{here[-1].filename}:{here[-1].lineno}: " if here else ""


def _kind(value: Any) -> str:
    return f"of type {type(value).__name__}" if value is not None else "None"
