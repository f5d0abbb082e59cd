"""A back end without a model: answers from a file, or the question itself. For tests, dry runs and old
answers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from eval_mm.answers import read_file
from eval_mm.errors import DataError
from eval_mm.models import Settings
from eval_mm.prompt import plain_text
from eval_mm.schema import ModelInfo, Prediction, Request


class EchoBackend:
    """Answers each request with the text a file holds for its id, or with the words of its prompt."""

    def __init__(self, info: ModelInfo, texts: Mapping[str, str] | None):
        self.info = info
        self._texts = texts

    @classmethod
    def describe(cls, spec: str, value: str, settings: Settings, fetch: bool = True) -> ModelInfo:
        """`echo` repeats the question; `echo:FILE` reads answers by id. Raises DataError for a bad file."""
        return cls.load(spec, value, settings).info

    @classmethod
    def load(cls, spec: str, value: str, settings: Settings) -> "EchoBackend":
        """The same, ready to be asked; there is nothing that takes long to load."""
        if spec == "echo":
            return cls(ModelInfo("echo", "echo", protocol="qwen-vl"), None)
        path, texts = Path(value), {}
        file = read_file(path)
        for answer in file.answers:
            if answer.id is None or answer.id in texts:
                raise DataError(path, f"{answer.place}: echo needs one answer per id, by the ids of samples")
            texts[answer.id] = answer.text
        return cls(ModelInfo("echo", f"echo-{file.sha256[:16]}", protocol="qwen-vl"), texts)

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers in the order asked; an id the file lacks is that sample's error."""
        for request in requests:
            text = plain_text(request.prompt) if self._texts is None else self._texts.get(request.id)
            if text is None:
                yield Prediction(request.id, error="the file has no answer for this id")
            elif request.choices:
                yield Prediction(request.id, choice_logprobs=_ranks(request.choices, text))
            else:
                yield Prediction(request.id, text, stop_reason="stop")


def _ranks(choices: Sequence[str], text: str) -> tuple[float, ...]:
    """0 for the option that the text names, by words or 0-based index, -1 for others; empty if none."""
    texts = [choice.strip() for choice in choices]
    named = [place for place, choice in enumerate(texts) if text.strip() in (choice, str(place))]
    return tuple(0.0 if place == named[0] else -1.0 for place in range(len(texts))) if named else ()
