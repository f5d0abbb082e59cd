"""The run folder: keys of questions, the manifest, results. Nothing in it is half-written.

    <out>/manifest.json                      what was asked of which model on which data, versions, times
    <out>/<task>/predictions.rank<R>.jsonl   the answers: journal.py
    <out>/<task>/scores.jsonl, result.json   functions of data and answers alone
    <out>/<task>/submission.*                for the server of a benchmark without public answers

A stored answer is reused only if its key is the same. A key has two halves: what was asked of whom (prompt,
limits, model fingerprint) and the content of the pictures. The first half needs no picture, so stored answers
can be checked against the manifest when they are scored on a machine without the pictures.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, get_args

from eval_mm.data import Selection
from eval_mm.errors import DataError, UserError
from eval_mm.few_shot import FewShot
from eval_mm.files import json_text, jsonl, locked, write_all, write_json
from eval_mm.prompt import images_of, key_parts
from eval_mm.schema import BoxScale, ModelInfo, Request, Result
from eval_mm.variant import AS_IT_IS, Variant

MANIFEST = "manifest.json"

_encode = json.JSONEncoder(separators=(",", ":")).encode

UNKNOWN_PROMPT = "unknown"
"""The prompt's protocol of answers made elsewhere."""


def asked_key(request: Request, fingerprint: str) -> str:
    """The first half of a key: prompt, choices, limits and model, without the content of the pictures."""
    asked = [
        key_parts(request.prompt),
        request.choices,
        request.chat,
        request.min_new_tokens,
        request.max_new_tokens,
        request.stop,
        fingerprint,
        *((request.system,) if request.system else ()),
    ]
    return _short_hash(_encode(asked).encode())


class Keys:
    """Whole keys of requests to one model; every picture is read once."""

    def __init__(self, fingerprint: str):
        self._fingerprint = fingerprint
        self._digests: dict[str, str] = {}
        self._halves: dict[tuple[str, ...], str] = {}

    def of(self, request: Request) -> str:
        """`<asked>-<pictures>`; a picture that cannot be read has a digest of its own kind."""
        return self.whole(asked_key(request, self._fingerprint), request)

    def whole(self, asked: str, request: Request) -> str:
        """As `of`, where the first half is known."""
        paths = tuple(images_of(request.prompt))
        if paths not in self._halves:
            self._halves[paths] = _short_hash("".join(map(self._digest, paths)).encode())
        return f"{asked}-{self._halves[paths]}"

    def _digest(self, path: str) -> str:
        if path not in self._digests:
            try:
                self._digests[path] = file_sha256(Path(path))
            except (OSError, ValueError):
                self._digests[path] = "unreadable"
        return self._digests[path]


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """What the manifest knows of one task: enough to score its stored answers again."""

    data: str
    data_sha256: str
    selection: Selection
    protocol: str
    version: int
    model: ModelInfo
    few_shot: FewShot | None = None
    train_sha256: str | None = None
    own: Mapping[str, str] | None = None
    on_request: tuple[str, ...] = ()
    variant: Variant = AS_IT_IS

    def to_json(self) -> dict[str, Any]:
        """The entry as the manifest holds it."""
        return asdict(self) | {"variant": self.variant.to_json()}

    @classmethod
    def from_json(cls, fields: Any, folder: Path) -> "TaskEntry":
        """The inverse of `to_json`; raises DataError for another shape."""
        try:
            selection, model = Selection(**fields["selection"]), ModelInfo(**fields["model"])
            few_shot = FewShot(**fields["few_shot"]) if fields.get("few_shot") else None
            variant = Variant.from_json(fields.get("variant"))
            read = {"selection": selection, "model": model, "few_shot": few_shot, "variant": variant}
            entry = cls(**{**fields, **read, "on_request": tuple(fields.get("on_request", ()))})
            texts = [entry.data, entry.data_sha256, entry.protocol, model.name, model.fingerprint]
            texts += [model.protocol, model.compute, *(entry.own or {}).values(), *entry.on_request]
            if not all(
                isinstance(text, str) and text.isprintable() for text in texts
            ) or model.box_scale not in (*get_args(BoxScale), None):
                raise TypeError("a field of another type")
            if not isinstance(model.settings, dict):
                raise TypeError("settings of another type")
            return entry
        except (TypeError, ValueError, KeyError, AttributeError, UserError) as error:
            raise DataError(
                folder / MANIFEST,
                f"not a manifest of this version ({error}); delete it and run again, answers are reused",
                field="tasks",
            ) from None


class RunFolder:
    """One model's answers to any number of tasks; resumed by naming it again."""

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path, self.manifest = path, manifest
        self._lock: TextIO | None = None

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """The folder at `path`, made if need be and locked; UserError where it cannot be written."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise UserError(f"--out {path}: cannot write there ({error.strerror})") from None
        lock = locked(path, f"--out {path}: another run is writing there; wait for it, or name another")
        folder = cls.open(path) if (path / MANIFEST).exists() else cls(path, {"tasks": {}})
        folder._lock = lock
        return folder

    def kept(self) -> "RunFolder":
        """The folder, locked; UserError where a run is writing there."""
        self._lock = locked(self.path, f"{self.path}: another run is writing there; wait for it")
        return self

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run folder; raises UserError where there is none."""
        if not (path / MANIFEST).is_file():
            raise UserError(f"{path}: no run folder (it has no {MANIFEST}); name the --out of a run")
        manifest = read_json(path / MANIFEST)
        if not isinstance(manifest.get("tasks"), dict) or not isinstance(manifest.get("runs", []), list):
            raise DataError(
                path / MANIFEST,
                "not the manifest of a run; delete it and run again, stored answers are reused",
            )
        return cls(path, manifest)

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives the folder free for another run; a process that dies does so too."""
        if self._lock is not None:
            self._lock.close()

    def task_folder(self, task: str) -> Path:
        """The folder of one task, made if need be."""
        folder = self.path / task
        folder.mkdir(exist_ok=True)
        return folder

    def write_manifest(self) -> None:
        """Writes the manifest as it is now."""
        write_json(self.path / MANIFEST, self.manifest)

    def write_result(
        self,
        result: Result,
        scores: Iterable[dict[str, Any]],
        submission: Mapping[str, bytes],
        beside: str = "",
    ) -> None:
        """Writes a task's scores, result and submission files (content by name), all or none.

        With `beside`, the name of another scorer, scores and result stand beside the task's own.
        """
        folder = self.task_folder(result.task)
        contents = {folder / name: content for name, content in submission.items()}
        contents[folder / named("scores", beside, "jsonl")] = jsonl(scores)
        contents[folder / named("result", beside, "json")] = json_text(result.to_json())
        write_all(contents)


def named(what: str, scorer: str, ending: str) -> str:
    """What a file of a task is called: with the name of a scorer that is not the run's own."""
    return f"{what}.{scorer}.{ending}" if scorer else f"{what}.{ending}"


def put_aside(path: Path) -> Path | None:
    """Gives a run folder another name, `<path>.1` or the first free number; None where there is none.

    Raises:
        UserError: a run is writing there, or it cannot have another name.
    """
    if not path.is_dir() or not any(path.iterdir()):
        return None
    number = next(number for number in count(1) if not os.path.lexists(f"{path}.{number}"))
    with closing(locked(path, f"--out {path}: another run is writing there; wait for it, or name another")):
        try:
            aside = Path(os.path.abspath(path)).rename(f"{os.path.abspath(path)}.{number}")
            return aside if path.is_absolute() else Path(os.path.relpath(aside))
        except OSError as error:
            raise UserError(
                f"--fresh: {path} cannot be renamed ({error.strerror}); name another --out"
            ) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; raises DataError where it is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"not valid JSON: {error}; delete it and run again") from None
    if not isinstance(value, dict):
        raise DataError(path, "expected a JSON object; delete it and run again")
    return value


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _short_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
