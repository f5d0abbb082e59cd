"""Few-shot examples: drawn from a benchmark's training rows by a seed and the sample's id.

So they do not depend on the number of processes or on which samples are asked together. (The scripts behind
the Qwen-VL report draw them by Python's global generator, which their loader workers do not share, and for
Flickr30K from the test file.)
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from eval_mm.data import DataRoot, load
from eval_mm.errors import DataError, UserError
from eval_mm.schema import Protocol, Sample, Task


@dataclass(frozen=True, slots=True)
class FewShot:
    """How many examples precede every question, and the seed that draws them."""

    shots: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.shots, int) or self.shots < 1:
            raise UserError(f"few_shot: expected a whole number above 0, got {self.shots!r}")


@dataclass(frozen=True, slots=True)
class Examples:
    """A benchmark's training rows, from which each sample draws its own."""

    rows: Sequence[Sample]
    few_shot: FewShot
    sha256: str

    def of(self, sample: Sample) -> list[Sample]:
        """The examples that precede one sample's question."""
        chosen = random.Random(f"{self.few_shot.seed} {sample.id}").sample(
            range(len(self.rows)), self.few_shot.shots
        )
        return [self.rows[index] for index in chosen]

    def to_json(self) -> dict[str, Any]:
        """What a result records."""
        return {
            "shots": self.few_shot.shots,
            "seed": self.few_shot.seed,
            "train_sha256": self.sha256,
            "num_train": len(self.rows),
        }


def check_few_shot(task: Task, protocol: Protocol) -> None:
    """Raises UserError where the benchmark has no few-shot form under this protocol."""
    if protocol.example is None or protocol.chat:
        able = next((other.name for other in task.protocols if other.example and not other.chat), None)
        raise UserError(
            f"task {task.name} has no few-shot form under protocol {protocol.name}"
            + (f"; --protocol {able} has one" if able else "")
        )


def load_examples(task: Task, root: DataRoot, few_shot: FewShot) -> Examples:
    """The training rows of a task's benchmark, `<benchmark>/<benchmark>_train.jsonl`.

    Raises:
        UserError: no such file, or too few rows.
        DataError: a bad row, or rows without answers.
    """
    if not any(protocol.example for protocol in task.protocols):
        raise UserError(f"task {task.name} has no few-shot form")
    path = root.path / train_path(task)
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; few-shot examples of task {task.name} are drawn from its training rows, "
            f"which python -m data_scripts prepare writes there where the benchmark has some"
        )
    found = load(replace(task, path=train_path(task)), root)
    if len(found.samples) < few_shot.shots:
        raise UserError(f"{path}: {len(found.samples)} rows, too few for --few-shot {few_shot.shots}")
    if found.samples[0].target is None:
        raise DataError(path, "few-shot examples need answers", found.lines[0])
    return Examples(found.samples, few_shot, found.sha256)


def train_path(task: Task) -> str:
    """Where a benchmark's training rows lie under the data root."""
    folder = PurePosixPath(task.path).parent
    return str(folder / f"{folder.name}_train.jsonl")
