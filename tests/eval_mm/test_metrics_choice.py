"""Reading a choice in free text: awkward answers, and what no text may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_mm.metrics.choice import ReadChoice, read_choice

PETS = ("cat", "dog", "small dog", "none of these")
ALONE, TEXT, WITH_TEXT = "letter alone", "the option's text", "letter with the option's text"
ANSWER, START, OPTION = "Answer: letter", "letter at the start", "option letter"
WITHIN = "the option's text within the text"

READ = [
    ("B", 1, ALONE),
    (" b\n", 1, ALONE),
    ("a", 0, ALONE),
    ("**B**", 1, ALONE),
    ("B.", 1, ALONE),
    ("a.", 0, ALONE),
    ("C)", 2, ALONE),
    ("D:", 3, ALONE),
    ("(B)", 1, ALONE),
    ("(a).", 0, ALONE),
    ("[C]", 2, ALONE),
    ("$\\boxed{B}$", 1, ALONE),
    ("\\boxed{\\text{B}}", 1, ALONE),
    ("It barks, so \\boxed{B}.", 1, OPTION),
    ("dog", 1, TEXT),
    ("Dog.", 1, TEXT),
    ("small  dog", 2, TEXT),
    ("A dog", 1, TEXT),
    ("the cat", 0, TEXT),
    ("A small dog.", 2, TEXT),
    ('"dog"', 1, TEXT),
    ("B. dog", 1, WITH_TEXT),
    ("(B) dog", 1, WITH_TEXT),
    ("b) a dog.", 1, WITH_TEXT),
    ("A: cat", 0, WITH_TEXT),
    ("B - dog", 1, WITH_TEXT),
    ("D none of these", 3, WITH_TEXT),
    ("B. The animal has floppy ears.", 1, START),
    ("B\nThe animal has floppy ears.", 1, START),
    ("b\n\nbecause", 1, START),
    ("B, because it barks.", 1, START),
    ("(C) because it barks", 2, START),
    ("B - it barks", 1, START),
    ("A. It is not what it seems.", 0, START),
    ("Answer: B", 1, ANSWER),
    ("Answer: a", 0, ANSWER),
    ("answer:(b)", 1, ANSWER),
    ("The answer is B.", 1, ANSWER),
    ("The answer is A", 0, ANSWER),
    ("The answer is A because it purrs.", 0, ANSWER),
    ("The answer is B because it barks.", 1, ANSWER),
    ("The correct answer is option (c).", 2, ANSWER),
    ("the answer is b.", 1, ANSWER),
    ("The answer is: **B**", 1, ANSWER),
    ("The answer is 'B', not A.", 1, ANSWER),
    ("It barks.\nAnswer: B\n", 1, ANSWER),
    ("No, the answer is B.", 1, ANSWER),
    ("Option B", 1, OPTION),
    ("I would choose option A.", 0, OPTION),
    ("It barks, so (B).", 1, OPTION),
    ("A. cat\nB. dog\nC. small dog\nD. none of these\n\nAnswer: B", 1, ANSWER),
    ("Options: A. cat B. dog C. small dog. Answer: B", 1, ANSWER),
    ("**Answer:**\nB", 1, ANSWER),
    ("The answer is (B) dog.", 1, ANSWER),
    ("It is not a cat, so the answer is B.", 1, ANSWER),
    ("The answer is B because it is not a cat.", 1, ANSWER),
    ("The answer is B. Option C is wrong.", 1, ANSWER),
    ("C is the correct answer.", 2, ANSWER),
    ("B (dog)", 1, WITH_TEXT),
    ("B, because it is not a cat", 1, START),
    ("It is not B, it is (C).", 2, OPTION),
    ("The answer is a dog", 1, TEXT),
    ("The answer is A dog", 1, TEXT),
    ("Answer: A dog", 1, TEXT),
    ("The animal is a dog", 1, WITHIN),
    ("B.dog", 1, WITH_TEXT),
    ("(B)dog", 1, WITH_TEXT),
    ("Answer B", 1, OPTION),
    ("Answer - B", 1, ANSWER),
    ("Letter B", 1, OPTION),
    ("Option B: dog", 1, ANSWER),
    ("I choose B.", 1, OPTION),
    ("I would choose B", 1, OPTION),
    ("I'd choose A because it purrs", 0, OPTION),
    ("correct: B", 1, ANSWER),
    ("Ｂ", 1, ALONE),
    ("（Ｂ）", 1, ALONE),
    ("答案：B", 1, ANSWER),
    ("答案是B", 1, ANSWER),
    ("正确答案是 B。", 1, ANSWER),
    ("选B", 1, ANSWER),
    ("我选B。", 1, ANSWER),
    ("答案是B。dog", 1, ANSWER),
    ("It is a small dog.", 2, WITHIN),
    ("I see a CAT here", 0, WITHIN),
    ("It is none of these", 3, WITHIN),
]

UNREAD = [
    "",
    " ",
    ".",
    "E",
    "(E)",
    "Answer: E",
    "1",
    "AB",
    "A bird",
    "A bird sits on a fence",
    "a bird",
    "I think so",
    "I",
    "A or B",
    "A, B",
    "A and (B)",
    "A/B",
    "(A) (B)",
    "B. cat",
    "The answer is A or B.",
    "The answer is B, or maybe C.",
    "The answer is a",
    "Answer: A. Answer: B",
    "I don't think the answer is B.",
    "The wrong answer is B.",
    "A. cat\nB. dog\nC. small dog\nD. none of these",
    "Option A is wrong.",
    "(A) is wrong.",
    "Option A or option B",
    "a dog or a cat",
    "It is not a dog.",
    "It isn't a cat",
    "dogs",
    "hotdog",
    "B.C.",
    "A.M.",
    "B-flat",
    "Grade A beef",
    "Vitamin B is shown",
    "D. B. Cooper",
    "Abc",
    "A's",
    "I'm B's friend",
]


@pytest.mark.parametrize(("text", "index", "rule"), READ)
def test_reads_the_letter_or_the_text(text: str, index: int, rule: str) -> None:
    """Models wrap the letter in every way; each way is read, and by the rule `explain` names."""
    assert read_choice(text, PETS) == ReadChoice(index, rule)


REJECTED = [
    "The answer is unlikely to be (B)",
    "The answer is B, which is wrong",
    "The answer is B. That is wrong.",
    "Answer: not B",
    "Answer: B is wrong",
    "Answer: D? no, B",
    "Answer: B or E",
    "The answer is B. However, C is right.",
    "The answer is B. C fits better.",
    "The answer is B. It is a cat.",
    "(C) because it barks. The answer is B.",
    "I am not so sure the answer is B",
    "Option B is ruled out",
    "Option B, however, is wrong.",
    "Option B? No.",
    "I would avoid option B.",
    "Nothing points to option B.",
    "Choice A over choice B",
    "(B) can be ruled out",
    "The answer is B. no",
    "Answer B is wrong",
    "incorrect: B",
    "I would not choose B",
    "I choose A or B",
    "不选B",
    "选B不对",
    "答案不是B",
    "答案是B吗？",
    "答案是B，错了",
    "答案是B或C",
    "错误答案是B",
    "B.cat",
    "(B) is the least likely",
    "All except (B).",
    "The opposite of (B).",
    "Either (A) or (B)",
    "A: false",
    "B. False.",
    "B. That is incorrect",
    "Is it B?",
    "B and C",
    "B is right of the tree",
    "Without the dog",
    "The dog is missing",
    "It is anything but a dog",
    "It is the opposite of a dog",
    "It is a dog house",
    "I see no dog",
    "Is it a dog?",
    "A dog? No.",
    "dog. Wrong",
]


@pytest.mark.parametrize("text", REJECTED)
def test_what_is_rejected_is_not_chosen(text: str) -> None:
    """A letter or a text that the answer names to rule it out was read as its choice."""
    assert read_choice(text, ("cat", "dog", "bird", "fish")) is None


@pytest.mark.parametrize("text", UNREAD)
def test_never_guesses(text: str) -> None:
    """Articles, letters of no option, two options and denials are unparsed, not a lucky or unlucky guess."""
    assert read_choice(text, PETS) is None


@pytest.mark.parametrize(
    ("text", "options", "index"),
    [
        ("3", ("3", "3.5", "13"), 0),
        ("The price is 3.5.", ("3", "3.5", "5"), 1),
        ("There are 13.", ("3", "13"), 1),
        ("about 50%", ("50", "50%"), 1),
        ("F", ("E", "F"), 1),
        ("A", ("B", "A"), 0),
        ("C. elegans", ("worm", "C. elegans", "fly"), 1),
        ("C. elegans is a worm", ("fly", "C. elegans", "bird"), None),
        ("No, there is not.", ("yes", "no"), 1),
        ("Yes, it is not far.", ("yes", "no"), 0),
        ("Red, blue and green", ("red", "blue"), None),
        ("dog", ("dog", "dog"), None),
        ("US", ("us", "US"), 1),
        ('"Pigs"', ("Pigs", '"Pigs"'), 1),
        ('The title is "Pigs." The answer is A.', ("Pigs", '"Pigs"'), 0),
        ("**Pigs**", ("*Pigs*", "**Pigs**"), 1),
        ("dark red", ("red", "dark red"), 1),
        ("The car is dark red.", ("red", "dark red"), 1),
        ("B. Vitamin C", ("Vitamin A", "Vitamin C", "Vitamin D"), 1),
        ("It is a thing", ("a", "b"), None),
        ("I", tuple("123456789"), 8),
        ("I think it is 4", tuple("123456789"), 3),
        ("Answer: I think so", tuple("123456789"), None),
        ("E", ("one", "two"), None),
        ("anything", (), None),
        ("A", (), None),
        ("...", ("...", "!"), 0),
        ("[", ("a", "b"), None),
    ],
)
def test_options_that_look_like_letters_numbers_or_each_other(
    text: str, options: tuple[str, ...], index: int | None
) -> None:
    """Options decide what is read: "3" is not in "3.5", "C. elegans" no letter C, "red" not "dark red"."""
    found = read_choice(text, options)
    assert (None if found is None else found.index) == index


WORDS = (
    "Answer:",
    "answer is",
    "option",
    "dog",
    "cat",
    "not",
    "or",
    "选",
    "°",
    ".",
    ")",
    "(",
    ",",
    "\n",
    " ",
    "{",
    "\0",
)
PIECES = st.sampled_from([*"ABCabcI", *WORDS])
TEXTS = st.text(st.characters()) | st.lists(PIECES).map(" ".join) | st.lists(PIECES).map("".join)


@given(TEXTS, st.lists(TEXTS, max_size=30))
def test_no_text_raises_or_reads_an_option_that_is_not_there(text: str, options: list[str]) -> None:
    """A stray bracket or an empty option must not end a run, nor name an option that does not exist."""
    found = read_choice(text, options)
    assert found is None or 0 <= found.index < len(options)


@given(st.integers(0, 25), st.sampled_from(["{}", "{}.", "({})", "{})", "Answer: {}", "The answer is {}."]))
def test_every_letter_is_read_in_every_plain_form(index: int, form: str) -> None:
    """No letter is lost because it is a word ("A", "I") or late in the alphabet."""
    options = [f"thing number {number}" for number in range(26)]
    found = read_choice(form.format(chr(ord("A") + index)), options)
    assert found is not None
    assert found.index == index
