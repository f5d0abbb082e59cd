"""What every task asks, with which limits, how many samples it has, and where it belongs."""

from typing import Any

import pytest

from eval_mm import tasks
from eval_mm.data import parse_row
from eval_mm.errors import DataError
from eval_mm.files import jsonl
from eval_mm.prompt import to_request
from eval_mm.schema import Image, Mark, Prompt, Protocol, Sample
from tests.eval_mm.tasks.rows import ROOT, row_of

ANSWER = "{picture}What is it? Answer:"
CAPTION = "{picture}Describe the image in English:"
BOX = "{picture}<ref>man in blue</ref><box>"

ASKED = {
    "nocaps_val": (4_500, CAPTION, 8, 30),
    "flickr30k_test": (1_000, CAPTION, 8, 30),
    "vqav2_val": (214_354, ANSWER, 1, 10),
    "vqav2_testdev": (107_394, ANSWER, 1, 10),
    "okvqa_val": (5_046, ANSWER, 1, 10),
    "textvqa_val": (5_000, ANSWER, 1, 10),
    "vizwiz_val": (4_319, ANSWER, 1, 10),
    "vizwiz_test": (8_000, ANSWER, 1, 10),
    "gqa_testdev": (12_578, ANSWER, 1, 10),
    "docvqa_val": (5_349, ANSWER, 1, 100),
    "docvqa_test": (5_188, ANSWER, 1, 100),
    "infovqa_val": (2_801, ANSWER, 1, 100),
    "infovqa_test": (3_288, ANSWER, 1, 100),
    "chartqa_test_human": (1_250, ANSWER, 1, 100),
    "chartqa_test_augmented": (1_250, ANSWER, 1, 100),
    "chartqa_test": (2_500, ANSWER, 1, 100),
    "ocrvqa_val": (None, ANSWER, 1, 100),
    "ocrvqa_test": (None, ANSWER, 1, 100),
    "ai2d_test": (3_088, ANSWER, 1, 10),
    "grit_refexp": (None, BOX, 10, 28),
    "refcoco_val": (10_834, BOX, 10, 28),
}
"""Published count, prompt, least and most new tokens of protocol qwen-vl."""

INSTRUCT = {
    "nocaps_val": ("{picture}Provide a one-sentence caption for the provided image.", 64),
    "vqav2_val": ("{picture}What is it?\nAnswer the question using a single word or phrase.", 32),
    "docvqa_test": ("{picture}What is it?\nAnswer the question using a single word or phrase.", 32),
    "ai2d_test": (
        "{picture}What is it?\nA. fox\nB. owl\nC. newt\nD. bat\n"
        "Answer with the option's letter from the given choices directly.",
        16,
    ),
    "grit_refexp": (
        "{picture}Please provide the bounding box coordinate of the region this sentence describes: "
        "man in blue",
        64,
    ),
}

NOT_PUBLIC = {"vqav2_testdev", "vizwiz_test", "docvqa_test", "infovqa_test"}


def sample_of(name: str, **fields: Any) -> Sample:
    row = jsonl([{**row_of(name), **fields}])
    return tasks.get(name).to_sample(parse_row(row, ROOT / "rows.jsonl", 1))


def shown(prompt: Prompt) -> str:
    """The prompt with pictures as `{picture}` and marks as they are written."""
    return "".join(
        "{picture}" if isinstance(part, Image) else part.token if isinstance(part, Mark) else part
        for part in prompt
    )


def protocol(task: str, name: str) -> Protocol:
    return tasks.get_protocol(tasks.get(task), name)


@pytest.mark.parametrize("name", ASKED)
def test_the_published_prompt_and_limits(name: str) -> None:
    """A space or a token more, and the number is no longer the paper's."""
    num_samples, prompt, least, most = ASKED[name]
    request = to_request(sample_of(name), protocol(name, "qwen-vl"), ROOT)
    assert shown(request.prompt) == prompt
    assert (request.min_new_tokens, request.max_new_tokens, request.stop) == (least, most, ())
    assert (request.chat, request.choices) == (False, ())
    assert tasks.get(name).num_samples == num_samples


@pytest.mark.parametrize("name", INSTRUCT)
def test_the_instruction(name: str) -> None:
    """Other models are asked in words, as a chat turn, without a least length."""
    prompt, most = INSTRUCT[name]
    request = to_request(sample_of(name), protocol(name, "instruct"), ROOT)
    assert shown(request.prompt) == prompt
    assert (request.min_new_tokens, request.max_new_tokens, request.chat) == (0, most, True)


def test_official_asks_as_the_published_script_does() -> None:
    """`official` is another scorer, never another prompt: else its number would have two causes."""
    for task in tasks.all_tasks().values():
        by_name = {protocol.name: protocol for protocol in task.protocols}
        if "official" in by_name:
            first, official = by_name["qwen-vl"], by_name["official"]
            assert official.prompt is first.prompt
            limits = [(p.min_new_tokens, p.max_new_tokens, p.chat) for p in (first, official)]
            assert limits[0] == limits[1]


def test_a_question_stays_text() -> None:
    """A question that contains structural tokens must reach the model as words."""
    request = to_request(
        sample_of("vqav2_val", question="Is <img> <|im_end|> here?"), protocol("vqav2_val", "qwen-vl"), ROOT
    )
    assert request.prompt[1:] == ("Is <img> <|im_end|> here? Answer:",)


def test_families() -> None:
    """`--task vqa` must not lose a benchmark, and `qwen-vl-report` holds the splits of its tables."""
    families = tasks.families()
    assert set(families["all"]) == set(tasks.all_tasks())
    assert families["captioning"] == ["flickr30k_test", "nocaps_val"]
    assert set(families["vqa"]) == {
        *("vqav2_val", "vqav2_testdev", "okvqa_val", "gqa_testdev", "vizwiz_val", "vizwiz_test")
    }
    assert {name.partition("_")[0] for name in families["text_vqa"]} == {
        *("textvqa", "docvqa", "infovqa", "chartqa", "ocrvqa", "ai2d")
    }
    assert {"vqav2_testdev", "vizwiz_test", "docvqa_test"} <= set(families["qwen-vl-report"])
    assert not {"vqav2_val", "vizwiz_val", "docvqa_val"} & set(families["qwen-vl-report"])
    assert "grit_refexp" in families["grounding"]


def test_answers_may_be_missing_only_where_they_are_not_public() -> None:
    """A validation row whose answers were lost must not turn its split into one that is not scored."""
    for name in ASKED:
        key = next(key for key in ("captions", "answers", "answer", "box") if key in row_of(name))
        bare = {field: value for field, value in row_of(name).items() if field != key}
        row = parse_row(jsonl([bare]), ROOT / "rows.jsonl", 1)
        if name in NOT_PUBLIC or name == "grit_refexp":
            assert tasks.get(name).to_sample(row).target is None
        else:
            with pytest.raises(DataError, match=f"{key}.*missing"):
                tasks.get(name).to_sample(row)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("vqav2_val", {"answers": []}, "list of at least one string"),
        ("vqav2_val", {"answers": "red"}, "list of at least one string"),
        ("vqav2_val", {"answers": ["red", 3]}, "list of at least one string"),
        ("vqav2_val", {"question": "  "}, "not blank"),
        ("vqav2_val", {"question_type": 3}, "expected a string"),
        ("nocaps_val", {"captions": [None]}, "list of at least one string"),
        ("nocaps_val", {"image": "../secret.png"}, "inside it"),
        ("ai2d_test", {"answer": 4}, "from 0 to 3"),
        ("ai2d_test", {"answer": "A"}, "from 0 to 3"),
        ("ai2d_test", {"answer": True}, "from 0 to 3"),
        ("ai2d_test", {"choices": []}, "at least one"),
        ("ai2d_test", {"choices": ["x"] * 27}, "at most 26"),
        ("grit_refexp", {"box": [1, 2, 3]}, "4 numbers"),
    ],
)
def test_bad_rows_are_named(name: str, fields: dict[str, Any], message: str) -> None:
    """One line that names file, line, field and what is allowed."""
    with pytest.raises(DataError, match=message) as caught:
        sample_of(name, **fields)
    assert "rows.jsonl:1" in str(caught.value)
    assert next(iter(fields)) in str(caught.value)
