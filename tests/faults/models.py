"""Back ends for runs that something happens to; `--model py:tests.faults.models:NAME`."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from eval_mm.schema import ModelInfo, Prediction, Request


def answer(request: Request) -> Prediction:
    """A box that follows from the question alone."""
    return Prediction(request.id, f"({len(request.id) * 50},200),(500,600)", stop_reason="stop")


class Slow:
    """Takes PAUSE seconds for an answer, and AHEAD questions before the first."""

    info = ModelInfo("slow", "f1", protocol="qwen-vl")

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        waiting: list[Request] = []
        for request in requests:
            waiting.append(request)
            if len(waiting) == int(os.environ.get("AHEAD", "1")):
                yield from self._answered(waiting)
        yield from self._answered(waiting)

    def _answered(self, waiting: list[Request]) -> Iterator[Prediction]:
        while waiting:
            time.sleep(float(os.environ.get("PAUSE", "0")))
            yield answer(waiting.pop(0))


class Mortal(Slow):
    """Process VICTIM dies of SIGKILL at its third answer, once: MARK is a file that says it did."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        mark = Path(os.environ["MARK"])
        for number, prediction in enumerate(super().generate(requests)):
            yield prediction
            if number == 2 and os.environ.get("RANK") == os.environ["VICTIM"] and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)


class Frail(Slow):
    """Fails for some questions, as out of memory or an unreadable picture does."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        for prediction in super().generate(requests):
            failed = prediction.id.endswith("7")
            yield Prediction(prediction.id, error="CUDA out of memory") if failed else prediction
