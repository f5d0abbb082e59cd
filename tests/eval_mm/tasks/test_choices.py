"""Ranked letters, letters in free text, yes and no: what is asked, how it is judged, how it is counted."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm import tasks
from eval_mm.cli import main
from eval_mm.data import parse_row
from eval_mm.errors import DataError, UserError
from eval_mm.files import jsonl
from eval_mm.prompt import to_request
from eval_mm.schema import Context, Image, ModelInfo, Prediction, Prompt, Sample, Score
from tests.eval_mm.support import write_data

ROOT = Path("root")
OPTIONS = {"question": "What is it?", "choices": ["fox", "owl", "newt"], "answer": 1}


def sample_of(task: str, **fields: Any) -> Sample:
    row = {"id": "7", "image": "pictures/0.png", **OPTIONS, "category": "1", **fields}
    return tasks.get(task).to_sample(parse_row(jsonl([row]), ROOT / "rows.jsonl", 1))


def shown(prompt: Prompt) -> str:
    return "".join("<img>" if isinstance(part, Image) else str(part) for part in prompt)


ASKED = "Question: What is it?\nOptions: A. fox\nB. owl\nC. newt\nAnswer:"


@pytest.mark.parametrize(
    ("task", "fields", "prompt"),
    [
        ("scienceqa_test", {}, f"<img>Context: N/A\n{ASKED}"),
        ("scienceqa_test", {"hint": "It flies."}, f"<img>Context: It flies.\n{ASKED}"),
        ("scienceqa_test", {"hint": ""}, f"<img>Context: N/A\n{ASKED}"),
        ("mmbench_dev", {"hint": "It flies."}, f"<img>Context: It flies.\n{ASKED}"),
        ("seedbench_image", {}, f"<img>\n{ASKED}"),
        ("seedbench_video", {"images": [f"v/{n}.png" for n in range(4)]}, "<img>\n" * 4 + ASKED),
        ("seedbench_video", {"images": ["v/0.png"]}, f"<img>\n{ASKED}"),
    ],
)
def test_the_published_prompt(task: str, fields: dict[str, Any], prompt: str) -> None:
    """And the letters with the space before them, which is part of the token that is ranked."""
    request = to_request(sample_of(task, **fields), tasks.get_protocol(tasks.get(task), "qwen-vl"), ROOT)
    assert shown(request.prompt) == prompt
    assert request.choices == (" A", " B", " C")
    assert request.chat is False


def test_a_row_without_picture() -> None:
    """Half of ScienceQA is text alone."""
    row = {"id": "7", **OPTIONS, "subject": "social science", "grade": "grade7"}
    sample = tasks.get("scienceqa_test").to_sample(parse_row(jsonl([row]), ROOT / "rows.jsonl", 1))
    request = to_request(sample, tasks.get_protocol(tasks.get("scienceqa_test"), "qwen-vl"), ROOT)
    assert shown(request.prompt) == f"Context: N/A\n{ASKED}"


def test_the_letter_is_asked_in_words() -> None:
    """Under `instruct` the hint comes before the question: without it some cannot be answered."""
    protocol = tasks.get_protocol(tasks.get("scienceqa_test"), "instruct")
    request = to_request(sample_of("scienceqa_test", hint="It flies."), protocol, ROOT)
    assert shown(request.prompt) == (
        "<img>It flies.\nWhat is it?\nA. fox\nB. owl\nC. newt\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert (request.choices, request.chat, request.max_new_tokens) == ((), True, 16)


def verdict(protocol: str, **answer: Any) -> Score:
    (score,) = tasks.get_protocol(tasks.get("scienceqa_test"), protocol).score(
        [sample_of("scienceqa_test")], [Prediction("7", **answer)], Context(ModelInfo("m"))
    )
    return score


@pytest.mark.parametrize(
    ("answer", "value", "letter"),
    [
        ({"choice_logprobs": (-2.0, -1.0, -3.0), "key": "k"}, 1.0, "B"),
        ({"choice_logprobs": (-1.0, -1.0, -3.0), "key": "k"}, 0.0, "A"),  # among equals the first
        ({"text": "B"}, 1.0, "B"),
        ({"text": " b\n"}, 1.0, "B"),
        ({"text": "1"}, 1.0, "B"),
        ({"text": "0"}, 0.0, "A"),
        ({"text": "-1"}, None, ""),
        ({"text": "3"}, None, ""),
        ({"text": "D"}, None, ""),
        ({"text": "owl"}, None, ""),
        ({"text": "²"}, None, ""),
        ({"text": ""}, None, ""),
    ],
)
def test_the_likeliest_letter_wins(answer: dict[str, Any], value: float | None, letter: str) -> None:
    """A file of answers holds letters or 0-based indices; nothing else is guessed from."""
    score = verdict("qwen-vl", **answer)
    assert (score.value, score.answer) == (value, letter)


def test_ranks_and_texts_are_not_mixed() -> None:
    """A run's ranked letters have no text, and read as text every one would be unparsed: exit code 2."""
    with pytest.raises(UserError, match="use --protocol instruct"):
        verdict("qwen-vl", text="B", key="k")
    with pytest.raises(UserError, match="use --protocol qwen-vl"):
        verdict("instruct", choice_logprobs=(-1.0, -2.0, -3.0), key="k")
    assert verdict("instruct", text="The answer is (B).", key="k").answer == "B"
    assert verdict("instruct", text="It is hard to say", key="k").value is None


@pytest.mark.parametrize(
    ("task", "fields", "message"),
    [
        ("scienceqa_test", {"answer": 3}, "'answer': expected a whole number from 0 to 2"),
        ("scienceqa_test", {"subject": "magic"}, "'subject'.*natural science"),
        ("scienceqa_test", {"grade": "7"}, "'grade'.*grade1 to grade12"),
        ("seedbench_image", {"category": "13"}, "'category'.*from 1 to 12"),
        ("seedbench_video", {"images": "v/0.png"}, "'images'.*list of paths"),
        ("seedbench_video", {"images": ["/etc/passwd"]}, "'images'.*inside it"),
        ("mmbench_dev", {"id": "a7"}, "'id'.*the index of the official file"),
        ("mme", {"answer": "Maybe"}, "'answer': expected 'Yes' or 'No'"),
        ("mme", {"answer": "Yes", "category": "taste"}, "'category'.*existence"),
    ],
)
def test_bad_rows_are_named(task: str, fields: dict[str, Any], message: str) -> None:
    """One line with file, line and field."""
    with pytest.raises(DataError, match=rf"rows\.jsonl:1.*{message}"):
        sample_of(task, **fields)


def values(task: str, samples: list[Sample], scores: list[Score]) -> dict[str, float]:
    return {name: metric.value for name, metric in tasks.get(task).metrics(samples, scores).items()}


def test_scienceqa_parts() -> None:
    """The official table counts a question with text and picture under both."""
    samples = [
        sample_of("scienceqa_test", subject="natural science", grade="grade6", hint="x"),
        sample_of("scienceqa_test", subject="language science", grade="grade7", images=[]),
    ]
    found = values("scienceqa_test", samples, [Score(1.0, "B", ""), Score(0.0, "A", "")])
    assert found == {
        **{"accuracy": 50, "accuracy/subject=NAT": 100, "accuracy/subject=LAN": 0},
        **{"accuracy/context=TXT": 100, "accuracy/context=IMG": 100, "accuracy/context=NO": 0},
        **{"accuracy/grade=G1-6": 100, "accuracy/grade=G7-12": 0},
    }


def test_seedbench_dimensions() -> None:
    """The overall figure is over questions, not the mean of dimensions."""
    samples = [sample_of("seedbench_image", category=name) for name in ("1", "1", "1", "9")]
    scores = [Score(1.0, "B", "")] * 3 + [Score(None, "", "")]
    assert values("seedbench_image", samples, scores) == {
        "accuracy": 75,
        "accuracy/01 Scene Understanding": 100,
        "accuracy/09 Text Understanding": 0,
    }


def mmbench_row(index: int, choices: list[str], right: str, category: str = "logic") -> Sample:
    fields = {"id": str(index), "choices": choices, "answer": choices.index(right), "category": category}
    return sample_of("mmbench_dev", **fields, image=f"pictures/{index % 1_000_000}.png")


def test_mmbench_by_hand() -> None:
    """Three questions with rotations; every figure worked out by hand.

    5: every rotation right. 6: fox, owl, fox chosen where owl is right: neither circular nor vanilla, and
    fox is the majority. 7: two rotations, one right and one wrong: a tie of two that contains the right one.
    """
    rows = [
        (mmbench_row(5, ["fox", "owl", "newt"], "owl"), "B"),
        (mmbench_row(1_000_005, ["owl", "newt", "fox"], "owl"), "A"),
        (mmbench_row(2_000_005, ["newt", "fox", "owl"], "owl"), "C"),
        (mmbench_row(2_000_006, ["newt", "fox", "owl"], "owl"), "B"),
        (mmbench_row(6, ["fox", "owl", "newt"], "owl"), "A"),
        (mmbench_row(1_000_006, ["owl", "newt", "fox"], "owl"), "A"),
        (mmbench_row(7, ["yes", "no"], "yes", "physics"), "A"),
        (mmbench_row(1_000_007, ["no", "yes"], "yes", "physics"), "A"),
    ]
    samples = [sample for sample, _ in rows]
    scores = [Score(float("ABC".index(letter) == sample.target), letter, "") for sample, letter in rows]
    found = values("mmbench_dev", samples, scores)
    assert found == {
        "circular_accuracy": pytest.approx(100 / 3),
        "vanilla_accuracy": pytest.approx(200 / 3),
        "majority_accuracy": pytest.approx(50.0),
        "circular_accuracy/category=logic": 50,
        "circular_accuracy/category=physics": 0,
        "vanilla_accuracy/category=logic": 50,
        "vanilla_accuracy/category=physics": 100,
        "majority_accuracy/category=logic": 50,
        "majority_accuracy/category=physics": 50,
    }


def test_mmbench_without_readable_answers() -> None:
    """No vote is no majority, and no error either."""
    samples = [mmbench_row(5, ["fox", "owl"], "owl"), mmbench_row(1_000_005, ["owl", "fox"], "owl")]
    assert set(values("mmbench_dev", samples, [Score(None, "", "")] * 2).values()) == {0}


def test_mmbench_submission(tmp_path: Path) -> None:
    """The official table without pictures: as answered, and every rotation with the majority option."""
    from openpyxl import load_workbook

    lines = [
        {"id": "5", "choices": ["fox", "=owl"], "hint": "h\x07", "category": "logic", "source": "s"},
        {"id": "1000005", "choices": ["=owl", "fox"], "category": "logic", "split": "test"},
        {"id": "2000005", "choices": ["fox", "=owl"], "category": "logic"},
    ]
    rows = [{"image": "pictures/0.png", "question": "What?", **line} for line in lines]
    data = write_data(tmp_path / "data", rows, "mmbench_test")
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"5": "B", "1000005": "B", "2000005": "A"}), encoding="utf-8")
    eval_mm.score(task="mmbench_test", predictions=answers, data=data, out=tmp_path / "out")
    folder = tmp_path / "out/mmbench_test"
    sheets = {}
    for name in ("submission.xlsx", "submission.majority.xlsx"):
        book = load_workbook(io.BytesIO((folder / name).read_bytes()))
        sheets[name] = [list(row) for row in book.active.iter_rows(values_only=True)]
    head, first, *_ = sheets["submission.xlsx"]
    assert head == [
        *("index", "question", "hint", "A", "B", "category", "l2-category", "source", "comment", "split"),
        "prediction",
    ]
    assert first == [5, "What?", "h ", "fox", "=owl", "logic", None, "s", None, None, "B"]
    assert [row[-1] for row in sheets["submission.xlsx"][1:]] == ["B", "B", "A"]
    assert [row[-1] for row in sheets["submission.majority.xlsx"][1:]] == ["A", "B", "A"]
    book = load_workbook(io.BytesIO((folder / "submission.xlsx").read_bytes()))
    assert book.active["E2"].data_type == "s", "an option that begins with = is text, not a formula"


def test_seedbench_submission(tmp_path: Path) -> None:
    """The official question id, not ours with its dimension; both parts in one file for the whole."""
    for part, name in (("image", "1:1"), ("video", "1:10")):
        row = {"id": name, "images": ["pictures/0.png"], **OPTIONS, "category": name[2:]}
        write_data(tmp_path / "data", [row], f"seedbench_{part}")
    answers = tmp_path / "answers.jsonl"
    lines = [{"question_id": "1", "prediction": "B"}, {"question_id": "1", "prediction": "C"}]
    answers.write_text("".join(json.dumps(line) + ",\n" for line in lines), encoding="utf-8")
    (result,) = eval_mm.score(
        task="seedbench", predictions=answers, data=tmp_path / "data", out=tmp_path / "out"
    )
    assert result.metrics["accuracy"].value == 50
    written = (tmp_path / "out/seedbench/submission.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in written] == lines


def mme_row(name: str, category: str, answer: str) -> dict[str, Any]:
    return {
        "id": name,
        "image": "pictures/" + name.split("/")[1][:5],
        "question": f"Q {name}? Please answer.",
        "answer": answer,
        "category": category,
    }


def test_mme_by_hand(tmp_path: Path) -> None:
    """Accuracy counts questions, accuracy+ pictures with both right; a sum over sub-tasks is no mean."""
    rows = [
        mme_row("count/0.png#0", "count", "Yes"),
        mme_row("count/0.png#1", "count", "No"),
        mme_row("count/1.png#0", "count", "Yes"),
        mme_row("count/1.png#1", "count", "No"),
        mme_row("OCR/2.png#0", "OCR", "Yes"),
        mme_row("OCR/2.png#1", "OCR", "No"),
        mme_row("code_reasoning/3.png#0", "code_reasoning", "Yes"),
        mme_row("code_reasoning/3.png#1", "code_reasoning", "No"),
    ]
    data = write_data(tmp_path / "data", rows, "mme")
    given = {"count": "Yes, it|NO|yes|Yes", "OCR": "Yes|No, none", "code_reasoning": " well|no"}
    folder = tmp_path / "answers"
    folder.mkdir()
    for category, listed in given.items():
        of = [row for row in rows if row["category"] == category]
        pairs = list(zip(of, listed.split("|"), strict=True))
        # the second question of a picture may come first: the questions tell
        lines = [
            f"{Path(row['image']).name}\t{row['question']}\t{row['answer']}\t{text}" for row, text in pairs
        ]
        (folder / f"{category}.txt").write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    (result,) = eval_mm.score(task="mme", predictions=folder, data=data)
    found = {name: metric.value for name, metric in result.metrics.items()}
    assert found["mme_perception"] == pytest.approx((75 + 50) + (100 + 100))
    assert found["mme_cognition"] == pytest.approx(50 + 0)
    assert (found["mme_perception/count/accuracy"], found["mme_perception/count/accuracy+"]) == (75, 50)
    assert result.num_unparsed == 1
    assert list(found)[:2] == ["mme_perception", "mme_cognition"]


def test_a_folder_of_answers_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that lost its answer is named; a folder of something else too."""
    data = write_data(tmp_path / "data", [mme_row("count/0.png#0", "count", "Yes")], "mme")
    folder = tmp_path / "answers"
    folder.mkdir()
    command = ["score", "--task", "mme", "--predictions", str(folder), "--data", str(data)]
    assert main(command) == 2
    assert "no file of answers" in capsys.readouterr().err
    (folder / "count.txt").write_text("0.png\tQ?\tYes\n", encoding="utf-8")
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "count.txt:1: expected picture, question, true answer and answer" in error
    assert error.count("\n") == 1


def test_rows_without_options(tmp_path: Path) -> None:
    """SEED-Bench's recorded answers come without options: scored, also where an id has two; never asked."""
    rows = [
        {"id": f"{n}:1", "images": ["p/0.png"], **OPTIONS, "choices": [], "category": "1"} for n in (7, 8)
    ]
    data = write_data(tmp_path / "data", rows, "seedbench_image")
    answers = tmp_path / "answers.jsonl"
    lines = [
        {"question_id": n, "prediction": text} for n, text in (("7", "B"), ("8", "D"), ("8", "B"), ("9", "A"))
    ]
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (result,) = eval_mm.score(task="seedbench_image", predictions=answers, data=data, subset=True)
    assert (result.metrics["accuracy"].value, result.config["num_unused"]) == (50, 2)
    with pytest.raises(UserError, match=r"sample '7:1' has no options.*cannot be asked"):
        eval_mm.evaluate("echo", "seedbench_image", data, out=tmp_path / "run")


def test_wrapped_answers(tmp_path: Path) -> None:
    """ScienceQA's result files keep the indices beside figures of their own."""
    rows = [{"id": name, **OPTIONS} for name in ("4", "5", "11")]
    data = write_data(tmp_path / "data", rows, "scienceqa_test")
    (data / "scienceqa/scienceqa_test.jsonl").write_bytes(jsonl(rows))
    answers = tmp_path / "answers.json"
    document = {"acc": 33.3, "count": 3, "results": {"4": 1, "5": 2, "11": -1}, "outputs": {"4": "x"}}
    answers.write_text(json.dumps(document), encoding="utf-8")
    (result,) = eval_mm.score(task="scienceqa_test", predictions=answers, data=data)
    assert result.metrics["accuracy"].value == pytest.approx(100 / 3)
    assert result.num_unparsed == 1


@pytest.mark.parametrize("numbers", [(float("nan"), -1.0, -2.0), (-1.0,), (), (-float("inf"), -1.0, -2.0)])
def test_ranks_that_say_nothing(numbers: tuple[float, ...]) -> None:
    """Overflow in a narrow dtype, or a journal of another task, is unparsed: no option is guessed."""
    assert verdict("qwen-vl", choice_logprobs=numbers, key="k").value is None


def test_echo_guesses_no_option(tmp_path: Path) -> None:
    """A file's unreadable answer is unparsed when it is echoed, as when it is scored."""
    rows = [{"id": name, **OPTIONS} for name in ("1", "2")]
    data = write_data(tmp_path / "data", rows, "scienceqa_test")
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"1": "-1", "2": "B"}), encoding="utf-8")
    (echoed,) = eval_mm.evaluate(f"echo:{answers}", "scienceqa_test", data, out=tmp_path / "run")
    (scored,) = eval_mm.score(task="scienceqa_test", predictions=answers, data=data)
    assert (echoed.num_unparsed, scored.num_unparsed) == (1, 1)
    assert echoed.metrics["accuracy"] == scored.metrics["accuracy"]


def test_absurd_numbers_are_no_index() -> None:
    """Thousands of digits are more than Python turns into a number."""
    assert verdict("qwen-vl", text="1" * 5000).value is None
    with pytest.raises(DataError, match="the index of the official file"):
        sample_of("mmbench_dev", id="1" * 5000)


def test_llava_s_outputs_and_floats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two lists of one file, right and wrong answers apart; and indices that a table made into floats."""
    rows = [{"id": name, **OPTIONS} for name in ("4", "5", "6")]
    data = write_data(tmp_path / "data", rows, "scienceqa_test")
    answers = tmp_path / "answers.json"
    parts = {"correct": [{"question_id": "4", "pred": "B"}], "incorrect": [{"question_id": "5", "pred": "A"}]}
    parts["incorrect"].append({"question_id": "6", "pred": "B. owl"})
    answers.write_text(json.dumps(parts), encoding="utf-8")
    command = ["score", "--task", "scienceqa_test", "--predictions", str(answers), "--data", str(data)]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "33.33" in shown.out
    assert (
        "could not read 1 answers to scienceqa_test; letters in free text are read by --protocol instruct"
        in shown.err
    )
    answers.write_text(json.dumps({"4": 1.0, "5": 1, "6": "1.0"}), encoding="utf-8")
    (result,) = eval_mm.score(task="scienceqa_test", predictions=answers, data=data)
    assert result.metrics["accuracy"].value == 100
