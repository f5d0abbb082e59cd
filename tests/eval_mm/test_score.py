"""Scoring without a model: run folders and files of answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import eval_mm
from eval_mm import store
from eval_mm.data import Selection
from eval_mm.errors import UserError
from eval_mm.report.table import results_table
from eval_mm.run import run
from eval_mm.schema import Request
from tests.eval_mm.support import BOX_ANSWER, ScriptedModel, rows, write_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(6))


@pytest.fixture
def out(tmp_path: Path, data: Path) -> Path:
    """A finished run whose answers are boxes in a form that only protocol `instruct` reads."""
    answers = {"s0": "[100, 200, 500, 600]"}
    model = ScriptedModel(lambda request: answers.get(request.id, BOX_ANSWER))
    run(model, ["refcoco_val"], data, out=tmp_path / "run")
    return tmp_path / "run"


def test_scoring_again_changes_nothing(out: Path) -> None:
    """Score RUN gives the very bytes of the run."""
    before = (out / "refcoco_val/result.json").read_bytes()
    (result,) = eval_mm.score(out)
    assert (out / "refcoco_val/result.json").read_bytes() == before
    assert result.num_unparsed == 1


def test_another_scorer_is_written_beside(out: Path) -> None:
    """The number under another protocol never overwrites the run's own, and says which prompt was used."""
    before = (out / "refcoco_val/result.json").read_bytes()
    (result,) = eval_mm.score(out, protocol="instruct")
    assert (result.prompt_protocol, result.score_protocol, result.num_unparsed) == ("qwen-vl", "instruct", 0)
    assert result.metrics["accuracy@0.5"].value == 100
    assert (out / "refcoco_val/result.json").read_bytes() == before
    stored = json.loads((out / "refcoco_val/result.instruct.json").read_text())
    assert eval_mm.Result.from_json(stored) == result
    assert (out / "refcoco_val/scores.instruct.jsonl").exists()


def test_a_missing_answer_is_an_error_unless_subset(out: Path) -> None:
    """A lost line must never become a smaller denominator by itself."""
    journal = out / "refcoco_val/predictions.rank0.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(UserError, match=r"1 of 6 samples have no answer \(first: 's0'\)"):
        eval_mm.score(out)
    (result,) = eval_mm.score(out, subset=True)
    assert (result.num_samples, result.complete, result.config["subset"]) == (5, False, True)


def test_answers_to_another_question_are_no_answers(out: Path, data: Path, tmp_path: Path) -> None:
    """A run that stopped half-way under a new protocol must not mix in the old protocol's answers."""

    class Stopping(ScriptedModel):
        def answer_once(self, request: object) -> str:
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return BOX_ANSWER

    model = Stopping()
    model.answer = model.answer_once
    with pytest.raises(KeyboardInterrupt):
        run(model, ["refcoco_val"], data, out=out, protocol="instruct")
    with pytest.raises(UserError, match="4 of 6 samples have no answer"):
        eval_mm.score(out)


def test_the_answers_of_the_last_run_count(data: Path, tmp_path: Path) -> None:
    """Pictures gone for a while leave errors behind; when they are back, `score` takes the old answers."""
    out, pictures = tmp_path / "run", data / "pictures"

    def answer(request: Request) -> str:
        if not pictures.exists():
            raise ValueError("no picture")
        return BOX_ANSWER

    model = ScriptedModel(answer)
    run(model, ["refcoco_val"], data, out=out)
    pictures.rename(data / "away")
    assert run(model, ["refcoco_val"], data, out=out).outcomes[0].result.num_errors == 6
    (data / "away").rename(pictures)
    assert run(model, ["refcoco_val"], data, out=out).outcomes[0].result.num_errors == 0
    assert len(model.asked) == 12
    before = (out / "refcoco_val/result.json").read_bytes()
    assert eval_mm.score(out)[0].num_errors == 0
    assert (out / "refcoco_val/result.json").read_bytes() == before


def test_changed_data_is_refused(out: Path, data: Path) -> None:
    """Old answers against new rows would be a number of nothing."""
    write_data(data, rows(5))
    with pytest.raises(UserError, match="not the file of the run"):
        eval_mm.score(out)


def test_the_data_may_have_moved(out: Path, data: Path, tmp_path: Path) -> None:
    """--data names the new place; pictures are not needed."""
    moved = tmp_path / "moved"
    data.rename(moved)
    for picture in (moved / "pictures").iterdir():
        picture.unlink()
    with pytest.raises(UserError, match="no such folder"):
        eval_mm.score(out)
    assert eval_mm.score(out, data=moved)[0].num_samples == 6


@pytest.mark.parametrize(
    "option", [{"box_scale": "pixels"}, {"match": "order"}, {"id_key": "x"}, {"out": "y"}]
)
def test_options_for_files_are_refused_for_runs(out: Path, option: dict[str, str]) -> None:
    """An option that does nothing would let the user believe it did."""
    with pytest.raises(UserError, match="is for --predictions FILE"):
        eval_mm.score(out, **option)  # type: ignore[arg-type]


def test_a_task_the_run_does_not_have(out: Path) -> None:
    """The tasks it has are listed."""
    with pytest.raises(UserError, match="has no task refcoco_testA; it has refcoco_val"):
        eval_mm.score(out, task="refcoco_testA")


def test_a_run_of_some_rows_is_scored_on_those(data: Path, tmp_path: Path) -> None:
    """The manifest remembers the selection."""
    run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "r", selection=Selection(sample=2, seed=3))
    assert eval_mm.score(tmp_path / "r")[0].num_samples == 2


def test_a_file_of_answers(data: Path, tmp_path: Path) -> None:
    """A file gives a result too, labelled by its name, and written only where asked."""
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({f"s{index}": BOX_ANSWER for index in range(6)}))
    (result,) = eval_mm.score(task="refcoco_val", predictions=path, data=data, out=tmp_path / "scored")
    assert (result.model, result.prompt_protocol, result.score_protocol) == (
        "theirs.json",
        "unknown",
        "qwen-vl",
    )
    assert result.metrics["accuracy@0.5"].value == 100
    stored = json.loads((tmp_path / "scored/refcoco_val/result.json").read_text())
    assert eval_mm.Result.from_json(stored) == result
    (result,) = eval_mm.score(task="refcoco_val", predictions=path, data=data, box_scale="fraction")
    assert result.metrics["accuracy@0.5"].value == 0
    assert result.config["box_scale"] == "fraction"


def test_a_file_never_overwrites_a_run(out: Path, data: Path, tmp_path: Path) -> None:
    """A result of foreign answers inside a run folder would look like the run's own."""
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({f"s{index}": BOX_ANSWER for index in range(6)}))
    with pytest.raises(UserError, match="holds a run"):
        eval_mm.score(task="refcoco_val", predictions=path, data=data, out=out)


def test_a_file_that_lacks_answers(data: Path, tmp_path: Path) -> None:
    """Missing ids are named; --subset scores the rest and says so."""
    path = tmp_path / "part.json"
    path.write_text(json.dumps({"s3": BOX_ANSWER}))
    with pytest.raises(UserError, match="5 of 6 samples have no answer"):
        eval_mm.score(task="refcoco_val", predictions=path, data=data)
    (result,) = eval_mm.score(task="refcoco_val", predictions=path, data=data, subset=True)
    assert (result.num_samples, result.complete) == (1, False)


WRONG = [
    {},
    {"run": "r", "predictions": "p"},
    {"predictions": "p"},
    {"predictions": "p", "match": "x"},
    {"predictions": "p", "box_scale": "x"},
    {"predictions": "p", "out": ""},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_to_score_must_be_clear(wrong: dict[str, str]) -> None:
    """Neither, both, or a file without its task: one line each."""
    with pytest.raises(UserError):
        eval_mm.score(**wrong)  # type: ignore[arg-type]


def test_a_file_belongs_to_one_task(tmp_path: Path) -> None:
    """A family is not one task."""
    with pytest.raises(UserError, match="exactly one task, got 3"):
        eval_mm.score(task="refcoco", predictions=tmp_path / "x.json")


def test_scoring_never_loads_torch(out: Path, data: Path, tmp_path: Path) -> None:
    """The scoring path must run, fast, where no model can: for run folders and for files of answers."""
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({f"s{index}": BOX_ANSWER for index in range(6)}))
    code = (
        "import sys, eval_mm.cli; eval_mm.cli.main(sys.argv[1:]); "
        "print(sorted({'torch', 'PIL', 'transformers', 'pandas', 'tqdm'} & set(sys.modules)))"
    )
    of_file = ["--task", "refcoco_val", "--predictions", str(path), "--data", str(data)]
    for arguments in ([str(out)], of_file):
        command = [sys.executable, "-c", code, "score", *arguments]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "accuracy@0.5" in shown
        assert shown.splitlines()[-1] == "[]"


def test_another_scorer_of_a_file_is_written_beside(tmp_path: Path, data: Path) -> None:
    """The second score of the same answers must not replace the first."""
    path = tmp_path / "answers.json"
    path.write_text(json.dumps([BOX_ANSWER] * 6), encoding="utf-8")
    for protocol in (None, "instruct"):
        eval_mm.score(
            task="refcoco_val",
            predictions=path,
            data=data,
            match="order",
            protocol=protocol,
            out=tmp_path / "out",
        )
    folder = tmp_path / "out/refcoco_val"
    names = {path.name for path in folder.iterdir()}
    assert names == {"result.json", "scores.jsonl", "result.instruct.json", "scores.instruct.jsonl"}
    assert json.loads((folder / "result.json").read_text())["score_protocol"] == "qwen-vl"


def test_official_is_the_published_scorer_where_they_are_one(out: Path) -> None:
    """`--protocol official` over a family must not stop at a benchmark whose scorer does not differ."""
    (result,) = eval_mm.score(out, protocol="official")
    assert result.score_protocol == "qwen-vl"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"choice_logprobs": ["a", "b"]},
        {"choice_logprobs": [None]},
        {"stop_reason": 3},
        {"new_tokens": "many"},
        {"text": None},
    ],
)
def test_a_spoilt_journal_line_is_no_answer(out: Path, spoilt: dict[str, object]) -> None:
    """A field of another type is asked again, not scored and not a traceback."""
    journal = out / "refcoco_val/predictions.rank0.jsonl"
    first, *rest = journal.read_text(encoding="utf-8").splitlines()
    journal.write_text("\n".join([json.dumps({**json.loads(first), **spoilt}), *rest]) + "\n")
    with pytest.raises(UserError, match="1 of 6 samples have no answer"):
        eval_mm.score(out)


def test_a_failed_write_changes_no_file(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New scores beside an old result would tell two stories."""
    before = {path.name: path.read_bytes() for path in (out / "refcoco_val").iterdir()}
    journal = out / "refcoco_val/predictions.rank0.jsonl"
    journal.write_text(journal.read_text().replace("(100,200)", "(900,900)"))
    original = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "result.json" in path.name:
            raise OSError(28, "No space left on device")
        return original(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        eval_mm.score(out)
    after = {path.name: path.read_bytes() for path in (out / "refcoco_val").iterdir()}
    assert {**after, journal.name: b""} == {**before, journal.name: b""}


def test_unknown_counts_are_never_complete(tmp_path: Path) -> None:
    """Of OCR-VQA no published count is known to us: one row of it is not the benchmark."""
    rows_of = [{"id": "0", "image": "pictures/0.png", "question": "Q?", "answers": ["x"]}]
    data = write_data(tmp_path / "data", rows_of, "ocrvqa_test")
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({"0": "x"}), encoding="utf-8")
    (result,) = eval_mm.score(task="ocrvqa_test", predictions=path, data=data)
    assert result.complete is False
    assert "published count unknown" in results_table([result], [None])


def test_metrics_on_request_are_kept(tmp_path: Path) -> None:
    """Scoring a run again gives the very metrics it was asked for."""
    captions = [{"id": n, "image": f"pictures/{n}.png", "captions": ["a dog runs"]} for n in "01"]
    data = write_data(tmp_path / "data", captions, "nocaps_val")
    model = ScriptedModel(lambda request: "a dog runs")
    run(model, ["nocaps_val"], data, on_request=["bleu"], out=tmp_path / "run")
    before = (tmp_path / "run/nocaps_val/result.json").read_bytes()
    (result,) = eval_mm.score(tmp_path / "run")
    assert "bleu_4" in result.metrics
    assert (tmp_path / "run/nocaps_val/result.json").read_bytes() == before


def test_a_run_that_is_writing_is_not_scored(out: Path) -> None:
    """Two writers of one result.json: the older answers' numbers could come last."""
    with store.RunFolder.create(out), pytest.raises(UserError, match="another run is writing there"):
        eval_mm.score(out)
    assert eval_mm.score(out)[0].num_samples == 6
