"""Answers of a run asked again, each alone: an answer must not depend on what was asked beside it.

In float32 on the same kind of device an answer is the same, token for token. Narrower types, another device
and servers round otherwise with every batch, so a few answers differ there; how many is worth knowing.
"""

import os
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_mm import models, store
from eval_mm.errors import UserError
from eval_mm.prompt import images_of
from eval_mm.rescore import read_entries, read_stored, task_of
from eval_mm.schema import Backend, ModelInfo, Prediction, Request

DTYPES = ("float32", "bfloat16", "float16")


class Difference(NamedTuple):
    """A sample whose answer is another now."""

    task: str
    id: str
    stored: str
    now: str


class Invariance(NamedTuple):
    """How many were asked again, which differ, and why that may be: empty where none may."""

    asked: int
    differences: tuple[Difference, ...]
    excuse: str


class Stored(NamedTuple):
    """An answer that can be asked for again."""

    task: str
    request: Request
    answer: Prediction
    info: ModelInfo


def ask_again(
    run: str | os.PathLike[str],
    number: int,
    seed: int = 0,
    *,
    model: str | None = None,
    settings: Mapping[str, Any] | None = None,
    data: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Invariance:
    """Asks random samples of a run again, one request at a time.

    Args:
        run: the run folder.
        number: how many samples, of all tasks together; all of them where the run has fewer.
        seed: draws them.
        model: what `--model` takes: where the checkpoint is now; default the name in the manifest.
        settings: fields of Settings; the default of dtype is that of the run.
        data: the data root; default the one of the run.
        progress: show a progress bar on stderr.

    Raises:
        UserError: no run folder, no answer to ask again, another checkpoint than that of the run.
    """
    folder = store.RunFolder.open(Path(run))
    drawn = _draw(list(_candidates(folder, data)), number, seed)
    if not drawn:
        raise UserError(f"{folder.path}: no answer can be asked again: none is about pictures that are here")
    backend = _load(drawn, model, dict(settings or {}))
    differences = []
    for one in _watched(drawn, progress):
        answers = list(backend.generate([one.request]))
        assert len(answers) == 1, f"{len(answers)} answers to one request"
        before, now = _shown(one.answer, one.request), _shown(answers[0], one.request)
        if before != now:
            differences.append(Difference(one.task, one.request.id, before, now))
    return Invariance(len(drawn), tuple(differences), _excuse(drawn[0].info, backend.info))


def _candidates(folder: store.RunFolder, data: str | os.PathLike[str] | None) -> Iterator[Stored]:
    """Every answer without error."""
    for name, entry in read_entries(folder).items():
        stored = read_stored(task_of(name, entry), entry, folder.path, data)
        for request in stored.requests:
            answer = stored.predictions.get(request.id)
            if answer is not None and answer.error is None:
                yield Stored(name, request, answer, entry.model)


def _draw(candidates: list[Stored], number: int, seed: int) -> list[Stored]:
    """Random ones whose pictures are here and those that were asked about."""
    random.Random(seed).shuffle(candidates)
    drawn: list[Stored] = []
    for one in candidates:
        if len(drawn) == number:
            break
        keys = store.Keys(one.info.fingerprint)
        if all(map(os.path.isfile, images_of(one.request.prompt))) and keys.of(one.request) == one.answer.key:
            drawn.append(one)
    return drawn


def _load(drawn: Sequence[Stored], model: str | None, settings: dict[str, Any]) -> Backend:
    """The run's model, by default as its manifest names it; UserError where it is another now."""
    info = drawn[0].info
    dtype = info.compute.rpartition(", ")[2]
    spec = model or info.name
    if spec == "demo":  # small matrices lose all on busy cores, as in `run`
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if dtype in DTYPES and "dtype" in models.scheme_of(spec).takes:
        settings = {"dtype": dtype, **settings}
    chosen = models.Settings(**settings)
    try:
        now = models.describe(spec, chosen, model is not None)  # what nobody named is not downloaded
    except UserError as error:
        if model is not None:
            raise
        raise UserError(f"{error}; --model says where the run's model is now") from None
    wrong = next((one for one in drawn if one.info.fingerprint != now.fingerprint), None)
    if wrong is not None:
        asked = [f"{key} {value}" for key, value in wrong.info.settings.items()]
        with_what = f"its settings: {', '.join(asked)}" if asked else "its dtype with --dtype"
        raise UserError(
            f"task {wrong.task}: its answers are of {wrong.info.fingerprint}, the model is now "
            f"{now.fingerprint}; name the run's checkpoint with --model, {with_what}"
        )
    return models.load(spec, chosen)


def _shown(answer: Prediction, request: Request) -> str:
    """What an answer comes to: its text, the option it ranks first, or its error."""
    if answer.error is not None:
        return f"error: {answer.error}"
    if request.choices and answer.choice_logprobs:
        best = max(range(len(answer.choice_logprobs)), key=answer.choice_logprobs.__getitem__)
        return request.choices[best]
    return answer.text


def _excuse(before: ModelInfo, now: ModelInfo) -> str:
    """Why answers may differ though nothing is wrong."""
    if "://" in now.compute:
        return "a server may answer otherwise every time"
    dtype = now.compute.rpartition(", ")[2]
    if dtype in DTYPES[1:]:
        return f"{dtype} rounds otherwise with every batch"
    device = [info.compute.partition(",")[0].partition(":")[0] for info in (before, now)]
    if device[0] != device[1]:
        return f"the run was made on {device[0]}, this is {device[1]}"
    return ""


def _watched(drawn: list[Stored], progress: bool) -> Iterator[Stored]:
    if not progress:
        yield from drawn
        return
    from tqdm import tqdm

    pace = 0.2 if sys.stderr.isatty() else 15.0
    yield from tqdm(drawn, desc="asked again, each alone", unit="sample", mininterval=pace)
