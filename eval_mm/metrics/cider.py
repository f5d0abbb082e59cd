"""CIDEr-D: how much a caption resembles what people wrote, by n-grams that are rare in the split.

Paper: https://arxiv.org/abs/1411.5726. Followed: Cider of pycocoevalcap 1.2 (n = 4, sigma = 6), equal to
1e-9. The same sums, over whole arrays instead of Python loops:

    n-gram      a number for each length; key: (number of its first n - 1 words) << 32 | number of its last
    entry       one n-gram of one caption, with how often it is there (times)
    weight      times x (log(images) - log(max(1, images whose references have the n-gram)))
    similarity  sum over n-grams of min(candidate, reference) x reference, / both norms, x penalty on length

What else is as published: the document frequency counts images, not captions; the length of a caption is its
number of 2-grams; the split is what is scored, so a subset has document frequencies of its own; a split of
one image scores 0, because log(1) = 0. Deviations: a split whose references have no token at all scores 0
(published: it stops), and a score that rounding lifts above 10 is 10.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.integer]
    Floats = NDArray[np.float64]

ORDERS = 4
SIGMA = 6.0


class Order(NamedTuple):
    """The n-grams of one length in all references.

    `keys` [n-gram], sorted; `images` [n-gram] in how many images' references it is; and by n-gram, then
    caption: `gram` [entry], `caption` [entry], `times` [entry].
    """

    keys: "Ints"
    images: "Ints"
    gram: "Ints"
    caption: "Ints"
    times: "Ints"


@dataclass(frozen=True, slots=True)
class References:
    """The n-gram statistics of a split's references, counted once and used for any number of models.

    `sizes` [image] how many references; `lengths` [caption] how many words; `words` by number.
    """

    sizes: "Ints"
    lengths: "Ints"
    words: tuple[str, ...]
    orders: tuple[Order, ...]


def count_references(references: Sequence[Sequence[str]]) -> References:
    """Counts the n-grams of `references[image][caption]`, token strings as `ptb.tokenize` makes them.

    Every image must have at least one reference.
    """
    import numpy as np

    sizes = np.array([len(captions) for captions in references], np.int64)
    assert (sizes > 0).all(), f"image {int(np.argmin(sizes))} has no reference"
    captions = [caption.split() for image in references for caption in image]
    words = tuple(dict.fromkeys(chain.from_iterable(captions)))
    text = _text(captions, words)
    image = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    orders = []
    for n in range(1, ORDERS + 1):
        found = text.ngrams(n)
        text.number(found, np.arange(len(found.keys)))
        once = _changes(found.gram, image[found.caption])
        frequency = np.bincount(found.gram[once], minlength=len(found.keys)).astype(np.int32)
        orders.append(Order(found.keys, frequency, found.gram, found.caption, found.times))
    return References(sizes, text.lengths, words, tuple(orders))


def cider_d(candidates: Sequence[str], references: References) -> list[float]:
    """CIDEr-D, 0 to 10, of every image's candidate, token strings in the images' order.

    The score of the split is their mean, published x 100.
    """
    import numpy as np

    images, captions = len(references.sizes), len(references.lengths)
    assert len(candidates) == images, f"{len(candidates)} candidates for {images} images"
    if not candidates:
        return []
    text = _text([candidate.split() for candidate in candidates], references.words)
    image = np.repeat(np.arange(images), references.sizes)
    total = np.zeros(captions)
    for n, order in enumerate(references.orders, start=1):
        idf = _idf(order.images, images)
        weight = order.times * idf[order.gram]
        norm = np.sqrt(np.bincount(order.caption, weight**2, captions))

        found = text.ngrams(n)
        number = _look_up(found.keys, order.keys)
        text.number(found, number)
        # An n-gram that no reference has weighs as much as one that a single image has.
        known = number[found.gram] < len(idf)
        theirs = found.times * np.append(idf, np.log(float(images)))[np.minimum(number, len(idf))[found.gram]]
        norm_theirs = np.sqrt(np.bincount(found.caption, theirs**2, images))

        # Both sorted, by n-gram and then image.
        wanted = order.gram.astype(np.int64) << 32 | image[order.caption]
        there = (number[found.gram] << 32 | found.caption)[known]
        place = np.searchsorted(there, wanted)
        shared = np.flatnonzero(np.append(there, -1)[place] == wanted)
        own = weight[shared]
        products = np.minimum(theirs[known][place[shared]], own) * own
        total_n = np.bincount(order.caption[shared], products, captions)
        norms = norm * norm_theirs[image]
        total += np.divide(total_n, norms, out=np.zeros(captions), where=norms != 0)
    difference = np.maximum(text.lengths - 1, 0)[image] - np.maximum(references.lengths - 1, 0)
    total *= np.exp(-(difference**2) / (2 * SIGMA**2))
    scores = np.bincount(image, total, images) / ORDERS / references.sizes * 10
    return [min(float(score), 10.0) for score in scores]


class _Ngrams(NamedTuple):
    """The n-grams of one length in a text, sorted by key, then caption.

    `keys` [n-gram]; `where` and `gram_there` [token that begins one]; `gram`, `caption`, `times` [entry].
    """

    keys: "Ints"
    where: "Ints"
    gram_there: "Ints"
    gram: "Ints"
    caption: "Ints"
    times: "Ints"


class _Text(NamedTuple):
    """Captions as one row of word numbers.

    `tokens` [token]; `left` [token] how many words its caption has from there on; `caption` [token]; `prefix`
    [token] the number of the n-gram that begins there, for the last n that was numbered; `lengths` [caption].
    """

    tokens: "Ints"
    left: "Ints"
    caption: "Ints"
    prefix: "Ints"
    lengths: "Ints"

    def ngrams(self, n: int) -> _Ngrams:
        """The n-grams of length n, once those of length n - 1 are numbered."""
        import numpy as np

        where = np.flatnonzero(self.left >= n)
        key = self.prefix[where] << 32 | self.tokens[where + n - 1]
        row = np.argsort(key, kind="stable")
        where, key = where[row], key[row]
        caption = self.caption[where]
        first, entry = _changes(key), _changes(key, caption)
        gram = np.cumsum(first, dtype=np.int32) - 1
        times = np.diff(np.flatnonzero(np.append(entry, True))).astype(np.int32)
        return _Ngrams(key[first], where, gram, gram[entry], caption[entry], times)

    def number(self, found: _Ngrams, numbers: "Ints") -> None:
        """Gives the n-grams numbers, by which the keys of the next length are made."""
        self.prefix[found.where] = numbers[found.gram_there]


def _text(captions: Sequence[Sequence[str]], words: Sequence[str]) -> _Text:
    """Captions as numbers; words that are not in `words` get numbers of their own after them."""
    import numpy as np

    numbers = {word: number for number, word in enumerate(words)}
    for word in chain.from_iterable(captions):
        numbers.setdefault(word, len(numbers))
    lengths = np.array([len(caption) for caption in captions], np.int64)
    row = map(numbers.__getitem__, chain.from_iterable(captions))
    tokens = np.fromiter(row, np.int64, int(lengths.sum()))
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(tokens))
    caption = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return _Text(tokens, left, caption, np.zeros_like(tokens), lengths)


def _changes(*columns: "Ints") -> "NDArray[np.bool_]":
    """True wherever a row of the columns differs from the one before it, and for the first."""
    import numpy as np

    changed = np.zeros(len(columns[0]), np.bool_)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return changed


def _look_up(keys: "Ints", known: "Ints") -> "Ints":
    """The place of every distinct key among the sorted known ones; others are numbered after those."""
    import numpy as np

    place = np.searchsorted(known, keys)
    new = np.flatnonzero(np.append(known, -1)[place] != keys)
    place[new] = len(known) + np.arange(len(new))
    return place


def _idf(frequency: "Ints", images: int) -> "Floats":
    """log(images) - log(frequency), one logarithm per distinct value.

    NumPy's logarithm of one number and of an array may differ in the last bit. The published code takes
    single ones; so does this, and an n-gram that every image has weighs exactly 0: a norm of 1e-16 would not
    be 0.
    """
    import numpy as np

    values, place = np.unique(frequency, return_inverse=True)
    idf: Floats = np.array([np.log(float(images)) - np.log(float(value)) for value in values], np.float64)
    return idf[place]
