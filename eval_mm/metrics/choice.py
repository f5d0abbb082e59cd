"""The option a free answer chooses: an ordered list of rules, each with a name, and never a guess.

The rules are ours: published scripts rank the letters by probability (Qwen-VL) or fall back on a random
option. The first rule that finds an option decides, so what the prompt asks for (a letter) comes before
prose. A rule that finds two options ends the reading, and an answer no rule reads is unparsed.

Case: "a" and "I" are words, so a small letter counts only where no word can stand (alone, in brackets, before
a full stop, a bracket or a colon, after "Answer:"), and a capital "A" or "I" followed by a word is no letter:
"A dog" and "The answer is A dog" name no option but the dog. Only letters of existing options are seen, so
26 at most.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True, slots=True)
class ReadChoice:
    """The 0-based index of the option, and the name of the rule that found it."""

    index: int
    rule: str


def read_choice(text: str, options: Sequence[str]) -> ReadChoice | None:
    """The option the answer chooses; None where it chooses none, or two."""
    plain = _EMPHASIS.sub(r"\1", text).strip()
    plain = re.sub(r" ?\n\s*", "\n", re.sub(r"[^\S\n]+", " ", plain))  # long runs are slow
    for name, find in _RULES:
        found = find(plain, options)
        if found:
            return ReadChoice(min(found), name) if len(found) == 1 else None
    return None


_EMPHASIS = re.compile(r"[*`$]|\\(?:text|mathrm|mathbf)\{([A-Za-z])\}")
_BRACKETED = r"(?:[(\[{<]\s*([A-Za-z])\s*[)\]}>])"

# A capital that can be no word: "B" unless it starts one ("B-flat", "B.C."); "A" and "I" only before a mark,
# the end, or a word that goes on about the answer.
_STARTS = r"(?<!\w)(?<!\w['’])"
_ENDS = r"(?!['’.\-]?\w)"
_GOES_ON = r"(?=\s*(?:\Z|\n|[^\w\s]|(?:because|since|as|and|or)\b))"
_CAPITAL = rf"{_STARTS}(?:([B-HJ-Z]){_ENDS}|([AI]){_ENDS}{_GOES_ON})"
_SMALL = rf"{_STARTS}([a-z])(?=\s*[.)\]]\s*(?:\Z|\n))"
_QUOTES = "[\"'“”‘’]*"
_ANY = rf"{_QUOTES}(?:{_BRACKETED}|{_CAPITAL}|{_SMALL}){_QUOTES}"
_MORE = r"(?:\s*(?:,|/|&|\band\b|\bor\b)\s*(?:(?:and|or|maybe|perhaps|possibly|also)\s+)*|\s*(?=[(\[{<]))"
_LETTERS = rf"(?P<list>{_ANY}(?:{_MORE}{_ANY})*)"
_NOUN = r"(?i:option|choice|letter)"

_ALONE = re.compile(r"([A-Za-z])")
_FULL_STOP = re.compile(r"([A-Za-z])\s?[.):]")
_IN_BRACKETS = re.compile(rf"(?:\\boxed)?{_BRACKETED}[.:]?")
_WITH_TEXT = re.compile(r"[(\[]?([A-Za-z])[)\]]?\s*[.):,\-–—]*\s+(\S.*)", re.DOTALL)
_AT_START = re.compile(
    rf"""^[ \t]*(?:
        ([A-Za-z])(?: [.):](?=\s|\Z)(?!\s?[A-Z]\.) | [ \t]*\n )
      | ([A-Z])(?:,(?=\s) | \s+[-–—]\s)
      | {_BRACKETED}
    )""",
    re.MULTILINE | re.VERBOSE,
)
_LIST_AT_START = re.compile(_LETTERS)
_ANSWER = re.compile(
    rf"\b(?i:answer)(?:\s+{_NOUN})?\s*(?:(?i:is|would\s+be|should\s+be|must\s+be)\b\s*:?|[:=])\s*"
    rf"(?:(?i:the\s+)?(?:(?i:correct|right|best)\s+)?{_NOUN}\s+)?(?:\\boxed)?{_LETTERS}"
)
_SMALL_ANSWER = re.compile(r"(?i:answer)\s*[:=]\s*([a-z])")
_OPTION = re.compile(rf"\b(?i:option|choice)\s+(?:is\s+)?{_LETTERS}")
_WITHIN_BRACKETS = re.compile(r"(?:\\boxed\{|[(\[])\s*([A-Z])\s*[)\]}]")
_EACH = re.compile(_ANY)
_REJECTED_AT_START = re.compile(
    r"\W*\w\W*(?:(?:is|was)\s+(?:not|wrong|incorrect|false)|(?:is|was)n['’]t|cannot|can['’]t)\b"
)

_DENIED = re.compile(r"(?i:\b(?:not|never|cannot|wrong|incorrect|false|if|unless)\b|n['’]t\b)")
_DOUBT = re.compile(
    r"(?i:\b(?:not|never|cannot|wrong|incorrect|false|no|nor|neither|none|except|unlike|rather|instead|if|unless)"
    r"\b|n['’]t\b)"
)
_SENTENCE = 300
"""Characters before "the answer is" in which a denial is looked for."""

_SENTENCE_END = re.compile(r"[.!?\n]")


def _existing(letters: Sequence[str | None], options: Sequence[str]) -> set[int]:
    """The indices of the letters that stand for an option; None is a group that matched nothing."""
    indices = {ord(letter.upper()) - ord("A") for letter in letters if letter}
    return {index for index in indices if index < len(options)}


def _whole(pattern: re.Pattern[str]) -> Callable[[str, Sequence[str]], set[int]]:
    """The rule that the whole answer is of this form."""

    def find(text: str, options: Sequence[str]) -> set[int]:
        match = pattern.fullmatch(text)
        return _existing(match.groups(), options) if match else set()

    return find


def _fold(text: str) -> str:
    return " ".join(text.casefold().split()).strip("\"'“”‘’").rstrip(".!").strip("\"'“”‘’ ")


def _without_article(text: str) -> str:
    return re.sub(r"\A(?:an?|the) (?=.)", "", _fold(text))


def _same_text(text: str, options: Sequence[str]) -> set[int]:
    """Options that read like the text: letter for letter, else but for case, else but for a first article."""
    for form in (str.strip, _fold, _without_article):
        wanted = form(text)
        found = {index for index, option in enumerate(options) if wanted and form(option) == wanted}
        if found:
            return found
    return set()


def _with_text(text: str, options: Sequence[str]) -> set[int]:
    """Both of one option, as in "B. dog"; of two options if they disagree."""
    match = _WITH_TEXT.fullmatch(text)
    if match is None:
        return set()
    lettered, named = _existing(match.groups()[:1], options), _same_text(match[2], options)
    return lettered & named or (lettered | named if lettered and named else set())


def _at_start(text: str, options: Sequence[str]) -> set[int]:
    """The letter of "B. Because ...", "(B) ...", or "B" on its own line; two of "A, B" or of options listed.

    An option that itself looks so ("C. elegans") speaks against the letter.
    """
    listed = _LIST_AT_START.match(text)
    letters: list[str | None] = [*_letters(listed)] if listed else []
    matches = list(_AT_START.finditer(text))
    if matches and matches[0].start() == 0 and not _REJECTED_AT_START.match(text):
        letters += [letter for match in matches for letter in match.groups()]
    elif len(letters) < 2:
        return set()
    found = _existing(letters, options)
    alike = {
        index for index, option in enumerate(options) if _AT_START.match(option) and text.startswith(option)
    }
    return found | alike if found else set()


def _answer(text: str, options: Sequence[str]) -> set[int]:
    """The letter of "Answer: B" or "The answer is (B)", unless the sentence before it denies it."""
    if match := _SMALL_ANSWER.fullmatch(text):
        return _existing(match.groups(), options)
    found: set[int] = set()
    for match in _ANSWER.finditer(text):
        sentence = _SENTENCE_END.split(text[max(0, match.start() - _SENTENCE) : match.start()])[-1]
        if not _DENIED.search(sentence):
            found |= _existing(_letters(match), options)
    return found


def _option(text: str, options: Sequence[str]) -> set[int]:
    if _DOUBT.search(text):
        return set()
    letters = [letter for match in _OPTION.finditer(text) for letter in _letters(match)]
    return _existing(letters, options)


def _within_brackets(text: str, options: Sequence[str]) -> set[int]:
    return set() if _DOUBT.search(text) else _existing(_WITHIN_BRACKETS.findall(text), options)


def _text_first(text: str, options: Sequence[str]) -> set[int]:
    """The option's text before a mark, "No, there is not.", and no other option anywhere."""
    first, _, rest = re.split(r"([,;:.!\n])(?=\s)", text + "\n ", maxsplit=1)
    found = _same_text(first, options)
    others = [option for index, option in enumerate(options) if index not in found]
    return set() if _occurring(rest, others)[0] else found


def _text_within(text: str, options: Sequence[str]) -> set[int]:
    """Options whose text occurs ("It is a dog."), "red" not inside "dark red"; none if anything is denied."""
    found, rest = _occurring(text, options)
    return set() if _DOUBT.search(rest) else found


def _occurring(text: str, options: Sequence[str]) -> tuple[set[int], str]:
    """The options that occur in the text as whole words, the longest first, and the text without them."""
    rest = " ".join(text.casefold().split())
    found: set[int] = set()
    folded = [_fold(option) for option in options]
    for option in sorted({*folded}, key=lambda option: (-len(option), option)):
        if len(option) < 2 and not option.isdigit():
            continue
        pattern = rf"(?<![\w-])(?<!\d[.,]){re.escape(option)}(?!\w|[.,]\d|\s?%)"
        rest, times = re.subn(pattern, "\0", rest)
        if times:
            found |= {index for index, other in enumerate(folded) if other == option}
    return found, rest


def _letters(match: re.Match[str]) -> list[str]:
    """The letters of the matched list "A or (B)", each seen with what follows it in the whole text."""
    start, end = match.span("list")
    each = takewhile(lambda one: one.start() < end, _EACH.finditer(match.string, start))
    return [letter for one in each for letter in one.groups() if letter]


_RULES: tuple[tuple[str, Callable[[str, Sequence[str]], set[int]]], ...] = (
    ("letter alone", _whole(_ALONE)),
    ("letter with full stop, bracket or colon", _whole(_FULL_STOP)),
    ("letter in brackets", _whole(_IN_BRACKETS)),
    ("the option's text", _same_text),
    ("letter with the option's text", _with_text),
    ("letter at the start", _at_start),
    ("Answer: letter", _answer),
    ("option letter", _option),
    ("letter in brackets within the text", _within_brackets),
    ("the option's text first", _text_first),
    ("the option's text within the text", _text_within),
)
