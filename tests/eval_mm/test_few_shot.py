"""Few-shot examples: which, how they are joined, and that a stored run knows them."""

import json
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm import tasks
from eval_mm.data import DataRoot
from eval_mm.errors import DataError, UserError
from eval_mm.few_shot import Examples, FewShot, check_few_shot, load_examples
from eval_mm.prompt import plain_text, to_request
from eval_mm.run import run
from eval_mm.schema import Image
from tests.eval_mm.support import ScriptedModel, write_data

TASK = tasks.get("okvqa_val")
QWEN_VL = tasks.get_protocol(TASK, "qwen-vl")


def row(name: str, question: str, answers: list[str], picture: int = 0) -> dict[str, Any]:
    return {"id": name, "image": f"pictures/{picture}.png", "question": question, "answers": answers}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six questions, eight training rows."""
    root = write_data(tmp_path / "data", [row(str(i), f"Q{i}?", ["x"] * 10) for i in range(6)], "okvqa_val")
    return write_data(root, [row(f"t{i}", f"T{i}?", [f"a{i}"] * 10, 1) for i in range(8)], "okvqa_train")


def examples(data: Path, shots: int, seed: int = 0) -> Examples:
    return load_examples(TASK, DataRoot(data, demo=False), FewShot(shots, seed))


def texts(data: Path, shots: int, seed: int = 0) -> dict[str, str]:
    """The text a model sees of each sample."""
    drawn = examples(data, shots, seed)
    rows = [TASK.to_sample(r) for r in _rows(data)]
    return {s.id: plain_text(to_request(s, QWEN_VL, data, drawn.of(s)).prompt) for s in rows}


def _rows(data: Path) -> Any:
    from eval_mm.data import parse_row

    path = data / TASK.path
    return [parse_row(line, path, n) for n, line in enumerate(path.read_bytes().splitlines(), 1)]


def test_examples_are_joined_with_nothing_between(data: Path) -> None:
    """Prompt, space, answer, next picture: what the published script sends, token for token."""
    drawn = examples(data, 2)
    sample = TASK.to_sample(_rows(data)[0])
    one, two = drawn.of(sample)
    request = to_request(sample, QWEN_VL, data, [one, two])
    assert request.prompt == (
        Image(str(data / "pictures/1.png")),
        f"{one.question} Answer: {one.target[0]}",
        Image(str(data / "pictures/1.png")),
        f"{two.question} Answer: {two.target[0]}",
        Image(str(data / "pictures/0.png")),
        "Q0? Answer:",
    )


def test_examples_depend_on_seed_and_sample_alone(data: Path) -> None:
    """Not on which samples are asked together: else the number changes with the process count."""
    whole = texts(data, 3)
    assert texts(data, 3) == whole
    assert len({text.rpartition("Q")[0] for text in whole.values()}) > 1, "every sample draws its own"
    assert texts(data, 3, seed=1) != whole
    limited = run(ScriptedModel(lambda r: "x"), ["okvqa_val"], data, few_shot=FewShot(3), out=data / "run")
    journal = (limited.folder / "okvqa_val/predictions.rank0.jsonl").read_text(encoding="utf-8")
    assert len(journal.splitlines()) == 6


def test_the_example_answers_as_most_annotators_do(data: Path) -> None:
    """Of ten answers one is shown; among equals the one given first."""
    write_data(data, [row("t", "T?", ["b", "a", "a", "b", "c"])], "okvqa_train")
    assert texts(data, 1)["0"] == "T? Answer: bQ0? Answer:"


def test_a_run_records_its_examples(data: Path, tmp_path: Path) -> None:
    """The same answers are found again, other shots are asked anew, and `score` rebuilds the prompts."""
    model = ScriptedModel(lambda request: "x")
    out = tmp_path / "run"
    run(model, ["okvqa_val"], data, few_shot=FewShot(2, 5), out=out)
    first = (out / "okvqa_val/result.json").read_bytes()
    config = json.loads(first)["config"]["few_shot"]
    assert (config["shots"], config["seed"], config["num_train"]) == (2, 5, 8)
    run(model, ["okvqa_val"], data, few_shot=FewShot(2, 5), out=out)
    assert len(model.asked) == 6
    eval_mm.score(out)
    assert (out / "okvqa_val/result.json").read_bytes() == first
    run(model, ["okvqa_val"], data, out=out)
    assert len(model.asked) == 12


def test_changed_training_rows_are_noticed(data: Path, tmp_path: Path) -> None:
    """Prompts rebuilt from other training rows would fit no stored answer, for no visible reason."""
    run(ScriptedModel(lambda r: "x"), ["okvqa_val"], data, few_shot=FewShot(2), out=tmp_path / "run")
    write_data(data, [row(f"t{i}", f"New{i}?", ["y"]) for i in range(8)], "okvqa_train")
    with pytest.raises(UserError, match=r"okvqa_train\.jsonl: not the file of the run"):
        eval_mm.score(tmp_path / "run")


@pytest.mark.parametrize(
    ("task", "protocol", "shots", "message"),
    [
        ("okvqa_val", "instruct", 1, "--protocol qwen-vl has one"),
        ("okvqa_val", "qwen-vl", 9, "8 rows, too few for --few-shot 9"),
        ("vizwiz_val", "qwen-vl", 1, r"vizwiz_train\.jsonl: no such file"),
        ("refcoco_val", "qwen-vl", 1, "has no few-shot form under protocol qwen-vl"),
    ],
)
def test_what_cannot_be_drawn_is_said(data: Path, task: str, protocol: str, shots: int, message: str) -> None:
    """Before any model is asked, in one line."""
    asked = tasks.get(task)
    few_shot = FewShot(shots)

    def draw() -> None:
        check_few_shot(asked, tasks.get_protocol(asked, protocol))
        load_examples(asked, DataRoot(data, demo=False), few_shot)

    with pytest.raises(UserError, match=message):
        draw()


def test_examples_need_answers(data: Path) -> None:
    """A test split put in the place of the training rows would teach empty answers."""
    (data / "vizwiz").mkdir()
    line = json.dumps({"id": "1", "image": "pictures/0.png", "question": "Q?"}) + "\n"
    (data / "vizwiz/vizwiz_train.jsonl").write_text(line, encoding="utf-8")
    task = tasks.get("vizwiz_test")
    with pytest.raises(DataError, match="few-shot examples need answers"):
        load_examples(task, DataRoot(data, demo=False), FewShot(1))


def test_the_number_of_shots_is_checked() -> None:
    """Zero or a fraction of an example is a mistake of the caller."""
    with pytest.raises(UserError, match="above 0"):
        FewShot(0)
