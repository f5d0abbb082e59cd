"""What servers are sent and what is read in their replies."""

import base64
import io
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from eval_mm.calls.faults import Again
from eval_mm.models.openai_pictures import KEPT, PictureError, Pictures
from eval_mm.models.openai_wire import Chat, NoRanksError, Parts, split_reasoning
from eval_mm.schema import Image, Mark, Prediction, Request

CHAT = Chat({"model": "m"}, "max_tokens")
PARTS = Parts({"model": "m"})


def reply(message: dict[str, Any] | None = None, **choice: Any) -> dict[str, Any]:
    """A chat completion."""
    made = {
        "message": {"content": "a cat"} if message is None else message,
        "finish_reason": "stop",
        **choice,
    }
    return {"choices": [made], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def read(value: Any, **request: Any) -> Prediction:
    return CHAT.read(value, Request("1", ("q",), **request))


THOUGHTS = {
    "plain": ("a cat", "", "a cat"),
    "tagged": ("<think>\nhm\n</think>\n\na cat", "hm", "a cat"),
    "blank before the tag": ("\n <think>hm</think>a cat", "hm", "a cat"),
    "opened by the template": ("hm\n</think>\n\na cat", "hm", "a cat"),
    "never closed": ("<think>hm, a cat", "hm, a cat", ""),
    "closed with nothing after": ("<think>hm</think>", "hm", ""),
    "empty thought": ("<think>\n\n</think>\n\na cat", "", "a cat"),
    "a tag inside the answer": ("the word <think> is a tag", "", "the word <think> is a tag"),
    "a second end": ("<think>a</think>b</think>c", "a", "b</think>c"),
}


@pytest.mark.parametrize("case", THOUGHTS)
def test_reasoning_is_no_answer(case: str) -> None:
    """A box or a letter that was only considered was once scored; an answer never begun is none."""
    text, thought, answer = THOUGHTS[case]
    assert split_reasoning(text) == (thought, answer)


def test_reasoning_that_a_server_keeps_apart() -> None:
    """Servers have two names for it; both kinds of reasoning are kept, neither is scored."""
    for name in ("reasoning_content", "reasoning"):
        found = read(reply({"content": "a cat", name: "hm"}))
        assert (found.text, found.reasoning) == ("a cat", "hm")
    found = read(reply({"content": "<think>b</think>c", "reasoning_content": "a", "reasoning": "a"}))
    assert (found.text, found.reasoning) == ("c", "a\nb")
    assert read(reply({"content": None, "reasoning_content": "hm"}, finish_reason="length")).text == ""


def test_what_a_reply_says() -> None:
    """Text, why it ended, counts; texts in parts; a count that is none is none."""
    found = read(reply(finish_reason="length"))
    assert found == Prediction("1", "a cat", stop_reason="length", prompt_tokens=7, new_tokens=3)
    parts = [
        {"type": "text", "text": "a "},
        {"type": "thinking", "text": "x"},
        {"type": "text", "text": "cat"},
    ]
    assert read(reply({"content": parts})).text == "a cat"
    assert read(reply(finish_reason=None)).stop_reason is None
    odd = reply() | {"usage": {"prompt_tokens": "7", "completion_tokens": -1}}
    assert (read(odd).prompt_tokens, read(odd).new_tokens) == (None, None)
    assert read({**reply(), "usage": None}).prompt_tokens is None
    assert read(reply(), stop=("ca",)).text == "a "


def test_a_refusal_is_marked() -> None:
    """Its words must reach nobody who scores, and count apart from errors."""
    for value in (
        reply({"content": None, "refusal": "No, I cannot."}),
        reply({"content": "No, I cannot."}, finish_reason="content_filter"),
    ):
        found = read(value)
        assert (found.text, found.stop_reason, found.error) == ("No, I cannot.", "refusal", None)


SPOILT: list[Any] = [
    None,
    [],
    "busy",
    {},
    {"choices": []},
    {"choices": [{}]},
    {"choices": [{"message": None}]},
    {"choices": [{"message": {"content": 7}}]},
    {"choices": [{"message": {"content": [7]}}]},
    {"choices": [{"message": {"content": "a"}, "finish_reason": "error"}]},
    {"error": {"message": "busy"}},
]


@pytest.mark.parametrize("value", SPOILT, ids=range(len(SPOILT)))
def test_replies_that_are_none(value: Any) -> None:
    """What is no completion is asked again, never taken for an empty answer."""
    with pytest.raises(Again, match="no completion"):
        read(value)


def tops(*entries: tuple[str, float]) -> dict[str, Any]:
    """Log-probabilities of first tokens as servers return them."""
    listed = [{"token": token, "logprob": number} for token, number in entries]
    return reply(logprobs={"content": [{"token": entries[0][0], "top_logprobs": listed}]})


def test_options_are_ranked_by_their_letters() -> None:
    """` B` and `B` are one letter; an option not listed is below all that are; other words are no answer."""
    choices = (" A", " B", " C")
    found = read(tops(("B", -0.5), (" A", -1.0), ("A", -3.0), ("The", -4.0)), choices=choices)
    assert found.choice_logprobs == (-1.0, -0.5, -4.0)
    assert read(tops(("The", -0.1), ("I", -3.0)), choices=choices).choice_logprobs == ()
    spoilt = [tops(("A", number)) for number in (float("nan"), float("inf"), 10**400)]
    for value in (reply(), reply(logprobs=None), reply(logprobs={"content": []}), *spoilt):
        with pytest.raises(NoRanksError, match="returns no log-probabilities, by which"):
            read(value, choices=choices)


def test_a_chat_turn_as_sent() -> None:
    """Pictures before words, in order; structure left out; limits, stops and ranks by their names."""
    prompt = (Image("a.png"), Mark("<ref>"), "q1", Image("b.png"), "q2")
    body = CHAT.body(Request("1", prompt, stop=("\n",), system="Be kind.", max_new_tokens=9), str.upper)
    picture = [{"type": "image_url", "image_url": {"url": name}} for name in ("A.PNG", "B.PNG")]
    words = [{"type": "text", "text": text} for text in ("q1", "q2")]
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [picture[0], words[0], picture[1], words[1]]},
        ],
        "max_tokens": 9,
        "stop": ["\n"],
    }
    ranked = CHAT.body(Request("1", ("q",), choices=(" A", " B"), max_new_tokens=9), str)
    assert (ranked["max_tokens"], ranked["logprobs"], ranked["top_logprobs"]) == (1, True, 20)


def test_a_prompt_in_parts_as_sent_and_read() -> None:
    """Text never becomes structure on the way: a part says what it is. Ranks are one for each option."""
    request = Request("1", (Image("a.png"), Mark("<ref>"), "<box>"), (), False, 2, 9, ("\n",))
    body = PARTS.body(request, str.upper)
    assert body == {
        "model": "m",
        "prompt_parts": [{"image_url": {"url": "A.PNG"}}, {"mark": "<ref>"}, {"text": "<box>"}],
        "max_tokens": 9,
        "min_tokens": 2,
        "stop": ["\n"],
    }
    said = {"choices": [{"text": " <think>x", "finish_reason": "length"}], "usage": {"prompt_tokens": 5}}
    assert PARTS.read(said, request) == Prediction("1", " <think>x", stop_reason="length", prompt_tokens=5)
    ranking = Request("1", ("q",), (" A", " B"))
    assert PARTS.body(ranking, str)["choices"] == [" A", " B"]
    ranked = {"choices": [{"text": "", "finish_reason": "stop", "logprobs_of_choices": [-1.5, -2]}]}
    assert PARTS.read(ranked, ranking).choice_logprobs == (-1.5, -2)
    for ranks in (None, [-1.0], [-1.0, None], [-1.0, float("nan")], [-1.0, -(10**400)], "ab"):
        with pytest.raises(Again, match="no log-probability for each option"):
            PARTS.read({"choices": [{"text": "", "logprobs_of_choices": ranks}]}, ranking)
    for value in SPOILT:
        with pytest.raises(Again, match="no completion"):
            PARTS.read(value, request)


def content(url: str) -> tuple[str, bytes]:
    """Format and bytes of a data URL."""
    head, _, body = url.partition(";base64,")
    return head.removeprefix("data:image/"), base64.b64decode(body, validate=True)


def saved(path: Path, mode: str = "RGB", size: tuple[int, int] = (40, 20), **options: Any) -> Path:
    """A picture of many colours."""
    image = Pillow.radial_gradient("L").resize(size)
    image.convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif"])
def test_formats_that_servers_take_go_as_they_are(name: str, tmp_path: Path) -> None:
    """A picture compressed once more is another picture, and the number another number."""
    path = saved(tmp_path / name, "P" if name == "a.gif" else "RGB")
    kind, raw = content(Pictures().sent(str(path)).url)
    assert raw == path.read_bytes()
    assert kind == {"a.jpg": "jpeg"}.get(name, name[2:])


def test_a_name_does_not_make_a_format(tmp_path: Path) -> None:
    """Data sets call JPEGs .png; servers believe the type that is stated."""
    path = saved(tmp_path / "a.jpg").rename(tmp_path / "a.png")
    assert content(Pictures().sent(str(path)).url) == ("jpeg", path.read_bytes())


@pytest.mark.parametrize("name", ["a.bmp", "a.tiff", "a.ppm"])
def test_other_formats_keep_every_pixel(name: str, tmp_path: Path) -> None:
    """BMP, TIFF and the like become PNG of the same pixels."""
    path = saved(tmp_path / name)
    kind, raw = content(Pictures().sent(str(path)).url)
    assert kind == "png"
    with Pillow.open(path) as before, Pillow.open(io.BytesIO(raw)) as after:
        assert after.tobytes() == before.tobytes()


@pytest.mark.parametrize("name", ["a.pgm", "little.tiff", "big.tiff", "a.tiff"])
def test_sixteen_bits_stay_sixteen(name: str, tmp_path: Path) -> None:
    """X-rays and depth maps were once sent as white: every grey above 255 was cut to it."""
    greys = [0, 255, 256, 47_940, 65_535]
    path, big = tmp_path / name, struct.pack(">5H", *greys)
    match name:
        case "a.pgm":
            path.write_bytes(b"P5 5 1 65535\n" + big)
        case "little.tiff":
            Pillow.frombytes("I;16", (5, 1), struct.pack("<5H", *greys)).save(path)
        case "big.tiff":
            Pillow.frombytes("I;16B", (5, 1), big).save(path)
        case _:
            Pillow.frombytes("I", (5, 1), struct.pack("=5i", *greys)).save(path)
    kind, raw = content(Pictures().sent(str(path)).url)
    assert kind == "png"
    with Pillow.open(io.BytesIO(raw)) as image:
        assert [image.getpixel((place, 0)) for place in range(5)] == greys


@pytest.mark.parametrize(("mode", "raw"), [("F", struct.pack("=f", 0.5)), ("I", struct.pack("=i", 70_000))])
def test_numbers_that_are_no_colours(mode: str, raw: bytes, tmp_path: Path) -> None:
    """What no PNG can hold is that sample's error, never another picture."""
    path = tmp_path / "a.tiff"
    Pillow.frombytes(mode, (1, 1), raw).save(path)
    with pytest.raises(PictureError, match="which no PNG can hold"):
        Pictures().sent(str(path))


def test_which_side_is_up_stays_known(tmp_path: Path) -> None:
    """A photo held upright, made smaller, once lay on its side: its file says how it is turned."""
    turned = Pillow.Exif()
    turned[0x0112] = 6
    path = str(saved(tmp_path / "a.jpg", size=(40, 20), exif=turned))
    for most in (None, 10):
        with Pillow.open(io.BytesIO(content(Pictures(most).sent(path).url)[1])) as image:
            assert image.getexif()[0x0112] == 6
    plain = str(saved(tmp_path / "b.bmp"))
    assert not Pillow.open(io.BytesIO(content(Pictures().sent(plain).url)[1])).getexif()


def test_the_colours_of_ink_are_left_behind(tmp_path: Path) -> None:
    """A profile of CMYK in a PNG of RGB is an error to its readers; transparency is no colour and stays."""
    path = str(saved(tmp_path / "a.tiff", "CMYK", icc_profile=b"of CMYK"))
    with Pillow.open(io.BytesIO(content(Pictures().sent(path).url)[1])) as image:
        assert (image.mode, image.info.get("icc_profile")) == ("RGB", None)
    path = str(saved(tmp_path / "b.tiff", "PA"))
    with Pillow.open(io.BytesIO(content(Pictures().sent(path).url)[1])) as image:
        assert image.mode == "RGBA"


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_of_what_moves_the_first_frame(name: str, tmp_path: Path) -> None:
    """Servers refuse animations, or read any frame of them."""
    frames = [Pillow.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    kind, raw = content(Pictures().sent(str(tmp_path / name)).url)
    assert kind == "png"
    with Pillow.open(io.BytesIO(raw)) as still:
        assert still.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "I;16", "CMYK"])
def test_smaller_only_if_asked(mode: str, tmp_path: Path) -> None:
    """The longest side is what was asked for, and what is small enough keeps its bytes."""
    path = saved(tmp_path / ("a.tiff" if mode in ("CMYK", "I;16") else "a.png"), mode, (400, 100))
    sent = Pictures(max_size=100).sent(str(path))
    kind, raw = content(sent.url)
    assert (kind, sent.size) == ("png", (100, 25))
    with Pillow.open(io.BytesIO(raw)) as image:
        assert image.size == (100, 25)
    if path.suffix == ".png":
        whole = Pictures(max_size=400).sent(str(path))
        assert (content(whole.url)[1], whole.size) == (path.read_bytes(), (400, 100))
    assert Pictures(max_size=1).sent(str(path)).size == (1, 1)


def test_the_size_is_known_where_it_is_needed(tmp_path: Path) -> None:
    """Boxes in pixels of the picture as sent are judged by that size."""
    path = str(saved(tmp_path / "a.png", size=(40, 20)))
    assert Pictures(sized=True).sent(path).size == (40, 20)
    assert Pictures().sent(path).size is None


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    """Missing, torn and other files are named; nothing that changes from run to run is in the message."""
    text, torn = tmp_path / "text.bmp", tmp_path / "torn.tiff"
    text.write_text("no picture")
    torn.write_bytes(saved(tmp_path / "whole.tiff", size=(300, 300)).read_bytes()[:200])
    for path in (tmp_path / "absent.png", text, torn, tmp_path):
        with pytest.raises(PictureError) as caught:
            Pictures().sent(str(path))
        assert str(path) in str(caught.value)
        assert "0x" not in str(caught.value)


def test_a_picture_is_read_once_for_its_questions(tmp_path: Path) -> None:
    """Thirty questions about a photo of 10 MB must not encode it thirty times, nor all photos stay."""
    pictures = Pictures()
    paths = [str(saved(tmp_path / f"{number}.png")) for number in range(KEPT + 1)]
    first = pictures.sent(paths[0])
    assert pictures.sent(paths[0]) is first
    for path in paths[1:]:
        pictures.sent(path)
    assert pictures.sent(paths[0]) is not first
