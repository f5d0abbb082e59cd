"""Made-up answers with the shape of real ones, the same for every run of a seed.

Shapes were counted on real rows. VQAv2 (2,962 questions, ten answers each): how many people agree, and that
ten texts make 60 % of all answers and a hundred 75 %; a thousand make 92 % there and 88 % here, so that a
memory is not flattered; 0.7 % of the answers hold a mark, here about 1 %. DocVQA (5,349 questions, 1,000 real
answers): lengths, references a question, 86 % right, 8 % nearly, 6 % wrong.
"""

import random
from typing import NamedTuple

SEED = 20_260_101

HEAD = ["yes", "no", "2", "1", "3", "4", "0", "white", "5", "red"]
AGREEING = {1: 9, 2: 51, 3: 60, 4: 62, 5: 64, 6: 84, 7: 79, 8: 84, 9: 148, 10: 358}
"""How many of ten people gave the commonest answer: questions of a thousand."""

RANKS = {10: 600, 100: 150, 1_000: 120, 10_000: 80, 200_000: 50}
"""Of a thousand answers, 600 are of the ten commonest texts, 150 of those that follow up to rank 100, ..."""

SYLLABLES = [
    *"aeiou",
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "ki",
    "lo",
    "mer",
    "na",
    "pi",
    "sta",
    "ter",
    "un",
    "xi",
]


class Question(NamedTuple):
    """One answer to score and its references."""

    prediction: str
    references: list[str]


def visual_questions(count: int) -> list[Question]:
    """Questions with ten references and an answer that is the commonest of them for 70 %.

    Of the answers, 5 % begin with a capital and 5 % end with a full stop, as models like to write.
    """
    rng = random.Random(SEED)
    texts = _vocabulary(rng, max(RANKS))
    bounds, weights = [0, *RANKS], list(RANKS.values())

    def drawn() -> str:
        segment = rng.choices(range(len(RANKS)), weights)[0]
        low, high = bounds[segment], bounds[segment + 1]
        return texts[
            int((low + 1) * ((high + 1) / (low + 1)) ** rng.random()) - 1
        ]  # 1 / rank inside a segment

    questions = []
    for _ in range(count):
        common, second = drawn(), drawn()
        agreeing = rng.choices(list(AGREEING), list(AGREEING.values()))[0]
        others = [second if rng.random() < 0.5 else drawn() for _ in range(10 - agreeing)]
        references = [common] * agreeing + others
        rng.shuffle(references)
        prediction = common if rng.random() < 0.7 else drawn()
        if rng.random() < 0.05:
            prediction = prediction.capitalize()
        if rng.random() < 0.05:
            prediction += "."
        questions.append(Question(prediction, references))
    return questions


def document_questions(count: int) -> list[Question]:
    """Questions with one to three references of 1 to 120 characters, 10 in the middle, 13 on average."""
    rng = random.Random(SEED)
    questions = []
    for _ in range(count):
        length = max(1, min(120, round(rng.lognormvariate(2.3, 0.75))))
        answer = _phrase(rng, length)
        references = [answer, answer.upper(), _phrase(rng, length)][: rng.choices((1, 2, 3), (55, 38, 7))[0]]
        kind = rng.choices(("right", "near", "wrong"), (86, 8, 6))[0]
        if kind == "near":
            place = rng.randrange(length)
            answer = f"{answer[:place]}{rng.choice('aeiou ')}{answer[place + 1 :]}."
        questions.append(Question(_phrase(rng, length) if kind == "wrong" else answer, references))
    return questions


def _vocabulary(rng: random.Random, size: int) -> list[str]:
    """Distinct texts by rank: 12 % of several words, some with articles, contractions, numbers or marks."""
    texts = dict.fromkeys(HEAD)
    while len(texts) < size:
        words = [_word(rng) for _ in range(rng.choices((1, 2, 3, 4), (88, 7, 4, 1))[0])]
        if rng.random() < 0.04:
            words.insert(0, rng.choice(["a", "the", "two", "dont", "it's", "none"]))
        text = " ".join(words)
        if rng.random() < 0.02:
            text = rng.choice(["{}.", "{}/tree", "t-{}", "{}, {}", "1,0{}", '"{}"', "{}?"]).replace(
                "{}", text
            )
        texts[text] = None
    return [*texts]


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=rng.randint(1, 4)))


def _phrase(rng: random.Random, length: int) -> str:
    phrase = _word(rng).capitalize()
    while len(phrase) < length:
        phrase += rng.choice([" ", " ", ", ", " $1,0", "-"]) + _word(rng)
    return phrase[:length]
