"""The text of an answer piece by piece: what has been told is never wrong, and it is all told."""

from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vl.serving.text import Text


class Bytes:
    """A tokenizer whose tokens are bytes, 256 and above the tag <box>."""

    def answer_bytes(self, token: int, keep: bool) -> bytes:
        """What a token adds."""
        return bytes([token]) if token < 256 else b"<box>" if keep else b""


def told(tokens: list[int], stops: list[str], skip: bool = False) -> tuple[str, bool]:
    """All pieces joined, and whether a stop ended them."""
    text = Text(Bytes(), stops, skip)  # type: ignore[arg-type]
    pieces = [text.add(token) for token in tokens]
    return "".join([*pieces, text.end()]), text.is_stopped


def cut(text: str, stops: list[str]) -> tuple[str, bool]:
    """The text as it is cut once it is whole: where the first stop in it begins."""
    found = [text.index(stop) for stop in stops if stop in text]
    return text[: min(found, default=len(text))], bool(found)


@given(
    st.lists(st.sampled_from([*b"ab\n ", 0xC3, 0xA4, 0xF0, 0x9F, 0x98, 0x80, 256]), max_size=30), st.data()
)
@settings(max_examples=300, deadline=None)
def test_pieces_make_up_the_answer(tokens: list[int], data: st.DataObject) -> None:
    """Half a character told as a question mark, a stop across tokens, one stop within another."""
    stops = data.draw(st.lists(st.text("ab\nä", min_size=1, max_size=4), max_size=3))
    whole = b"".join(Bytes().answer_bytes(token, True) for token in tokens).decode("utf-8", "replace")
    assert told(tokens, stops) == cut(whole, stops)


def test_a_stop_that_began_before_a_shorter_one() -> None:
    """Of "abcd" and "b" the first begins first: where it ends the answer must not depend on the tokens."""
    assert told([*b"xabcde"], ["abcd", "b"]) == ("x", True)
    assert told([*b"xabce"], ["abcd", "b"]) == ("xa", True)
    assert told([*b"xab"], ["abcd", "b"]) == ("xa", True)


def test_tags_are_kept_or_left_out() -> None:
    """A tag that is left out must not be a stop either, and one that is kept is."""
    assert told([97, 256, 98], ["<box>"]) == ("a", True)
    assert told([97, 256, 98], ["<box>"], skip=True) == ("ab", False)
