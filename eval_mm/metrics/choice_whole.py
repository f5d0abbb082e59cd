"""Whole answers about an option: a letter, an option's text, or both ("B. dog"), also after "The answer is".

They need no reading of prose, and a text that is an option's own word for word is no verdict on the letter
before it: of the options no and yes "The answer is A. no" chooses A.
"""

import re
from collections.abc import Sequence

_EMPHASIS = re.compile(r"[*`$\0]|\\(?:text|mathrm|mathbf)\{([A-Za-z])\}")
_QUOTES = re.compile(r"[\"“”‘]|(?<!\w)['’]|['’](?!\w)")
_WIDE: dict[int, int | str] = {**{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}, 0x3002: ". "}
"""Full-width letters and marks in ASCII. All of NFKC would turn 10² into 102."""


def tidy(text: str) -> str:
    """Without emphasis, quotes and full width, one space or newline between words: the rest stays linear."""
    plain = _QUOTES.sub("", _EMPHASIS.sub(r"\1", text.translate(_WIDE)))
    plain = re.sub(r" ?\n\s*", "\n", re.sub(r"[^\S\n]+", " ", plain)).strip()
    return re.sub(r"(?i)(\banswer ?:)\n", r"\1 ", plain)


ALONE = re.compile(r"(?:\\boxed)?[(\[{<]?\s?([A-Za-z])\s?[)\]}>]?[.):]?")
_WITH_TEXT = re.compile(r"[(\[]?([A-Za-z])(?:[)\]]?\s?[.):,\-–—]*\s+|[)\]]?[.):,]|[)\]])(\S.*)", re.DOTALL)
_IN_BRACKETS = re.compile(r"\A\((.*)\)\.?\s*\Z", re.DOTALL)
_LEAD = re.compile(
    r"""[\s*_]*(?:(?:so|therefore|thus|hence),?\s)?(?:the\s)?(?:(?:correct|right|best)\s)?
        (?:(?:answer|option|choice)(?:\sis(?::[*_]*|(?=\s))|\s?[:：=][*_]*)
          |(?:正确)?答案(?:是|为|[:：])[:：]?|(?:我|应|故|应该)?选(?:择|项)?(?:是|为|[:：])?
          |(?=(?:option|choice|letter)\s))\s*(?:(?:option|choice|letter)\s(?=[(\[]?[A-Z]\W+\w))?""",
    re.VERBOSE | re.IGNORECASE,
)


def alone(text: str, options: Sequence[str]) -> set[int]:
    """A letter and no more: "B", "b.", "(B)". One of no option may still be an option's text."""
    match = ALONE.fullmatch(tidy(text))
    return {letter_index(match[1])} & {*range(len(options))} if match else set()


def letter_index(letter: str) -> int:
    """The 0-based place of an ASCII letter in the alphabet."""
    return ord(letter.upper()) - ord("A")


def bare_answer(text: str) -> str:
    """What stands after "The answer is" or the like at the start; nothing where the text starts otherwise."""
    match = _LEAD.match(text)
    return text[match.end() :] if match else ""


def fold(text: str) -> str:
    """Without case, line ends and a last full stop or exclamation mark."""
    return " ".join(tidy(text).casefold().split()).rstrip(".!").rstrip()


def _without_article(text: str) -> str:
    return re.sub(r"\A(?:an?|the) (?=.)", "", fold(text))


def same_text(text: str, options: Sequence[str]) -> set[int]:
    """Options that read like the text: letter for letter, else but for case, else but for a first article.

    "Answer: dog" is the text "dog" too.
    """
    bare = bare_answer(text)
    for given in (text, "" if alone(bare, options) else bare):
        for form in (str.strip, fold, _without_article):
            wanted = form(given)
            found = {index for index, option in enumerate(options) if wanted and form(option) == wanted}
            if found:
                return found
    return set()


def with_text(text: str, options: Sequence[str]) -> set[int]:
    """Both of one option, as in "B. dog" or "B (dog)"; of two options if they disagree."""
    for plain in (text.strip(), text.strip(" \n*_"), tidy(text)):
        if match := _WITH_TEXT.fullmatch(plain):
            lettered = {letter_index(match[1])} & {*range(len(options))}
            named = same_text(match[2], options) or same_text(_IN_BRACKETS.sub(r"\1", match[2]), options)
            if lettered and named:
                return lettered & named or lettered | named
    return set()
