"""The text of an answer, piece by piece as its tokens come, cut at the first stop text."""

import codecs
from collections.abc import Sequence

from qwen_vl.tokenizer import Tokenizer


class Text:
    """Tokens in, text out that will not be taken back: no half character, nothing that may begin a stop.

    The answer ends where the first stop text in it begins, as if it were cut once it is whole.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str], skip_special_tokens: bool):
        self.is_stopped = False
        self._tokenizer, self._stops, self._keep = tokenizer, stops, not skip_special_tokens
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def add(self, token: int) -> str:
        """What can be told now that this token has come; empty once a stop was found."""
        return self._more(self._decoder.decode(self._tokenizer.answer_bytes(token, self._keep)))

    def end(self) -> str:
        """What was held back, now that no token follows."""
        told = self._more(self._decoder.decode(b"", final=True), at_end=True)
        told, self._held = told + self._held, ""
        return told

    def _more(self, piece: str, at_end: bool = False) -> str:
        if self.is_stopped:
            return ""
        self._held += piece
        found = min((place for stop in self._stops if (place := self._held.find(stop)) >= 0), default=None)
        begun = len(self._held) - max((_overlap(self._held, stop) for stop in self._stops), default=0)
        if found is not None and (at_end or found <= begun):  # else a longer stop may have begun before it
            self.is_stopped = True
            told, self._held = self._held[:found], ""
            return told
        told, self._held = self._held[:begun], self._held[begun:]
        return told


def _overlap(text: str, stop: str) -> int:
    """How many last characters of the text are the first ones of the stop."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
