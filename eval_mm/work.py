"""What is left to ask in a run folder: found by process 0, told to the others, who check it is theirs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eval_mm import dispatch
from eval_mm.dispatch import Group
from eval_mm.errors import UserError
from eval_mm.merge import Standing
from eval_mm.planning import Plan
from eval_mm.schema import ModelInfo


@dataclass(frozen=True, slots=True)
class Work:
    """All tasks of a run, and the places of the samples of each that have no answer yet.

    `run` is the number of this run in the journals, `num_stored` how many samples had an answer before it,
    `mark` the name of a file in the run folder by which other processes know whether they see it.
    """

    plans: Sequence[Plan]
    todo: Sequence[Sequence[int]]
    run: int
    num_stored: int
    mark: str = ""

    @classmethod
    def left(cls, plans: Sequence[Plan], before: Sequence[Standing], mark: str) -> "Work":
        """What is left of the plans as they stand."""
        return cls(
            plans,
            [one.todo for one in before],
            1 + max((one.last_run for one in before), default=0),
            sum(len(one.reused) for one in before),
            mark,
        )

    @property
    def is_left(self) -> bool:
        """Whether there is anything to ask."""
        return any(self.todo)

    def groups(self, world: int) -> list[Group]:
        """What is to be asked, in the order in which the processes take it."""
        questions = []
        for plan, places in zip(self.plans, self.todo, strict=True):
            samples = plan.dataset.samples
            questions.append(
                [(place, tuple(image.path for image in samples[place].images)) for place in places]
            )
        return dispatch.groups(questions, world)

    def told(self, model: ModelInfo) -> str:
        """What process 0 tells the others."""
        asked = [_asked(plan, model) for plan in self.plans]
        fields = {"asked": asked, "todo": list(map(_runs, self.todo)), "run": self.run, "mark": self.mark}
        return json.dumps(fields)

    @classmethod
    def heard(cls, told: str, plans: Sequence[Plan], model: ModelInfo) -> "Work":
        """What another process hears; UserError where its rows or its model are not those of process 0."""
        fields = json.loads(told)
        for theirs, plan in zip(fields["asked"], plans, strict=True):
            ours = json.loads(json.dumps(_asked(plan, model)))
            for name in ours:
                if ours[name] != theirs[name]:
                    raise UserError(
                        f"task {plan.task.name}: {name.replace('_', ' ')} {ours[name]} here is not "
                        f"{theirs[name]} of process 0; every machine needs the same data and checkpoint"
                    )
        todo = [[place for start, end in runs for place in range(start, end)] for runs in fields["todo"]]
        return cls(plans, todo, fields["run"], 0, fields["mark"])


def _asked(plan: Plan, model: ModelInfo) -> dict[str, Any]:
    """All that makes a plan's questions and answers, wherever it is."""
    entry = plan.entry(model).to_json()
    return {name: entry[name] for name in entry if name not in ("data", "model")} | {
        "task": plan.task.name,
        "checkpoint": model.fingerprint,
    }


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Rising numbers as ranges, each from its first to behind its last."""
    found: list[tuple[int, int]] = []
    for place in places:
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found
