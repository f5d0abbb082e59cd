"""Text to ids and back, against the recorded behaviour of the published tokenizer."""

import base64
import builtins
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vl.chat import boxes_with_refs, from_list_format, to_list_format
from qwen_vl.checkpoint import DEMO_FOLDER
from qwen_vl.errors import CheckpointError
from qwen_vl.generate import left_pad
from qwen_vl.tokenizer import IMAGE_TOKENS, SPECIAL_TOKENS, Tokenizer

DEMO = Tokenizer.from_file(DEMO_FOLDER / "qwen.tiktoken", n_image_tokens=36)


@pytest.fixture(scope="module")
def recorded(reference: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((reference / "goldens" / "tokenizer.json").read_text(encoding="utf-8"))
    return found


def check(expected: Any, function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """The call gives the recorded value, or raises the recorded error (ours may say more after its first
    line).
    """
    if not (isinstance(expected, dict) and "error" in expected):
        assert function(*arguments, **options) == expected, (arguments, options)
        return
    with pytest.raises(getattr(builtins, expected["error"])) as caught:
        function(*arguments, **options)
    first_line = expected["msg"].split("\n")[0]
    assert str(caught.value).startswith(first_line), (arguments, options)


def test_special_tokens(recorded: dict[str, Any], tokenizer: Tokenizer) -> None:
    """One special token too many or too few shifts every id after it."""
    assert {token: tokenizer.special_id(token) for token in SPECIAL_TOKENS} == recorded["special_tokens"]
    ours = (tokenizer.n_vocab, tokenizer.eod_id, tokenizer.image_start_id, tokenizer.image_pad_id)
    assert ours == tuple(recorded[key] for key in ("n_vocab", "eod_id", "img_start_id", "img_pad_id"))


def test_encode(recorded: dict[str, Any], tokenizer: Tokenizer) -> None:
    """All recorded texts: normalisation, digits, paths as bytes, tags with and without end."""
    assert len(recorded["cases"]) == 225
    for case in recorded["cases"]:
        text = case["text"]
        check(case["ids"], tokenizer.encode, text)
        check(case["ids_image_st_only"], tokenizer.encode, text, allowed_special=IMAGE_TOKENS)


def test_decode(recorded: dict[str, Any], tokenizer: Tokenizer) -> None:
    """Every recorded way to decode, of encoded texts and of odd ids (cut characters, padding, open spans)."""
    ways: dict[str, dict[str, Any]] = {
        "plain": {},
        "skip": {"skip_special_tokens": True},
        "keep": {"skip_special_tokens": True, "keep_image_special": True},
        "ignore": {"errors": "ignore"},
    }
    keys = {"decode": "plain", "decode_skip": "skip", "decode_keep_image": "keep"}
    for case in recorded["cases"]:
        for key, way in keys.items():
            if key in case:
                check(case[key], tokenizer.decode, case["ids"], **ways[way])
    for case in recorded["decode"]:
        for way, options in ways.items():
            check(case[way], tokenizer.decode, case["ids"], **options)


def test_list_format(recorded: dict[str, Any], tokenizer: Tokenizer) -> None:
    """Image numbering, truncated box numbers, and the elements of every recorded text."""
    for case in recorded["from_list_format"]:
        output = case["output"]
        if isinstance(output, dict):  # an error, whose spelling is ours
            output = output | {"msg": output["msg"].replace("Unsupport ", "Unsupported ")}
        check(output, from_list_format, case["input"])
    for case in recorded["cases"]:
        check(case["to_list_format"], to_list_format, tokenizer, case["text"])
        check(case["boxes"], boxes_with_refs, tokenizer, case["text"])


def test_left_padded_batch(recorded: dict[str, Any], tokenizer: Tokenizer) -> None:
    """Padding must be on the left and masked, or the last row of logits is that of padding."""
    batch = recorded["batch_left"]
    rows = [
        tokenizer.encode(tokenizer.decode(ids[mask.index(1) :]))
        for ids, mask in zip(batch["ids"], batch["mask"], strict=True)
    ]
    ids_BT, keep_BT = left_pad(rows, torch.device("cpu"))
    assert keep_BT.int().tolist() == batch["mask"]
    assert ids_BT.where(keep_BT, tokenizer.eod_id).tolist() == batch["ids"]


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from([*SPECIAL_TOKENS, "a", " ", "\n", "<", "|>"])).map("".join))
def test_text_is_never_structure(text: str) -> None:
    """A question that holds <img> or <|im_end|> must not open an image or end the turn."""
    assert all(i < DEMO.n_ranks for i in DEMO.encode_text(text))


@settings(deadline=None)
@given(st.text())
def test_demo_vocabulary_round_trip(text: str) -> None:
    """The bundled vocabulary can say anything, up to normalisation."""
    assert DEMO.decode_answer(DEMO.encode_text(text)) == unicodedata.normalize("NFC", text)


@settings(deadline=None)
@given(st.lists(st.integers(0, DEMO.n_vocab + 30)))
def test_any_answer_can_be_decoded(ids: list[int]) -> None:
    """A model may emit <img> without end, half a character or a padding row; that must not end a run."""
    answer = DEMO.decode_answer(ids)
    if not any(i == DEMO.image_start_id for i in ids):
        assert answer == DEMO.decode(ids, skip_special_tokens=True)


def test_box_with_ref() -> None:
    """A ref belongs to the box right after it only."""
    text = "<ref> the dog</ref><box>(1,2),(3,4)</box><box>(5,6),(7,8)</box>"
    assert boxes_with_refs(DEMO, text) == [((1, 2, 3, 4), "the dog"), ((5, 6, 7, 8), None)]
    with pytest.raises(ValueError, match=r"a <box> holds \(x1,y1\),\(x2,y2\)"):
        boxes_with_refs(DEMO, "<box>(1,2)</box>")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: [*lines[:9], "IQ==", *lines[10:]], "line 10: must be 'base64 rank'"),
        (lambda lines: [*lines[:9], "!? 9", *lines[10:]], "line 10: must be 'base64 rank'"),
        (lambda lines: [*lines[:9], *lines[10:]], "line 10: rank 10 where 9 is due"),
        (lambda lines: [*lines, f"{lines[0].split()[0]} {len(lines)}"], "is empty or a repetition"),
        (lambda lines: lines[:200], "56 of the 256 single bytes are missing, the first is 200"),
        (lambda lines: [], "256 of the 256 single bytes are missing"),
    ],
)
def test_malformed_vocabulary(tmp_path: Path, edit: Callable[[list[str]], list[str]], message: str) -> None:
    """A truncated vocabulary would encode, wrongly, or panic on the first rare byte."""
    lines = (DEMO_FOLDER / "qwen.tiktoken").read_text(encoding="ascii").splitlines()
    path = tmp_path / "qwen.tiktoken"
    path.write_text("\n".join(edit(lines)), encoding="ascii")
    with pytest.raises(CheckpointError) as caught:
        Tokenizer.from_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_any_vocabulary_works() -> None:
    """Special tokens follow the last rank of whatever vocabulary there is."""
    bytes_only = Tokenizer({bytes([value]): value for value in range(256)}, n_image_tokens=4)
    assert bytes_only.encode("<img>ab</img>\u00e9") == [470, 97, 98, 472, 472, 471, 195, 169]
    assert base64.b64encode(b"!") == b"IQ=="
