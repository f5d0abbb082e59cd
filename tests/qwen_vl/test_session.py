"""The Python API on the bundled demo model, and on a copy of it that has a chat format."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import qwen_vl
from qwen_vl.boxes import COLOURS, RefBox
from qwen_vl.chat import from_list_format
from qwen_vl.checkpoint import DEMO_FOLDER
from qwen_vl.errors import CheckpointError, ImageError
from qwen_vl.messages import FIND, Turn, boxes
from qwen_vl.session import QwenVL, draw_on_latest_picture


@pytest.fixture(scope="module")
def demo() -> QwenVL:
    return QwenVL.from_pretrained("demo", "cpu", "float32")


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> QwenVL:
    """The demo model told that it can chat: what it says makes no sense, how it is asked does."""
    folder = tmp_path_factory.mktemp("chat")
    for name in ("config.json", "qwen.tiktoken", "model.safetensors"):
        shutil.copy(DEMO_FOLDER / name, folder / name)
    settings = {"chat_format": "chatml", "do_sample": True, "top_p": 0.9, "max_new_tokens": 6}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return QwenVL.from_pretrained(folder, "cpu", "float32")


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A red circle on pale ground, in (60..140, 50..130) of 200 x 160."""
    path = tmp_path_factory.mktemp("pictures") / "circle.png"
    image = Image.new("RGB", (200, 160), (232, 238, 228))
    ImageDraw.Draw(image).ellipse((60, 50, 140, 130), fill=(214, 39, 40))
    image.save(path)
    return str(path)


def test_the_class_comes_without_torch_until_it_is_named() -> None:
    """`from qwen_vl import QwenVL` is the documented line; `import qwen_vl` must stay light."""
    assert qwen_vl.QwenVL is QwenVL
    with pytest.raises(AttributeError, match="Qwen2"):
        qwen_vl.Qwen2  # noqa: B018
    code = "import sys, qwen_vl; qwen_vl.__all__; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def test_a_question_and_a_box(demo: QwenVL, circle: str) -> None:
    """A base model sees the picture and goes on to it; its box is found, kept with its tags, and drawn."""
    answer, history = demo.chat([{"image": circle}, {"text": "What colour is the circle?"}])
    assert answer == "red"
    response, history = demo.chat([{"find": "red circle"}], history)
    assert response.startswith("<ref>red circle</ref><box>(")
    assert len(history) == 2
    (found,) = boxes(history[1].response or "")
    assert found.ref == "red circle"
    for edge, true in zip(found.box, (300, 312, 700, 812), strict=True):
        assert abs(edge - true) < 100
    picture = demo.draw(history)
    assert picture is not None
    assert picture.size == (200, 160)
    assert picture.getpixel((found.box[0] * 200 // 1000, found.box[3] * 160 // 1000)) == COLOURS[0]
    assert json.loads(json.dumps(history)) == [list(turn) for turn in history], "can be kept as JSON"


def test_it_is_asked_as_the_harness_asks(demo: QwenVL, circle: str) -> None:
    """Another prompt in the chat than in the benchmarks would show another model."""
    from qwen_vl.generate import generate
    from qwen_vl.image import load_image, preprocess
    from qwen_vl.prompt import ImagePart, build_prompt

    pixels = preprocess(load_image(circle), 96)
    question = "What shape is the red thing? Answer:"
    prompt = build_prompt(demo.loaded.tokenizer, [ImagePart(pixels), question])
    (expected,) = generate(
        demo.loaded.model,
        [prompt],
        min_new_tokens=0,
        max_new_tokens=20,
        stop_ids=[demo.loaded.tokenizer.eod_id],
    )
    for text in (question, question.removesuffix(" Answer:")):
        answer, _ = demo.chat([{"image": Image.open(circle)}, {"text": text}])
        assert answer == demo.loaded.tokenizer.decode_answer(expected.ids).strip()


def test_several_turns(talker: QwenVL, circle: str) -> None:
    """Every turn is in the next context as it was said, in order, and nothing else is."""
    history: list[Turn] = []
    queries: list[Any] = [[{"image": circle}, {"text": "What?"}], "And <box> now?", [{"find": "a dog"}]]
    for query in queries:
        _, history = talker.chat(query, history)
    assert [turn.query for turn in history] == queries
    prompt = talker.context("Last?", history)
    text = talker.loaded.tokenizer.decode_raw(prompt.ids)
    assert text.count("<|im_start|>user\n") == 4
    assert text.count("<|im_start|>assistant\n") == 4
    assert "And <box> now?<|im_end|>\n" in text
    assert f"<|im_start|>user\n{FIND}a dog<|im_end|>\n" in text
    assert len(prompt.images) == 1
    given = [Turn("a", "b")]
    talker.chat("c", given)
    assert given == [Turn("a", "b")], "the caller's history is left alone"


def test_settings_of_the_checkpoint_and_of_the_caller(talker: QwenVL, circle: str) -> None:
    """It draws as its generation_config.json says, unless told otherwise; seeds make the difference."""
    ask: list[Any] = [{"image": circle}, {"text": "What do you see?"}]
    drawn = {seed: talker.chat(ask, seed=seed, temperature=100.0, top_p=1.0)[0] for seed in (1, 2, 3)}
    assert len(set(drawn.values())) == 3
    assert talker.chat(ask, seed=2, temperature=100.0, top_p=1.0)[0] == drawn[2]
    greedy = talker.chat(ask, temperature=0)[0]
    assert greedy == talker.chat(ask, temperature=0, seed=5)[0] == talker.chat(ask, top_p=1e-6)[0]
    long, _ = talker.chat(ask, seed=1, temperature=100.0, top_p=1.0, max_new_tokens=30)
    assert long.startswith(drawn[1].rstrip("\N{REPLACEMENT CHARACTER}"))
    assert len(long) > len(drawn[1]), "6 tokens are the checkpoint's limit, not the caller's"
    for wrong in ({"temperature": -1}, {"top_p": 0}, {"max_new_tokens": 0}, {"top_k": -1}):
        with pytest.raises(ValueError, match="not "):
            talker.chat(ask, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": 2**70}, "seed is a whole number from 0 to 9223372036854775807, not 1180591620717411303424"),
        ({"seed": -1}, "seed is a whole number"),
        ({"seed": "1"}, "seed is a whole number from 0 to 9223372036854775807, not '1'"),
        ({"seed": None}, "seed is a whole number"),
        ({"top_k": 1.5}, "top_k is a whole number of at least 0, not 1.5"),
        ({"top_k": "5"}, "top_k is a whole number of at least 0, not '5'"),
        ({"top_p": "0.3"}, "top_p is a number above 0 and at most 1, not '0.3'"),
        ({"temperature": "hot"}, "temperature is a number from 0 to 1e30, not 'hot'"),
        ({"temperature": 10**400}, "temperature is a number from 0 to 1e30"),
        ({"temperature": True}, "temperature is a number"),
        ({"max_new_tokens": 2.0}, "max_new_tokens is a whole number of at least 1, not 2.0"),
        ({"max_new_tokens": True}, "max_new_tokens is a whole number"),
        ({"max_window_size": "9"}, "max_window_size is a whole number of at least 0, not '9'"),
        ({"system": 3}, "system is a text, not 3"),
        ({"history": 3}, "a history is a list of (query, response), not 3"),
        ({"history": "ab"}, "a history is a list of (query, response), not 'ab'"),
        ({"history": ["ab"]}, "turn 1 of the history is no (query, response): 'ab'"),
        ({"history": [("a", "b"), ("c",)]}, "turn 2 of the history is no (query, response): ('c',)"),
        ({"history": [("a", "b", "c")]}, "turn 1 of the history is no (query, response)"),
        ({"history": [{"query": "a", "response": "b"}]}, "turn 1 of the history is no (query, response)"),
        ({"history": [("a", "b"), ("c", [{"box": 3}])]}, "turn 2 of the history: 'box' is a list of"),
        ({"history": [(None, "b")]}, "turn 1 of the history: a message is a text or a list of elements"),
        ({"query": []}, "the message is empty"),
        ({"query": ""}, "the message is empty"),
        ({"query": [{"text": ""}]}, "the message is empty"),
        ({"query": None}, "a message is a text or a list of elements, not None"),
        ({"query": 3}, "a message is a text or a list of elements, not 3"),
    ],
)
@pytest.mark.parametrize("kind", ["demo", "talker"])
def test_what_is_no_question_and_no_setting(
    wrong: dict[str, Any], message: str, kind: str, request: pytest.FixtureRequest
) -> None:
    """Each was a TypeError, IndexError or RuntimeError from deep inside, or "ab" a turn of two letters."""
    model: QwenVL = request.getfixturevalue(kind)
    if "system" in wrong and not model.is_chat:
        message = "system"
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        model.chat(**{"query": "What?", "max_new_tokens": 1, **wrong})
    assert "\n" not in str(caught.value)


def test_numbers_of_other_libraries_are_settings(talker: QwenVL) -> None:
    """A seed counted by numpy is a whole number."""
    drawn = talker.chat("What?", seed=np.int64(3), top_k=np.int32(9), temperature=np.float32(2.0))  # type: ignore[arg-type]
    assert drawn == talker.chat("What?", seed=3, top_k=9, temperature=2.0)


def test_a_query_of_the_published_code(talker: QwenVL, circle: str) -> None:
    """Its string, given to `chat` as it is, shows the model a file name and no picture; converted it is the
    prompt of the elements, without a second "Picture 1: ".
    """
    listed: list[dict[str, Any]] = [
        {"image": circle},
        {"image": circle},
        {"text": "Is it\n"},
        {"ref": "the dog", "box": [(1, 2, 3, 4)]},
        {"text": "?"},
    ]
    published = from_list_format(listed)
    found = talker.from_published(published)
    assert found == [
        *({"image": circle}, {"image": circle}, {"text": "Is it\n"}),
        *({"ref": "the dog"}, {"box": "(1,2),(3,4)"}, {"text": "?"}),
    ]
    given = talker.context(listed)
    asked = talker.context(found)
    assert asked.ids == given.ids
    assert len(asked.images) == 2
    assert talker.context(published).images == (), "a str is text"
    assert talker.from_published("plain") == [{"text": "plain"}]
    history = [Turn(found, talker.from_published("<ref>dog</ref><box>(0,0),(500,500)</box>"))]
    assert talker.draw(history) is not None
    with pytest.raises(ValueError, match="Unclosed"):
        talker.from_published("<box>(1,2)")
    with pytest.raises(ValueError, match="Unsupported element"):
        from_list_format([{"picture": "a.png"}])


def test_a_window_given_by_the_caller(talker: QwenVL) -> None:
    """max_window_size drops the oldest turns; here all of them."""
    history = [Turn("first", "1"), Turn("second", "2")]
    alone = talker.context("third")
    assert talker.context("third", history, max_window_size=1).ids == alone.ids
    assert len(talker.context("third", history).ids) > len(alone.ids)


def test_what_cannot_be_asked(demo: QwenVL, tmp_path: Path) -> None:
    """A missing picture and an unknown model are said in one line, by the errors the command lines know."""
    with pytest.raises(ImageError, match=r"none\.png: no such image file"):
        demo.chat([{"image": tmp_path / "none.png"}, {"text": "?"}])
    with pytest.raises(ValueError, match="one has"):
        demo.chat([{"images": "a.png"}])
    with pytest.raises(CheckpointError, match="no such folder"):
        QwenVL.from_pretrained(tmp_path / "none")
    with pytest.raises(CheckpointError, match="~nosuchuser/x: no such folder"):
        QwenVL.from_pretrained("~nosuchuser/x")


def test_a_changed_picture_is_seen_anew(demo: QwenVL, tmp_path: Path) -> None:
    """Features kept by path would answer about the picture that was there before."""
    path = tmp_path / "a.png"
    answers = []
    for colour in ((214, 39, 40), (31, 119, 200)):
        image = Image.new("RGB", (200, 160), (232, 238, 228))
        ImageDraw.Draw(image).ellipse((60, 50, 140, 130), fill=colour)
        image.save(path)
        answers.append(demo.chat([{"image": path}, {"text": "What colour is the circle?"}])[0])
    assert answers == ["red", "blue"]


def test_what_is_drawn_and_on_what(tmp_path: Path) -> None:
    """Only the last answer's boxes, on the latest picture, which an earlier question may have brought."""
    small, large = Image.new("RGB", (20, 10)), Image.new("RGB", (40, 30))
    box: list[Any] = [{"ref": "a"}, {"box": "(0,0),(999,999)"}]
    first = Turn([{"image": small}, {"image": large}, {"text": "?"}], "plain")
    drawn = draw_on_latest_picture([first, Turn("where?", box)])
    assert drawn is not None
    assert drawn.size == (40, 30)
    assert large.getbbox() is None, "the picture itself is left alone"
    assert draw_on_latest_picture([first, Turn("where?", box), Turn("thanks", "welcome")]) is None
    assert draw_on_latest_picture([Turn("where?", box)]) is None
    assert draw_on_latest_picture([]) is None
    assert draw_on_latest_picture([Turn([{"image": small}], None)]) is None
    assert draw_on_latest_picture([Turn([{"image": small}], "<box>(1,2),(3,4)</box>")]) is None, (
        "a str is text"
    )
    with pytest.raises(ImageError):
        draw_on_latest_picture([Turn([{"image": tmp_path / "gone.png"}], box)])
    assert boxes(box) == [RefBox((0, 0, 999, 999), "a")]
