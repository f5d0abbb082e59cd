"""What a task has of answers before a run, and after it."""

import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import eval_mm
from eval_mm import journal, merge, outcomes, store
from eval_mm.errors import UserError
from eval_mm.journal import Journal, read_answers
from eval_mm.run import run
from eval_mm.schema import Prediction, Request
from tests.eval_mm.support import BOX_ANSWER, ScriptedModel, rows, write_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(6))


def test_an_answer_to_a_picture_that_came_back_is_the_newest_again(data: Path, tmp_path: Path) -> None:
    """Scoring takes the newest answer to the same words: it must not be the one to the other picture."""
    out, picture = tmp_path / "run", data / "pictures/1.png"
    first = picture.read_bytes()
    run(ScriptedModel(), ["refcoco_val"], data, out=out)
    picture.write_bytes((data / "pictures/2.png").read_bytes())
    run(ScriptedModel(lambda request: "(0,0),(1,1)"), ["refcoco_val"], data, out=out)
    picture.write_bytes(first)
    model = ScriptedModel()
    result = run(model, ["refcoco_val"], data, out=out).outcomes[0].result
    assert model.asked == []
    assert eval_mm.score(out)[0] == result
    assert result.metrics["accuracy@0.5"].value == 100


def test_an_error_is_no_answer(data: Path, tmp_path: Path) -> None:
    """Also where an error came after the answer: what was answered once stays answered."""
    out = tmp_path / "run"
    run(ScriptedModel(), ["refcoco_val"], data, out=out)
    answered = read_answers(out / "refcoco_val")[2]
    with Journal(out / "refcoco_val", 5, run=9) as file:
        file.append(Prediction(answered.id, key=answered.key, error="gone"))
    model = ScriptedModel()
    result = run(model, ["refcoco_val"], data, out=out).outcomes[0].result
    assert (model.asked, result.num_errors) == ([], 0)
    assert eval_mm.score(out)[0] == result


def test_a_journal_that_is_seen_late_is_waited_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS shows a file of another machine some seconds late: all was answered, and the run ended with 2."""
    here = tmp_path / "run/refcoco_val/predictions.rank0.jsonl"

    class Elsewhere(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            yield from super().generate(requests)
            here.rename(tmp_path / "unseen")

    clock = SimpleNamespace(
        monotonic=time.monotonic, sleep=lambda seconds: (tmp_path / "unseen").rename(here)
    )
    monkeypatch.setattr(merge, "time", clock)
    merged = partial(merge.merged, late=merge.LATE)  # as with other processes
    monkeypatch.setattr(outcomes, "merged", lambda plan, before, path, late: merged(plan, before, path))
    report = run(Elsewhere(), ["refcoco_val"], data, out=tmp_path / "run")
    assert report.outcomes[0].result.num_samples == 6


def test_a_journal_that_vanishes_is_noticed(data: Path, tmp_path: Path) -> None:
    """An answer that was given and is gone must not become a smaller denominator; one process waits not."""
    out = tmp_path / "run"

    class Vanishing(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            yield from super().generate(requests)
            path = out / "refcoco_val/predictions.rank0.jsonl"
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))

    with pytest.raises(
        UserError, match=r"2 answers of this run are no longer there \(the first to sample 's"
    ):
        run(Vanishing(), ["refcoco_val"], data, out=out)
    model = ScriptedModel()
    run(model, ["refcoco_val"], data, out=out)
    assert len(model.asked) == 2


def test_who_still_writes_is_waited_for(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of an earlier try that does not end must not answer into the next one."""
    monkeypatch.setattr(merge, "LEAVE", 0.0)
    out = tmp_path / "run"
    run(ScriptedModel(), ["refcoco_val"], data, out=out)
    with (
        Journal(out / "refcoco_val", 0, run=2),
        pytest.raises(UserError, match=r"rank0\.jsonl: another process is writing there"),
    ):
        run(ScriptedModel(), ["refcoco_val"], data, out=out)


def test_pictures_are_read_for_stored_answers_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first run of a hundred thousand pictures must not read all of them before its first question."""
    read: list[Path] = []
    sha256 = store.file_sha256

    def noted(path: Path) -> str:
        read.append(path)
        return sha256(path)

    monkeypatch.setattr(store, "file_sha256", noted)
    seen = []

    class Watching(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for prediction in super().generate(requests):
                seen.append(len(read))
                yield prediction

    run(Watching(lambda request: BOX_ANSWER), ["refcoco_val"], data, out=tmp_path / "run")
    assert seen == [0, 1, 1, 1, 2, 2]
    assert len(journal.read(tmp_path / "run/refcoco_val").answers) == 6
