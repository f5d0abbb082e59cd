"""Batches that read a picture once: every row whole, exactly once, and worth what it is worth alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from qwen_vl.conversations import Example, read_conversations
from qwen_vl.generate import mean_logprobs
from qwen_vl.image import load_image, preprocess
from qwen_vl.loss import batch_loss
from qwen_vl.model import QwenVL, random_model
from qwen_vl.packing import (
    Batch,
    Group,
    Span,
    hold_out,
    images_of,
    make_groups,
    padded_tokens,
    plan_epoch,
    share,
)
from qwen_vl.prompt import TokenPrompt
from qwen_vl.tokenizer import Tokenizer
from tests.qwen_vl.training import VOCABULARY, config, conversations
from tests.qwen_vl.training import row as talk

SPAN = Span(100, 101)


def example(row: int, picture: int | None, text: list[int]) -> Example:
    """A row with a picture of two rows, some text, and a last token that is learned."""
    ids = ([] if picture is None else [100, 102, 102, 101]) + text + [9]
    learned = np.zeros(len(ids), np.bool_)
    learned[-1] = True
    return Example(row, np.array(ids, np.int32), learned, () if picture is None else (Path(str(picture)),))


rows = st.lists(st.tuples(st.none() | st.integers(0, 3), st.lists(st.integers(1, 3), min_size=1, max_size=6)))


@given(rows, st.integers(1, 5), st.integers(10, 60))
def test_every_row_once(given_rows: list[tuple[int | None, list[int]]], most: int, tokens: int) -> None:
    """Grouping, batching and sharing among processes neither lose nor repeat a row, and are repeatable."""
    examples = [example(i, picture, text) for i, (picture, text) in enumerate(given_rows)]
    groups = make_groups(examples, SPAN, most)
    batches = plan_epoch(groups, tokens, seed=1, epoch=2)
    planned = [[[row.row for row in group.rows] for group in batch] for batch in batches]
    assert sorted(row for batch in planned for rows in batch for row in rows) == list(range(len(examples)))
    again = plan_epoch(groups, tokens, seed=1, epoch=2)
    assert planned == [[[row.row for row in group.rows] for group in batch] for batch in again]
    for batch in batches:
        assert len({group.prefix for group in batch}) == 1
        longest = max(group.longest for group in batch)
        slots = sum(group.prefix + len(group.rows) * longest for group in batch)
        assert slots == padded_tokens(batch)
        assert len(batch) == 1 or slots <= tokens, "attention would see more than the budget"
        parts = [share(batch, rank, 3) for rank in range(3)]
        assert sorted(map(id, batch)) == sorted(id(group) for part in parts for group in part)


@given(rows)
def test_prefixes_are_common_unlearned_and_hold_whole_images(
    given_rows: list[tuple[int | None, list[int]]],
) -> None:
    """A prefix that reached into an answer or cut an image in two would train something else."""
    examples = [example(i, picture, text) for i, (picture, text) in enumerate(given_rows)]
    for group in make_groups(examples, SPAN, 8):
        for row in group.rows:
            assert (row.ids[: group.prefix] == group.rows[0].ids[: group.prefix]).all()
            assert group.prefix < row.learned.argmax()
            shared = row.ids[: group.prefix]
            assert (shared == SPAN.start).sum() == (shared == SPAN.end).sum()
        if len(group.rows) > 1 and group.rows[0].images:
            assert group.prefix >= 4, "the picture is read once per row"


@given(st.lists(st.lists(st.integers(0, 12), max_size=3), min_size=1, max_size=30), st.floats(0, 0.9))
def test_no_picture_is_held_out_and_trained_on(pictures: list[list[int]], part: float) -> None:
    """Rows with several pictures tie them together; a leak would make the held-out loss a lie."""
    examples = [
        Example(i, np.array([1, 2], np.int32), np.array([False, True]), tuple(Path(str(n)) for n in shown))
        for i, shown in enumerate(pictures)
    ]
    groups = make_groups(examples, SPAN, 4)
    train, held_out = hold_out(groups, part, seed=3)
    assert not set(images_of(train)) & set(images_of(held_out))
    assert sorted(map(id, train + held_out)) == sorted(map(id, groups))


def test_rows_without_pictures_are_held_out_one_by_one() -> None:
    """Text-only data must give a held-out part of the size asked for, not nothing or everything."""
    groups = make_groups([example(i, None, [1]) for i in range(100)], SPAN, 4)
    train, held_out = hold_out(groups, 0.3, seed=0)
    assert (len(train), len(held_out)) == (70, 30)


def test_another_epoch_is_another_order() -> None:
    """The same order every epoch would be a bug that no loss curve shows."""
    groups = make_groups([example(i, None, [i % 50 + 1]) for i in range(40)], SPAN, 1)

    def order(epoch: int) -> list[int]:
        return [group.rows[0].row for batch in plan_epoch(groups, 30, 0, epoch) for group in batch]

    assert order(0) == order(0) != order(1)


@pytest.fixture(scope="module")
def model() -> QwenVL:
    return random_model(config(), seed=5, std=0.2)


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> list[Group]:
    path = conversations(tmp_path_factory.mktemp("talks"))
    words = Tokenizer.from_file(VOCABULARY, 4)
    examples = read_conversations(path, words, "raw", 128)
    return make_groups(examples, Span(words.image_start_id, words.image_end_id), 4)


def pixels(batch: Batch) -> dict[Path, Tensor]:
    return {path: preprocess(load_image(path), 28) for path in images_of(batch)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Group]:
    """Rows of several pictures, one of them shown twice, beside rows of one."""
    path = conversations(tmp_path_factory.mktemp("clips"))
    frames = "\n".join(f"<img>{number}.png</img>" for number in (2, 0, 1, 2))
    several = [talk(f"{frames}\nWhat happens {when}? Answer:", f" {when}") for when in ("first", "last")]
    path.write_text(json.dumps([*several, *json.loads(path.read_text("utf-8"))]), encoding="utf-8")
    words = Tokenizer.from_file(VOCABULARY, 4)
    examples = read_conversations(path, words, "raw", 128)
    found = make_groups(examples, Span(words.image_start_id, words.image_end_id), 4)
    assert [len(one.images) for one in found[0].rows] == [4, 4]
    assert found[0].prefix > 4 * 6, "the frames are read once for both questions"
    return found


@pytest.mark.parametrize("kind", ["groups", "clips"])
def test_the_packed_loss_is_the_sum_of_the_rows_alone(
    model: QwenVL, kind: str, request: pytest.FixtureRequest
) -> None:
    """Sharing a picture and a prefix must not change what a row is worth: against the slow reference."""
    groups: list[Group] = request.getfixturevalue(kind)
    for batch in plan_epoch(groups, 200, 0, 0):
        wanted, shown = 0.0, pixels(batch)
        for group in batch:
            for row in group.rows:
                at = int(row.learned.argmax())
                prompt = TokenPrompt(tuple(row.ids[:at].tolist()), tuple(shown[path] for path in row.images))
                answer = row.ids[at:].tolist()
                wanted -= mean_logprobs(model, prompt, [answer])[0] * len(answer)
        with torch.no_grad():
            assert float(batch_loss(model, batch, shown)) == pytest.approx(wanted, rel=1e-5)


def test_gradients_agree_with_finite_differences(groups: list[Group]) -> None:
    """Each module's gradient at a few random entries, against a central difference."""
    model = random_model(config(), seed=6, std=0.2).double()
    batch = next(batch for batch in plan_epoch(groups, 200, 0, 0) if batch[0].prefix)
    shown = {path: picture.double() for path, picture in pixels(batch).items()}
    model.requires_grad_(True)
    batch_loss(model, batch, shown).backward()
    rng, step, checked = torch.Generator().manual_seed(0), 1e-2, 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for at in torch.randint(len(flat), (2,), generator=rng).tolist():
            kept = float(flat[at])
            with torch.no_grad():
                flat[at] = kept + step
                above = float(batch_loss(model, batch, shown))
                flat[at] = kept - step
                below = float(batch_loss(model, batch, shown))
            flat[at] = kept
            # Norms and the loss are computed in float32, which leaves some noise in the difference.
            assert (above - below) / (2 * step) == pytest.approx(float(gradient[at]), rel=0.03, abs=0.02), (
                name
            )
            checked += abs(float(gradient[at])) > 0.05
    assert checked > 20, "hardly any entry had a gradient to compare"
