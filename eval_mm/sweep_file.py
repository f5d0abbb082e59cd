"""A sweep as a TOML file: models x tasks x protocols, and what they have in common.

    tasks = ["refcoco", "textvqa_val"]     # names and families, as --task takes them
    protocols = ["qwen-vl", "instruct"]    # default: the one of each model
    data = "data"                          # the data root
    out = "results/runs"                   # holds a run folder for every model and protocol
    limit = 100                            # likewise sample, seed, few_shot, metrics, metric, references

    [[models]]
    model = "Qwen/Qwen-VL"                 # as --model takes it
    dtype = "bfloat16"                     # and every other option of how a model runs, `-` written `_`

    [[models]]
    model = "checkpoints/mine"
    name = "mine-step-2000"                # of its run folder; default: the end of `model`

Only `tasks` and `models` must be there. Paths are relative to the folder the command is started in, as on the
command line. What is given on the command line takes the place of the file's key.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from eval_mm import tasks
from eval_mm.commands.arguments import add_settings
from eval_mm.console import Parser
from eval_mm.data import Selection, find_root
from eval_mm.errors import DataError, UserError, did_you_mean
from eval_mm.few_shot import FewShot
from eval_mm.judge import check_on_request
from eval_mm.models import Settings
from eval_mm.sweep import ModelTable, Sweep

KEYS = (
    "tasks",
    "protocols",
    "data",
    "out",
    "limit",
    "sample",
    "seed",
    "few_shot",
    "metrics",
    "metric",
    "references",
    "models",
)
OWN_KEYS = ("model", "name")
"""Of one model, besides the fields of Settings."""
MODEL_KEYS = (*OWN_KEYS, *(field.name for field in fields(Settings)))

LARGEST_FILE = 1 << 20


def read_sweep(
    path: Path, instead: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
) -> Sweep:
    """The sweep of a file.

    Args:
        path: the TOML file.
        instead: values that take the place of the file's, by key; `limit` and `sample` replace each other.
        settings: fields of Settings that take the place of every model's.

    Raises:
        DataError: no TOML, an unknown key, a value of another kind, something named twice.
    """
    return _Reader(path).sweep(instead or {}, settings or {})


class _Reader:
    """The file's values, and where each stands, for the errors."""

    def __init__(self, path: Path):
        self.path = path
        try:
            with path.open("rb") as file:
                raw = file.read(LARGEST_FILE + 1)  # its size is not asked: a pipe has none
            if len(raw) > LARGEST_FILE:
                raise DataError(path, f"more than {LARGEST_FILE:,} bytes: no sweep")
            self.text = raw.decode("utf-8-sig")
            self.values = tomllib.loads(self.text)
        except OSError as error:
            raise UserError(f"--config {path}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise DataError(path, f"not UTF-8 text (byte {error.start + 1})", line) from None
        except (ValueError, RecursionError) as error:  # not TOML, numbers of thousands of digits
            raise DataError(path, f"not valid TOML: {error}") from None

    def sweep(self, instead: Mapping[str, Any], settings: Mapping[str, Any]) -> Sweep:
        """Every key of the file checked; what is given instead is taken as it is."""
        self._known(self.values, KEYS)
        tables = self._tables()
        replaced = instead.keys() | ({"limit", "sample"} if {"limit", "sample"} & instead.keys() else set())
        own = {key: value for key, value in self.values.items() if key not in replaced}
        for key, value in own.items():
            self._check(key, value)
        values = {**own, **instead}
        if not values.get("tasks"):
            raise DataError(self.path, 'missing; name some, such as tasks = ["refcoco"]', field="tasks")
        if "limit" in values and "sample" in values:
            raise self._error("sample", "excludes limit: the first rows, or random ones")
        if "seed" in values and not {"sample", "few_shot"} & (values.keys() | self.values.keys()):
            raise self._error("seed", "is for sample and few_shot: without them there is nothing to draw")
        self._named(values)
        few_shot, seed = values.get("few_shot"), values.get("seed", 0)
        return Sweep(
            tuple(self._model(table, number, settings) for number, table in enumerate(tables, 1)),
            tuple(values["tasks"]),
            tuple(values.get("protocols", ())),
            values.get("data"),
            values.get("out"),
            Selection(values.get("limit"), values.get("sample"), seed),
            None if few_shot is None else FewShot(few_shot, seed),
            tuple(values.get("metrics", ())),
            values.get("metric"),
            values.get("references"),
        )

    def _check(self, key: str, value: Any) -> None:
        """One value of the whole sweep."""
        if key in ("tasks", "protocols", "metrics"):
            self._texts(key, value)
        elif key in ("limit", "sample", "few_shot", "seed"):
            least = 0 if key == "seed" else 1
            if type(value) is not int or value < least:
                raise self._error(key, f"expected a whole number from {least} on, got {_shown(value)}")
        elif key != "models":
            self._text(key, value)

    def _named(self, values: Mapping[str, Any]) -> None:
        """What is named must be known; that rows are there and whole is found when they are read."""
        with self._at("tasks"):
            named = tasks.resolve(values["tasks"], values.get("metric"), values.get("references"))
        with self._at("protocols"):
            for protocol in values.get("protocols", ()):
                for task in tasks.with_members(named)[0]:
                    tasks.get_protocol(task, protocol)
        with self._at("metrics"):
            check_on_request(named, values.get("metrics", ()))
        with self._at("data"):
            find_root(values.get("data"))

    @contextmanager
    def _at(self, key: str) -> Iterator[None]:
        """What goes wrong is said of that key, if it stands in the file."""
        try:
            yield
        except UserError as error:
            raise self._error(key, str(error)) if key in self.values else error from None

    def _tables(self) -> list[dict[str, Any]]:
        tables = self.values.get("models")
        if isinstance(tables, dict):
            raise self._error("models", "is one table; each model is a table [[models]], in double brackets")
        if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
            raise self._error("models", 'expected a table [[models]] with model = "..." for each model')
        for number, table in enumerate(tables, 1):
            self._known(table, MODEL_KEYS, number)
        return tables

    def _model(self, table: dict[str, Any], number: int, instead: Mapping[str, Any]) -> ModelTable:
        if "model" not in table:
            raise self._error("model", f"missing in [[models]] {number}", number)
        for key in OWN_KEYS:
            if key in table:
                self._text(key, table[key], number)
        name = table.get("name")
        if name is not None and (name != Path(name).name or name.startswith(".")):
            raise self._error("name", f"expected the name of one folder, got {_shown(name)}", number)
        chosen = {
            key: self._setting(key, value, number) for key, value in table.items() if key not in OWN_KEYS
        }
        line = self._line("model", number)
        place = f"{self.path}{f':{line}' if line else ''}: field 'model'"
        return ModelTable(table["model"], Settings(**{**chosen, **instead}), name, place)

    def _setting(self, key: str, value: Any, number: int) -> Any:
        """A field of Settings, read as the option of that name would be."""
        if isinstance(value, bool | dict | list) or value == "":
            raise self._error(key, f"expected one value, got {_shown(value)}", number)
        option = f"--{key.replace('_', '-')}"
        parser = _Options(prog="", add_help=False)
        add_settings(parser)
        try:
            return getattr(parser.parse_args([f"{option}={value}"]), key)
        except UserError as error:
            raise self._error(key, str(error).removeprefix(f"argument {option}: "), number) from None

    def _texts(self, key: str, value: Any) -> None:
        texts = isinstance(value, list) and all(isinstance(text, str) and text.strip() for text in value)
        if not texts or not value:
            raise self._error(key, f"expected a list of at least one text, got {_shown(value)}")
        twice = [text for text, times in Counter(value).items() if times > 1]
        if twice:
            raise self._error(key, f"'{twice[0]}' stands twice")

    def _text(self, key: str, value: Any, number: int = 0) -> None:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self._error(key, f"expected a text of one line, got {_shown(value)}", number)

    def _known(self, table: Mapping[str, Any], keys: Sequence[str], number: int = 0) -> None:
        for key in table:
            if number and key in KEYS:  # TOML has it so: what follows [[models]] is of that model
                raise self._error(key, "is of the whole sweep; put it above the first [[models]]", number)
            if key not in keys:
                raise self._error(
                    key, f"unknown; {did_you_mean(key, keys)}known are {', '.join(keys)}", number
                )

    def _error(self, key: str, message: str, number: int = 0) -> DataError:
        return DataError(self.path, message, self._line(key, number), key)

    def _line(self, key: str, number: int) -> int | None:
        """The line of a key of the sweep (0) or of the n-th model, as far as it can be told from the text."""
        name = re.compile(rf"""\s*(\[\[?\s*)?["']?{re.escape(key)}["']?\s*(=|\])""")
        at = 0
        for line, text in enumerate(self.text.splitlines(), 1):
            at += bool(re.match(r"\s*\[\[\s*models\s*\]\]", text))
            here = at == number or (number == 0 and key == "models")
            if here and name.match(text):
                return line
        return None


class _Options(Parser):
    """Reads one option and says what is wrong with it instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError."""
        raise UserError(message)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
