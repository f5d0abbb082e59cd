"""What a task has of answers before a run, and after it: every sample exactly once, or an error.

A stored answer is reused if it was given to exactly this question: prompt, limits, model, content of the
pictures. Which process gave it, and how many there were, does not matter.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from eval_mm import journal, store
from eval_mm.errors import UserError
from eval_mm.planning import Plan
from eval_mm.schema import Prediction

LEAVE = 60.0
"""Seconds that processes of an earlier try may still need to end."""
LATE = 60.0
"""Seconds after which a file of another machine is surely seen: NFS may keep a list of a folder so long."""


class Standing(NamedTuple):
    """A task before it is asked.

    `todo` are the places of the samples without an answer, `reused` the stored answers by sample id. Of some
    a later answer is stored, to the same words about other pictures: `hidden`. `ends` is where the journals
    end, `last_run` their last run, `num_spoilt` how many of their lines are no answer.
    """

    todo: tuple[int, ...]
    reused: Mapping[str, Prediction]
    hidden: tuple[Prediction, ...]
    ends: Mapping[str, int]
    last_run: int
    num_spoilt: int


def standing(plan: Plan, folder: Path, fingerprint: str) -> Standing:
    """What the journals in a task's folder hold of a plan; pictures are read for stored answers alone.

    Raises:
        UserError: a sample that cannot be asked; another process writes there.
    """
    _wait_for_others(folder)
    stored = journal.read(folder)
    by_id: dict[str, list[Prediction]] = {}
    for answer in stored.answers:
        by_id.setdefault(answer.id, []).append(answer)
    keys = store.Keys(fingerprint)
    todo: list[int] = []
    reused: dict[str, Prediction] = {}
    hidden: list[Prediction] = []
    for place, sample in enumerate(plan.dataset.samples):
        request = plan.request(sample)  # of all: what cannot be asked is said before a model is loaded
        if sample.id not in by_id:
            todo.append(place)
            continue
        asked = store.asked_key(request, fingerprint)
        same = [answer for answer in by_id[sample.id] if answer.key.partition("-")[0] == asked]
        key = keys.whole(asked, request) if same else ""
        found = next((one for one in reversed(same) if one.key == key and one.error is None), None)
        if found is None:
            todo.append(place)
            continue
        reused[sample.id] = found
        if found is not same[-1]:
            hidden.append(found)
    return Standing(
        tuple(todo), reused, tuple(hidden), stored.ends, stored.last_run, num_spoilt=len(stored.spoilt)
    )


def merged(plan: Plan, before: Standing, folder: Path, late: float = 0.0) -> dict[str, Prediction]:
    """The answers to all samples of a task that was asked, in the order of the data.

    Raises:
        UserError: a sample without an answer, or with two.
    """
    deadline = time.monotonic() + late
    while True:
        answers = _with_new(before, folder)
        missing = [sample.id for sample in plan.dataset.samples if sample.id not in answers]
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    if missing:
        raise UserError(
            f"{folder}: {len(missing):,} answers of this run are no longer there (the first to sample "
            f"'{missing[0]}'): was a file removed? The same command asks for them again"
        )
    return {sample.id: answers[sample.id] for sample in plan.dataset.samples}


def _with_new(before: Standing, folder: Path) -> dict[str, Prediction]:
    """The answers that were reused and those that were added since."""
    answers = dict(before.reused)
    for answer in journal.read(folder, before.ends).answers:
        if answer.id in answers:
            raise UserError(
                f"{folder}: sample '{answer.id}' was answered twice in this run: did another program write "
                f"there? The same command goes on with the answers that are there"
            )
        answers[answer.id] = answer
    return answers


def bring_forward(before: Standing, folder: Path, run: int) -> None:
    """Makes hidden answers the last ones to their words, which are those that `score` takes."""
    if before.hidden:
        with journal.Journal(folder, run=run) as file:
            for answer in before.hidden:
                file.append(answer)


def _wait_for_others(folder: Path) -> None:
    """Until nobody writes the journals: processes of an earlier try finish what they were answering."""
    deadline = time.monotonic() + LEAVE
    for path in journal.files(folder):
        while not journal.is_free(path):
            if time.monotonic() > deadline:
                raise UserError(f"{path}: another process is writing there; wait for it, or end it")
            time.sleep(0.1)
