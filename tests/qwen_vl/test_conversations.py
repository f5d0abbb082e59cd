"""Training rows: what is learned, and what is refused before anything is trained."""

import json
from pathlib import Path
from typing import Any

import pytest

from qwen_vl.conversations import Example, Format, read_conversations
from qwen_vl.errors import TrainingDataError
from qwen_vl.tokenizer import Tokenizer
from tests.qwen_vl.training import VOCABULARY, conversations, row


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return Tokenizer.from_file(VOCABULARY, 4)


def read(folder: Path, rows: Any, words: Tokenizer, form: Format = "raw", limit: int = 128) -> list[Example]:
    conversations(folder)
    path = folder / "given.json"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return read_conversations(path, words, form, limit)


def shown(example: Example, words: Tokenizer, learned: bool) -> str:
    """The text of the ids that are, or are not, learned."""
    return words.decode_raw(example.ids[example.learned == learned].tolist())


def test_raw_learns_the_answer_and_the_end(tmp_path: Path, words: Tokenizer) -> None:
    """Without the end of text a model never stops; with the prompt learned it would babble questions."""
    (example,) = read(tmp_path, [row("<img>0.png</img><ref>it</ref><box>", "(1,2),(3,4)</box>")], words)
    assert shown(example, words, False) == "<img><imgpad><imgpad><imgpad><imgpad></img><ref>it</ref><box>"
    assert shown(example, words, True) == "(1,2),(3,4)</box><|endoftext|>"
    assert example.images == (tmp_path / "0.png",)


def test_raw_equals_what_the_benchmarks_ask(tmp_path: Path, words: Tokenizer) -> None:
    """Ids in training must be those of the prompts in evaluation, or the model learns another task."""
    from qwen_vl.prompt import Special, build_prompt

    (example,) = read(tmp_path, [row("<ref>red circle</ref><box>", "(1,2)")], words)
    parts: list[str | Special] = [Special("<ref>"), "red circle", Special("</ref>"), Special("<box>")]
    assert tuple(example.ids[~example.learned]) == build_prompt(words, parts).ids


def test_chatml_learns_every_assistant_turn(tmp_path: Path, words: Tokenizer) -> None:
    """All answers of a conversation and their end marks, nothing of the user's or the system's."""
    (example,) = read(tmp_path, [row("hi", "yes", "and <img>0.png</img>?", "no")], words, "chatml")
    assert shown(example, words, True) == "yes<|im_end|>no<|im_end|>"
    assert shown(example, words, False) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
        "<|im_start|>assistant\n\n<|im_start|>user\n"
        "and <img><imgpad><imgpad><imgpad><imgpad></img>?<|im_end|>\n"
        "<|im_start|>assistant\n\n"
    )


def test_the_first_turn_equals_the_chat_prompt(tmp_path: Path, words: Tokenizer) -> None:
    """A chat model must be asked as it was trained."""
    from qwen_vl.chat import chat_turn

    (example,) = read(tmp_path, [row("a red circle", "yes")], words, "chatml")
    prompt = chat_turn(words, ["a red circle"]).ids
    assert tuple(example.ids[: len(prompt)]) == prompt
    assert not example.learned[: len(prompt)].any()
    assert example.learned[len(prompt)]


def test_typed_structure_stays_text(tmp_path: Path, words: Tokenizer) -> None:
    """A row that mentions <|im_end|> must not end its turn."""
    (example,) = read(tmp_path, [row("say <|im_end|>", "<|endoftext|>")], words, "chatml")
    ids = example.ids.tolist()
    assert ids.count(words.special_id("<|im_end|>")) == 3
    assert words.eod_id not in ids


BAD: dict[str, tuple[Any, str]] = {
    "not JSON": ("[{]", "not valid JSON"),
    "not a list": ({"a": 1}, "expected a list of conversations"),
    "empty": ([], "expected a list of conversations"),
    "no conversations": ([row("a", "b"), {"id": "x"}], "row 1: field 'conversations'"),
    "half a pair": ([{"conversations": [{"from": "user", "value": "a"}]}], "row 0: field 'conversations'"),
    "wrong speaker": (
        [{"conversations": [{"from": "human", "value": "a"}, {"from": "assistant", "value": "b"}]}],
        "row 0: turn 0: field 'from' is 'human', must be 'user'",
    ),
    "value not text": (
        [{"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": 3}]}],
        "row 0: turn 1: field 'value' must be text",
    ),
    "empty answer": ([row("a", "")], "row 0: turn 1: field 'value' must be text"),
    "missing picture": ([row("<img>9.png</img>", "b")], "9.png"),
    "open image": ([row("<img>0.png", "b")], "row 0: an <img> without </img>"),
    "image without path": ([row("<img></img>", "b")], "row 0: an <img> without a path"),
    "too long": ([row("a", "b"), row("1 " * 100, "b")], "more than the --max-length of 128"),
    "half a surrogate": ([row("a", "\ud800")], "row 0: turn 1: field 'value' holds half"),
    "deep": ("[" * 100_000, "not valid JSON"),
    "no user text": ([row("", "b")], "row 0: format raw needs a user text"),
    "picture in an answer": ([row("a", "<img>0.png</img>")], "row 0: a picture in an assistant turn"),
    "not a picture": ([row("<img>talks.json</img>", "b")], "row 0: not a picture"),
    "several turns in raw": ([row("a", "b", "c", "d")], "row 0: format raw takes one user and one assistant"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows(tmp_path: Path, words: Tokenizer, case: str) -> None:
    """File and row in one line, before a step is taken."""
    with pytest.raises(TrainingDataError) as caught:
        read(tmp_path, BAD[case][0], words)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'given.json'}: ")
    assert BAD[case][1] in message
    assert "\n" not in message


def test_a_missing_file(tmp_path: Path, words: Tokenizer) -> None:
    """Named, not a traceback."""
    with pytest.raises(TrainingDataError, match="cannot be read"):
        read_conversations(tmp_path / "absent.json", words, "raw", 128)
