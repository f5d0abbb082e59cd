"""Pictures on their way to the model: read ahead by threads, encoded in batches, their features kept while a
question needs them.

Memory is bounded: at most `ahead` pictures are being read or wait to be encoded, and features are kept for
the pictures asked for next and `KEPT` more.

Shapes: N pictures, S image_size, Q n_queries, C hidden_size.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor

from qwen_vl.model import QwenVL

KEPT = 8
"""Features kept although nobody waits for them, for the same picture asked about again soon."""

Load = Callable[[Any], Tensor]
"""A picture by its key: pixels (3, S, S), or features (Q, C) made before. Called in threads."""


class _Read(NamedTuple):
    image: Tensor
    seconds: float


class Pictures:
    """The pictures of one stream of questions. Close it, so that its threads end."""

    def __init__(self, model: QwenVL, load: Load, batch: int, ahead: int, threads: int) -> None:
        self.batch = batch  # most pictures in one pass of the vision tower
        self.errors: dict[Hashable, Exception] = {}
        self.read_seconds = 0.0  # spent reading, in all threads together
        self.waited_seconds = 0.0  # spent here until a picture was read
        self.num_encoded = 0
        self._model, self._load, self._ahead = model, load, ahead
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
        self._reading: OrderedDict[Hashable, Future[_Read]] = OrderedDict()
        self._features: OrderedDict[Hashable, Tensor] = OrderedDict()

    def close(self) -> None:
        """Ends the threads; what they have not begun is not read."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def is_ready(self, key: Hashable) -> bool:
        """Whether a picture's features are there."""
        return key in self._features

    def features(self, keys: Iterable[Hashable]) -> Tensor:
        """Features (N, Q, C) of pictures that are ready."""
        return torch.stack([self._features[key] for key in keys])

    def look_ahead(self, wanted: Iterable[Hashable]) -> None:
        """Says which pictures are needed next, in order; the rest may be forgotten."""
        wanted = dict.fromkeys(wanted)
        for key in [key for key in self._reading if key not in wanted]:
            self._reading.pop(key).cancel()
        for key in wanted:
            if key in self._features:
                self._features.move_to_end(key)
            elif key not in self._reading and key not in self.errors and len(self._reading) < self._ahead:
                self._reading[key] = self._threads.submit(self._read, key)
        for key in [key for key in self._features if key not in wanted][:-KEPT]:
            del self._features[key]

    def encode(self, needed: Iterable[Hashable], wait: bool) -> bool:
        """Encodes a batch of pictures, those that are needed now first, then what else has been read.

        A picture that cannot be read goes to `errors`. Unless `wait`, does nothing if what is needed is
        still being read. Returns whether anything happened.
        """
        needed = [
            key for key in dict.fromkeys(needed) if key not in self._features and key not in self.errors
        ]
        if not needed:
            return False
        for key in needed:  # in spite of the bound: a prompt may show more pictures than are read ahead
            if key not in self._reading:
                self._reading[key] = self._threads.submit(self._read, key)
        if not wait and not all(self._reading[key].done() for key in needed):
            return False
        others = [key for key, future in self._reading.items() if future.done() and key not in needed]
        images: list[tuple[Hashable, Tensor]] = []
        for key in (*needed, *others)[: max(self.batch, 1)]:
            started = time.perf_counter()
            try:
                read = self._reading.pop(key).result()
            except Exception as error:  # the one boundary per picture: recorded for the questions about it
                self.errors[key] = error
                continue
            finally:
                self.waited_seconds += time.perf_counter() - started
            self.read_seconds += read.seconds
            images.append((key, read.image))
        self._encode(images)
        return True

    def _encode(self, images: list[tuple[Hashable, Tensor]]) -> None:
        model = self._model
        pixels = [(key, image) for key, image in images if image.ndim == 3]
        made = [(key, image) for key, image in images if image.ndim != 3]
        if pixels:
            encoded_NQC = model.encode_images(torch.stack([image for _, image in pixels]))
            self.num_encoded += len(pixels)
            # Copied, since one picture's part would keep those of all.
            made += (
                (key, features_QC.clone()) for (key, _), features_QC in zip(pixels, encoded_NQC, strict=True)
            )
        for key, features_QC in made:
            self._features[key] = features_QC.to(model.device, model.dtype)

    def _read(self, key: Hashable) -> _Read:
        started = time.perf_counter()
        image, visual = self._load(key), self._model.config.visual
        sizes = ((3, visual.image_size, visual.image_size), (visual.n_queries, visual.output_dim))
        if image.shape not in sizes:
            raise ValueError(
                f"pixels or features are {' or '.join(map(str, sizes))}, not {tuple(image.shape)}"
            )
        return _Read(image, time.perf_counter() - started)
