r"""The option a free answer chooses: an ordered list of rules, each with a name, and never a guess.

The rules are ours: published scripts rank the letters by probability (Qwen-VL) or fall back on a random
option. The first rule that finds an option decides, so what the prompt asks for (a letter) comes before
prose. A rule that finds two options ends the reading, and an answer no rule reads is unparsed.

Prose is read by what it must say, and what is not of these forms is unparsed: "the answer is B", "B is
right", "B" at the start, "option B" or "(B)" at the end of a sentence, "it is a dog" likewise. A sentence
with a word of denial ("unlikely", "ruled out", "but") or a question mark says nothing; reasons ("because it
is not red") do not count; "not C" after a choice is left out. Another letter after the choice takes it back.

Case: "a" and "I" are words, so a small letter counts only where no word can stand (alone, in brackets, before
a full stop at an end, after "Answer:"), and a capital "A" or "I" followed by a word is no letter: "A dog" and
"The answer is A dog" name no option but the dog.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadChoice:
    """The 0-based index of the option, and the name of the rule that found it."""

    index: int
    rule: str


def read_choice(text: str, options: Sequence[str]) -> ReadChoice | None:
    """The option the answer chooses; None where it chooses none, or two."""
    for name, find in _RULES:
        found = find(text, options)
        if found:
            index = min(found)
            return ReadChoice(index, name) if len(found) == 1 and index < len(options) else None
    return None


_EMPHASIS = re.compile(r"[*`$\0]|\\(?:text|mathrm|mathbf)\{([A-Za-z])\}")
_QUOTES = re.compile(r"[\"“”‘]|(?<!\w)['’]|['’](?!\w)")


def _tidy(text: str) -> str:
    """Without emphasis and quotes, one space or one newline between words: what follows stays linear."""
    plain = _QUOTES.sub("", _EMPHASIS.sub(r"\1", text))
    plain = re.sub(r" ?\n\s*", "\n", re.sub(r"[^\S\n]+", " ", plain)).strip()
    return re.sub(r"(?i)(\banswer ?:)\n", r"\1 ", plain)


# Whole answers -----------------------------------------------------------------------------------------

_ALONE = re.compile(r"(?:\\boxed)?[(\[{<]?\s?([A-Za-z])\s?[)\]}>]?[.):]?")
_WITH_TEXT = re.compile(r"[(\[]?([A-Za-z])[)\]]?\s?[.):,\-–—]*\s+(\S.*)", re.DOTALL)


def _alone(text: str, options: Sequence[str]) -> set[int]:
    """A letter and no more: "B", "b.", "(B)". One of no option may still be an option's text."""
    match = _ALONE.fullmatch(_tidy(text))
    return {_index(match[1])} & {*range(len(options))} if match else set()


def _index(letter: str) -> int:
    return ord(letter.upper()) - ord("A")


def _fold(text: str) -> str:
    return " ".join(_tidy(text).casefold().split()).rstrip(".!").rstrip()


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
    for plain in (text.strip(), _tidy(text)):
        if match := _WITH_TEXT.fullmatch(plain):
            lettered, named = {_index(match[1])} & {*range(len(options))}, _same_text(match[2], options)
            if lettered and named:
                return lettered & named or lettered | named
    return set()


# Letters in prose --------------------------------------------------------------------------------------
# First every letter that can be no word is marked: "B" becomes "\0B", "(b)" becomes "\0B)". A capital can be
# no word unless it starts one ("B-flat", "B.C."); "A" and "I" only before a mark, the end or a word that goes
# on about the answer; a small letter before a mark at the end of a line, at the start, or after "Answer:".

_MARKED = re.compile(
    r"""[(\[{<]\s?([A-Za-z])\s?[)\]}>]
      | (?<!\w)(?<!\w['’])(?:
            ([B-HJ-Z])(?!['’.\-]?\w)
          | ([AI])(?!['’.\-]?\w)
            (?=\s?(?:\Z|\n|[^\w\s]|(?:because|since|as|and|or|is\s(?:the\s)?(?:correct|right|best|answer|not|wrong))\b))
          | ([a-z])(?=\s?[.)\]]\s?(?:\Z|\n))
          | \A([a-z])(?=[.):]\s|\n)
          | (?:(?<=(?i:answer:))|(?<=(?i:answer:)\s))([a-z])(?=[.)]?(?:\Z|\n))
        )""",
    re.VERBOSE,
)
_LETTER = r"\0[A-Z][)\]]?"
_NOUN = r"(?:the )?(?:(?:correct|right|best) )?(?:(?:option|choice|letter|answer):? )?"
_SURE = r"(?:(?:most likely|likely|probably|clearly|definitely|certainly|therefore|thus) )?"
_BECAUSE = r" (?:because|since|as)\b"
_GOES_ON = r"(?:is|was|can|could|may|might|must|should|would|seem|look|and|or)"
_END = rf"(?= ?(?:[.,;:!(]|\Z|[-–—] )|{_BECAUSE}|(?<=\)) (?!{_GOES_ON}))"

_ANSWER = re.compile(
    rf"\b(?:answer|option|choice|letter)(?: (?:option|choice|letter)| to (?:the|this) question)? ?"
    rf"(?:(?:is|would be|should be|must be)\b ?:?|[:=]) ?{_SURE}{_NOUN}(?:\\boxed)?{_LETTER}{_END}"
    rf"|{_LETTER} (?:is|would be|should be|must be) {_SURE}(?:the )?"
    rf"(?:answer|(?:correct|right|best)(?: (?:answer|option|choice|one))?){_END}",
    re.IGNORECASE,
)
_START = re.compile(_LETTER + _END)
_OPTION = re.compile(
    rf"(?:\A|[,;:]|\b(?:so|is|be|choose|pick|select|say|think|(?:go|going) with)|['’]s) ?{_SURE}(?:\\boxed)?"
    rf"(?:(?:the )?(?:option|choice):? {_LETTER}|\0[A-Z]\)){_END}",
    re.IGNORECASE,
)
_NOT_THAT = re.compile(
    rf",? ?\b(?:but )?(?:not|rather than|instead of|over) {_NOUN}{_LETTER}"
    rf"(?:(?:,| and| or)*+ {_NOUN}{_LETTER})*+",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"""\b(?:not|never|cannot|neither|nor|wrong|incorrect|false|untrue|unlikely|improbable|impossible|least
        | exclud\w+|eliminat\w+|reject\w*|dismiss\w*|discard\w*|rul\w+\sout)\b | n['’]t\b""",
    re.VERBOSE | re.IGNORECASE,
)
_DOUBT = re.compile(
    rf"""{_WRONG.pattern} | \? | \b(?:no(?!,)|none|nothing|nobody|implausible|doubt\w*|hardly|barely|less
        | except|unlike|rather|instead|other|without|if|unless|whether|than|over|against|avoid
        | but|however|al?though)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_REASON_FIRST = re.compile(
    r"\A(?:.*(?:[,;] (?:and )?so|\b(?:therefore|thus|hence))\b|(?:because|since|as)\b[^,]*,)", re.IGNORECASE
)
_REASON_LAST = re.compile(_BECAUSE, re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?;]) |\n")
_LISTED = re.compile(r"\0([A-Z])[.):] (?=\S)")
_VERDICT = 4
"""So many words may be a verdict on what stands before, "This one is wrong"; more go on about the answer."""


def _marked(text: str) -> str:
    """The text with its letters marked, without those that are set against the choice ("B, not C")."""

    def mark(match: re.Match[str]) -> str:
        return f"\0{match[match.lastindex or 0].upper()}" + ")" * (match.lastindex == 1)

    return _NOT_THAT.sub("", _MARKED.sub(mark, _tidy(text)))


def _letters(text: str) -> set[int]:
    return {_index(letter) for letter in re.findall(r"\0([A-Z])", text)}


def _conclusions(text: str) -> list[str]:
    """The sentences without their reasons."""
    sentences = _SENTENCE_END.split(text)
    return [_REASON_LAST.split(_REASON_FIRST.sub("", sentence), maxsplit=1)[0] for sentence in sentences]


def _stated(pattern: re.Pattern[str], sentences: Sequence[str]) -> tuple[set[int], list[str]]:
    """The letters that stand in the pattern, where nothing is in doubt, and what is said afterwards."""
    found: set[int] = set()
    rest: list[str] = []
    for said in sentences:
        matches = [] if _DOUBT.search(said) else list(pattern.finditer(said))
        if matches:
            found |= _letters("".join(match[0] for match in matches))
            rest = [said[matches[-1].end() :]]
        else:
            rest.append(said)
    return found, rest


def _first(sentences: Sequence[str]) -> set[int]:
    """The letter an answer begins with, unless it is in doubt there or gets a verdict at once."""
    said = sentences[0]
    match = _START.match(said)
    if match is None or _DOUBT.search(said):
        return set()
    alone = len(said) <= match.end() + 1
    return set() if alone and _is_rejected(sentences[1:]) else _letters(match[0])


def _is_rejected(following: Sequence[str]) -> bool:
    """Whether the next sentence is a short verdict, "This is wrong.", and not one on another letter."""
    verdict = following[0] if following else ""
    return bool(len(verdict.split()) <= _VERDICT and _DOUBT.search(verdict) and not _letters(verdict))


def _answer(text: str, options: Sequence[str]) -> set[int]:
    """The letter of "Answer: B", "The answer is (B)" or "B is right", be it after a list of the options."""
    marked = _marked(text)
    sentences = _conclusions(marked)
    found, rest = _stated(_ANSWER, sentences)
    if _is_rejected(rest[1:]):
        return set()
    if found and len(set(_LISTED.findall(marked))) < 2:
        found |= _first(sentences)
    return found and found | _others(found, rest, options)


def _at_start(text: str, options: Sequence[str]) -> set[int]:
    """The letter of "B. Because ...", "(B) ...", or "B" on a line of its own.

    An option that itself looks so ("C. elegans") speaks against the letter.
    """
    sentences, folded = _conclusions(_marked(text)), _fold(text)
    found = _first(sentences)
    alike = {index for index, option in enumerate(options) if folded.startswith(f"{_fold(option)} ")}
    return found and found | alike | _others(found, sentences, options)


def _option(text: str, options: Sequence[str]) -> set[int]:
    """The letter of "Option B" or "so (B)", where no other is mentioned."""
    sentences = _conclusions(_marked(text))
    found, _ = _stated(_OPTION, sentences)
    return found and found | _others(found, sentences, options)


def _others(found: set[int], sentences: Sequence[str], options: Sequence[str]) -> set[int]:
    """What speaks against the letter: others that are not called wrong, another option's text."""
    others = {index for said in sentences if not _WRONG.search(said) for index in _letters(said)}
    named = _named("\n".join(sentences), options)
    return others if named & found else others | named


# Options' texts in prose -------------------------------------------------------------------------------

_NAMED = re.compile(
    r"(?:\A|\b(?:is|are|was|were|be|(?:it|that|there)['’]s|sees?|shows?|choose|pick|say|about|answer ?[:=])"
    rf" {_SURE}(?:(?:an?|the) )?)\0(?:{_END}|(?= (?:here|in|on|at)\b))"
)


def _named(text: str, options: Sequence[str]) -> set[int]:
    """The option whose text is stated, "It is a dog.", "Yes, it is.", where no other occurs anywhere."""
    found, rest = _occurring(text, options)
    if len({_fold(options[index]) for index in found}) != 1:
        return set()
    certain = _fold(options[min(found)]) in ("yes", "no")  # "No, there is not."
    sentences = _conclusions(rest)
    for number, said in enumerate(sentences):
        match = _NAMED.search(said)
        if match and (number == 0 or match.start()):
            in_doubt = _DOUBT.search(said[: match.end()] if certain else said)
            return set() if in_doubt or (not certain and _is_rejected(sentences[number + 1 :])) else found
    return set()


def _occurring(text: str, options: Sequence[str]) -> tuple[set[int], str]:
    """The options that occur in the text as whole words, the longest first, and the text, a NUL for each."""
    rest = _tidy(text).casefold()
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


_RULES: tuple[tuple[str, Callable[[str, Sequence[str]], set[int]]], ...] = (
    ("letter alone", _alone),
    ("the option's text", _same_text),
    ("letter with the option's text", _with_text),
    ("Answer: letter", _answer),
    ("letter at the start", _at_start),
    ("option letter", _option),
    ("the option's text within the text", _named),
)
