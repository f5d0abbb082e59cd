"""A protocol in the user's own words: what is asked, what it is called, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eval_mm import planning, store, tasks
from eval_mm.data import ALL_ROWS, load
from eval_mm.data import find_root as root_of
from eval_mm.errors import UserError
from eval_mm.prompt import plain_text, to_request
from eval_mm.schema import Image, ModelInfo, Prompt
from eval_mm.variant import AS_IT_IS, Variant, base_of, read_variant


def prompt_of(template: str, task: str, protocol: str = "instruct") -> Prompt:
    """The first prompt of a task on the demo data, in these words."""
    found = tasks.get(task)
    data = load(found, root_of("demo"))
    varied = Variant("mine", template).of(tasks.get_protocol(found, protocol))
    return to_request(data.samples[0], varied, data.root.path).prompt


def test_what_stands_in_braces_is_filled_in() -> None:
    """Guards the four places, pictures where the template does not say where, and braces that are braces."""
    picture, text = prompt_of('{{"q": "{question}"}}\n{hint}|{choices}', "scienceqa_test_img")
    assert isinstance(picture, Image)
    assert isinstance(text, str)
    assert text.startswith('{"q": "')
    assert "|A. " in text
    assert "\nB. " in text
    before, picture, text = prompt_of("Think.\n{prompt}\nBe brief.", "textvqa_val")
    assert before == "Think.\n"
    assert isinstance(picture, Image)
    assert str(text).endswith("\nAnswer the question using a single word or phrase.\nBe brief.")
    assert (
        plain_text(prompt_of("Describe it in one sentence.", "nocaps_val")) == "Describe it in one sentence."
    )


def test_a_question_with_braces_stays_a_question() -> None:
    """What a data set writes in braces once was filled in as if the user had written it."""
    task = tasks.get("textvqa_val")
    data = load(task, root_of("demo"))
    sample = replace(data.samples[0], question="{choices} {0} {")
    varied = Variant("mine", "Q: {question}").of(tasks.get_protocol(task, "instruct"))
    assert plain_text(varied.prompt(sample)) == "Q: {choices} {0} {"


def test_the_name_tells_words_apart() -> None:
    """Guards a number of other words, or another limit, against passing for one of the protocol."""
    assert AS_IT_IS.named("instruct") == "instruct"
    one, other = Variant("cot", "a {prompt}"), Variant("cot", "b {prompt}")
    assert one.named("instruct").startswith("instruct+cot-")
    assert one.named("instruct") != other.named("instruct")
    assert Variant(max_new_tokens=512).named("qwen-vl") == "qwen-vl+512-tokens"
    assert Variant(chat=True, max_new_tokens=9).named("qwen-vl") == "qwen-vl+9-tokens+chat"
    assert base_of(replace(one, chat=True).named("qwen-vl")) == "qwen-vl"


def test_a_variant_survives_the_manifest() -> None:
    """Guards scoring without the model: the words must be those that were asked."""
    for variant in (AS_IT_IS, Variant("a", "x{{{question}", None, 7, True), Variant("b", None, "Be kind.")):
        assert Variant.from_json(json.loads(json.dumps(variant.to_json()))) == variant
    assert AS_IT_IS.to_json() == {}
    for spoilt in ({"template": 3}, {"max_new_tokens": "7"}, {"unknown": 1}, {"template": "{x}"}, [1]):
        with pytest.raises((TypeError, ValueError, UserError)):
            Variant.from_json(spoilt)


TEMPLATES = {
    "{queston}": ":1: unknown {queston}: known are {prompt}, {question}",
    "a\n{question!r}": ":2: unknown {question!r}",
    "a\n\n{question.format}": ":3: unknown {question.format}",
    "a\n{": ":2: ",
    "}": ":1: ",
    "{}": ":1: unknown {}",
    "\n": "the file is empty",
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_braces_that_mean_nothing(template: str, tmp_path: Path) -> None:
    """A misspelt place must not be sent to the model as it stands; file and line are named."""
    path = tmp_path / "mine.txt"
    path.write_text(template)
    with pytest.raises(UserError) as caught:
        read_variant(str(path))
    assert f"{path}{TEMPLATES[template]}" in str(caught.value) or TEMPLATES[template] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_system_text_or_a_file_of_one(tmp_path: Path) -> None:
    """A path that is mistyped must not become what the model is told."""
    path = tmp_path / "polite.txt"
    path.write_text("Be polite.\n")
    assert read_variant(system=str(path)).system == "Be polite."
    assert read_variant(system=str(path)).named("instruct").startswith("instruct+polite-")
    assert read_variant(system="Be polite. " + "x" * 5000).name == "system"
    for absent in ("prompts/polite.txt", "polite.txt", str(tmp_path / "other")):
        with pytest.raises(UserError, match="no such file"):
            read_variant(system=absent)
    with pytest.raises(UserError, match="cannot be read"):
        read_variant(str(tmp_path / "absent.txt"))
    for empty in ("", " \n"):
        with pytest.raises(UserError, match="--system: the text is empty"):
            read_variant(system=empty)
    with pytest.raises(UserError, match="max_new_tokens"):
        read_variant(max_new_tokens=0)


def planned(names: str, variant: Variant, protocol: str | None = None, **info: object) -> planning.Planned:
    """How a server's model would be asked."""
    model = ModelInfo("m", box_scale="1000", plain=bool(info.get("plain", False)))
    return planning.plan(planning.find([names], "demo", ALL_ROWS, protocol=protocol), model, variant)


REFUSED = [
    ("textvqa_val", "Describe it.", "cannot be answered without its question; put {question} or {prompt}"),
    ("scienceqa_test_img", "{question}", "cannot be answered without its choices"),
    ("textvqa_val", "{question} {choices}", "has no choices to put where {choices} stands"),
    ("nocaps_val", "{question}?", "has no question to put where {question} stands"),
]


@pytest.mark.parametrize(("task", "template", "said"), REFUSED)
def test_words_that_do_not_fit_a_task(task: str, template: str, said: str) -> None:
    """Guards against asking options that are not shown, or sending braces, before anything is spent."""
    with pytest.raises(UserError) as caught:
        planned(task, Variant("mine", template))
    assert said in str(caught.value)
    assert "--prompt-template mine" in str(caught.value)


def test_a_model_that_knows_chat_turns_only() -> None:
    """Guards protocol qwen-vl against being asked in another form under its own name."""
    (plan,) = planned("textvqa_val", AS_IT_IS, "qwen-vl").plans
    assert plan.protocol.chat
    assert plan.asked(ModelInfo("m")).prompt_protocol == "qwen-vl+chat"
    assert all(request.chat for request in plan.requests())
    (plan,) = planned("textvqa_val", AS_IT_IS, "qwen-vl", plain=True).plans
    assert plan.asked(ModelInfo("m")).prompt_protocol == "qwen-vl"
    with pytest.raises(UserError, match="structural tokens in its prompt"):
        planned("refcoco_val", AS_IT_IS, "qwen-vl")
    with pytest.raises(UserError, match="no chat turn to say it in"):
        planned("textvqa_val", Variant("s", None, "Be kind."), "qwen-vl", plain=True)


def test_a_system_text_is_part_of_what_was_asked() -> None:
    """Another system text must be asked anew; none must leave the keys of earlier runs as they were."""
    (plan,) = planned("textvqa_val", AS_IT_IS).plans
    (told,) = planned("textvqa_val", Variant("s", None, "Be kind.")).plans
    one, other = plan.requests()[0], told.requests()[0]
    assert (one.system, other.system) == ("", "Be kind.")
    assert store.asked_key(one, "f") != store.asked_key(other, "f")
    assert store.asked_key(one, "f") == store.asked_key(replace(other, system=""), "f")
