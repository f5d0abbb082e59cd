"""Questions with a short answer in free text: VQA, documents, charts, book covers.

Row: {"id", "image", "question", "answers": [..]}, `answers` absent where they are not public; optional
"question_type" and "answer_type".

The published run scripts strip an answer before they write it down; here it is stripped before it is judged.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from eval_mm.data import Row
from eval_mm.kinds.scoring import each
from eval_mm.metrics import anls, exact, gqa, relaxed, vqa
from eval_mm.schema import (
    Context,
    Metrics,
    Normalisation,
    Prediction,
    Prompt,
    Protocol,
    Sample,
    Score,
    Submission,
    Task,
    path_of,
)
from eval_mm.stats import mean_metric, mean_of

INSTRUCTION = "\nAnswer the question using a single word or phrase."
TYPES = ("answer_type", "question_type")


@dataclass(frozen=True, slots=True)
class Rule:
    """A named way to compare an answer with its references, and the steps both go through before."""

    name: str
    value: Callable[[str, Sequence[str]], float]
    steps: Callable[[Sequence[str]], Normalisation]


def _vqa(variant: vqa.Variant) -> Rule:
    return Rule(
        f"VQA accuracy ({variant})",
        lambda text, answers: vqa.vqa_accuracy(text, answers, variant),
        lambda answers: Normalisation(
            vqa.prediction_steps(answers, variant), vqa.reference_steps(answers, variant)
        ),
    )


def _anls(name: str, strict: bool) -> Rule:
    return Rule(
        name,
        lambda text, answers: anls.anls(text, answers, strict=strict),
        lambda answers: Normalisation(anls.STEPS, anls.STEPS),
    )


def _relaxed(variant: relaxed.Variant) -> Rule:
    return Rule(
        f"relaxed accuracy ({variant}), numbers within 5 % or texts equal but for case:",
        lambda text, answers: relaxed.relaxed_accuracy(text, answers, variant),
        lambda answers: Normalisation(relaxed.STEPS),
    )


VQA_QWEN_VL, VQA_OFFICIAL, VQA_TEXTVQA = _vqa("qwen-vl"), _vqa("official"), _vqa("textvqa")
ANLS, ANLS_STRICT = _anls("ANLS", strict=False), _anls("ANLS, strict", strict=True)
RELAXED_QWEN_VL, RELAXED_OFFICIAL = _relaxed("qwen-vl"), _relaxed("official")
EXACT = Rule(
    "exact match, case ignored",
    exact.exact_match,
    lambda answers: Normalisation(exact.STEPS, exact.STEPS),
)
GQA_QWEN_VL = Rule(
    "GQA exact match (qwen-vl)",
    lambda text, answers: gqa.gqa_accuracy(text, answers, "qwen-vl"),
    lambda answers: Normalisation(gqa.CLEAN_UP, exact.STEPS),
)
GQA_OFFICIAL = Rule(
    "GQA exact match (official)",
    lambda text, answers: gqa.gqa_accuracy(text, answers, "official"),
    lambda answers: Normalisation(gqa.OFFICIAL),
)


def to_sample(row: Row) -> Sample:
    """A vqa row as a sample; the target is the tuple of reference answers."""
    return _sample(row, row.texts("answers"))


def to_open_sample(row: Row) -> Sample:
    """A row of a split whose answers need not be public."""
    return _sample(row, row.texts("answers") if "answers" in row.fields else None)


def _sample(row: Row, target: tuple[str, ...] | None) -> Sample:
    return Sample(
        id=row.identifier("id"),
        images=(row.image("image"),),
        question=row.text("question"),
        target=target,
        metadata={name: value for name in TYPES if (value := row.optional(name)) is not None},
    )


def prompt_qwen_vl(sample: Sample) -> Prompt:
    """`<img>{question} Answer:`: the model goes on with the answer."""
    return (*sample.images, f"{sample.question} Answer:")


def prompt_instruct(sample: Sample) -> Prompt:
    """The question, and how to answer it."""
    return (*sample.images, sample.question + INSTRUCTION)


def references(sample: Sample) -> Sequence[str]:
    """The reference answers of a vqa row."""
    answers: Sequence[str] = sample.target
    return answers


def example(sample: Sample) -> str:
    """What a few-shot example answers: what most annotators said; of several, who said it first."""
    return Counter(references(sample)).most_common(1)[0][0]


def protocol(
    name: str,
    rule: Rule,
    max_new_tokens: int,
    answers: Callable[[Sample], Sequence[str]] = references,
    example: Callable[[Sample], str] = example,
) -> Protocol:
    """A protocol that asks `<img>{question} Answer:` and judges by the rule; at least one new token."""

    def judge(sample: Sample, prediction: Prediction, context: Context) -> Score:
        text = prediction.text.strip()
        value = rule.value(text, answers(sample))
        return Score(value, text, f"{rule.name} {value:.4g}")

    return Protocol(
        name,
        prompt_qwen_vl,
        each(judge),
        min_new_tokens=1,
        max_new_tokens=max_new_tokens,
        example=example,
        steps=lambda sample: rule.steps(answers(sample)),
    )


def protocols(max_new_tokens: int, qwen_vl: Rule, official: Rule) -> tuple[Protocol, ...]:
    """`qwen-vl`, `official` where its rule is another, `instruct` with the official rule."""
    asked = [protocol("qwen-vl", qwen_vl, max_new_tokens)]
    if official is not qwen_vl:
        asked.append(protocol("official", official, max_new_tokens))
    return (*asked, instruct(official))


def instruct(rule: Rule) -> Protocol:
    """The question with the usual short-answer instruction as a chat turn."""
    like = protocol("instruct", rule, 32)
    return Protocol(
        "instruct",
        prompt_instruct,
        like.score,
        min_new_tokens=0,
        max_new_tokens=32,
        chat=True,
        steps=like.steps,
    )


def task(
    name: str,
    num_samples: int | None,
    protocols: tuple[Protocol, ...],
    metrics: Callable[[Sequence[Sample], Sequence[Score]], Metrics],
    families: tuple[str, ...],
    submission: Submission | None = None,
) -> Task:
    """A split of short answers; with a submission file its answers need not be public."""
    return Task(
        name,
        path_of(name),
        num_samples,
        to_open_sample if submission else to_sample,
        protocols,
        metrics,
        families,
        submission=submission,
    )


def types_of(sample: Sample) -> Iterator[str]:
    """The breakdowns of a row that states its types: `answer_type=number`, `question_type=how many`."""
    for name in TYPES:
        if name in sample.metadata:
            yield f"{name}={sample.metadata[name]}"


def anls_metrics(samples: Sequence[Sample], scores: Sequence[Score]) -> Metrics:
    """ANLS as the published scorer has it, then `anls_strict`, the formula of the paper, and the parts."""
    first, *parts = mean_metric("anls", types_of)(samples, scores).items()
    strict = [
        ANLS_STRICT.value(score.answer, references(sample))
        for sample, score in zip(samples, scores, strict=True)
    ]
    return dict([first, ("anls_strict", mean_of(samples, strict)), *parts])
