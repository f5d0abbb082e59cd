"""The bundled demo model, slowed down; `--model py:tests.slow.paced:Demo`."""

import os
import time
from collections.abc import Iterable, Iterator

from eval_mm.models import Settings
from eval_mm.models.qwen_vl import QwenVLBackend
from eval_mm.schema import ModelInfo, Prediction, Request


class Demo(QwenVLBackend):
    """Takes PAUSE seconds more for an answer: fast cores would be done with all before the last kill."""

    @classmethod
    def describe(cls, spec: str, value: str, settings: Settings, fetch: bool = True) -> ModelInfo:
        """That of the demo model."""
        return super().describe("demo", "", settings, fetch)

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """The demo model's answers, one after the other."""
        for prediction in super().generate(requests):
            time.sleep(float(os.environ.get("PAUSE", "0")))
            yield prediction

    @classmethod
    def load(cls, spec: str, value: str, settings: Settings) -> "Demo":
        """The demo model."""
        loaded = QwenVLBackend.load("demo", "", settings)
        return cls(loaded._loaded, loaded.info)
