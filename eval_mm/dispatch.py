"""Which requests are answered next: the questions of one image stay together."""

from collections.abc import Iterator, Sequence

from eval_mm.prompt import images_of
from eval_mm.schema import Request

MAX_GROUP = 32


def groups(requests: Sequence[Request], max_size: int = MAX_GROUP) -> Iterator[list[Request]]:
    """The requests in groups that share their images, at most `max_size` each, by first appearance.

    A back end that keeps what it computed for the last image then computes it once per image.
    """
    by_images: dict[tuple[str, ...], list[Request]] = {}
    for request in requests:
        by_images.setdefault(tuple(images_of(request.prompt)), []).append(request)
    for shared in by_images.values():
        for start in range(0, len(shared), max_size):
            yield shared[start : start + max_size]
