"""Bar charts: three or four bars of different colours over an axis with printed numbers."""

import random
from dataclasses import dataclass

from PIL import Image

from data_scripts.drawn import printing, turns
from data_scripts.drawn.printing import EDGE, INK
from data_scripts.drawn.scenes import COLOURS, Colour
from data_scripts.drawn.turns import Turn

HIGHEST = 9
"""Steps of the axis."""

BASE, STEP, LEFT = 84, 8, 24
"""Where the bars stand, how high a step is and where the first bar begins, in 96ths."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of one bar chart. No two bars share colour or height."""

    seed: int
    width: int
    height: int
    ground: Colour
    colours: tuple[str, ...]
    values: tuple[int, ...]
    """1 to 9, or 10 to 90 in tens."""

    step: int
    """What one step of the axis counts, 1 or 10."""

    def value(self, colour: str) -> int:
        """The value of the bar of that colour."""
        return self.values[self.colours.index(colour)]

    def by_height(self) -> list[str]:
        """The colours of the bars, the lowest first."""
        return sorted(self.colours, key=self.value)


def chart(seed: int) -> Chart:
    """The chart of that seed."""
    rng = random.Random(seed)
    number, step = rng.choice((3, 4)), rng.choice((1, 1, 10))
    colours = tuple(rng.sample(list(COLOURS), number))
    values = tuple(step * value for value in rng.sample(range(1, HIGHEST + 1), number))
    return Chart(seed, *printing.sides(rng), printing.ground(rng), colours, values, step)


def draw(chart: Chart) -> Image.Image:
    """The picture of a chart, RGB."""
    pixels = printing.sheet(chart.width, chart.height, chart.ground)
    for mark in (2, 4, 6, 8):
        y = BASE - mark * STEP
        printing.fill(pixels, (LEFT - 2, y - 0.5, 94, y + 0.5), EDGE)
        printing.set_digits(pixels, str(mark * chart.step), LEFT - 4, y - 5)
    room = (94 - LEFT) / len(chart.colours)
    for number, colour in enumerate(chart.colours):
        x = LEFT + (number + 0.15) * room
        top = BASE - chart.values[number] // chart.step * STEP
        printing.fill(pixels, (x, top, x + 0.7 * room, BASE), COLOURS[colour])
    printing.fill(pixels, (LEFT - 2, BASE, 94, BASE + 1), INK)
    return printing.picture(pixels)


def caption(chart: Chart) -> str:
    """One sentence: the bars from left to right."""
    *first, last = chart.colours
    return f"A bar chart with a {', a '.join(first)} and a {last} bar."


def conversation(chart: Chart, rng: random.Random) -> list[Turn]:
    """Turns about a chart; three values among them."""
    ranked = chart.by_height()
    values = [
        turns.short("value", f"What is the value of the {colour} bar?", str(chart.value(colour)))
        for colour in rng.sample(chart.colours, 3)
    ]
    tallest = turns.short("tallest", "Which bar is the tallest?", ranked[-1])
    other, colour = ranked[-1], rng.choice(ranked[1:-1])
    return [
        *values,
        tallest,
        turns.short("tallest", "Which bar is the shortest?", ranked[0]),
        turns.short("bars", "How many bars are there?", str(len(ranked))),
        *turns.yes_no(f"Is the {colour} bar taller than the {{}} bar?", ranked[0], other),
        turns.caption(caption(chart)),
        turns.choice(tallest, list(COLOURS), ranked, rng),
    ]
