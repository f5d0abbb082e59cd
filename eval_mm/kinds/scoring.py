"""From a function that judges one answer to one that judges them all."""

from collections.abc import Callable, Sequence

from eval_mm.schema import Context, Prediction, Sample, Score, Scorer


def each(judge: Callable[[Sample, Prediction, Context], Score]) -> Scorer:
    """A Scorer of a function that needs to see one answer only."""

    def score(
        samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
    ) -> Sequence[Score]:
        pairs = zip(samples, predictions, strict=True)
        return [judge(sample, prediction, context) for sample, prediction in pairs]

    return score
