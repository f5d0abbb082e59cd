"""What a run comes to: each task judged and written once all its answers are there, and the report of all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval_mm import store
from eval_mm.data import DataRoot
from eval_mm.jobs import Job
from eval_mm.judge import Scored, combine, score_task
from eval_mm.merge import Standing, bring_forward, merged
from eval_mm.schema import ModelInfo, Result

SHOWN_ERRORS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result, with what belongs to this session alone: its seconds, the answers it found stored.

    Seconds are those since the task before; None with several processes, which do several tasks at once.
    """

    result: Result
    seconds: float | None
    num_reused: int
    first_errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did: one outcome per task, where, on whose data, and what the user should know."""

    outcomes: tuple[Outcome, ...]
    folder: Path
    root: DataRoot
    model: ModelInfo
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What other processes cannot know by themselves."""
        return {"outcomes": [asdict(outcome) for outcome in self.outcomes], "notices": self.notices}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], job: Job) -> "Report":
        """The inverse of `to_json` for a process that knows the job."""
        outcomes = [
            Outcome(
                Result.from_json(one["result"]),
                one["seconds"],
                one["num_reused"],
                tuple(one["first_errors"]),
            )
            for one in fields["outcomes"]
        ]
        return cls(tuple(outcomes), job.out, job.wanted.root, job.info, tuple(fields["notices"]))


class Outcomes:
    """The tasks of a job that are done so far; `before` is how each stood when the run began.

    A journal of another machine may be seen up to `late` seconds after it was written.
    """

    def __init__(self, job: Job, folder: store.RunFolder, before: Sequence[Standing], run: int, late: float):
        self._job, self._folder, self._before, self._run, self._late = job, folder, before, run, late
        self._scored: dict[str, Scored] = {}
        self._outcomes: dict[str, Outcome] = {}

    def finish(self, number: int, seconds: float | None) -> None:
        """Judges and writes a task, and the composite tasks of which it was the last part.

        Raises:
            UserError: a sample without an answer, or with two; a missing extra.
        """
        plan, before = self._job.planned.plans[number], self._before[number]
        name, path = plan.task.name, self._folder.task_folder(plan.task.name)
        answers = merged(plan, before, path, late=self._late)
        bring_forward(before, path, self._run)
        scored = score_task(plan.task, plan.dataset, answers, plan.protocol, plan.asked(self._job.info))
        errors = [f"{answer.id}: {answer.error}" for answer in answers.values() if answer.error is not None]
        self._folder.manifest["runs"][-1].setdefault("tokens", {})[name] = {
            "prompt": sum(answer.prompt_tokens or 0 for answer in answers.values()),
            "new": sum(answer.new_tokens or 0 for answer in answers.values()),
        }
        self._scored[name] = scored
        self._outcomes[name] = Outcome(
            self._write(scored), seconds, len(before.reused), tuple(errors[:SHOWN_ERRORS])
        )
        for whole in self._job.planned.composite:
            parts = [part.name for part in whole.members]
            if name in parts and self._scored.keys() >= set(parts):
                result = self._write(combine(whole, [self._scored[part] for part in parts]))
                done = [self._outcomes[part] for part in parts]
                times = [one.seconds for one in done if one.seconds is not None]
                took = sum(times) if len(times) == len(done) else None
                reused = sum(one.num_reused for one in done)
                self._outcomes[whole.name] = Outcome(result, took, reused, ())

    def report(self, notices: Sequence[str]) -> Report:
        """All of them in the order in which the user named them, parts before what they make up."""
        wanted = self._job.wanted
        names = dict.fromkeys(part.name for task in wanted.named for part in (*task.members, task))
        outcomes = tuple(self._outcomes[name] for name in names if name in self._outcomes)
        told = (*wanted.notices, *notices, *self._job.planned.notices)
        return Report(outcomes, self._folder.path, wanted.root, self._job.info, told)

    def _write(self, scored: Scored) -> Result:
        result = scored.result(self._job.wanted.on_request)
        self._folder.write_result(result, scored.judged.rows(), scored.submission())
        return result
