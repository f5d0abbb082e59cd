"""Are prepared rows and their pictures fit for a run? What every benchmark's check does alike.

Rows are read by the very function an evaluation reads them with, so what passes here does not fail there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from data_scripts import pictures
from data_scripts.benchmark import Benchmark
from eval_mm.console import align, count
from eval_mm.data import DataRoot, Dataset, find_root, load
from eval_mm.errors import UserError
from eval_mm.schema import Sample, Task

SHOWN = 10
"""Problems named per split; the rest is counted."""


@dataclass(slots=True)
class Split:
    """What was found in one split."""

    task: Task
    rows: int | None = None
    published: int | None = None
    pictures: int = 0
    bad_rows: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    skipped: bool = False
    absent: bool = False
    other_count: bool = False

    @property
    def problems(self) -> list[str]:
        """All of them, rows first."""
        return self.bad_rows + self.missing + self.wrong


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in all splits."""

    splits: Sequence[Split]

    @property
    def exit_code(self) -> int:
        """0 all right, 2 unusable rows or files, 3 missing or wrong pictures."""
        if any(split.bad_rows for split in self.splits):
            return 2
        return 3 if any(split.problems for split in self.splits) else 0

    def text(self) -> str:
        """The first problems of each split, then a table of all."""
        header = ("split", "rows", "published", "pictures", "missing", "wrong", "bad rows", "verdict")
        lines: list[str] = []
        for split in self.splits:
            lines += split.problems[:SHOWN]
            if len(split.problems) > SHOWN:
                lines.append(f"{split.task.name}: {len(split.problems) - SHOWN:,} more problems")
        return "\n".join([*lines, align([header, *map(_cells, self.splits)])])


def check(benchmark: Benchmark, data: str, allow_partial: bool) -> Checked:
    """Looks at every row of a benchmark and decodes every distinct picture once.

    With `allow_partial` missing splits are left out and counts may differ; the bundled demo data has its own
    counts, and may lack a benchmark's splits.
    """
    root = find_root(data)
    tasks = [*benchmark.tasks, *_training(benchmark, root)]
    datasets: dict[str, Dataset] = {}
    splits = [Split(task, published=None if root.demo else task.num_samples) for task in tasks]
    for split in splits:
        path = root.path / split.task.path
        if allow_partial and not path.exists():
            split.skipped = True
            continue
        try:
            dataset = datasets[split.task.name] = load(split.task, root)
        except UserError as error:
            split.bad_rows.append(str(error))
            split.absent = not path.exists()
            continue
        rows = split.rows = len(dataset.samples)
        split.other_count = split.published not in (None, rows)
        if split.other_count and not allow_partial:
            split.bad_rows.append(
                f"{path}: {rows} rows, but the published split has {split.published}; "
                "--allow-partial takes them as they are"
            )
    if splits and all(split.skipped for split in splits):
        raise UserError(
            f"{root.path}: nothing is prepared here; looked for {', '.join(t.path for t in tasks)}"
        )

    opened = pictures.open_all(
        root.path,
        (image.path for found in datasets.values() for row in found.samples for image in row.images),
    )
    for split in splits:
        found = datasets.get(split.task.name)
        if found is not None:
            numbered = list(zip(found.lines, found.samples, strict=True))
            _judge(split, root, numbered, opened, benchmark)
    return Checked(splits)


def _training(benchmark: Benchmark, root: DataRoot) -> list[Task]:
    """The training rows that are there, as a task: few-shot examples are read like questions."""
    return [
        replace(benchmark.tasks[0], name=split.name, path=split.path, num_samples=None)
        for split in benchmark.splits
        if split.optional and (root.path / split.path).exists()
    ]


def _judge(
    split: Split,
    root: DataRoot,
    numbered: Sequence[tuple[int, Sample]],
    opened: dict[str, pictures.Picture],
    benchmark: Benchmark,
) -> None:
    """Sorts the problems of one split's rows and pictures; a picture is named at its first row only."""
    path = root.path / split.task.path
    seen: set[tuple[str, tuple[int, int] | None]] = set()
    for line, sample in numbered:
        problem = benchmark.row_problem(sample)
        if problem:
            split.bad_rows.append(f"{path}:{line}: {problem}")
        stated = benchmark.stated_size(sample)
        for image in sample.images:
            if (image.path, stated) in seen:
                continue
            seen.add((image.path, stated))
            picture = opened[image.path]
            where = f"{path}:{line}: {image.path}:"
            if picture.missing:
                split.missing.append(f"{where} {picture.fault}")
            elif picture.size is None:
                split.wrong.append(f"{where} {picture.fault}")
            elif stated not in (None, picture.size):
                split.wrong.append(
                    "{} the picture has {} x {} pixels, the row says {} x {}".format(
                        where, *picture.size, *(stated or ())
                    )
                )
    split.pictures = len({image for image, _ in seen})


def _cells(split: Split) -> tuple[str, ...]:
    if split.skipped:
        return (split.task.name, *"------", "not prepared")
    verdict = "pictures unfit" if split.problems else "ok"
    if split.bad_rows:
        counted = len(split.bad_rows) == 1 and split.other_count
        verdict = "not prepared" if split.absent else "other count" if counted else "rows unusable"
    numbers = (len(split.missing), len(split.wrong), len(split.bad_rows))
    return (
        split.task.name,
        count(split.rows),
        count(split.published),
        count(split.pictures),
        *(count(number) for number in numbers),
        verdict,
    )
