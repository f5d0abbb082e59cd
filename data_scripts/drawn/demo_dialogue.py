"""The demo rows of TouchStone: an open question for each of its 27 sub-tasks, and a few in Chinese.

The annotation is the true description of the drawing, the reference answer is made from it. What a drawing
cannot show, a landmark or a film, is asked of its name printed on a card, a page or a cover.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from data_scripts.drawn import books, cards, charts, conversations, diagrams, pages, posters
from data_scripts.drawn.books import Book
from data_scripts.drawn.cards import Card
from data_scripts.drawn.charts import Chart
from data_scripts.drawn.conversations import Picture, picture
from data_scripts.drawn.diagrams import Diagram
from data_scripts.drawn.pages import Page
from data_scripts.drawn.posters import Poster
from data_scripts.drawn.scenes import Scene

FIRST = 100
"""Seeds from here to 199 of a demo seed are nobody else's."""

LANGUAGES = {"en": "touchstone/touchstone_en.jsonl", "zh": "touchstone/touchstone_zh.jsonl"}

Row = dict[str, Any]


class Asked(NamedTuple):
    """One row before it has pictures; `{0}` and `{1}` in the answer are what they show, described."""

    shows: tuple[str, ...]
    category: str
    task: str
    question: str
    answer: str


ENGLISH = (
    Asked(("scene",), "basic description", "simple description", "What is in this picture?", "{0}"),
    Asked(
        ("scene",),
        "basic description",
        "detailed description",
        "Describe the picture in detail.",
        "{0} The shapes do not touch each other, and the ground behind them is plain and pale.",
    ),
    Asked(("scene",), "recognition", "attribute", "Which colours do the shapes have?", "{0}"),
    Asked(("book",), "recognition", "movie/TV", "Of which film could this be the cover?", "{0}"),
    Asked(("scene",), "recognition", "art", "Which style of art is this like?", "Geometric abstraction. {0}"),
    Asked(("card",), "recognition", "landmark", "Which place does the sign name?", "None. {0}"),
    Asked(("book",), "recognition", "celebrity", "Whose name is on the cover?", "{0}"),
    Asked(("scene",), "recognition", "emotion", "Which mood does the picture have?", "A calm one. {0}"),
    Asked(("page",), "recognition", "text", "What is written on the first line?", "{0}"),
    Asked(("scene",), "recognition", "object", "Which things can you see?", "{0}"),
    Asked(("diagram",), "recognition,comprehension", "structure content", "What is labelled here?", "{0}"),
    Asked(("scene",), "comprehension", "style appreciation", "How is this drawn?", "Flat and plain. {0}"),
    Asked(("scene",), "comprehension", "abstract image", "What could the shapes stand for?", "Nothing. {0}"),
    Asked(("card",), "comprehension", "meme", "What is funny about this card?", "It says little. {0}"),
    Asked(("poster",), "comprehension", "image analysis", "What does the poster count?", "{0}"),
    Asked(("chart",), "comprehension", "chart", "What does the chart show?", "{0}"),
    Asked(("chart",), "comprehension", "problem solving", "Which bar is the tallest, and why?", "{0}"),
    Asked(("poster",), "comprehension", "reasoning", "Which shape is there most often?", "{0}"),
    Asked(
        ("page",),
        "storytelling",
        "email",
        "Write a short email about this page.",
        "Dear reader, please look at the page that I send with this. {0} Kind regards",
    ),
    Asked(
        ("scene",),
        "storytelling",
        "poetry",
        "Write two lines of poetry about the picture.",
        "On paper pale and wide they stand: {0} All drawn by a steady hand.",
    ),
    Asked(
        ("scene",),
        "storytelling",
        "story",
        "Tell a very short story.",
        "Once upon a time there was this. {0}",
    ),
    Asked(
        ("book",),
        "storytelling",
        "advertisement/commodity recommendation",
        "Write one line that sells this.",
        "Read it tonight! {0}",
    ),
    Asked(
        ("poster",), "storytelling", "brainstorming", "What could one do with this poster?", "Hang it. {0}"
    ),
    Asked(
        ("scene", "scene"),
        "multi-image,comprehension",
        "image comparison",
        "What is the difference between the two pictures?",
        "The first: {0} The second: {1}",
    ),
    Asked(("page", "page"), "multi-image", "summary", "Sum up the two pages.", "First: {0} Then: {1}"),
    Asked(
        ("book", "book"),
        "multi-image",
        "commodity comparison",
        "Which of the two books would you buy?",
        "Either will do. One is: {0} The other is: {1}",
    ),
    Asked(
        ("card", "card"),
        "multi-image",
        "step-by-step analysis",
        "What do the cards say, one after the other?",
        "First: {0} Second: {1}",
    ),
)
CHINESE = (
    Asked(("scene",), "basic description", "simple description", "图片里有什么？", "图中有这些图形：{0}"),
    Asked(("scene",), "recognition", "object", "你能看到哪些图形？", "能看到：{0}"),
    Asked(("card",), "recognition", "text", "卡片上写了什么？", "卡片上的内容：{0}"),
    Asked(("chart",), "comprehension", "chart", "这张图表说明了什么？", "图表内容：{0}"),
    Asked(("scene",), "storytelling", "story", "请根据图片讲一个小故事。", "从前有这样一幅画：{0}"),
    Asked(("scene",), "basic description", "detailed description", "请详细描述这张图片。", "画面很简洁：{0}"),
    Asked(("scene",), "recognition", "attribute", "这些图形是什么颜色的？", "颜色和形状如下：{0}"),
    Asked(("book",), "recognition", "celebrity", "封面上写着谁的名字？", "封面内容：{0}"),
    Asked(("diagram",), "recognition,comprehension", "structure content", "标注了什么？", "如下：{0}"),
    Asked(("poster",), "comprehension", "reasoning", "海报上哪种图形最多？", "海报内容：{0}"),
    Asked(("chart",), "comprehension", "problem solving", "哪一根柱子最高？", "图表内容：{0}"),
    Asked(("scene",), "comprehension", "abstract image", "这些图形可以代表什么？", "没有特别的含义：{0}"),
    Asked(("page",), "storytelling", "email", "请为这一页写一封简短的邮件。", "您好，这一页的内容是：{0}"),
    Asked(("scene",), "storytelling", "poetry", "请为这幅画写两行诗。", "白纸之上，{0}"),
    Asked(
        ("card", "card"),
        "multi-image",
        "step-by-step analysis",
        "两张卡片依次写了什么？",
        "先是：{0} 然后：{1}",
    ),
    Asked(
        ("scene", "scene"),
        "multi-image",
        "image comparison",
        "两张图片有什么不同？",
        "第一张：{0} 第二张：{1}",
    ),
)


class Drawn(NamedTuple):
    """Every row by the path of its file, and every picture by its own path."""

    rows: dict[str, list[Row]]
    pictures: dict[str, Picture]


def drawn(first_seed: int) -> Drawn:
    """All rows with their pictures, from this seed on."""
    found = Drawn({path: [] for path in LANGUAGES.values()}, {})
    seeds = iter(range(first_seed + FIRST, first_seed + 200))
    for language, asked in (("en", ENGLISH), ("zh", CHINESE)):
        split = found.rows[LANGUAGES[language]]
        for one in asked:
            shown = list(_pictures(one, seeds))
            found.pictures.update(shown)
            texts = [described(each) for _, each in shown]
            split.append(
                {
                    "id": str(len(split)),
                    "images": [path for path, _ in shown],
                    "question": one.question,
                    "human_annotation": " ".join(texts),
                    "reference_answer": one.answer.format(*texts),
                    "category": one.category,
                    "task_name": one.task,
                    "language": language,
                }
            )
    return found


def described(shown: Picture) -> str:
    """A true description, in more words than a caption has where the drawing has more to say."""
    match shown:
        case Scene():
            return conversations.caption(shown)
        case Card():
            return cards.caption(shown)
        case Book():
            return books.caption(shown)
        case Diagram():
            named = ", ".join(f"{part.letter} is beside a {part.kind}" for part in shown.parts)
            return f"{diagrams.caption(shown)} {named[0].upper()}{named[1:]}."
        case Page():
            fields = ", ".join(f"{name} {text}" for name, text in shown.fields)
            return f"{pages.caption(shown)} It states {fields}." if fields else pages.caption(shown)
        case Poster():
            counted = ", ".join(f"{item.number} beside the {item.kind}" for item in shown.items)
            return f"{posters.caption(shown)} The numbers are {counted}."
        case Chart():
            ranked = shown.by_height()
            values = ", ".join(f"{colour} {shown.value(colour)}" for colour in shown.colours)
            return f"{charts.caption(shown)} The values are {values}; {ranked[-1]} is the tallest bar."


def _pictures(asked: Asked, seeds: Iterator[int]) -> Iterator[tuple[str, Picture]]:
    for show in asked.shows:
        seed = next(seeds)
        yield f"{show}s/{seed:06d}.png", picture(seed, shows=(show,))
