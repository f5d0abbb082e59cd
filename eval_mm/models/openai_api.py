"""Models behind a server that speaks OpenAI's protocol: `--model openai:NAME --base-url URL`.

OpenAI, vLLM, SGLang, LMDeploy, our own `python -m qwen_vl serve`, and whoever else has /chat/completions with
pictures. Requests that are no chat turn go to servers whose list of models says that they take prompts in
parts; for others planning.py makes a chat turn of them, under a name that says so.

The questions of one picture are asked one after another, the picture before the words, so that a server that
keeps prefixes reads it once.
"""

from collections.abc import Iterable, Iterator

from eval_mm.calls.background import each
from eval_mm.calls.cost import Budget, priced, share
from eval_mm.calls.faults import Stop
from eval_mm.calls.patience import Patience
from eval_mm.models import Settings
from eval_mm.models.openai_calls import PER_CALL, PER_PICTURE, Asked, Caller, Tally
from eval_mm.models.openai_pictures import PictureError, Pictures
from eval_mm.models.openai_target import Target, target
from eval_mm.models.openai_wire import Chat, Parts
from eval_mm.prompt import images_of, plain_text
from eval_mm.schema import ModelInfo, Prediction, Request

CUT = 5
"""Answers of a task that end at their limit before a word, and no other, before all are taken for such."""


class OpenAIBackend:
    """Asks many questions at once, as many as the server takes."""

    def __init__(self, target: Target, settings: Settings, patience: Patience | None = None):
        self.info = target.info
        self._target, self._settings = target, settings
        self._patience = patience or Patience(settings.tries)
        most = share(settings.max_cost)
        self._tally = Tally(Budget(priced(settings.price_in, settings.price_out), most))

    @classmethod
    def describe(cls, spec: str, value: str, settings: Settings, fetch: bool = True) -> ModelInfo:
        """What the server and the user say of the model `value`; UserError where it cannot be asked."""
        return target(spec, value, settings).info

    @classmethod
    def load(cls, spec: str, value: str, settings: Settings) -> "OpenAIBackend":
        """The same, ready to be asked."""
        return cls(target(spec, value, settings), settings)

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers in any order. Pictures are read anew in every call, since they may have changed.

        Raises:
            Stop: no further call would do better, or the money ends; what was answered before is yielded.
        """
        settings = self._settings
        pictures = Pictures(settings.max_image_size, sized=self.info.box_scale == "resized")
        caller = Caller(self._target, self._tally, settings.max_concurrency, settings.timeout, self._patience)
        failed: list[Prediction] = []
        more = True

        def ready() -> Iterator[Asked]:
            nonlocal more
            for request in requests:
                try:
                    yield self._asked(request, pictures)
                except PictureError as error:
                    failed.append(Prediction(request.id, error=str(error)))
            more = False

        answers = each(caller.answer, ready(), settings.max_concurrency, caller.server.close)
        cut = whole = 0
        try:
            for answer in answers:
                yield from failed
                failed.clear()
                yield answer
                empty = answer.stop_reason == "length" and not answer.text and not answer.choice_logprobs
                cut, whole = cut + empty, whole + (answer.error is None and not empty)
                if not whole and cut >= CUT:
                    raise Stop(
                        f"the first {cut} answers reached their limit of new tokens before a word: reasoning "
                        f"counts too, --max-new-tokens N allows for it"
                    )
                if more:  # else there is nothing to be saved
                    self._tally.check()
            yield from failed
        finally:
            answers.close()

    def notices(self) -> list[str]:
        """What the user should know after a run: calls, tokens, cost."""
        return [self._tally.told(self._target)] if self._tally.answered else []

    def _asked(self, request: Request, pictures: Pictures) -> Asked:
        target = self._target
        assert request.chat or self.info.plain, f"{self.info.name} knows chat turns only"
        wire = Chat(target.chat, target.limit) if request.chat else Parts(target.plain)
        body = wire.body(request, lambda path: pictures.sent(path).url)
        shown = images_of(request.prompt)
        counts = self.info.box_scale == "resized" and len(shown) == 1
        size = pictures.sent(shown[0]).size if counts else None
        words = len((plain_text(request.prompt) + request.system).encode("utf-8", "replace"))
        # one token for two bytes is more than any text of words needs, in any language
        return Asked(request, wire, body, size, words / 2 + PER_CALL + PER_PICTURE * len(shown))
