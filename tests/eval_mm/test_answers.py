"""Files of answers made elsewhere, in all the forms people have."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from eval_mm.answers import Answer, read_answers
from eval_mm.errors import DataError, UserError
from eval_mm.matching import match
from eval_mm.schema import Image, Sample

SAMPLES = [
    Sample("10", (Image("coco/train2014/COCO_train2014_000000000042.jpg"),), "a"),
    Sample("11", (Image("coco/train2014/COCO_train2014_000000000042.jpg"),), "b"),
    Sample("12", (Image("coco/train2014/COCO_train2014_000000000007.jpg"),), "c"),
]
TEXTS = {"10": "x", "11": "y", "12": "z"}
ROWS = [{"id": key, "text": value} for key, value in TEXTS.items()]


def write(folder: Path, content: Any, name: str = "answers.json") -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode())
    return path


def matched(path: Path, how: str = "id", subset: bool = False, **keys: str) -> dict[str, str]:
    found = match(read_answers(path, **keys), SAMPLES, path, how, subset)
    return {sample: prediction.text for sample, prediction in found.predictions.items()}


JSONL = "\n".join(json.dumps(row) for row in ROWS)
FORMS: dict[str, Any] = {
    "list": ROWS,
    "object": TEXTS,
    "jsonl": JSONL,
    "jsonl with blank lines": "\ufeff" + JSONL.replace("\n", "\n\n") + "\n",
    "numbers as ids": [{"question_id": int(key), "answer": value} for key, value in TEXTS.items()],
    "questionId": [{"questionId": key, "prediction": value} for key, value in TEXTS.items()],
    "any order": ROWS[::-1],
    "indented": json.dumps(ROWS, indent=2),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path: Path, form: str) -> None:
    """All usual shapes give the same answers."""
    assert matched(write(tmp_path, FORMS[form])) == TEXTS
    assert matched(write(tmp_path, FORMS[form], "answers.json.gz")) == TEXTS


def test_one_object_is_one_answer(tmp_path: Path) -> None:
    """A JSONL of a single row is not an object of ids."""
    answers = read_answers(write(tmp_path, ROWS[0]))
    assert [(answer.id, answer.text) for answer in answers] == [("10", "x")]


def test_other_keys(tmp_path: Path) -> None:
    """--id-key and --text-key name unusual keys, and then only those count."""
    path = write(tmp_path, [{"sid": key, "out": value, "text": "no"} for key, value in TEXTS.items()])
    assert matched(path, id_key="sid", text_key="out") == TEXTS


def test_numbers_are_answers(tmp_path: Path) -> None:
    """Chart answers are often written as numbers."""
    path = write(tmp_path, {"10": 3, "11": 0.5, "12": "z"})
    assert matched(path) == {"10": "3", "11": "0.5", "12": "z"}


@pytest.mark.parametrize("name", ["{0}", "{0}.jpg", "train2014/{0}.jpg"])
def test_by_picture_in_file_order(tmp_path: Path, name: str) -> None:
    """Files that name pictures: answers to one picture go in order to the questions about it."""
    ids = [name.format(f"COCO_train2014_0000000000{number}") for number in ("42", "07", "42")]
    texts = zip(ids, "abc", strict=True)
    path = write(tmp_path, [{"image_name": picture, "answer": text} for picture, text in texts])
    assert matched(path) == {"10": "a", "12": "b", "11": "c"}


def test_by_picture_number(tmp_path: Path) -> None:
    """COCO's image_id is the number at the end of the file name."""
    path = write(tmp_path, [{"image_id": number, "caption": str(number)} for number in (42, 42, 7)])
    assert matched(path) == {"10": "42", "11": "42", "12": "7"}


@pytest.mark.parametrize("subset", [False, True])
def test_a_lost_answer_of_a_picture_is_no_shift(tmp_path: Path, subset: bool) -> None:
    """With one of a picture's answers missing, order no longer tells which: refused, --subset or not."""
    rows = [{"image_id": 42, "answer": "a"}, {"image_id": 7, "answer": "b"}]
    with pytest.raises(DataError, match=r"1 answers for the 2 samples of '.*42.*'"):
        matched(write(tmp_path, rows), subset=subset)


def test_a_key_that_says_picture_is_one(tmp_path: Path) -> None:
    """An image_id that happens to be some sample's id still names the picture."""
    samples = [Sample(str(n), (Image(f"coco/{12 - n}.jpg"),), "") for n in (10, 11, 12)]
    path = write(tmp_path, [{"image_id": n, "caption": str(n)} for n in (0, 1, 2)])
    found = match(read_answers(path), samples, path, "id", subset=False).predictions
    assert {name: answer.text for name, answer in found.items()} == {"12": "0", "11": "1", "10": "2"}
    samples = [Sample(str(n), (Image(f"coco/{2 - n}.jpg"),), "") for n in (0, 1, 2)]
    found = match(read_answers(path), samples, path, "id", subset=False).predictions
    assert {name: answer.text for name, answer in found.items()} == {"2": "0", "1": "1", "0": "2"}


def test_a_key_that_says_sample_is_one(tmp_path: Path) -> None:
    """Ids of which some are samples' are samples' ids, even if more of them happen to number a picture."""
    samples = [Sample(str(n), (Image(f"coco/{n + 3}.jpg"),), "") for n in range(6)]
    path = write(tmp_path, [{"question_id": n, "answer": str(n)} for n in range(3, 9)])
    found = match(read_answers(path), samples, path, "id", subset=True)
    assert {name: answer.text for name, answer in found.predictions.items()} == {"3": "3", "4": "4", "5": "5"}
    assert found.num_unused == 3


def test_an_id_key_that_is_not_there(tmp_path: Path) -> None:
    """The keys that are there are named, not the option that was given."""
    with pytest.raises(DataError, match="item 0 has no 'zzz': it has id, text"):
        matched(write(tmp_path, ROWS), id_key="zzz")


def test_a_number_two_pictures_share_names_neither(tmp_path: Path) -> None:
    """train/..1.jpg and val/..1.jpg end in the same number: taking either would be a guess."""
    samples = [Sample("a", (Image("train/x_1.jpg"),), ""), Sample("b", (Image("val/y_1.jpg"),), "")]
    path = write(tmp_path, [{"image_id": 1, "answer": "?"}])
    with pytest.raises(DataError, match="no sample has the id '1'"):
        match(read_answers(path), samples, path, "id", subset=False)


def test_by_order(tmp_path: Path) -> None:
    """Answers without ids, as Qwen-VL's grounding script writes them, or plain texts."""
    for content in ([{"answer": text, "gt_bbox": [1]} for text in "xyz"], ["x", "y", "z"]):
        assert matched(write(tmp_path, content), how="order") == TEXTS
    with pytest.raises(UserError, match="2 answers for 3 samples"):
        matched(write(tmp_path, ["x", "y"]), how="order")


BAD: dict[str, tuple[Any, str]] = {
    "unknown id": ([*ROWS, {"id": "99", "text": "?"}], "item 3: no sample has the id '99'"),
    "twice": ([*ROWS, ROWS[0]], "item 3: more answers than samples for the id '10'"),
    "no id": ([*ROWS[:2], {"text": "z"}], "item 2 has no id"),
    "no text": ([*ROWS[:2], {"id": "12"}], "item 2 has no answer: it has id, wanted one of prediction, "),
    "text is a list": (
        [{"id": "10", "text": ["x", "y"]}],
        'item 0: expected the answer as text, got ["x", "y"]',
    ),
    "text is null": ([{"id": "10", "text": None}], "expected the answer as text, got null"),
    "id is a list": ([{"id": [1], "text": "x"}], "item 0: expected 'id' as text or a whole number"),
    "broken": ("[1, 2", "not valid JSON"),
    "broken line": (JSONL + "\n{]", ":4: not valid JSON"),
    "a number": ("3", "expected a list"),
    "empty list": ([], "no answers"),
    "empty": ("", "the file is empty"),
    "a key twice": ('{"10": "a", "10": "b"}', "the key '10' stands twice"),
    "half a surrogate": ('{"10": "\\ud800"}', "expected the answer as text"),
    "deep": ("[" * 100_000, "not valid JSON"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path: Path, case: str) -> None:
    """Each is one line that names the place."""
    path = write(tmp_path, BAD[case][0])
    with pytest.raises(DataError) as caught:
        matched(path)
    assert str(caught.value).startswith(str(path))
    assert BAD[case][1] in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    """Missing, damaged and non-text files are the user's to mend: no traceback."""
    with pytest.raises(UserError, match="cannot be read"):
        read_answers(tmp_path / "absent.json")
    whole = gzip.compress(JSONL.encode(), mtime=0)
    for name, content in {
        "cut.json.gz": whole[:-9],
        "not.json.gz": b"hello",
        "latin.json": b"caf\xe9",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            read_answers(tmp_path / name)


def test_subset_ignores_what_belongs_elsewhere(tmp_path: Path) -> None:
    """--subset scores the overlap; nothing in common is still an error."""
    path = write(tmp_path, {"10": "x", "99": "?", "98": "?"})
    found = match(read_answers(path), SAMPLES, path, "id", subset=True)
    assert ([*found.predictions], found.num_unused) == (["10"], 2)
    path = write(tmp_path, {"99": "?"})
    with pytest.raises(DataError, match="no answer belongs to any sample"):
        matched(path, subset=True)


def test_the_prediction_is_taken_not_the_reference(tmp_path: Path) -> None:
    """Files of results keep both, and call the reference `answer`: every sample would be right."""
    rows = [{"id": str(10 + n), "prediction": text, "answer": "true"} for n, text in enumerate("xyz")]
    assert matched(write(tmp_path, rows)) == TEXTS
    rows = [{"id": str(10 + n), "predicted_answer": text, "answer": "true"} for n, text in enumerate("xyz")]
    assert matched(write(tmp_path, rows)) == TEXTS


def charts(*questions: str) -> list[Sample]:
    """Samples about one chart."""
    return [Sample(f"c{n}", (Image("charts/7.png"),), question) for n, question in enumerate(questions)]


def asked(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Answers that state their question, in some order."""
    return [{"imgname": "7.png", "query": query, "prediction": text} for query, text in pairs]


def test_questions_tell_a_picture_s_answers_apart(tmp_path: Path) -> None:
    """A file in another order, or with another split's questions in it, must not shift the answers."""
    path = write(tmp_path, asked(("How many?", "2"), ("Why?", "?"), ("What?", "bars")))
    samples = charts("What?", "How many?")
    found = match(read_answers(path), samples, path, "id", subset=True)
    assert {name: answer.text for name, answer in found.predictions.items()} == {"c0": "bars", "c1": "2"}
    assert found.num_unused == 1
    with pytest.raises(DataError, match=r"item 1: more answers with this question for the id '7\.png'"):
        match(read_answers(path), [*samples, *charts("When?")], path, "id", subset=False)


def test_a_question_asked_twice_is_answered_in_order(tmp_path: Path) -> None:
    """Published splits repeat a question about one chart; the second answer belongs to the second."""
    path = write(tmp_path, asked(("What?", "first"), ("How many?", "2"), ("What?", "second")))
    found = match(read_answers(path), charts("What?", "What?", "How many?"), path, "id", subset=False)
    assert [found.predictions[f"c{n}"].text for n in range(3)] == ["first", "second", "2"]


def test_questions_in_other_words_leave_the_order(tmp_path: Path) -> None:
    """A file that states prompts instead of questions is matched in the order of the data."""
    path = write(tmp_path, asked(("What? Answer briefly.", "x"), ("How many? Answer briefly.", "y")))
    found = match(read_answers(path), charts("What?", "How many?"), path, "id", subset=False)
    assert [found.predictions[f"c{n}"].text for n in range(2)] == ["x", "y"]


def test_an_id_comes_before_what_ids_share() -> None:
    """`1` is a sample of its own here, not question 1 of several: a file with all the right ids is taken."""
    samples = [Sample(name, (Image("p.png"),), "q") for name in ("1:2", "1")]
    answers = [Answer("1", "x", "item 0"), Answer("1:2", "y", "item 1")]
    found = match(answers, samples, Path("answers.json"), "id", subset=False)
    assert {name: answer.text for name, answer in found.predictions.items()} == {"1": "x", "1:2": "y"}


def test_the_picture_of_a_coco_caption_counts(tmp_path: Path) -> None:
    """`id` numbers the captions there, and may collide with ids of samples."""
    rows = [{"id": n + 1, "image_id": n, "caption": text} for n, text in enumerate("xyz")]
    assert [answer.id for answer in read_answers(write(tmp_path, rows))] == ["0", "1", "2"]
    assert [answer.id for answer in read_answers(write(tmp_path, rows), id_key="id")] == ["1", "2", "3"]


def test_absurd_names(tmp_path: Path) -> None:
    """Thousands of digits are more than Python turns into a number."""
    samples = [Sample("1", (Image(f"p{'9' * 5000}.png"),), "q")]
    path = write(tmp_path, [{"image": "9" * 5000, "answer": "x"}])
    with pytest.raises(DataError, match="no sample has the id"):
        match(read_answers(path), samples, path, "id", subset=False)


def test_many_questions_about_one_picture() -> None:
    """20,000 of them are matched in an instant: nothing looks through all of them for each."""
    samples = [Sample(str(n), (Image("p.png"),), f"question {n}") for n in range(20_000)]
    answers = [Answer("p.png", str(n), f"item {n}", True, f"question {n}") for n in reversed(range(20_000))]
    found = match(answers, samples, Path("answers.json"), "id", subset=False)
    assert all(name == answer.text for name, answer in found.predictions.items())


def test_a_number_is_no_name_of_another_split_s_picture(tmp_path: Path) -> None:
    """`VizWiz_test_7.jpg` and `VizWiz_val_7.jpg` end alike: a test file would be scored as validation."""
    samples = [Sample("7", (Image("vizwiz/val/VizWiz_val_00000007.jpg"),), "q")]
    for name in ("VizWiz_test_00000007.jpg", "VizWiz_test_00000007"):
        path = write(tmp_path, [{"image": name, "answer": "x"}])
        with pytest.raises(DataError, match="no sample has the id"):
            match(read_answers(path), samples, path, "id", subset=False)
    for name in ("VizWiz_val_00000007.jpg", "00000007.jpg", "elsewhere/VizWiz_val_00000007.png"):
        path = write(tmp_path, [{"image": name, "answer": "x"}])
        assert match(read_answers(path), samples, path, "id", subset=False).predictions["7"].text == "x"


def test_a_list_of_one_text_is_an_answer(tmp_path: Path) -> None:
    """lmms-eval writes its filtered answers so."""
    path = write(tmp_path, [{"doc_id": 10, "filtered_resps": ["green"]}])
    (answer,) = read_answers(path, id_key="doc_id", text_key="filtered_resps")
    assert (answer.id, answer.text) == ("10", "green")
