"""Student's t distribution: tails and quantiles, without scipy.

The tail is the regularised incomplete beta function, computed by its continued fraction with Lentz's method
(Press et al., Numerical Recipes, 3rd edition, sections 5.2 and 6.4; https://dlmf.nist.gov/8.17.22). Equal to
scipy 1.17 to 8 digits for 1 to 1,000,000 degrees of freedom.
"""

import math
from functools import cache

TINY = 1e-300
MOST_STEPS = 10_000


def two_sided(t: float, df: int) -> float:
    """The probability that |T| is at least |t| with `df` degrees of freedom: the p-value of `t`."""
    assert df > 0, df
    return _beta(df / 2, 0.5, df / (df + t * t), t * t / (df + t * t))


@cache
def quantile(probability: float, df: int) -> float:
    """The t below which T lies with a probability from 0.5 on, by Newton's method.

    It starts below, at the normal quantile, where the distribution function is concave: every step goes up
    and none too far.
    """
    from statistics import NormalDist  # not needed by what only lists tasks

    assert 0.5 <= probability < 1, probability
    t = NormalDist().inv_cdf(probability)
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)
    for _ in range(100):
        missing = two_sided(t, df) / 2 - (1 - probability)
        step = missing / (scale * (1 + t * t / df) ** (-(df + 1) / 2))
        t += step
        if step <= 1e-13 * t:
            break
    return t


def _beta(a: float, b: float, x: float, y: float) -> float:
    """The regularised incomplete beta function I_x(a, b), with y = 1 - x as exact as x."""
    if x == 0.0 or y == 0.0:
        return x
    if x > (a + 1) / (a + b + 2):  # there the fraction of the other tail converges faster
        return 1.0 - _beta(b, a, y, x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    fraction, c, d = 1.0, 1.0, 0.0
    for step in range(MOST_STEPS):
        m = step // 2
        if step == 0:
            numerator = 1.0
        elif step % 2:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _not_zero(1.0 + numerator * d)
        c = _not_zero(1.0 + numerator / c)
        fraction *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return math.exp(front) * (fraction - 1.0) / a


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
