"""One run folder filled by several processes: the same bytes as by one, each question asked once."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eval_mm import asking, journal, run
from eval_mm.calls.faults import Gone
from eval_mm.errors import Interrupted, UserError
from eval_mm.outcomes import Report
from eval_mm.processes import parcels
from eval_mm.processes.team import Team
from eval_mm.schema import Prediction, Request
from tests.eval_mm.processes.crew import Crew, hurry, until
from tests.eval_mm.support import BOX_ANSWER, ScriptedModel, rows, write_data

TASKS = ["refcoco_val", "refcoco_testA"]


class Paced(ScriptedModel):
    """Takes its time, so that others get their part; takes `ahead` questions before it answers the first."""

    def __init__(self, pause: float = 0.002, ahead: int = 1, **how: Any):
        super().__init__(lambda request: BOX_ANSWER if request.id[-1] in "02468" else "(0,0),(9,9)", **how)
        self.pause, self.ahead = pause, ahead

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        waiting: list[Request] = []
        for request in requests:
            waiting.append(request)
            if len(waiting) == self.ahead:
                yield from self._answered(waiting)
        yield from self._answered(waiting)

    def _answered(self, waiting: list[Request]) -> Iterator[Prediction]:
        for prediction in super().generate(waiting):
            time.sleep(self.pause)
            yield prediction
        waiting.clear()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_data(tmp_path / "data", rows(41, images=4))
    return write_data(tmp_path / "data", rows(23, images=3), task="refcoco_testA")


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch, data: Path) -> Callable[..., list[Any]]:
    """Runs both tasks on so many processes; what `evaluate` came to in each."""
    hurry(monkeypatch)
    here, alone = threading.local(), Team()
    monkeypatch.setattr(run, "join", lambda: getattr(here, "team", alone))

    def fill(
        world: int,
        out: Path,
        model: Callable[[int], ScriptedModel] = lambda rank: Paced(),
        place: Callable[[int], Path] | None = None,
    ) -> list[Any]:
        def work(team: Team) -> Report:
            here.team = team
            folder = out if place is None else place(team.rank)
            return run.run(model(team.rank), TASKS, data, out=folder)

        return Crew(world, work).result()

    return fill


def files(out: Path) -> dict[str, bytes]:
    """What must be a function of data and answers alone."""
    found = [*out.glob("*/result.json"), *out.glob("*/scores.jsonl")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def asked(out: Path) -> dict[str, int]:
    """How many answers there are to each question."""
    found: dict[str, int] = {}
    for task in TASKS:
        for answer in journal.read_answers(out / task):
            found[f"{task} {answer.id} {answer.key}"] = found.get(f"{task} {answer.id} {answer.key}", 0) + 1
    return found


@pytest.fixture
def calm(data: Path, tmp_path: Path) -> Path:
    """The run folder of one process that nothing happened to."""
    run.run(Paced(0), TASKS, data, out=tmp_path / "calm")
    return tmp_path / "calm"


@pytest.mark.parametrize("ahead", [1, 7, 100])
def test_the_number_of_processes_changes_no_byte(
    fill: Callable[..., list[Any]], calm: Path, tmp_path: Path, ahead: int
) -> None:
    """A number that depends on how many GPUs there were is none, however far the back end looks ahead."""
    out = tmp_path / "run"
    reports = fill(3, out, lambda rank: Paced(ahead=ahead))
    assert files(out) == files(calm)
    assert len(files(out)) == 4
    assert set(asked(out).values()) == {1}
    assert len(asked(out)) == 64
    written = {path.name for path in out.glob("*/predictions.*")}
    assert written == {f"predictions.rank{rank}.jsonl" for rank in range(3)}, "all of them took part"
    assert [[one.result for one in report.outcomes] for report in reports[1:]] == [
        [one.result for one in reports[0].outcomes]
    ] * 2
    assert not list(out.glob(".shared-*"))
    assert json.loads((out / "manifest.json").read_text())["runs"][0]["processes"] == 3


def test_the_number_of_processes_may_change(
    fill: Callable[..., list[Any]], calm: Path, tmp_path: Path
) -> None:
    """Answers of four processes that were killed count for one, and its for two: nothing is asked twice."""

    class Mortal(Paced):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for prediction in super().generate(requests):
                yield prediction
                if len(self.asked) == 6:
                    raise KeyboardInterrupt

    out = tmp_path / "run"
    seen = 0
    for world in (4, 1, 2):
        found = fill(world, out, lambda rank: Mortal())
        assert all(isinstance(error, KeyboardInterrupt | Interrupted) for error in found), found
        assert len(asked(out)) > seen
        seen = len(asked(out))
    reports = fill(3, out)
    assert sum(one.num_reused for one in reports[0].outcomes) == seen
    assert set(asked(out).values()) == {1}
    assert files(out) == files(calm)


def test_without_a_shared_folder_answers_travel(
    fill: Callable[..., list[Any]], calm: Path, tmp_path: Path
) -> None:
    """Two machines with disks of their own: the answers of both count, and the user knows how they came."""
    out = tmp_path / "run"
    reports = fill(3, out, place=lambda rank: out if rank == 0 else tmp_path / "elsewhere" / str(rank))
    assert files(out) == files(calm)
    assert set(asked(out).values()) == {1}
    assert len(list((out / "refcoco_val").glob("predictions.*"))) == 3
    assert not list((tmp_path / "elsewhere").glob("*/*/predictions.*"))
    said = "processes 1, 2 do not see the run folder: their answers came through the store"
    assert [list(report.notices) for report in reports] == [[said]] * 3


def test_who_comes_when_all_is_done_waits_for_nothing(
    fill: Callable[..., list[Any]], calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small task was done before another process had looked for its mark: that one looked for 5 s more."""
    sees = parcels.sees

    def late(folder: Path, name: str, is_over: Callable[[], bool]) -> bool:
        until(lambda: not (folder / name).exists())
        return sees(folder, name, is_over)

    monkeypatch.setattr(run, "sees", late)
    monkeypatch.setattr(parcels, "LATE", 3600.0)
    fill(2, tmp_path / "run")
    assert files(tmp_path / "run") == files(calm)


def test_a_failing_process_ends_all_and_loses_nothing(
    fill: Callable[..., list[Any]], calm: Path, tmp_path: Path
) -> None:
    """Out of memory on one GPU: nobody waits for its answers, and those that were given are kept."""

    class Failing(Paced):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for number, prediction in enumerate(super().generate(requests)):
                if number == 5:
                    raise MemoryError("no room")
                yield prediction

    out = tmp_path / "run"
    found = fill(3, out, lambda rank: Failing() if rank == 1 else Paced())
    assert isinstance(found[1], MemoryError)
    for rank in (0, 2):
        assert isinstance(found[rank], Interrupted)
        assert "process 1: MemoryError: no room" in str(found[rank])
    assert not list(out.glob("*/result.json")) or len(asked(out)) < 64
    fill(2, out)
    assert files(out) == files(calm)
    assert set(asked(out).values()) == {1}


def test_a_server_that_is_gone_ends_all_with_the_same_code(
    fill: Callable[..., list[Any]], tmp_path: Path
) -> None:
    """Who noticed ended with 3 and the others with 2: which of them a script saw was chance."""

    class Unheard(Paced):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for number, prediction in enumerate(super().generate(requests)):
                if number == 3:
                    raise Gone("the server answers no more")
                yield prediction

    found = fill(3, tmp_path / "run", lambda rank: Unheard() if rank == 1 else Paced())
    assert [(str(error), error.code) for error in found] == [("the server answers no more", 3)] * 3


def test_other_rows_on_another_machine_are_refused(
    fill: Callable[..., list[Any]], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to last week's rows must not be merged with those to this week's."""
    found = fill(2, tmp_path / "run", lambda rank: Paced(fingerprint=f"f{rank}"))
    assert [type(error) for error in found] == [UserError] * 2
    assert "checkpoint f1 here is not f0 of process 0" in str(found[0])


def test_a_second_job_is_refused_in_all_its_processes(fill: Callable[..., list[Any]], tmp_path: Path) -> None:
    """All processes of the second end with the same line; the first goes on."""
    from eval_mm.store import RunFolder

    with RunFolder.create(tmp_path / "run"):
        found = fill(3, tmp_path / "run")
    assert [type(error) for error in found] == [UserError] * 3
    assert all("another run is writing there" in str(error) for error in found)


def test_a_process_that_hangs_ends_the_run(
    fill: Callable[..., list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that never answers must not hold all others for ever; the hanging one is known by its number."""
    monkeypatch.setattr(asking, "STALLED", 0.3)
    freed = threading.Event()

    class Hanging(Paced):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for prediction in super().generate(requests):
                freed.wait(2)
                yield prediction

    found = fill(2, tmp_path / "run", lambda rank: Hanging() if rank == 1 else Paced())
    assert all(isinstance(error, Interrupted) for error in found), found
    assert "process 1 holds" in str(found[0])


def test_a_task_is_written_while_others_are_asked(fill: Callable[..., list[Any]], tmp_path: Path) -> None:
    """A sweep of a week shows its first number on the first day."""
    out = tmp_path / "run"
    seen = []

    class Watching(Paced):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for prediction in super().generate(requests):
                if (out / "refcoco_testA").is_dir():
                    seen.append((out / "refcoco_val/result.json").exists())
                yield prediction

    fill(1, out, lambda rank: Watching())
    assert seen[-1]
    assert not seen[0]
