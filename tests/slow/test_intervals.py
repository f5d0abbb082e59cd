"""Error bars of skewed numbers and of sums, against simulated truth. `make test-slow` only."""

import pytest

from tests.eval_mm import simulated

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "draw",
    [
        simulated.accuracy(100, 0.3),
        simulated.accuracy(1_000, 0.9),
        simulated.cider(300),
        simulated.cider(1_000),
        simulated.circular(300, 0.8),
        simulated.circular(1_164, 0.8),
        simulated.mme(),
    ],
    ids=["accuracy 100", "accuracy 1000", "CIDEr 300", "CIDEr 1000", "circular 300", "MMBench", "MME"],
)
def test_intervals_hold_the_true_number(draw: simulated.Draw) -> None:
    """An error bar that is too short makes models differ that do not; one too long hides what was found."""
    assert 0.93 <= simulated.coverage(draw, 1_000, seed=2) <= 0.97


@pytest.mark.parametrize(
    "pair",
    [
        simulated.equal_runs(50, 10),
        simulated.equal_runs(300),
        simulated.hardly_differing_runs(300, 0.1),
        simulated.hardly_differing_runs(1_000, 0.02),
        simulated.equal_captions(300),
        simulated.equal_mme_runs(),
    ],
    ids=["50 pictures", "300 pictures", "10 % differ", "2 % differ", "CIDEr", "MME"],
)
def test_equal_runs_are_rarely_called_different(pair: simulated.Pair) -> None:
    """Of 1,000 pairs of runs that are as good at most 65 may be told apart."""
    assert simulated.called_different(pair, 1_000, seed=3) <= 0.065
