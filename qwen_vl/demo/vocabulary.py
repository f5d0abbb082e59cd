"""A small byte-pair vocabulary for the demo model, trained on a fixed text about coloured shapes.

The official tokenizer's pattern cuts the text into pieces, so digits stay single tokens here too. Training is
the plain algorithm: join the most frequent pair, over and over (https://arxiv.org/abs/1508.07909).
"""

import base64
from collections import Counter
from itertools import pairwise, product

import regex  # type: ignore[import-untyped]

from qwen_vl.tokenizer import PATTERN

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "purple", "orange", "gray", "brown", "pink")
SHAPES = ("square", "circle", "triangle", "rectangle", "star", "line", "cross", "crosse", "shape", "thing")
PLACES = ("on the left", "on the right", "at the top", "at the bottom", "in the middle", "in the corner")
SIZES = ("small", "medium", "large", "big", "little")
QUESTIONS = (
    "What colour is the {shape} {place}? Answer:",
    "How many {colour} {shape}s are there in the picture? Answer:",
    "Is there a {colour} {shape} {place}? Answer: yes",
    "Is the {shape} larger than the {colour} {shape}? Answer: no",
    "What is the {size} {colour} thing {place}? Answer: {shape}",
    "Which is next to the {colour} {shape}? Options: A. {shape} B. {colour} C. {size} D. other Answer:",
    "Context: N/A\nQuestion: Which colour has the {shape}?\nOptions: A. {colour}\nB. red\nAnswer:",
    "Describe the image in English: a {size} {colour} {shape} {place} of a white image.",
    "Describe the image in English: there are two {colour} {shape}s and one {shape} {place}.",
    "The image shows a {colour} {shape} above a {size} {shape} and below another.",
    "the {size} {colour} {shape} {place}",
    "{colour} {shape} {place}",
    "{size} {shape} {place}",
    "{shape} above the {colour} {shape}",
    "(12,34),(56,78) {colour} {shape} (90,123),(456,789)",
    "What shape is the {colour} thing? Answer: {shape}",
    "What is at (120,340)? Answer: {colour} {shape}",
    "Where is the {size} {colour} {shape}? Answer: top left, top, top right, left, middle, bottom right",
    "Describe the image in English: A {size} {colour} {shape} and a {size} {colour} {shape}.",
    "What number is written? Answer: 42 What word is written? Answer: A card with the number 7, the word.",
    "How many letters are written? How many digits are written? Is the number 3 written? A {size} {colour} "
    "{shape} on a plain pale ground. Where is the {shape}? the one {place} of the picture, near the {shape}",
)

SENTENCES = (
    "A dog is sitting under the table, looking at the cat. A man and a woman are standing by the door.",
    "What is written on the sign? What number is on the shirt? Who is holding the book? Where is the car?",
    "This chart shows the total for each year. What is the difference of the first and the second value?",
    "Please answer with one word. Can you find the person in the photo? Yes, it is true. No, it is not.",
)


def corpus() -> str:
    """The training text: every question with every colour, shape and place, then some other sentences."""
    words = product(QUESTIONS, COLOURS, SHAPES, PLACES)
    lines = [
        question.format(colour=colour, shape=shape, place=place, size=SIZES[i % len(SIZES)])
        for i, (question, colour, shape, place) in enumerate(words)
    ]
    return "\n".join([*lines, *SENTENCES])


def train(text: str, n_ranks: int) -> list[bytes]:
    """The tokens of a vocabulary in the order of their ranks: 256 bytes, then the pairs most worth
    joining.
    """
    tokens = [bytes([value]) for value in range(256)]
    pieces = Counter(regex.findall(PATTERN, text))
    words = {tuple(bytes([value]) for value in piece.encode()): count for piece, count in pieces.items()}
    while len(tokens) < n_ranks:
        pairs: Counter[tuple[bytes, bytes]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            raise ValueError(f"the text is used up after {len(tokens)} of {n_ranks} ranks")
        best = max(pairs, key=lambda pair: (pairs[pair], pair))  # ties by bytes, so the result is one
        tokens.append(best[0] + best[1])
        words = {_joined(word, best): count for word, count in words.items()}
    return tokens


def _joined(word: tuple[bytes, ...], pair: tuple[bytes, bytes]) -> tuple[bytes, ...]:
    joined: list[bytes] = []
    for part in word:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def vocabulary_text(tokens: list[bytes]) -> str:
    """The vocabulary file of these tokens."""
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))
