"""Tasks made of others: asked once, judged once, never mixed."""

import json
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm.errors import UserError
from eval_mm.few_shot import FewShot
from eval_mm.run import run
from tests.eval_mm.support import ScriptedModel, write_data


def rows(answers: list[str]) -> list[dict[str, Any]]:
    """ChartQA rows; both parts number theirs from 0."""
    return [
        {"id": str(i), "image": f"pictures/{i % 2}.png", "question": "How many?", "answers": [answer]}
        for i, answer in enumerate(answers)
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three human and two augmented questions."""
    root = write_data(tmp_path / "data", rows(["10", "12", "cat"]), "chartqa_test_human")
    return write_data(root, rows(["10", "7"]), "chartqa_test_augmented")


def test_asking_for_all_asks_once(data: Path, tmp_path: Path) -> None:
    """`--task chartqa_test,chartqa_test_human` must not pay for the human questions twice."""
    model = ScriptedModel(lambda request: "10")
    report = run(model, ["chartqa_test", "chartqa_test_human"], data, out=tmp_path / "run")
    assert len(model.asked) == 5
    found = {outcome.result.task: outcome.result for outcome in report.outcomes}
    assert list(found) == ["chartqa_test_human", "chartqa_test_augmented", "chartqa_test"]
    whole = found["chartqa_test"]
    assert whole.num_samples == 5
    assert whole.num_published == 2_500
    values = {name: metric.value for name, metric in whole.metrics.items()}
    assert values == {
        "relaxed_accuracy": pytest.approx(40.0),
        "relaxed_accuracy/augmented": pytest.approx(50.0),
        "relaxed_accuracy/human": pytest.approx(100 / 3),
    }


def test_ids_name_the_part(data: Path, tmp_path: Path) -> None:
    """Both parts have a sample 0; in the whole they are two."""
    run(ScriptedModel(lambda request: "10"), ["chartqa_test"], data, out=tmp_path / "run")
    lines = (tmp_path / "run/chartqa_test/scores.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [
        *("chartqa_test_human/0", "chartqa_test_human/1", "chartqa_test_human/2"),
        *("chartqa_test_augmented/0", "chartqa_test_augmented/1"),
    ]


def test_scoring_a_run_again_gives_the_same(data: Path, tmp_path: Path) -> None:
    """`score RUN` computes the whole from its parts too, byte for byte, under any protocol."""
    run(ScriptedModel(lambda request: "10"), ["chartqa_test"], data, out=tmp_path / "run")
    before = (tmp_path / "run/chartqa_test/result.json").read_bytes()
    results = eval_mm.score(tmp_path / "run")
    assert [result.task for result in results] == [
        *("chartqa_test_human", "chartqa_test_augmented", "chartqa_test")
    ]
    assert (tmp_path / "run/chartqa_test/result.json").read_bytes() == before
    official = eval_mm.score(tmp_path / "run", task="chartqa_test", protocol="official")
    assert official[-1].score_protocol == "official"
    assert (tmp_path / "run/chartqa_test/result.official.json").exists()


def test_a_part_alone_makes_no_whole(data: Path, tmp_path: Path) -> None:
    """A figure of chartqa_test over the human half would look like the published one."""
    run(ScriptedModel(lambda request: "10"), ["chartqa_test_human"], data, out=tmp_path / "run")
    assert [result.task for result in eval_mm.score(tmp_path / "run")] == ["chartqa_test_human"]
    with pytest.raises(UserError, match="the run has no task chartqa_test; it has chartqa_test_human"):
        eval_mm.score(tmp_path / "run", task="chartqa_test")


def test_parts_asked_in_two_ways_are_refused(data: Path, tmp_path: Path) -> None:
    """Half the answers by one prompt and half by another make no number."""
    model = ScriptedModel(lambda request: "10")
    run(model, ["chartqa_test_human"], data, out=tmp_path / "run", protocol="instruct")
    run(model, ["chartqa_test_augmented"], data, out=tmp_path / "run")
    with pytest.raises(UserError, match="chartqa_test_human and chartqa_test_augmented differ in protocol"):
        eval_mm.score(tmp_path / "run", task="chartqa_test")


def test_a_file_of_answers_to_the_whole(data: Path, tmp_path: Path) -> None:
    """The published outputs list both parts one after the other, without ids."""
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(["10", "10", "cat", "10", "10"]), encoding="utf-8")
    (result,) = eval_mm.score(task="chartqa_test", predictions=path, data=data, match="order")
    assert result.metrics["relaxed_accuracy"].value == pytest.approx(60.0)
    assert result.metrics["relaxed_accuracy/augmented"].value == pytest.approx(50.0)


def test_parts_of_two_models_or_shots_are_refused(data: Path, tmp_path: Path) -> None:
    """Half the answers after four examples, or by another checkpoint, would pass for the published figure."""
    write_data(data, rows(["1", "2", "3"]), "chartqa_train")
    out = tmp_path / "run"
    run(ScriptedModel(lambda r: "10"), ["chartqa_test_human"], data, out=out, few_shot=FewShot(2))
    run(ScriptedModel(lambda r: "10"), ["chartqa_test_augmented"], data, out=out)
    with pytest.raises(UserError, match="differ in few_shot"):
        eval_mm.score(out, task="chartqa_test")
    run(ScriptedModel(lambda r: "10", fingerprint="f2"), ["chartqa_test_human"], data, out=out)
    with pytest.raises(UserError, match="differ in model"):
        eval_mm.score(out, task="chartqa_test")


def test_a_whole_nobody_asked_for_stops_nothing(data: Path, tmp_path: Path) -> None:
    """`score RUN` scores the parts there are, though they make no whole."""
    model = ScriptedModel(lambda request: "10")
    run(model, ["chartqa_test_human"], data, out=tmp_path / "run", protocol="instruct")
    run(model, ["chartqa_test_augmented"], data, out=tmp_path / "run")
    found = [result.task for result in eval_mm.score(tmp_path / "run")]
    assert found == ["chartqa_test_human", "chartqa_test_augmented"]


def test_the_same_answer_under_two_names_is_an_error(data: Path, tmp_path: Path) -> None:
    """`chartqa_test_human/0` and `0` are one sample: the last must not silently win."""
    path = tmp_path / "answers.json"
    full = [f"chartqa_test_human/{n}" for n in range(3)] + [f"chartqa_test_augmented/{n}" for n in range(2)]
    listed = [{"id": name, "answer": "10"} for name in [*full, "0"]]
    path.write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(UserError, match="item 5: sample 'chartqa_test_human/0' has an answer already"):
        eval_mm.score(task="chartqa_test", predictions=path, data=data)
