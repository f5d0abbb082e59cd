r"""Questions with their answers, in the texts of the benchmark prompts (protocol qwen-vl)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from data_scripts.drawn.scenes import Box

LETTERS = "ABCD"


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer. `question` is all that follows the image in the prompt."""

    kind: str
    """One of `conversations.ASKED`."""

    question: str
    answer: str
    """As a base model continues the prompt, so with a space before it, except after `<box>`."""

    box: Box | None = None
    """Grounding: the shape's box in pixels, x1, y1, x2, y2."""


def short(kind: str, question: str, answer: str) -> Turn:
    """A question that is answered in a word or two."""
    return Turn(kind, f"{question} Answer:", f" {answer}")


def caption(text: str) -> Turn:
    """The description of a picture."""
    return Turn("caption", "Describe the image in English:", f" {text}")


def yes_no(form: str, true: str, false: str) -> list[Turn]:
    """A question with yes and one of the same form with no, so that the form tells nothing.

    `form` has `{}` where the word goes that makes the difference.
    """
    return [short("yes/no", form.format(true), "yes"), short("yes/no", form.format(false), "no")]


def choice(turn: Turn, words: Sequence[str], preferred: Sequence[str], rng: random.Random) -> Turn:
    """A question with three or four lettered options, wrong ones from `words`, those in `preferred` first."""
    answer, question = turn.answer.strip(), turn.question.removesuffix(" Answer:")
    wrong = sorted(set(words) - {answer})
    rng.shuffle(wrong)
    wrong.sort(key=lambda word: word not in preferred)
    options = [answer, *wrong[: rng.randint(2, 3)]]
    rng.shuffle(options)
    listed = "\n".join(
        f"{letter}. {option}" for letter, option in zip(LETTERS[: len(options)], options, strict=True)
    )
    letter = LETTERS[options.index(answer)]
    return Turn("choice", f"Context: N/A\nQuestion: {question}\nOptions: {listed}\nAnswer:", f" {letter}")
