"""What several people would say about one picture: mostly the same, now and then in other words."""

import random

from data_scripts.drawn.conversations import Picture, caption, conversations
from data_scripts.drawn.scenes import Scene

OTHER_WORDS = {
    "yes": ("yes it is", "yeah"),
    "no": ("nope", "no it isn't"),
    "unanswerable": ("unsuitable", "i don't know"),
    "red": ("dark red",),
    "green": ("dark green",),
    "blue": ("dark blue",),
    "yellow": ("gold",),
    "purple": ("violet",),
    "circle": ("disc", "round"),
    "triangle": ("a triangle",),
    "square": ("box", "a square"),
    "star": ("a star",),
    "cross": ("plus", "plus sign"),
    "top left": ("upper left", "corner"),
    "top right": ("upper right", "corner"),
    "bottom left": ("lower left", "corner"),
    "bottom right": ("lower right", "corner"),
    "middle": ("center",),
    **{str(number): (word,) for number, word in enumerate(("none", "one", "two", "three", "four"))},
}
"""What a few say in place of the word that most say."""

SENTENCES = (
    "{0}.",
    "This is {0}.",
    "A picture of {0}.",
    "There is {0}.",
    "The image shows {0}.",
    "A drawing of {0}.",
    "One can see {0}.",
    "Here is {0}",
    "{0}, drawn on a computer.",
    "A simple image with {0}.",
)


def answers(answer: str, rng: random.Random, number: int = 10) -> list[str]:
    """The answers of ten people, as the VQA benchmarks collect them."""
    others = OTHER_WORDS.get(answer, ())
    said = [rng.choice(others) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))] if others else []
    said = [answer] * (number - len(said)) + said
    rng.shuffle(said)
    return said


def captions(picture: Picture, rng: random.Random, number: int) -> list[str]:
    """As many descriptions, up to ten, each in a sentence of its own; not all tell everything."""
    bodies = [_lower(text) for text in _tellings(picture, rng)]
    chosen = rng.sample(SENTENCES, number)
    texts = [sentence.format(rng.choice(bodies)) for sentence in chosen]
    return [text[0].upper() + text[1:] for text in texts]


def _tellings(picture: Picture, rng: random.Random) -> list[str]:
    """The same content in different order or with less in it."""
    if not isinstance(picture, Scene):
        turns = conversations(picture, rng)
        return [turn.answer.strip().removesuffix(".") for turn in turns if turn.kind == "caption"]
    full = caption(picture).removesuffix(".")
    things = [f"a {shape.colour} {shape.kind}" for shape in sorted(picture.shapes, key=lambda s: s.centre)]
    backwards = " and ".join([", ".join(things[:0:-1]), things[0]] if len(things) > 1 else things)
    return [full, full, " and ".join(things), backwards]


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
