"""Book covers: a printed title, the name of its author, and a coloured cover."""

import random
from dataclasses import dataclass

from PIL import Image

from data_scripts.drawn import printing, turns
from data_scripts.drawn.printing import CELL, CELLS, NAMES, WORDS
from data_scripts.drawn.scenes import COLOURS, Colour
from data_scripts.drawn.turns import Turn


@dataclass(frozen=True, slots=True)
class Book:
    """A picture of one book. Title and author are set in the middle of their rows."""

    seed: int
    width: int
    height: int
    ground: Colour
    colour: str
    title: str
    author: str
    title_row: int
    author_row: int


def book(seed: int) -> Book:
    """The book of that seed."""
    rng = random.Random(seed)
    sides, ground = printing.sides(rng), printing.ground(rng)
    colour, title, author = rng.choice(list(COLOURS)), rng.choice(WORDS), rng.choice(NAMES)
    return Book(seed, *sides, ground, colour, title, author, rng.randint(1, 3), rng.randint(5, 6))


def draw(book: Book) -> Image.Image:
    """The picture of a book, RGB."""
    pixels = printing.sheet(book.width, book.height, book.ground)
    printing.fill(pixels, (6, 3, 90, 93), COLOURS[book.colour])
    for text, row in ((book.title, book.title_row), (book.author, book.author_row)):
        column = (CELLS - len(text)) // 2
        x, y = column * CELL, row * CELL
        printing.plate(pixels, (x - 4, y - 2.5, x + len(text) * CELL + 4, y + CELL + 2.5))
        printing.set_text(pixels, text, column, row)
    return printing.picture(pixels)


def caption(book: Book) -> str:
    """One sentence."""
    return f"A {book.colour} book with the title {book.title} by {book.author}."


def conversation(book: Book, rng: random.Random) -> list[Turn]:
    """Every turn about a book."""
    title = turns.short("title", "What is the title of this book?", book.title)
    wrong = rng.choice([name for name in NAMES if name != book.author])
    return [
        title,
        turns.short("author", "Who wrote this book?", book.author),
        turns.short("author", "Who is the author of this book?", book.author),
        turns.short("cover", "What colour is the book?", book.colour),
        *turns.yes_no("Is this book written by {}?", book.author, wrong),
        turns.caption(caption(book)),
        turns.choice(title, WORDS, [], rng),
    ]
