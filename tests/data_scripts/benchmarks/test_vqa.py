"""Questions with answers in free text: every published form to the same canonical rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import TEN, Capture, error_of, prepare, records, rows, write
from tests.data_scripts.support import Fields, tree

SUFFIX = "\nAnswer the question using a single word or phrase."


def vqa_pair(*ids: object, picture: object = 42, **head: object) -> tuple[Fields, Fields]:
    """Questions and annotations about one picture."""
    questions = [{"image_id": picture, "question": f"What is {id}?", "question_id": id} for id in ids]
    notes = [
        {
            "question_id": id,
            "image_id": picture,
            "question_type": "what is",
            "answer_type": "other",
            "answers": records(TEN),
            "multiple_choice_answer": "net",
        }
        for id in ids
    ]
    return {"info": {}, **head, "questions": questions}, {**head, "annotations": notes}


def test_vqav2_official_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards the join by question_id, whatever the order, and the picture's name of each part of COCO."""
    asked, noted = vqa_pair(42001, 42000)
    noted["annotations"].reverse()
    trained, answered = vqa_pair(7, picture=581857)
    write(
        tmp_path / "raw",
        {
            "v2_OpenEnded_mscoco_val2014_questions.json": asked,
            "v2_mscoco_val2014_annotations.json.gz": noted,
            "v2_OpenEnded_mscoco_train2014_questions.json": trained,
            "v2_mscoco_train2014_annotations.json": answered,
            "v2_OpenEnded_mscoco_test-dev2015_questions.json": vqa_pair(9, data_subtype="test-dev2015")[0],
            "v2_OpenEnded_mscoco_test2015_questions.json": vqa_pair(9, 10)[0],
        },
    )
    assert prepare(capsys, "vqav2", tmp_path).code == 0
    found = rows(tmp_path, "vqav2/vqav2_val.jsonl")
    assert [row["id"] for row in found] == ["42001", "42000"]
    assert found[0] == {
        "id": "42001",
        "image": "coco/val2014/COCO_val2014_000000000042.jpg",
        "question": "What is 42001?",
        "answers": TEN,
        "question_type": "what is",
        "answer_type": "other",
    }
    assert rows(tmp_path, "vqav2/vqav2_train.jsonl")[0]["image"].endswith(
        "train2014/COCO_train2014_000000581857.jpg"
    )
    assert rows(tmp_path, "vqav2/vqav2_testdev.jsonl") == [
        {"id": "9", "image": "coco/test2015/COCO_test2015_000000000042.jpg", "question": "What is 9?"}
    ]


def test_official_files_come_before_converted_ones(tmp_path: Path, capsys: Capture) -> None:
    """Guards users with Qwen-VL's folders, which hold both: its vqav2_val.jsonl has one answer of the ten."""
    converted = {"image": "data/coco/val2014/COCO_val2014_000000000042.jpg", "question": "What is 1?"}
    asked, noted = vqa_pair(1)
    write(
        tmp_path / "raw",
        {
            "vqav2_val.jsonl": [converted | {"question_id": 1, "answer": "net"}],
            "vqav2_train.jsonl": [converted | {"question_id": 1, "answer": "net"}],
            "vqav2_testdev.jsonl": [converted | {"question_id": 1}],
        },
    )
    assert "vqav2_val.jsonl:1: field 'answer': expected 10 answers, got 1" in error_of(
        prepare(capsys, "vqav2", tmp_path)
    )
    (tmp_path / "raw/vqav2_val.jsonl").unlink()
    assert prepare(capsys, "vqav2", tmp_path).code == 0
    assert rows(tmp_path, "vqav2/vqav2_train.jsonl")[0]["answers"] == ["net"]
    assert "answers" not in rows(tmp_path, "vqav2/vqav2_testdev.jsonl")[0]
    write(
        tmp_path / "raw",
        {
            "v2_OpenEnded_mscoco_train2014_questions.json": asked,
            "v2_mscoco_train2014_annotations.json": noted,
        },
    )
    assert prepare(capsys, "vqav2", tmp_path).code == 0
    assert rows(tmp_path, "vqav2/vqav2_train.jsonl")[0]["answers"] == TEN


def changed(change: Callable[[Fields, Fields], object]) -> tuple[Fields, Fields]:
    asked, noted = vqa_pair(1, 2, 3)
    change(asked, noted)
    return asked, noted


QUESTIONS, ANNOTATIONS = "OpenEnded_mscoco_val2014_questions.json", "mscoco_val2014_annotations.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda q, a: q["questions"][1].pop("question"),
            f"{QUESTIONS}: questions[1]: field 'question': missing",
        ),
        (
            lambda q, a: q["questions"][2].update(question=" "),
            "questions[2]: field 'question': expected text",
        ),
        (lambda q, a: q["questions"][2].update(question=SUFFIX), "questions[2]: field 'question': expected"),
        (
            lambda q, a: q["questions"][1].update(image_id="x"),
            "questions[1]: field 'image_id': expected a whole number, 0 or above, got a text",
        ),
        (lambda q, a: q["questions"][1].update(image_id=True), "questions[1]: field 'image_id'"),
        (
            lambda q, a: q["questions"][2].update(question_id=1),
            "questions[2]: field 'question_id': '1' already stands in questions[0]",
        ),
        (lambda q, a: q["questions"].insert(1, "x"), "questions[1]: expected a JSON object, got a text"),
        (
            lambda q, a: a["annotations"].pop(1),
            f"questions[1]: field 'question_id': {{raw}}/{ANNOTATIONS} has no annotation of '2'",
        ),
        (
            lambda q, a: q["questions"].pop(1),
            f"annotations[1]: field 'question_id': {{raw}}/{QUESTIONS} has no question '2'",
        ),
        (
            lambda q, a: a["annotations"][2].update(answers=records(TEN[:9])),
            "annotations[2]: field 'answers': expected 10 answers, got 9",
        ),
        (
            lambda q, a: a["annotations"][2].update(answers="net"),
            "field 'answers': expected 10 answers, got 1",
        ),
        (
            lambda q, a: a["annotations"][2].update(answers=[{"answer": 3}] * 10),
            "annotations[2]: field 'answers': expected a list",
        ),
        (lambda q, a: a["annotations"][2].pop("answers"), "annotations[2]: field 'answers': missing"),
        (lambda q, a: a["annotations"][2].update(answer_type=3), "annotations[2]: field 'answer_type'"),
        (
            lambda q, a: a["annotations"][2].update(question_id=1),
            "annotations[2]: field 'question_id': '1' already stands in annotations[0]",
        ),
    ],
)
def test_a_bad_pair_is_named(
    tmp_path: Path, capsys: Capture, change: Callable[[Fields, Fields], object], message: str
) -> None:
    """Guards the join: what one file has and the other has not is an error, and never a smaller split."""
    asked, noted = changed(change)
    write(tmp_path / "raw", {QUESTIONS: asked, ANNOTATIONS: noted})
    assert message.format(raw=tmp_path / "raw") in error_of(prepare(capsys, "okvqa", tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({QUESTIONS: vqa_pair(1)[0]}, f"{QUESTIONS} is there, but not {ANNOTATIONS}"),
        ({ANNOTATIONS: vqa_pair(1)[1]}, f"{ANNOTATIONS} is there, but not {QUESTIONS}"),
        (
            {QUESTIONS: [1], ANNOTATIONS: vqa_pair(1)[1]},
            "is no file of form 'VQA questions + annotations': expected a JSON object, got a list of 1",
        ),
        (
            {QUESTIONS: vqa_pair(1)[1], ANNOTATIONS: vqa_pair(1)[1]},
            "expected a list under 'questions', the object has annotations",
        ),
        ({QUESTIONS: {"questions": []}, ANNOTATIONS: vqa_pair(1)[1]}, "the file has no rows"),
        ({QUESTIONS: {"questions": [3]}, ANNOTATIONS: vqa_pair(1)[1]}, "the first is 3"),
        ({QUESTIONS: vqa_pair(1)[0], ANNOTATIONS: [{"question_id": 1, "answer": "net"}]}, "a list of 1"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, capsys: Capture, files: dict[str, Any], message: str
) -> None:
    """Guards users with half of a benchmark, or with predictions under the name of annotations."""
    write(tmp_path / "raw", files)
    assert message in error_of(prepare(capsys, "okvqa", tmp_path))


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_pairs_are_told_apart_by_their_questions(
    tmp_path: Path, capsys: Capture, first: int, second: int
) -> None:
    """Guards two pairs in one folder: the annotations of one never answer the questions of the other."""
    asked, noted = vqa_pair(first, 3)
    other_asked, other_noted = vqa_pair(second)
    write(
        tmp_path / "raw",
        {
            "vqa_questions_a.json": asked,
            "vqa_annotations_a.json": other_noted,
            "vqa_questions_b.json": other_asked,
            "vqa_annotations_b.json": noted,
        },
    )
    assert prepare(capsys, "vqav2", tmp_path).code == 0
    assert [row["id"] for row in rows(tmp_path, "vqav2/vqav2_val.jsonl")] == [str(first), "3"]


def test_a_pair_named_by_hand(tmp_path: Path, capsys: Capture) -> None:
    """Guards --source SPLIT=QUESTIONS,ANNOTATIONS."""
    asked, noted = vqa_pair(5)
    write(tmp_path / "raw", {"q.json": asked, "a.json": noted})
    raw = tmp_path / "raw"
    source = f"okvqa_val={raw / 'q.json'},{raw / 'a.json'}"
    assert prepare(capsys, "okvqa", tmp_path, "--source", source).code == 0
    swapped = f"okvqa_val={raw / 'a.json'},{raw / 'q.json'}"
    assert "expected a list under 'questions'" in error_of(
        prepare(capsys, "okvqa", tmp_path, "--source", swapped)
    )


TEXTVQA = {
    "id": "34602",
    "image": "textvqa/train_images/003a8ae2ef43b901.jpg",
    "question": "what is 34602?",
    "answers": TEN,
}


@pytest.mark.parametrize("form", ["official", "pair", "converted"])
def test_textvqa_forms_agree(tmp_path: Path, capsys: Capture, form: str) -> None:
    """Guards that the number does not depend on whose files one has; official questions keep their case."""
    picture = "003a8ae2ef43b901"
    official = {"image_id": picture, "question": "what is 34602?", "question_id": 34602, "set_name": "val"}
    asked, noted = vqa_pair(34602, picture=picture)
    asked["questions"][0]["question"] = "what is 34602?"
    converted = {"image": f"data/textvqa/train_images/{picture}.jpg", "question_id": 34602, "answer": TEN}
    files: dict[str, dict[str, Any]] = {
        "official": {"TextVQA_0.5.1_val.json": {"data": [official | {"answers": TEN}]}},
        "pair": {"textvqa_val_questions.json": asked, "textvqa_val_annotations.json": noted},
        "converted": {
            "textvqa_val.jsonl": [
                converted | {"question": f"what is 34602?\nReference OCR token: A, B.{SUFFIX}"}
            ]
        },
    }
    write(tmp_path / "raw", files[form])
    assert prepare(capsys, "textvqa", tmp_path).code == 0
    assert rows(tmp_path, "textvqa/textvqa_val.jsonl") == [TEXTVQA]


def test_vizwiz_official_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards ids by row, since the official files have none, and the test file, which has no answers."""
    record = {
        "image": "VizWiz_val_00000000.jpg",
        "question": "Ok. There is another picture.",
        "answers": [{"answer_confidence": "no", "answer": answer} for answer in TEN],
        "answer_type": "other",
        "answerable": 1,
    }
    asked = {"image": "VizWiz_test_00000000.jpg", "question": "What is it?"}
    write(
        tmp_path / "raw", {"Annotations/val.json": [record, record], "Annotations/test.json": [asked, asked]}
    )
    assert prepare(capsys, "vizwiz", tmp_path).code == 0
    found = rows(tmp_path, "vizwiz/vizwiz_val.jsonl")
    assert [row["id"] for row in found] == ["0", "1"]
    assert found[0] == {
        "id": "0",
        "image": "vizwiz/val/VizWiz_val_00000000.jpg",
        "question": "Ok. There is another picture.",
        "answers": TEN,
        "answer_type": "other",
    }
    assert rows(tmp_path, "vizwiz/vizwiz_test.jsonl")[1] == {
        "id": "1",
        "image": "vizwiz/test/VizWiz_test_00000000.jpg",
        "question": "What is it?",
    }


def test_predictions_for_vizwiz_are_no_questions(tmp_path: Path, capsys: Capture) -> None:
    """Guards against an upload called test.json being asked as questions."""
    write(tmp_path / "raw", {"test.json": [{"image": "x.jpg", "question": "?", "answer": "black"}]})
    assert "the first row has 'answer', as predictions have" in error_of(prepare(capsys, "vizwiz", tmp_path))


DOCVQA = {
    "questionId": 26167,
    "question": "what is the page no mentioned ?",
    "image": "documents/ffbg0227_2.png",
    "docId": 7467,
    "answers": ["2", "page 2"],
    "data_split": "val",
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("val_v1.0.json", {"dataset_name": "docvqa", "data": [DOCVQA]}),
        ("spdocvqa_qas/val_v1.0_withQT.json", {"data": [DOCVQA | {"question_types": ["layout"]}]}),
        ("rows_val_v1.0.json", [DOCVQA]),
        (
            "some_val.jsonl.gz",
            [
                {
                    "image": "ffbg0227_2.png",
                    "question": f"{DOCVQA['question']}{SUFFIX}",
                    "question_id": 26167,
                    "answer": ["2", "page 2"],
                }
            ],
        ),
    ],
)
def test_docvqa_forms_agree(tmp_path: Path, capsys: Capture, name: str, content: Any) -> None:
    """Guards that the whole file, its rows alone and a converted one with a prompt's suffix give one row."""
    unanswered = {key: value for key, value in DOCVQA.items() if key != "answers"}
    write(tmp_path / "raw", {name: content, "test_v1.0.json": {"data": [unanswered]}})
    assert prepare(capsys, "docvqa", tmp_path).code == 0
    expected = {
        "id": "26167",
        "image": "docvqa/documents/ffbg0227_2.png",
        "question": DOCVQA["question"],
        "answers": ["2", "page 2"],
    }
    assert rows(tmp_path, "docvqa/docvqa_val.jsonl") == [expected]
    del expected["answers"]
    assert rows(tmp_path, "docvqa/docvqa_test.jsonl") == [expected]


def test_infovqa_official_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards the field that InfographicVQA calls its pictures by."""
    record = {
        "questionId": 98313,
        "question": "Which platform?",
        "image_local_name": "37313.jpeg",
        "image_url": "https://example.org/a.jpeg",
        "answers": ["pinterest"],
    }
    write(tmp_path / "raw", {"infographicsvqa_qas/infographicsVQA_val_v1.0_withQT.json": {"data": [record]}})
    assert prepare(capsys, "infovqa", tmp_path).code == 0
    assert rows(tmp_path, "infovqa/infovqa_val.jsonl") == [
        {
            "id": "98313",
            "image": "infovqa/images/37313.jpeg",
            "question": "Which platform?",
            "answers": ["pinterest"],
        }
    ]


def chart(number: int) -> Fields:
    return {"imgname": f"{number}.png", "query": f"How many in {number}?", "label": str(number)}


def test_chartqa_official_and_converted(tmp_path: Path, capsys: Capture) -> None:
    """Guards row numbers as ids, also of Qwen-VL's files, and the two training files in one, in order."""
    converted = {
        "image": "data/chartqa/x/1.png",
        "question": "How many in 1?",
        "question_id": 99,
        "answer": "1",
    }
    folder = "ChartQA-main/ChartQA Dataset"
    write(
        tmp_path / "raw",
        {
            f"{folder}/test/test_human.json": [chart(0), chart(1)],
            "test_augmented.jsonl": [converted, converted | {"answer": ["1", "one"]}],
            f"{folder}/train/train_human.json": [chart(2)],
            f"{folder}/train/train_augmented.json": [chart(3)],
        },
    )
    assert prepare(capsys, "chartqa", tmp_path).code == 0
    assert rows(tmp_path, "chartqa/chartqa_test_human.jsonl")[1] == {
        "id": "1",
        "image": "chartqa/test/png/1.png",
        "question": "How many in 1?",
        "answers": ["1"],
    }
    augmented = rows(tmp_path, "chartqa/chartqa_test_augmented.jsonl")
    assert [(row["id"], row["answers"]) for row in augmented] == [("0", ["1"]), ("1", ["1", "one"])]
    trained = rows(tmp_path, "chartqa/chartqa_train.jsonl")
    assert [(row["id"], row["image"]) for row in trained] == [
        ("0", "chartqa/train/png/2.png"),
        ("1", "chartqa/train/png/3.png"),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"imgname": "1.png", "query": "?"}, "[1]: field 'label': missing"),
        (chart(1) | {"label": 7}, "[1]: field 'label': expected"),
        (chart(1) | {"query": ""}, "[1]: field 'query': expected text that is not blank"),
        (chart(1) | {"imgname": "../"}, "[1]: field 'imgname': expected the path of a picture"),
        (["x"], "[1]: expected a JSON object, got a list of 1"),
    ],
)
def test_a_bad_item_of_a_list_is_named(tmp_path: Path, capsys: Capture, row: Any, message: str) -> None:
    """Guards documents without lines: an item is named by its number."""
    write(tmp_path / "raw", {"test_human.json": [chart(0), row]})
    assert f"test_human.json: {message}" in error_of(prepare(capsys, "chartqa", tmp_path))


def gqa(**changes: object) -> Fields:
    return {
        "semantic": [{"operation": "select", "dependencies": [], "argument": "man (0)"}],
        "question": "What is the man eating?",
        "imageId": "n166008",
        "isBalanced": True,
        "answer": "sandwich",
        "semanticStr": "select: man (0)",
        "types": {"detailed": "relO", "semantic": "rel", "structural": "query"},
        "fullAnswer": "The man is eating a sandwich.",
    } | changes


@pytest.mark.parametrize("form", ["official", "converted"])
def test_gqa_forms(tmp_path: Path, capsys: Capture, form: str) -> None:
    """Guards ids that stand outside the records, and the type by which GQA breaks its accuracy down."""
    converted = {"image": "data/gqa/images/n166008.jpg", "question": "What is the man eating?"}
    files: dict[str, dict[str, Any]] = {
        "official": {"testdev_balanced_questions.json": {"20241036": gqa()}},
        "converted": {
            "testdev_balanced.jsonl": [converted | {"question_id": "20241036", "answer": "sandwich"}]
        },
    }
    write(tmp_path / "raw", files[form])
    assert prepare(capsys, "gqa", tmp_path).code == 0
    expected = {
        "id": "20241036",
        "image": "gqa/images/n166008.jpg",
        "question": "What is the man eating?",
        "answers": ["sandwich"],
    }
    assert rows(tmp_path, "gqa/gqa_testdev.jsonl") == [
        expected | ({"question_type": "query"} if form == "official" else {})
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (gqa(answer=None), "'2': field 'answer': expected a string, got null"),
        (gqa(imageId="a/.."), "'2': field 'imageId': expected the path of a picture"),
        ("text", "'2': expected a JSON object, got a text"),
    ],
)
def test_a_bad_record_under_an_id_is_named(
    tmp_path: Path, capsys: Capture, record: Any, message: str
) -> None:
    """Guards objects of records: the id is the place."""
    write(tmp_path / "raw", {"testdev_balanced_questions.json": {"1": gqa(), "2": record}})
    assert f"testdev_balanced_questions.json: {message}" in error_of(prepare(capsys, "gqa", tmp_path))


def book(split: int, *pairs: tuple[str, str]) -> Fields:
    return {
        "imageURL": "http://ecx.images-amazon.com/images/I/51l6XIoa3rL.jpg",
        "questions": [question for question, _ in pairs],
        "answers": [answer for _, answer in pairs],
        "title": "x",
        "split": split,
    }


def test_ocrvqa_dataset(tmp_path: Path, capsys: Capture) -> None:
    """Guards books with several questions and the numbers of the splits: 1 train, 2 val, 3 test."""
    books = {
        "1": book(3, ("Who wrote this book?", "A. B."), ("What is the title of this book?", "x")),
        "2": book(1, ("Is this a games related book?", "No")),
        "3": book(2, ("What is the genre of this book?", "Calendars")),
        "4": book(3, ("Who wrote this book?", "")),
    }
    write(tmp_path / "raw", {"dataset.json": books})
    assert prepare(capsys, "ocrvqa", tmp_path, partial=False).code == 0
    found = rows(tmp_path, "ocrvqa/ocrvqa_test.jsonl")
    assert [(row["id"], row["image"], row["answers"]) for row in found] == [
        ("0", "ocrvqa/images/1.jpg", ["A. B."]),
        ("1", "ocrvqa/images/1.jpg", ["x"]),
        ("2", "ocrvqa/images/4.jpg", [""]),
    ]
    assert rows(tmp_path, "ocrvqa/ocrvqa_train.jsonl")[0]["image"] == "ocrvqa/images/2.jpg"
    assert rows(tmp_path, "ocrvqa/ocrvqa_val.jsonl")[0]["question"] == "What is the genre of this book?"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (book(4, ("q", "a")), "'2': field 'split': expected 1, 2 or 3, got 4"),
        (book(3, ("q", "a")) | {"answers": ["a", "b"]}, "'2': field 'answers': 2 answers to 1 questions"),
        (book(3, ("q", "a"), (" ", "b")), "'2': field 'questions': expected text that is not blank"),
        (book(3, ("q", "a")) | {"questions": "q"}, "'2': field 'questions': expected a list"),
    ],
)
def test_a_bad_book_is_named(tmp_path: Path, capsys: Capture, record: Fields, message: str) -> None:
    """Guards the several questions of a book, which go astray together."""
    write(tmp_path / "raw", {"dataset.json": {"1": book(2, ("q", "a")), "2": record}})
    assert f"dataset.json: {message}" in error_of(prepare(capsys, "ocrvqa", tmp_path))


def test_ocrvqa_converted_ids_that_repeat(tmp_path: Path, capsys: Capture) -> None:
    """Guards files whose question_id is the picture's: rows get their number, not an error."""
    row = {"image": "x/1.jpg", "question": "Who?", "question_id": "1", "answer": "A"}
    write(tmp_path / "raw", {"ocrvqa_test.jsonl": [row, row], "ocrvqa_val.jsonl": [row]})
    assert prepare(capsys, "ocrvqa", tmp_path, partial=False).code == 0
    assert [row["id"] for row in rows(tmp_path, "ocrvqa/ocrvqa_test.jsonl")] == ["0", "1"]
    assert [row["id"] for row in rows(tmp_path, "ocrvqa/ocrvqa_val.jsonl")] == ["1"]


def test_ids_that_repeat_elsewhere_are_an_error(tmp_path: Path, capsys: Capture) -> None:
    """Guards submission files, which are made of these ids."""
    row = {"image": "x/1.png", "question": "Who?", "question_id": 7, "answer": ["A"]}
    write(tmp_path / "raw", {"val.jsonl": [row, row]})
    assert "val.jsonl:2: field 'question_id': '7' already stands on line 1" in error_of(
        prepare(capsys, "docvqa", tmp_path)
    )


def test_the_wrong_number_of_rows_needs_a_word(tmp_path: Path, capsys: Capture) -> None:
    """Guards a number over part of a split that looks like one over the whole."""
    asked, noted = vqa_pair(1, 2)
    write(tmp_path / "raw", {QUESTIONS: asked, ANNOTATIONS: noted})
    assert "2 rows, but the published okvqa_val has 5046" in error_of(
        prepare(capsys, "okvqa", tmp_path, partial=False)
    )
    assert not (tmp_path / "out").exists()


def test_several_files_that_fit(tmp_path: Path, capsys: Capture) -> None:
    """Guards the choice: the same rows are one; of different ones the largest, if partial data will do."""
    row = {"image": "x/1.png", "question": "Who?", "question_id": 7, "answer": ["A"]}
    write(tmp_path / "raw", {"a_val.jsonl": [row], "b_val.jsonl.gz": [row], "c_val.jsonl": [row]})
    ran = prepare(capsys, "docvqa", tmp_path)
    assert ran.code == 0
    assert "a_val.jsonl (1 rows) is read, the same as " in ran.out
    other = row | {"question_id": 8}
    write(tmp_path / "raw", {"b_val.jsonl.gz": [row, other]})
    assert "docvqa_val: several files may be meant: " in error_of(
        prepare(capsys, "docvqa", tmp_path, partial=False)
    )
    ran = prepare(capsys, "docvqa", tmp_path)
    assert ran.code == 0
    assert (
        f"{tmp_path}/raw/b_val.jsonl.gz (2 rows) is read, not {tmp_path}/raw/a_val.jsonl (1 rows)" in ran.out
    )
    write(tmp_path / "raw", {"c_val.jsonl": [other, row]})
    assert "several files may be meant" in error_of(prepare(capsys, "docvqa", tmp_path))


def test_preparing_again_changes_nothing(tmp_path: Path, capsys: Capture) -> None:
    """Guards a data root that holds the official files too: docvqa_val.jsonl fits the pattern *_val.jsonl."""
    row = {"image": "x/1.png", "question": "Who?", "question_id": 7, "answer": ["A"]}
    write(tmp_path / "out/docvqa", {"val.jsonl": [row]})
    (tmp_path / "raw").symlink_to(tmp_path / "out/docvqa")
    assert prepare(capsys, "docvqa", tmp_path).code == 0
    before = tree(tmp_path / "out")
    assert prepare(capsys, "docvqa", tmp_path).code == 0
    assert tree(tmp_path / "out") == before
