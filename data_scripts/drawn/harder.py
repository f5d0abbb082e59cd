"""Questions of kinds that no training asks, so that demo data show what wrong answers look like.

They go a step beyond what is seen: relating, adding, spelling, knowing what a word names.
"""

import random

from data_scripts.drawn.books import Book
from data_scripts.drawn.cards import Card
from data_scripts.drawn.charts import Chart
from data_scripts.drawn.conversations import Picture
from data_scripts.drawn.diagrams import Diagram
from data_scripts.drawn.pages import Page
from data_scripts.drawn.phrases import RELATIONS, find
from data_scripts.drawn.posters import Poster
from data_scripts.drawn.scenes import Scene

NAMES_OF = {
    "animal": ("ox", "cat", "dog", "fox", "bird", "fish", "wolf", "zebra"),
    "food": ("tea", "jam", "milk", "apple", "bread", "water"),
    "vehicle": ("car", "bus"),
}
"""What some of the words name."""


def harder(picture: Picture, rng: random.Random) -> tuple[str, str] | None:
    """A question and its answer; None where this picture leads to none."""
    match picture:
        case Scene():
            return _related(picture, rng)
        case Card(text=text):
            named = next((name for name, words in NAMES_OF.items() if text in words), None)
            return ("What kind of thing is written?", named) if named else None
        case Chart():
            low, *_, high = picture.by_height()
            difference = picture.value(high) - picture.value(low)
            return f"What is the difference between the {high} bar and the {low} bar?", str(difference)
        case Page(heading=heading):
            return "How many letters has the first line?", str(len(heading))
        case Book(title=title):
            return "Which letter does the title begin with?", title[0]
        case Poster(items=items):
            return "What is the sum of all numbers?", str(sum(item.number for item in items))
        case Diagram(parts=parts):
            pairs = [(one, other) for one in parts for other in parts if other.place == one.place + 2]
            above, below = rng.choice(pairs) if pairs else (None, None)
            return (f"What shape is below the {above.kind}?", below.kind) if above and below else None


def _related(scene: Scene, rng: random.Random) -> tuple[str, str] | None:
    """The colour of what stands in a relation to a shape, where that leads to one thing only."""
    named = [
        f"{relation} the {shape.colour} {shape.kind}" for shape in scene.shapes for relation in RELATIONS
    ]
    found = [(text, shapes[0]) for text in named if len(shapes := find(scene, f"thing {text}")) == 1]
    if not found:
        return None
    text, shape = rng.choice(found)
    return f"What colour is the thing {text}?", shape.colour
