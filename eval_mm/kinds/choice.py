"""Questions with lettered options.

Row: {"id", "images": [..] (or "image", or neither), "question", "choices": [..], "answer": index}, `answer`
absent where it is not public; optional "hint" and "category".

Protocol `qwen-vl` shows the options and ranks the letters " A", " B", ... by their mean log-probability per
token, as Qwen-VL's eval_mm/evaluate_multiple_choice.py; among equals the first wins. `instruct` asks for the
letter and reads it from the answer (eval_mm/metrics/choice.py). An answer made elsewhere is a letter or a
0-based index, -1 = not answered.
"""

import math
import string
from collections.abc import Callable, Sequence

from eval_mm.data import Row
from eval_mm.errors import UserError
from eval_mm.kinds.scoring import each
from eval_mm.prompt import lettered
from eval_mm.schema import Context, Image, Prediction, Prompt, Protocol, Sample, Score

INSTRUCTION = "\nAnswer with the option's letter from the given choices directly."
LETTERS = string.ascii_uppercase
UNSHOWN = 4
"""How many options a row without texts of them has: its answers can be scored, but not asked for."""


def to_sample(row: Row, unshown: bool = False) -> Sample:
    """A choice row as a sample; the target is the index of the right option."""
    return to_open_sample(row, True, unshown)


def to_open_sample(row: Row, answered: bool = False, unshown: bool = False) -> Sample:
    """A row of a split whose answers need not be public or, if `unshown`, whose options need not be known."""
    choices = () if unshown and row.fields.get("choices") == [] else row.texts("choices")
    if len(choices) > len(LETTERS):
        raise row.error("choices", f"expected at most {len(LETTERS)}, got {len(choices)}")
    known = answered or "answer" in row.fields
    return Sample(
        id=row.identifier("id"),
        images=_images(row),
        question=row.text("question"),
        choices=choices,
        target=row.index("answer", len(choices) or UNSHOWN) if known else None,
        metadata={name: text for name in ("hint", "category") if (text := row.optional(name))},
    )


def prompt_ranked(sample: Sample) -> Prompt:
    """`<img>Context: {hint or N/A}`, question, options and `Answer:`, each on a line of its own."""
    context = sample.metadata.get("hint") or "N/A"
    return (*sample.images, f"Context: {context}\n{question_and_options(sample)}")


def question_and_options(sample: Sample) -> str:
    """The last three lines of the published prompt. UserError where the options are not known."""
    _check_shown(sample)
    return f"Question: {sample.question}\nOptions: {lettered(sample.choices)}\nAnswer:"


def prompt_instruct(sample: Sample) -> Prompt:
    """Hint if there is one, question, lettered options, and the request for a letter."""
    _check_shown(sample)
    hint = f"{sample.metadata['hint']}\n" if "hint" in sample.metadata else ""
    return (*sample.images, f"{hint}{sample.question}\n{lettered(sample.choices)}{INSTRUCTION}")


def letters(sample: Sample) -> tuple[str, ...]:
    """The continuations that are ranked."""
    return tuple(f" {letter}" for letter in LETTERS[: len(sample.choices)])


def _check_shown(sample: Sample) -> None:
    if not sample.choices:
        raise UserError(
            f"sample '{sample.id}' has no options: answers to it can be scored, but it cannot be asked"
        )


def _options(sample: Sample) -> str:
    """The letters of its options."""
    return LETTERS[: len(sample.choices) or UNSHOWN]


def _judge_rank(sample: Sample, prediction: Prediction, context: Context) -> Score:
    if prediction.choice_logprobs is not None:
        if len(prediction.choice_logprobs) != len(sample.choices):
            return Score(None, "", "no log-probability for each option")
        if not all(map(math.isfinite, prediction.choice_logprobs)):
            return Score(None, "", "log-probabilities that are not finite")
        index = max(range(len(prediction.choice_logprobs)), key=prediction.choice_logprobs.__getitem__)
        # without the numbers: their last digits depend on what a model was asked at the same time
        return _score(sample, index, f"ranked first of {len(prediction.choice_logprobs)}")
    if prediction.key and prediction.error is None:
        raise UserError(
            "these answers are texts, and this protocol judges ranked options; use --protocol instruct"
        )
    return _judge_given(sample, prediction.text)


def _judge_given(sample: Sample, text: str) -> Score:
    """A letter or a 0-based index as files of answers hold them; anything else is unparsed."""
    text = text.strip()
    indices = [str(place) for place in range(len(_options(sample)))]
    if (index := text.removesuffix(".0")) in indices:  # a table with a gap turns whole numbers into floats
        return _score(sample, indices.index(index), "given as index")
    if len(text) == 1 and text.upper() in _options(sample):
        return _score(sample, LETTERS.index(text.upper()), "given as letter")
    return Score(None, "", "no letter or index of an option")


def _judge_text(sample: Sample, prediction: Prediction, context: Context) -> Score:
    if prediction.choice_logprobs is not None:
        raise UserError(
            "these answers are ranked options, and this protocol reads texts; use --protocol qwen-vl"
        )
    from eval_mm.metrics.choice import read_choice  # its patterns take a while to compile

    found = read_choice(prediction.text, sample.choices or _options(sample))
    if found is None:
        return Score(None, "", "no rule reads a letter in the answer")
    return _score(sample, found.index, f"read by the rule '{found.rule}'")


def _score(sample: Sample, index: int, explanation: str) -> Score:
    return Score(float(index == sample.target), LETTERS[index], explanation)


def _images(row: Row) -> tuple[Image, ...]:
    if "images" in row.fields:
        return row.images("images")
    return (row.image("image"),) if "image" in row.fields else ()


def ranked(prompt: Callable[[Sample], Prompt] = prompt_ranked) -> Protocol:
    """The published way: the letters are ranked after the prompt."""
    return Protocol(
        "qwen-vl",
        prompt,
        each(_judge_rank),
        min_new_tokens=0,
        max_new_tokens=1,
        choices=letters,
        example=_example,
    )


def _example(sample: Sample) -> str:
    return LETTERS[sample.target]


INSTRUCT = Protocol(
    "instruct", prompt_instruct, each(_judge_text), min_new_tokens=0, max_new_tokens=16, chat=True
)


def letters_chosen(
    samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
) -> list[str]:
    """The letter of every answer, "" where none can be read: for submission files."""
    chosen = []
    for sample, prediction in zip(samples, predictions, strict=True):
        judge = _judge_text if prediction.key and prediction.choice_logprobs is None else _judge_rank
        chosen.append("" if prediction.error is not None else judge(sample, prediction, context).answer)
    return chosen
