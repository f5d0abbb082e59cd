r"""The option a free answer chooses: an ordered list of rules, each with a name, and never a guess.

The rules are ours: published scripts rank the letters by probability (Qwen-VL) or fall back on a random
option. The first rule that finds an option decides, so what the prompt asks for (a letter) comes before
prose. A rule that finds two options ends the reading, and an answer no rule reads is unparsed.

Prose is read by what it must say, and what is not of these forms is unparsed: "the answer is B", "B is
right", "B" at the start, "option B" or "(B)" at the end of a sentence, "it is a dog" likewise. A sentence
with a word of denial ("unlikely", "ruled out", "but") or a question mark says nothing; reasons ("because it
is not red") do not count; "not C" after a choice is left out. Another letter after the choice takes it back.

What is no prose, as "B. dog", is read in choice_whole.py; its answers come first.

Case: "a" and "I" are words, so a small letter counts only where no word can stand (alone, in brackets, before
a full stop at an end, after "Answer:"), and a capital "A" or "I" followed by a word is no letter: "A dog" and
"The answer is A dog" name no option but the dog.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from eval_mm.metrics.choice_whole import (
    ALONE,
    alone,
    bare_answer,
    fold,
    letter_index,
    same_text,
    tidy,
    with_text,
)


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


# Letters in prose --------------------------------------------------------------------------------------
# First every letter that can be no word is marked: "B" becomes "\0B", "(b)" becomes "\0B)". A capital can be
# no word unless it starts one ("B-flat", "B.C."); "A" and "I" only before a mark, the end or a word that goes
# on about the answer; a small letter before a mark at the end of a line, at the start, or after "Answer:".

_MARKED = re.compile(
    r"""[(\[{<]\s?([A-Za-z])\s?[)\]}>]
      | (?<![\w°])(?<!°\s)(?<!\w['’])(?:
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
    rf"(?:(?:is|would be|should be|must be)\b ?:?|[:=–—-]) ?{_SURE}{_NOUN}(?:\\boxed)?{_LETTER}{_END}"
    rf"|\bcorrect ?[:=] ?{_LETTER}{_END}"
    rf"|{_LETTER} (?:is|would be|should be|must be) {_SURE}(?:the )?"
    rf"(?:answer|(?:correct|right|best)(?: (?:answer|option|choice|one))?){_END}",
    re.IGNORECASE,
)
_START = re.compile(_LETTER + _END)
_OPTION = re.compile(
    rf"(?:\A|[,;:]|\b(?:so|is|be|choose|pick|select|say|think|(?:go|going) with)|['’]s) ?{_SURE}(?:\\boxed)?"
    rf"(?:(?:the )?(?:option|choice|letter|answer):? {_LETTER}|\0[A-Z]\)){_END}"
    rf"|\bI(?:['’](?:d|ll)| would| will)? (?:choose|pick|select|go with) {_LETTER}{_END}",
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
_BEFORE_TEXT = r"(?:[.:,]?(?: [-–—])?[ \n]| ?\()"
_VERDICT = 4
"""So many words may be a verdict on what stands before, "This one is wrong"; more go on about the answer."""


def _marked(text: str, options: Sequence[str]) -> str:
    """The text with its letters marked, without those that are set against the choice ("B, not C").

    A letter within an option's text ("vitamin C") is none. An option's text after its own letter becomes "~":
    "B. false" denies nothing, and "B. a long text is wrong" is as short a verdict as "B is wrong".
    """

    def mark(match: re.Match[str]) -> str:
        if match.lastindex is None:
            return match[0]
        return f"\0{match[match.lastindex].upper()}" + ")" * (match.lastindex == 1)

    texts = [tidy(option).rstrip(".!") for option in options]
    lettered = [re.escape(text) for text in texts if _MARKED.search(text) and not ALONE.fullmatch(text)]
    within = rf"(?<!\w)(?i:{'|'.join(sorted(lettered, key=len, reverse=True))})(?!\w)|" if lettered else ""
    marked = re.sub(within + _MARKED.pattern, mark, tidy(text), flags=re.VERBOSE)
    for place, own in enumerate(texts):
        letter = ascii_uppercase[place]
        if own:
            marked = re.sub(rf"(?i)(\0{letter}\)?{_BEFORE_TEXT}){re.escape(own)}(?!\w)[.!]?", r"\1~", marked)
    return _NOT_THAT.sub("", marked)


def _letters(text: str) -> set[int]:
    return {letter_index(letter) for letter in re.findall(r"\0([A-Z])", text)}


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
    bare = bare_answer(text)
    # "The answer is a" may have been cut off before its noun.
    whole = with_text(bare, options) or (set() if bare[:1].islower() else alone(bare, options))
    if whole:
        return whole
    marked = _marked(text, options)
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
    sentences, folded = _conclusions(_marked(text, options)), fold(text)
    found = _first(sentences)
    alike = {index for index, option in enumerate(options) if folded.startswith(f"{fold(option)} ")}
    return found and found | alike | _others(found, sentences, options)


def _option(text: str, options: Sequence[str]) -> set[int]:
    """The letter of "Option B" or "so (B)", where no other is mentioned."""
    sentences = _conclusions(_marked(text, options))
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
    if len({fold(options[index]) for index in found}) != 1:
        return set()
    certain = fold(options[min(found)]) in ("yes", "no")  # "No, there is not."
    sentences = _conclusions(rest)
    for number, said in enumerate(sentences):
        match = _NAMED.search(said)
        if match and (number == 0 or match.start()):
            in_doubt = _DOUBT.search(said[: match.end()] if certain else said)
            return set() if in_doubt or (not certain and _is_rejected(sentences[number + 1 :])) else found
    return set()


def _occurring(text: str, options: Sequence[str]) -> tuple[set[int], str]:
    """The options that occur in the text as whole words, the longest first, and the text, a NUL for each."""
    rest = tidy(text).casefold()
    found: set[int] = set()
    folded = [fold(option) for option in options]
    for option in sorted({*folded}, key=lambda option: (-len(option), option)):
        if len(option) < 2 and not option.isdigit():
            continue
        pattern = rf"(?<![\w-])(?<!\d[.,]){re.escape(option)}(?!\w|[.,]\d|\s?%)"
        rest, times = re.subn(pattern, "\0", rest)
        if times:
            found |= {index for index, other in enumerate(folded) if other == option}
    return found, rest


_RULES: tuple[tuple[str, Callable[[str, Sequence[str]], set[int]]], ...] = (
    ("letter alone", alone),
    ("the option's text", same_text),
    ("letter with the option's text", with_text),
    ("Answer: letter", _answer),
    ("letter at the start", _at_start),
    ("option letter", _option),
    ("the option's text within the text", _named),
)
