"""CIDEr-D: the published scorer's numbers, and what no split may do."""

import json
import random
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval_mm.metrics.cider import cider_d, count_references

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "captions.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", GOLDENS)
def test_equals_the_published_scorer(row: dict[str, list[str]]) -> None:
    """Splits of 1 to 12 images: one image, n-grams of all images, repeats, empty texts, no-break spaces."""
    scores = cider_d(row["candidates"], count_references(row["references"]))
    assert scores == pytest.approx(row["cider_d"], abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_package_on_made_splits(seed: int) -> None:
    """Few words, so n-grams repeat within captions and over images; candidates with words nobody used."""
    rng = random.Random(seed)

    def caption(words: str) -> str:
        return " ".join(rng.choice(words) for _ in range(rng.randrange(12)))

    references = [[caption("abcdefg" * 9 + "xyz") for _ in range(rng.randrange(1, 7))] for _ in range(60)]
    candidates = [caption("abcdefguvw") for _ in references]
    published = import_module("pycocoevalcap.cider.cider").Cider()
    mean, wanted = published.compute_score(
        dict(enumerate(references)), {image: [caption] for image, caption in enumerate(candidates)}
    )
    scores = cider_d(candidates, count_references(references))
    assert scores == pytest.approx(wanted.tolist(), abs=1e-9)
    assert sum(scores) / len(scores) == pytest.approx(mean, abs=1e-9)


token = st.sampled_from(["a", "b", "c", "dog", "-lrb-", "1\u00a01/2", "'s"]) | st.text(max_size=4)
caption = st.lists(token, max_size=8).map(" ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(caption, st.lists(caption, min_size=1, max_size=4)), max_size=8))
def test_no_split_raises(split: list[tuple[str, list[str]]]) -> None:
    """Empty captions, splits without a single token (where the published code stops): a number in 0..10."""
    scores = cider_d([candidate for candidate, _ in split], count_references([texts for _, texts in split]))
    assert len(scores) == len(split)
    assert all(0 <= score <= 10 for score in scores)


@settings(deadline=None)
@given(
    st.lists(st.tuples(caption, st.lists(caption, min_size=1, max_size=3)), min_size=2, max_size=6), st.data()
)
def test_order_of_images_does_not_matter(split: list[tuple[str, list[str]]], data: st.DataObject) -> None:
    """Sorted arrays tempt one to give a score to the wrong image."""
    order = data.draw(st.permutations(range(len(split))))
    scores = cider_d([candidate for candidate, _ in split], count_references([texts for _, texts in split]))
    shuffled = [split[place] for place in order]
    again = cider_d(
        [candidate for candidate, _ in shuffled], count_references([texts for _, texts in shuffled])
    )
    assert again == pytest.approx([scores[place] for place in order], abs=1e-9)


def test_statistics_serve_any_number_of_models() -> None:
    """Words that only one model used must not stay in the references' statistics."""
    texts = [["a cat sits here", "a cat"], ["a dog runs over there"], ["two birds"]]
    references = count_references(texts)
    for candidates in (
        ["a cat sits here", "zebra zebra", "two birds"],
        ["a cat", "zebra", "birds zebra zebra"],
    ):
        assert cider_d(candidates, references) == cider_d(candidates, count_references(texts))
    assert references.words == ("a", "cat", "sits", "here", "dog", "runs", "over", "there", "two", "birds")


def test_a_unanimous_caption_scores_ten_only_with_four_words() -> None:
    """A caption shorter than 4 words has no 4-grams, so even equal to all references it cannot reach 10."""
    texts = ["one two three four", "five six seven", "eight nine", "ten"]
    assert cider_d(texts, count_references([[text] for text in texts])) == pytest.approx([10, 7.5, 5, 2.5])


def test_every_image_needs_a_reference() -> None:
    """A division by no references would be a score that is no number."""
    with pytest.raises(AssertionError, match="image 1 has no reference"):
        count_references([["a"], []])
