"""Models of transformers asked: families on every task, batches, limits, stops, what fails."""

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from PIL import Image as Picture

from eval_mm import tasks
from eval_mm.cli import main
from eval_mm.data import Selection
from eval_mm.models import Settings, hf
from eval_mm.models.hf_prompts import prompted
from eval_mm.run import run
from eval_mm.schema import Image, Request
from qwen_vl.image import load_image
from tests.eval_mm.hf import tiny_models
from tests.eval_mm.hf.support import FAMILIES, PICTURES, ask, backend, refused, requests


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_every_task_family(family: str, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """A family answered captions and crashed on clips: each is asked two rows of every demo task."""
    settings = Settings("cpu", "float32", box_scale="fraction")
    report = run(
        f"hf:{checkpoints[family]}", ["all"], "demo", selection=Selection(2), settings=settings, out=tmp_path
    )
    assert {outcome.result.task for outcome in report.outcomes} == set(tasks.all_tasks())
    assert [outcome.first_errors for outcome in report.outcomes] == [()] * len(report.outcomes)
    assert {outcome.result.prompt_protocol for outcome in report.outcomes} == {"instruct"}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_does_not_depend_on_its_batch(
    family: str, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    """Padding that is attended to, or counted as positions, changes the answers of short prompts; pictures of
    other shapes, cut into other numbers of tiles, change their neighbours'.
    """
    model = backend(checkpoints[family])
    asked = requests()
    for number, size in enumerate(((300, 90), (90, 300), (120, 120))):
        path = tmp_path / f"{number}.png"
        Picture.linear_gradient("L").resize(size).save(path)
        asked.append(Request(f"shape{number}", (Image(str(path)), "What is this?"), max_new_tokens=8))
    if family != "paligemma":  # it has no form for questions without a picture
        asked += [Request(f"none{i}", ("What is this?" * i,), max_new_tokens=8) for i in (1, 3)]
    together = ask(model, asked)
    alone = {request.id: ask(model, [request])[request.id] for request in asked}
    assert len({answer.text for answer in alone.values()}) > 4, "the answers tell nothing apart"
    for name, answer in alone.items():
        other = together[name]
        assert (answer.text, answer.new_tokens) == (other.text, other.new_tokens)
        assert answer.choice_logprobs == pytest.approx(other.choice_logprobs, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_ranked_choices_are_those_of_one_forward_pass(family: str, checkpoints: dict[str, Path]) -> None:
    """Forcing tokens through generation must give what reading prompt and option at once gives."""
    model = backend(checkpoints[family])
    request = Request("1", (Image(PICTURES[0]), "Which?"), choices=(" red", " a blue one"))
    one = prompted(request, model._processor, load_image)
    wanted = []
    for choice in request.choices:
        ids = model._processor.tokenizer(choice, add_special_tokens=False)["input_ids"]
        whole = dict(one.sequence)
        whole["input_ids"] = torch.cat([whole["input_ids"], torch.tensor([ids])], dim=1)
        for name in whole:
            if name != "input_ids":
                written = (
                    ("attention_mask", "token_type_ids") if family == "paligemma" else ("attention_mask",)
                )
                later = 1 if name in written else 0
                whole[name] = torch.cat([whole[name], torch.full((1, len(ids)), later)], dim=1)
        with torch.inference_mode():
            logits = model._model(**whole, **one.pictures).logits[0].double().log_softmax(-1)
        first = one.num_tokens - 1
        chosen = [float(logits[first + place, token]) for place, token in enumerate(ids)]
        wanted.append(sum(chosen) / len(chosen))
    assert ask(model, [request])["1"].choice_logprobs == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_control_tokens_in_a_question_stay_text(family: str, checkpoints: dict[str, Path]) -> None:
    """A question with <image> in it asked for a second picture, one with </s> ended the prompt."""
    model = backend(checkpoints[family])
    odd = "what does <image> <|image_pad|> </s> <|im_end|> <IMG_CONTEXT> <start_of_image> mean?"
    special = set(model._processor.tokenizer.get_added_vocab().values())

    def count(text: str) -> int:
        one = prompted(Request("1", (Image(PICTURES[0]), text)), model._processor, load_image)
        return sum(int(token) in special for token in one.sequence["input_ids"][0])

    assert count(odd) == count("plain")
    ask(model, [Request("1", (Image(PICTURES[0]), odd), max_new_tokens=2)])


def test_limits_and_stops(checkpoints: dict[str, Path]) -> None:
    """An answer that ends by itself says so and has no end token in it; a stop text cuts, a minimum holds."""
    model = backend(checkpoints["qwen2_vl"])
    [answer] = ask(model, [Request("1", (Image(PICTURES[0]), "x"), max_new_tokens=6)]).values()
    assert (answer.stop_reason, answer.new_tokens) == ("length", 6)
    one = prompted(Request("1", (Image(PICTURES[0]), "x")), model._processor, load_image)
    ids = model._generate([one], 0, 6).sequences[0, one.num_tokens :].tolist()
    model._eos = (next(token for token in ids if ids.index(token) > 0),)
    [ended] = ask(model, [Request("1", (Image(PICTURES[0]), "x"), max_new_tokens=6)]).values()
    assert ended.stop_reason == "stop"
    assert ended.new_tokens == ids.index(model._eos[0])
    [longer] = ask(
        model, [Request("1", (Image(PICTURES[0]), "x"), min_new_tokens=5, max_new_tokens=6)]
    ).values()
    assert longer.new_tokens is not None
    assert longer.new_tokens >= 5
    stop = answer.text[2]
    [cut] = ask(
        backend(checkpoints["qwen2_vl"]), [Request("1", (Image(PICTURES[0]), "x"), stop=(stop,))]
    ).values()
    assert cut.text == answer.text.partition(stop)[0]


def test_a_stop_text_ends_the_generation(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is cut off was written first, token by token; what was written beside it was counted."""
    model = backend(checkpoints["llava"])
    plain = [Request(str(i), (Image(path), "x"), max_new_tokens=40) for i, path in enumerate(PICTURES)]
    whole = ask(model, plain)
    first, last = (
        next(c for c in whole[name].text[place:] if c.isascii()) for name, place in (("0", 8), ("1", 20))
    )
    asked = [replace(request, stop=(first, last)) for request in plain]
    steps: list[int] = []
    generated = model._generate

    def watched(*given: Any) -> Any:
        made = generated(*given)
        steps.append(made.sequences.shape[1] - max(one.num_tokens for one in given[0]))
        return made

    monkeypatch.setattr(model, "_generate", watched)
    together = ask(model, asked)
    alone = {request.id: ask(model, [request])[request.id] for request in asked}
    assert together == alone
    for name, answer in together.items():
        assert answer.text == whole[name].text.partition(first)[0].partition(last)[0]
        assert answer.stop_reason == ("stop" if answer.text != whole[name].text else "length")
    assert together["0"].new_tokens is not None
    assert together["0"].new_tokens < 20
    assert min(steps) < 20


def test_what_is_prepared_ahead_ends_with_the_answers(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C waited until 64 pictures that nobody asks about any more were read."""
    model = backend(checkpoints["llava"])
    ended, prepared = Event(), 0
    plain = model._prompted

    def counted(request: Request) -> Any:
        nonlocal prepared
        prepared += 1
        if prepared == hf.WINDOW + 3:
            ended.wait(60)
        return plain(request)

    monkeypatch.setattr(hf, "Event", lambda: ended)
    monkeypatch.setattr(model, "_prompted", counted)
    asked = [Request(str(i), (Image(PICTURES[0]), "x"), max_new_tokens=1) for i in range(3 * hf.WINDOW)]
    answers = model.generate(asked)
    assert isinstance(answers, Generator)
    next(answers)
    answers.close()
    assert prepared <= hf.WINDOW + 3


def test_a_model_that_gives_something_else_than_answers(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a family that returns the new tokens alone, the first were taken for the prompt and cut off."""
    model = backend(checkpoints["llava"])
    plain = model._model.generate

    def new_alone(**given: Any) -> Any:
        made = plain(**given)
        made.sequences = made.sequences[:, given["input_ids"].shape[1] :]
        return made

    monkeypatch.setattr(model._model, "generate", new_alone)
    [answer] = model.generate(requests()[:1])
    assert "gives something else than prompt and answer" in (answer.error or "")


def test_a_processor_that_gives_lists(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of several shapes come as lists from some processors: "'list' has no attribute 'shape'"."""
    model = backend(checkpoints["llava"])
    plain = model._processor.apply_chat_template

    def listed(*given: Any, **how: Any) -> Any:
        made = plain(*given, **how)
        return {**made, "pixel_values": list(made["pixel_values"])}

    monkeypatch.setattr(model._processor, "apply_chat_template", listed)
    [answer] = model.generate(requests()[:1])
    assert "its processor gives pixel_values not as tensors" in (answer.error or "")


def test_a_question_that_a_family_has_no_form_for_is_its_own_error(checkpoints: dict[str, Path]) -> None:
    """PaliGemma needs a picture: the question without one is an error, and its neighbours are answered."""
    asked = [Request("none", ("x",), max_new_tokens=2), *requests()[:2]]
    answers = {answer.id: answer for answer in backend(checkpoints["paligemma"]).generate(asked)}
    assert "image" in (answers["none"].error or "")
    assert [answers[request.id].error for request in asked[1:]] == [None, None]


def test_pixels_of_the_resized_picture(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Qwen2.5-VL's coordinates count the picture it saw: without that size no box can be placed."""
    path = tmp_path / "wide.png"
    Picture.new("RGB", (300, 150)).save(path)
    model = backend(checkpoints["qwen2_5_vl"])
    assert model.info.box_scale == "resized"
    [answer] = ask(model, [Request("1", (Image(str(path)), "x"), max_new_tokens=1)]).values()
    width, height = answer.image_size or (0, 0)
    assert (width % 28, height % 28) == (0, 0)
    assert width > height > 0
    named = ["run", "--task", "refcoco_val", "--limit", "3", "--model", f"hf:{checkpoints['qwen2_5_vl']}"]
    assert main([*named, "--data", "demo", "--out", str(tmp_path / "out")]) == 0
    [line] = {
        json.dumps(json.loads(line)["image_size"])
        for path in (tmp_path / "out" / "refcoco_val").glob("predictions.*")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    assert min(json.loads(line)) > 0


def test_answers_do_not_depend_on_the_unit(checkpoints: dict[str, Path]) -> None:
    """Answers stored under another unit were read as pixels of a picture whose size nobody wrote down."""
    request = Request("1", (Image(PICTURES[0]), "x"), max_new_tokens=1)
    here, there = (backend(checkpoints["qwen2_vl"], box_scale=unit) for unit in ("1000", "resized"))
    assert here.info.fingerprint == there.info.fingerprint
    [one], [other] = (ask(model, [request]).values() for model in (here, there))
    assert one == other
    assert one.image_size is not None
    assert "does not tell at which size" in refused(checkpoints["llava"], box_scale="resized")


def test_an_unreadable_picture_is_one_sample_s_error(checkpoints: dict[str, Path]) -> None:
    """One broken file must not take its batch along."""
    good, bad = requests()[0], Request("bad", (Image("/nowhere.png"), "x"))
    answers = {answer.id: answer for answer in backend(checkpoints["llava"]).generate([bad, good])}
    assert "no such image file" in (answers["bad"].error or "")
    assert answers[good.id].error is None


def test_a_batch_too_large_for_memory_is_halved(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running out of memory with 16 prompts is no reason to lose the 15 that fit."""
    model = backend(checkpoints["llava"])
    whole = ask(model, requests()[:6])
    plain = model._generate

    def small(prompts: list[object], *rest: object) -> object:
        if len(prompts) > 1:
            raise torch.OutOfMemoryError("too much")
        return plain(prompts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "_generate", small)
    assert ask(model, requests()[:6]) == whole


def test_a_budget_of_tokens_cuts_batches(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget that is not kept is found on the GPU, out of memory."""
    model = backend(checkpoints["llava"], batch_tokens=150)
    sizes: list[int] = []
    plain = model._generate

    def watched(prompts: list[object], *rest: object) -> object:
        sizes.append(len(prompts))
        return plain(prompts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "_generate", watched)
    ask(model, [request for request in requests() if request.id.startswith("text")])
    assert sum(sizes) == 6
    assert 1 < len(sizes) <= 6
