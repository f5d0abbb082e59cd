"""Benchmarks with a known true number, answered by chance: what intervals and tests are tried out on.

Every question has its own probability of a right answer, which the questions of a picture share; the true
number is the mean over all questions there could be. Probabilities are drawn from beta distributions, whose
moments are known.
"""

from collections.abc import Callable

import numpy as np

from eval_mm.paired import paired
from eval_mm.stats import Units, metric_of

SUBTASKS = (30, 30, 30, 30, 147, 170, 200, 200, 200, 20)
"""Pictures of MME's ten sub-tasks of perception."""

Draw = Callable[[np.random.Generator], tuple[Units, float]]
"""Draws one benchmark and its answers; the second is the true number."""

Pair = Callable[[np.random.Generator], tuple[Units, Units]]
"""Two runs of the same benchmark that are equally good."""


def accuracy(pictures: int, rate: float, most_questions: int = 6, alike: float = 0.4) -> Draw:
    """Right or wrong; `alike` is the correlation of questions about one picture."""

    def draw(random: np.random.Generator) -> tuple[Units, float]:
        a, b = rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1)
        picture = np.repeat(np.arange(pictures), random.integers(1, most_questions + 1, pictures))
        right = random.random(len(picture)) < random.beta(a, b, pictures)[picture]
        return Units((100.0 * right).tolist(), picture.tolist()), 100 * rate

    return draw


def cider(pictures: int) -> Draw:
    """Skewed as CIDEr is: many captions near 0 and a few far above the mean of 80."""

    def draw(random: np.random.Generator) -> tuple[Units, float]:
        values = 80 * random.gamma(1.2, 1 / 1.2, pictures)
        return Units(values.tolist(), list(range(pictures)), most=1000.0, bootstrap=True), 80.0

    return draw


def circular(questions: int, rate: float) -> Draw:
    """Right only where each of 2 to 4 rotations is, each with the question's own probability."""

    def draw(random: np.random.Generator) -> tuple[Units, float]:
        rotations = random.integers(2, 5, questions)
        right = random.random(questions) < random.beta(4 * rate, 4 * (1 - rate), questions) ** rotations
        return Units((100.0 * right).tolist(), list(range(questions)), bootstrap=True), 100 * truth

    moments, a = [1.0], 4 * rate
    for k in range(4):
        moments.append(moments[-1] * (a + k) / (4 + k))
    truth = sum(moments[2:5]) / 3
    return draw


def mme(rate: float = 0.8) -> Draw:
    """The sum of ten sub-tasks: 100 x accuracy and 100 x both questions of a picture right."""

    def draw(random: np.random.Generator) -> tuple[Units, float]:
        values: list[float] = []
        strata: list[str] = []
        for place, pictures in enumerate(SUBTASKS):
            chance = random.beta(3 * rate, 3 * (1 - rate), pictures)
            right = random.random((pictures, 2)) < chance[:, None]
            values += (100 * (right.mean(1) + right.all(1))).tolist()
            strata += [str(place)] * pictures
        units = Units(values, list(range(len(values))), strata, 200.0 * len(SUBTASKS), bootstrap=True)
        return units, 100 * len(SUBTASKS) * (rate + rate * (3 * rate + 1) / 4)

    return draw


def equal_runs(pictures: int, most_questions: int = 6) -> Pair:
    """Two models that are as good, each better at some pictures."""

    def draw(random: np.random.Generator) -> tuple[Units, Units]:
        picture = np.repeat(np.arange(pictures), random.integers(1, most_questions + 1, pictures))
        easy = random.normal(0.5, 1.0, pictures)
        runs = []
        for _ in range(2):
            chance = 1 / (1 + np.exp(-easy - random.normal(0.0, 0.7, pictures)))
            right = random.random(len(picture)) < chance[picture]
            runs.append(Units((100.0 * right).tolist(), picture.tolist()))
        return runs[0], runs[1]

    return draw


def hardly_differing_runs(pictures: int, part: float) -> Pair:
    """Two versions of one model, which differ on a small part of the questions, one for each picture."""

    def draw(random: np.random.Generator) -> tuple[Units, Units]:
        right = random.random(pictures) < 0.7
        differs, first = random.random(pictures) < part, random.random(pictures) < 0.5
        values = [100.0 * (right & ~differs | differs & one) for one in (first, ~first)]
        one, other = (Units(row.tolist(), list(range(pictures))) for row in values)
        return one, other

    return draw


def equal_captions(pictures: int) -> Pair:
    """Two captioning models that are as good: skewed scores, and pictures that are hard for both."""

    def draw(random: np.random.Generator) -> tuple[Units, Units]:
        easy = random.gamma(2.0, 0.5, pictures)
        one, other = (80 * easy * random.gamma(1.5, 1 / 1.5, pictures) for _ in range(2))
        names = list(range(pictures))
        return (
            Units(one.tolist(), names, most=1000.0, bootstrap=True),
            Units(other.tolist(), names, most=1000.0, bootstrap=True),
        )

    return draw


def equal_mme_runs(rate: float = 0.8) -> Pair:
    """Two models that are as good at all of perception: the same chances, drawn twice."""

    def draw(random: np.random.Generator) -> tuple[Units, Units]:
        values: tuple[list[float], list[float]] = ([], [])
        strata: list[str] = []
        for place, pictures in enumerate(SUBTASKS):
            chance = random.beta(3 * rate, 3 * (1 - rate), pictures)
            for run in values:
                right = random.random((pictures, 2)) < chance[:, None]
                run.extend((100 * (right.mean(1) + right.all(1))).tolist())
            strata += [str(place)] * pictures
        names = list(range(len(strata)))
        one, other = (Units(run, names, strata, 200.0 * len(SUBTASKS), bootstrap=True) for run in values)
        return one, other

    return draw


def coverage(draw: Draw, times: int, seed: int) -> float:
    """The part of so many benchmarks whose 95 % interval holds the true number."""
    random = np.random.default_rng(seed)
    held = 0
    for _ in range(times):
        units, truth = draw(random)
        interval = metric_of(units).ci95
        assert interval is not None
        held += interval[0] - 1e-9 <= truth <= interval[1] + 1e-9
    return held / times


def called_different(pair: Pair, times: int, seed: int) -> float:
    """The part of so many equal pairs of which one is called better, at p < 0.05."""
    random = np.random.default_rng(seed)
    return sum(paired(*pair(random)).better != 0 for _ in range(times)) / times
