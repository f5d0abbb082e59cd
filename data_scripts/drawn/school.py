"""Questions of school without a picture, in the manner of ScienceQA: most are answered by their hint."""

from typing import NamedTuple


class Lesson(NamedTuple):
    """A question; the first option is right. `hint` may be empty."""

    hint: str
    question: str
    options: tuple[str, ...]
    subject: str
    grade: str


LESSONS = (
    Lesson(
        "Metals let electricity through. Copper is a metal, wood and glass are not.",
        "Which of these lets electricity through?",
        ("a copper wire", "a wooden stick", "a glass bottle"),
        "natural science",
        "grade3",
    ),
    Lesson(
        "Mammals feed their young with milk. Birds lay eggs and have feathers.",
        "Which of these animals is a mammal?",
        ("a cow that feeds its calf with milk", "a hen that sits on its eggs"),
        "natural science",
        "grade2",
    ),
    Lesson(
        "A river flows from higher land to lower land. The village of Oberau lies in the hills, the town of "
        "Hafen by the sea; one river passes both.",
        "Which place does the water pass first?",
        ("Oberau", "Hafen", "both at once"),
        "social science",
        "grade4",
    ),
    Lesson(
        "Two people trade freely if each gives something that the other wants more. Ida has pears and would "
        "rather have nuts. Ben has nuts and would rather have pears.",
        "What can Ida and Ben do so that both are better off?",
        ("swap pears for nuts", "both keep what they have", "throw away the nuts", "hide the pears"),
        "social science",
        "grade7",
    ),
    Lesson(
        "",
        "Which word rhymes with moon?",
        ("spoon", "milk", "lamp"),
        "language science",
        "grade1",
    ),
    Lesson(
        "A simile says that one thing is like another, with the word as or like.",
        "Which sentence has a simile?",
        ("The lake was as smooth as glass.", "The lake was smooth.", "Smooth lakes are rare."),
        "language science",
        "grade6",
    ),
    Lesson(
        "In the dark, plants make no sugar. A bean stood in a cupboard for a week, another one at a window.",
        "Which bean made sugar?",
        ("the one at the window", "the one in the cupboard", "neither", "both", "the larger one"),
        "natural science",
        "grade9",
    ),
    Lesson(
        "",
        "Which of these words comes first in a dictionary?",
        ("apple", "bread", "water", "zebra"),
        "language science",
        "grade2",
    ),
)
