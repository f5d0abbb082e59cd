"""The window of a conversation and its structure, on a vocabulary of bytes: nothing recorded is needed."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vl.chat import chat_context
from qwen_vl.prompt import ImagePart, TokenPrompt, build_prompt
from qwen_vl.tokenizer import SPECIAL_TOKENS, Tokenizer

SMALL = Tokenizer({bytes([value]): value for value in range(256)}, 4)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(st.sampled_from([*SPECIAL_TOKENS[:4], *SPECIAL_TOKENS[-9:], "a", "\n", " ", "é"])).map(
            "".join
        ),
        min_size=3,
        max_size=3,
    )
)
def test_any_typed_text_leaves_the_turns_alone(texts: list[str]) -> None:
    """Whatever is typed, the special ids of a conversation are those of the same one with harmless words."""
    query, asked, answered = (build_prompt(SMALL, [text]) for text in texts)
    prompt = chat_context(SMALL, query, [(asked, answered)], system=texts[0])
    specials = [token for token in prompt.ids if token >= SMALL.n_ranks]
    start, end = SMALL.special_id("<|im_start|>"), SMALL.special_id("<|im_end|>")
    assert specials == [start, end] * 4 + [start]


def _turn(text: str, n_images: int = 0) -> tuple[TokenPrompt, TokenPrompt]:
    images = [ImagePart(torch.full((3, 2, 2), float(len(text)))) for _ in range(n_images)]
    return build_prompt(SMALL, [*images, text]), build_prompt(SMALL, ["answer"])


def test_the_window_counts_system_and_turns_but_not_the_question() -> None:
    """Kept is what stays strictly below the window; a long question pushes nothing out, as published."""
    history = [_turn("first", 1), _turn("second"), _turn("third", 1)]
    sizes = []
    for kept in range(4):
        whole = chat_context(SMALL, build_prompt(SMALL, ["?"]), history[3 - kept :], "system")
        sizes.append(len(whole.ids))
    question = len(chat_context(SMALL, build_prompt(SMALL, ["?"]), (), "system").ids)
    system = len("system") + len("system\n") + 2
    for kept in (1, 2, 3):
        exact = system + sizes[kept] - question
        for window, expected in ((exact, kept - 1), (exact + 1, kept)):
            for query in ("?", "a long question " * 40):
                asked = build_prompt(SMALL, [query])
                found = chat_context(SMALL, asked, history, "system", window)
                assert found.ids == chat_context(SMALL, asked, history[3 - expected :], "system").ids
    assert len(chat_context(SMALL, build_prompt(SMALL, ["?"]), history, "system", 0).ids) == question


def test_pictures_go_with_their_turns() -> None:
    """A dropped turn's picture left in the list would be shown in place of the next one."""
    history = [_turn("first", 1), _turn("second", 2)]
    query = build_prompt(SMALL, [ImagePart(torch.zeros(3, 2, 2)), "?"])
    everything = chat_context(SMALL, query, history, "s")
    assert [int(image[0, 0, 0]) for image in everything.images] == [5, 6, 6, 0]
    cut = chat_context(SMALL, query, history, "s", len(everything.ids) - len(query.ids) - 20)
    assert [int(image[0, 0, 0]) for image in cut.images] == [6, 6, 0]
    assert cut.ids.count(SMALL.image_start_id) == 3


def test_a_turn_without_an_answer_ends_in_an_empty_line() -> None:
    """The published context of a history whose response is None has two line ends there."""
    asked, query = build_prompt(SMALL, ["a"]), build_prompt(SMALL, ["b"])
    found = SMALL.decode(chat_context(SMALL, query, [(asked, None)], "s").ids)
    assert found == (
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
        "\n<|im_start|>user\nb<|im_end|>\n<|im_start|>assistant\n"
    )
