r"""Lessons in choosing: questions with options in the prompts of ScienceQA, MMBench and SEED-Bench.

They are asked about pictures (kind `options`) and about clips of four frames (kind `clip`), whose frames
stand on lines of their own. A base model goes on with a letter, and with the answer where no options are
shown, since letters alone say too little of what is to be learned:

    Context: N/A\nQuestion: ..\nOptions: A. ..\nB. ..\nAnswer:     ScienceQA, MMBench; with a hint or without
    \nQuestion: ..\nOptions: A. ..\nB. ..\nAnswer:                 SEED-Bench
    \n.. Answer:                                                  without options
"""

import random

from data_scripts.drawn import clips, options
from data_scripts.drawn.clips import Clip
from data_scripts.drawn.conversations import Picture
from data_scripts.drawn.options import Ask, Asked
from data_scripts.drawn.turns import Turn
from eval_mm.prompt import lettered

KINDS = ("options", "clip")

ASKS: tuple[Ask, ...] = (
    *(options.overall, options.colour, options.shape, options.count, options.place, options.relation),
    *(options.common, options.corners, options.text, options.author, options.cover, options.tallest),
    *(options.part, options.label, options.largest),
)
"""All but `reasoning`, which stays a kind of question that no lesson asks."""

HINTS = (
    "The picture is drawn.",
    "Look at the whole picture.",
    "A shape has a colour, a size and a place.",
    "Print is in capitals. Names and words are written in small letters here.",
    "A triangle has 3 corners, a square 4, a star 10 and a cross 12. A circle has none.",
)

EACH = 5
"""Questions about a picture."""

LETTERS = "ABCDE"


def about_picture(picture: Picture, rng: random.Random) -> list[Turn]:
    """Five questions, some of them the same with other options, and one without options."""
    asked: list[Asked] = []
    for ask in rng.sample(ASKS, len(ASKS)):
        found = ask(picture, rng) if len(asked) < EACH else None
        asked += [found] if found else []
    listed = [
        _listed("options", asked[number % len(asked)], rng.choice((2, 3, 4, 4, 4, 5)), rng)
        for number in range(EACH)
    ]
    return [_plain("options", asked[0]), *listed]


def about_clip(clip: Clip, rng: random.Random) -> list[Turn]:
    """Its two questions, each with its options in two orders, and without."""
    asked = [Asked(one.text, one.answer, one.wrong) for one in clips.questions(clip, rng)]
    listed = [_listed("clip", one, 4, rng, clip=True) for one in (*asked, *asked)]
    return [*(_plain("clip", one) for one in asked), *listed]


def _listed(kind: str, asked: Asked, most: int, rng: random.Random, clip: bool = False) -> Turn:
    """With up to `most` options; SEED-Bench's prompt for clips, either one for pictures."""
    texts = [asked.answer, *asked.wrong[: most - 1]]
    rng.shuffle(texts)
    seed_bench = clip or rng.random() < 0.4
    context = "" if seed_bench else f"Context: {rng.choice(HINTS) if rng.random() < 0.3 else 'N/A'}"
    question = f"{context}\nQuestion: {asked.question}\nOptions: {lettered(texts)}\nAnswer:"
    return Turn(kind, question, f" {LETTERS[texts.index(asked.answer)]}")


def _plain(kind: str, asked: Asked) -> Turn:
    return Turn(kind, f"\n{asked.question} Answer:", f" {asked.answer}")
