"""How long skewed work takes on processes of which one is slow, beside static shards of the same work.

    python benchmarks/harness/measure_skew.py

One image with 500 questions, 100 images with one; four processes that torchrun starts, the last one five
times slower. The model is a clock: it sleeps for every image it has not just seen and for every question.
`ideal` is the whole work, each image read once, over the sum of the speeds. Static shards are contiguous
parts of the rows, as the published scripts deal them (InferenceSampler). A greedy model takes 384 questions
before it answers one, as an engine with many slots does; the same without a limit on what a process may hold.

Prints a table and writes it to README.md beside this script.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tables import write_section

from eval_mm import dispatch
from eval_mm.console import align
from eval_mm.jobs import plan_run
from eval_mm.processes.rounds import Round
from eval_mm.processes.team import join
from eval_mm.prompt import images_of
from eval_mm.run import fill
from eval_mm.schema import ModelInfo, Prediction, Request

QUESTIONS, SINGLES = 500, 100
SPEEDS = (1.0, 1.0, 1.0, 0.2)
IMAGE_SECONDS, QUESTION_SECONDS = 0.32, 0.08
AHEAD = 384
LIMIT = 1.15
IDEAL = ((1 + SINGLES) * IMAGE_SECONDS + (QUESTIONS + SINGLES) * QUESTION_SECONDS) / sum(SPEEDS)
WAYS = {
    "static": "static shards",
    "shared": "groups from a counter, one question at a time",
    "greedy": f"the same, a model that takes {AHEAD} ahead",
    "unlimited": f"the same, {AHEAD} ahead and no limit on what is held",
}


class Clock:
    """A model that sleeps: the last image it read it still has."""

    info = ModelInfo("clock", "clock", protocol="qwen-vl")

    def __init__(self, speed: float, ahead: int):
        self.speed, self.ahead, self.busy = speed, ahead, 0.0
        self._image: list[str] | None = None

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers in order, after so many are waiting or none more come."""
        waiting: list[Request] = []
        for request in requests:
            waiting.append(request)
            if len(waiting) >= self.ahead:
                yield self._answer(waiting.pop(0))
        while waiting:
            yield self._answer(waiting.pop(0))

    def _answer(self, request: Request) -> Prediction:
        images = images_of(request.prompt)
        seconds = QUESTION_SECONDS + (IMAGE_SECONDS if images != self._image else 0.0)
        self._image = images
        self.busy += seconds / self.speed
        time.sleep(seconds / self.speed)
        return Prediction(request.id, "x", stop_reason="stop")


def write_rows(folder: Path) -> Path:
    """The heavy image stands in the middle of the rows."""
    images = [*range(SINGLES // 2), *[SINGLES] * QUESTIONS, *range(SINGLES // 2, SINGLES)]
    rows = folder / "rows.jsonl"
    with rows.open("w") as file:
        for number, image in enumerate(images):
            row = {"id": str(number), "image": f"{image}.png", "question": "?", "answers": ["x"]}
            file.write(json.dumps(row) + "\n")
    return rows


def work(way: str, rows: Path) -> None:
    """One process of several: does its part, and process 0 prints how long it took until all were done."""
    team = join()
    clock = Clock(SPEEDS[team.rank], 1 if way in ("static", "shared") else AHEAD)
    if way == "unlimited":
        dispatch.part = lambda mine, speed, world: 1.0
    job = plan_run(clock, [f"file:{rows}"], metric="exact", out=rows.parent / way)
    with Round(team, "all are here") as round:
        round.same("go", lambda: "")
    started = time.monotonic()
    if way == "static":
        (plan,) = job.planned.plans
        size = -(-len(plan.dataset.samples) // team.world)
        mine = plan.requests()[team.rank * size : (team.rank + 1) * size]
        with Round(team, "static") as round:
            for _ in clock.generate(mine):
                pass
            round.take()
            if team.leads and team.line is not None:
                line = team.line
                round.wait(lambda: True if int(line.peek(f"{round.key}/taken") or 0) == team.world else None)
    else:
        fill(job, lambda: clock)
    if team.leads:
        print(json.dumps(time.monotonic() - started))
    team.close()


def main() -> int:
    """Measures, prints, writes; returns 1 where the limit is not kept."""
    if len(sys.argv) > 1:
        work(sys.argv[1], Path(sys.argv[2]))
        return 0
    table: list[Sequence[str]] = [("how", "seconds", "seconds / ideal")]
    ratios = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = write_rows(Path(folder))
        for way, name in WAYS.items():
            launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(len(SPEEDS))]
            ended = subprocess.run(
                [sys.executable, *launch, __file__, way, str(rows)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            seconds = json.loads(ended.stdout.splitlines()[-1])
            ratios[way] = seconds / IDEAL
            table.append((name, f"{seconds:.1f}", f"{ratios[way]:.2f}"))
    shown = align(table, left={0})
    print(shown)
    write_section(
        "Skewed work",
        f"`python benchmarks/harness/measure_skew.py`: one image with {QUESTIONS} questions, {SINGLES} with "
        f"one; speeds {', '.join(map(str, SPEEDS))}; {IMAGE_SECONDS} s an image, {QUESTION_SECONDS} s a "
        f"question; ideal is {IDEAL:.1f} s. Limit of what the harness does: {LIMIT}.",
        shown,
    )
    return int(max(ratios["shared"], ratios["greedy"]) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
