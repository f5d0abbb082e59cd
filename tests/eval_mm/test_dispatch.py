"""Requests in groups that share their pictures."""

from hypothesis import given
from hypothesis import strategies as st

from eval_mm.dispatch import groups
from eval_mm.schema import Image, Request


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 8))
def test_groups(pictures: list[int], size: int) -> None:
    """Every request exactly once, one picture a group, no group above the limit, no needless split."""
    requests = [Request(str(index), (Image(str(picture)), "?")) for index, picture in enumerate(pictures)]
    made = list(groups(requests, size))
    assert sorted(request.id for group in made for request in group) == sorted(
        request.id for request in requests
    )
    assert all(len({request.prompt for request in group}) == 1 and len(group) <= size for group in made)
    assert len(made) == sum(-(-pictures.count(picture) // size) for picture in set(pictures))
