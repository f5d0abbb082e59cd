"""Small documents: a printed heading and one or two fields: a number, a name or a date."""

import random
from dataclasses import dataclass

from PIL import Image

from data_scripts.drawn import printing, turns
from data_scripts.drawn.printing import NAMES, WORDS
from data_scripts.drawn.scenes import Colour
from data_scripts.drawn.turns import Turn

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

QUESTIONS = {
    "number": ("field", "What is the number?"),
    "name": ("name", "Who is it for?"),
    "date": ("date", "What is the date?"),
}
"""Kind of turn and question for every field."""


@dataclass(frozen=True, slots=True)
class Page:
    """A picture of one page. `fields` are a name of `QUESTIONS` and what is said there, from above."""

    seed: int
    width: int
    height: int
    ground: Colour
    heading: str
    fields: tuple[tuple[str, str], ...]
    row: int
    """Of the heading; every further line is two rows lower."""

    def lines(self) -> list[str]:
        """What is printed, in small letters."""
        labels = {"number": "no {}", "name": "to {}", "date": "{}"}
        return [self.heading, *(labels[name].format(text) for name, text in self.fields)]


def page(seed: int) -> Page:
    """The page of that seed."""
    rng = random.Random(seed)
    texts = {
        "number": str(rng.randint(1, 99)),
        "name": rng.choice(NAMES),
        "date": f"{rng.randint(1, 31)} {rng.choice(MONTHS)}",
    }
    names = rng.sample(list(texts), rng.randint(1, 2))
    fields = tuple((name, texts[name]) for name in names)
    sides, ground = printing.sides(rng), printing.ground(rng)
    return Page(seed, *sides, ground, rng.choice(WORDS), fields, rng.randint(1, 2))


def draw(page: Page) -> Image.Image:
    """The picture of a page, RGB."""
    pixels = printing.sheet(page.width, page.height, page.ground)
    printing.plate(pixels, (5, 3, 91, 93))
    for number, line in enumerate(page.lines()):
        printing.set_text(pixels, line, 1, page.row + 2 * number)
    return printing.picture(pixels)


def caption(page: Page) -> str:
    """One sentence."""
    return f"A page of {len(page.lines())} lines with the word {page.heading} on the first line."


def conversation(page: Page, rng: random.Random) -> list[Turn]:
    """Every turn about a page."""
    fields = [turns.short(*QUESTIONS[name], text) for name, text in page.fields]
    wrong = rng.choice([word for word in WORDS if word != page.heading])
    return [
        turns.short("heading", "What is written on the first line?", page.heading),
        *fields,
        turns.short("lines", "How many lines are there?", str(len(page.lines()))),
        *turns.yes_no("Is the word {} on the first line?", page.heading, wrong),
        turns.caption(caption(page)),
    ]
