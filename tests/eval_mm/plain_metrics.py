"""VQA accuracy and ANLS as published, slowly and plainly: what the fast ones must equal.

Nothing here is shared with eval_mm but the tables. benchmarks/scoring measures against these functions.
"""

import re
from collections.abc import Sequence

from eval_mm.metrics.vqa_tables import ARTICLES, CONTRACTIONS, NUMBER_WORDS

MARKS = [*';/[]"{}()=+\\_-><@`,?!']
FULL_STOP = re.compile(r"(?!<=\d)(\.)(?!\d)")  # the look-behind is mistyped in the published code, too
COMMA = re.compile(r"(\d)(\,)(\d)")
FLAG_TAKEN_FOR_A_COUNT = int(re.UNICODE)


def punctuation(text: str) -> str:
    result = text
    for mark in MARKS:
        if mark + " " in text or " " + mark in text or re.search(COMMA, text) is not None:
            result = result.replace(mark, "")
        else:
            result = result.replace(mark, " ")
    return FULL_STOP.sub("", result, count=FLAG_TAKEN_FOR_A_COUNT)


def digits_and_articles(text: str) -> str:
    words = []
    for word in text.lower().split():
        number = NUMBER_WORDS.get(word, word)
        if number not in ARTICLES:
            words.append(number)
    for index, word in enumerate(words):
        if word in CONTRACTIONS:
            words[index] = CONTRACTIONS[word]
    return " ".join(words)


def stripped(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def evalai(text: str) -> str:
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return digits_and_articles(punctuation(stripped(text)))


def vqa_accuracy(prediction: str, answers: Sequence[str], variant: str) -> float:
    references = list(answers)
    if variant == "textvqa":
        prediction = evalai(prediction)
        references = [evalai(answer) for answer in references]
    elif variant == "qwen-vl":
        prediction = digits_and_articles(punctuation(stripped(prediction)))
        if len(set(references)) > 1:
            references = [punctuation(answer) for answer in references]
    else:
        prediction = stripped(prediction)
        references = [stripped(answer) for answer in references]
        if len(set(references)) > 1:
            references = [digits_and_articles(punctuation(answer)) for answer in references]
            prediction = digits_and_articles(punctuation(prediction))
    accuracies = []
    for left_out in range(len(references)):
        others = [answer for index, answer in enumerate(references) if index != left_out]
        matching = [answer for answer in others if answer == prediction]
        accuracies.append(min(1, len(matching) / 3))
    return sum(accuracies) / len(accuracies)


def levenshtein(one: str, other: str) -> int:
    if len(one) > len(other):
        one, other = other, one
    above = list(range(len(one) + 1))
    for row, letter in enumerate(other):
        current = [row + 1]
        for column, against in enumerate(one):
            if letter == against:
                current.append(above[column])
            else:
                current.append(1 + min(above[column], above[column + 1], current[-1]))
        above = current
    return above[-1]


def anls(prediction: str, answers: Sequence[str], threshold: float = 0.5) -> float:
    distances = []
    for answer in answers:
        distance = levenshtein(" ".join(answer.lower().split()), " ".join(prediction.lower().split()))
        length = max(len(answer.upper()), len(prediction.upper()))
        distances.append(distance / length if length else 0.0)
    similarity = 1 - min(distances)
    return similarity if similarity >= threshold else 0.0
