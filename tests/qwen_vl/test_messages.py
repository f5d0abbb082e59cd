"""Elements of a message, and what a model's ids say."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vl.boxes import RefBox
from qwen_vl.chat import from_list_format
from qwen_vl.messages import FIND, answer, boxes, completion, elements, parts, pictures
from qwen_vl.prompt import ImagePart, Special, build_prompt
from qwen_vl.tokenizer import Tokenizer

SMALL = Tokenizer({bytes([value]): value for value in range(256)}, 4)
PIXELS = torch.zeros(3, 2, 2)


def look(_: object) -> torch.Tensor:
    return PIXELS


def said(text: str) -> list[int]:
    """Ids of a model that writes this text with tags."""
    return SMALL.encode(text)


def test_elements_equal_the_published_list_form() -> None:
    """A tag, colon or line end less than `from_list_format` writes is a prompt nobody trained on."""
    listed: list[dict[str, Any]] = [
        {"image": "a.png"},
        {"text": "find "},
        {"ref": "the dog", "box": [(1, 2, 3.9, 4), [5, 6, 7, 8]]},
        {"box": [(9, 10, 11, 12)]},
    ]
    published = SMALL.encode(from_list_format(listed).replace("<img>a.png</img>", "<img></img>"))
    assert build_prompt(SMALL, parts(listed, look)).ids == tuple(published)


def test_every_kind_of_element() -> None:
    """Each element has its tags; a lone mark is one token."""
    found = parts(
        [
            {"ref": "r"},
            {"quad": "q"},
            {"box": "(1,2)"},
            {"mark": "</box>"},
            {"find": "<b>"},
            {"image": Path("p")},
        ],
        look,
    )
    assert [part for part in found if not isinstance(part, ImagePart)] == [
        *(Special("<ref>"), "r", Special("</ref>")),
        *(Special("<quad>"), "q", Special("</quad>")),
        *(Special("<box>"), "(1,2)", Special("</box>")),
        *(Special("</box>"), FIND + "<b>"),
        *("Picture 1: ", "\n"),
    ]
    assert pictures([{"image": "a"}, {"text": "<img>b</img>"}, {"image": "c"}]) == ["a", "c"]
    assert completion([], look) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "a"},
        ["a"],
        [{}],
        [{"picture": "a.png"}],
        [{"text": "a", "image": "b"}],
        [{"text": 3}],
        [{"image": 3}],
        [{"image": None}],
        [{"ref": ["a"]}],
        [{"box": [(1, 2, 3)]}],
        [{"box": (1, 2, 3, 4)}],
        [{"box": [(1, 2, 3, float("inf"))]}],
        [{"box": None}],
        [{"mark": "<|im_end|>"}],
        [{"mark": "<img>"}],
    ],
)
def test_what_is_no_element(wrong: Any) -> None:
    """A mistyped key must not vanish from the prompt, nor a mark end a turn; the error shows the element."""
    with pytest.raises(ValueError, match=r"element|'\w+' is"):
        elements(wrong)


def test_an_answer_as_elements() -> None:
    """Tags the model wrote are structure, letters that look like tags are not, halves stay halves."""
    ids = [
        *said(" A <ref>dog</ref><box>(1,2),(3,4)</box>, </quad>"),
        *SMALL.encode_text("<box>(5,6)</box>"),
        SMALL.special_id("<|extra_3|>"),
        *said("<ref>cat "),
    ]
    assert answer(SMALL, ids) == [
        {"text": "A "},
        {"ref": "dog"},
        {"box": "(1,2),(3,4)"},
        {"text": ", "},
        {"mark": "</quad>"},
        {"text": "<box>(5,6)</box>"},
        {"mark": "<ref>"},
        {"text": "cat"},
    ]
    assert boxes(answer(SMALL, ids)) == [RefBox((1, 2, 3, 4), "dog")]
    assert answer(SMALL, said("<quad>(1,2)</quad>")) == [{"quad": "(1,2)"}]
    assert answer(SMALL, []) == []
    assert answer(SMALL, said("  ")) == []


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, SMALL.n_vocab - 1), max_size=30))
def test_any_ids_are_an_answer(ids: list[int]) -> None:
    """A model may emit anything; its answer must have elements, boxes and a place in the next prompt."""
    listed = answer(SMALL, ids)
    boxes(listed)
    prompt = build_prompt(SMALL, parts(listed, look))
    assert prompt.images == ()
    assert not {SMALL.special_id(t) for t in ("<|im_end|>", "<|im_start|>", "<img>")} & set(prompt.ids)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<ref>a</ref><box>(1,2),(3,4)</box><box>(5,6),(7,8)</box>", [(1, "a"), (5, None)]),
        ("<ref> a </ref><box>(1,2),(3,4)</box>", [(1, "a")]),
        ("<ref>a</ref> at <box>(1,2),(3,4)</box>", [(1, None)]),
        ("<box>(1,2),(3)</box><box>none</box><box></box><box>(5,6),(7,8)</box>", [(5, None)]),
        ("<ref>a</ref><box>(1,2),(3,4)", [(1, "a")]),
        ("<box>(1,2),(3,4) and more", []),
        ("<box>(" + "1" * 5000 + ",2),(3,4)</box>", []),
        ("<quad>(1,2),(3,4),(5,6),(7,8)</quad>", []),
    ],
)
def test_boxes_and_their_refs(text: str, found: list[tuple[int, str | None]]) -> None:
    """A ref belongs to the box right behind it only, as published; what is no box is passed over."""
    assert [(box.box[0], box.ref) for box in boxes(answer(SMALL, said(text)))] == found


def test_boxes_of_elements_made_by_hand() -> None:
    """Numbers instead of text; a ref beside its boxes is that of the first."""
    message: list[dict[str, Any]] = [
        {"ref": "a", "box": [(1, 2, 3, 4), (5, 6, 7, 8)]},
        {"box": [(9, 9, 9, 9)]},
    ]
    assert boxes(message) == [
        RefBox((1, 2, 3, 4), "a"),
        RefBox((5, 6, 7, 8), None),
        RefBox((9, 9, 9, 9), None),
    ]
    assert boxes("<box>(1,2),(3,4)</box>") == [], "a str is text"
