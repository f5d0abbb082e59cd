"""Published forms of ScienceQA.

- problems: its own problems.json, an object of questions under their ids, and pid_splits.json, which says
  which of them are the test split; without the latter each question's own `split` does.
- converted: Qwen-VL's JSONL of the questions with a picture, whose folder is the id.
- prompts: LLaVA's llava_test_CQM-A.json, each question as the text of a prompt. It has all of the test split,
  but neither subject nor grade, and where context ends and question begins is told by a rule: the question is
  the last line, with the line before it where that asks or says to complete what follows. On the 879
  questions with a context of the official records at hand the rule is always right. It has lost double
  spaces inside a context.
"""

from collections.abc import Iterator, Sequence

from data_scripts import source
from data_scripts.benchmark import EACH, Canonical, Form, Shape, Table
from data_scripts.forms_choice import letter, options
from eval_mm.data import Row

TEST = "test"
FACTS = ("subject", "topic", "category", "grade")
"""What a problem is about, for breakdowns."""

PROBLEM = Shape(("question", "choices", "answer", "hint", "split"), EACH, id_field="pid")
TEST_IDS = Shape(("line",), TEST)
CONTEXT = "Context: "
CLOZE = "Complete the "


def problems(folder: str, pictured: bool, with_ids: bool) -> Form:
    """Test questions of problems.json, or those `pictured`; `with_ids`, pid_splits.json tells which they are.

    The order is that of pid_splits.json: by number.
    """

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        known = {row.fields["pid"]: row for row in tables[0].rows}
        if with_ids:
            seen: dict[str, Row] = {}
            wanted = [source.claim(seen, row, "line", row.identifier("line")) for row in tables[1].rows]
        else:
            listed = [pid for pid, row in known.items() if row.string("split") == TEST]
            wanted = sorted(listed, key=source.natural)
        for pid in wanted:
            if pid not in known:
                continue  # a part of the file: the number of rows tells
            row = known[pid]
            if row.string("split") != TEST:
                raise row.error(
                    "split", f"expected 'test', as {tables[1].path} says, got '{row.string('split')}'"
                )
            if not pictured or row.fields.get("image"):
                yield _problem(row, folder)

    shapes = (PROBLEM, TEST_IDS) if with_ids else (PROBLEM,)
    return Form("ScienceQA problems" + " + test ids" * with_ids, shapes, convert)


def _problem(row: Row, folder: str) -> Canonical:
    pid = row.identifier("pid")
    choices = list(row.texts("choices"))
    hint = row.string("hint")
    name = source.file_name(row, "image") if row.fields.get("image") else None
    return {
        "id": pid,
        "images": [] if name is None else [f"{folder}/{pid}/{name}"],
        "question": row.text("question"),
        **({"hint": hint} if hint.strip() else {}),
        "choices": choices,
        "answer": row.index("answer", len(choices)),
        **{fact: row.text(fact) for fact in FACTS if fact in row.fields},
    }


def converted(folder: str) -> Form:
    """Qwen-VL's scienceqa_test_img.jsonl."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        seen: dict[str, Row] = {}
        for row in tables[0].rows:
            parts = row.image("image").path.split("/")
            if len(parts) < 2:
                raise row.error("image", f"expected .../<id>/<file name>, got '{row.string('image')}'")
            hint = row.fields.get("hint")
            choices = list(row.texts("choices"))
            yield {
                "id": source.claim(seen, row, "image", parts[-2]),
                "images": [f"{folder}/{parts[-2]}/{parts[-1]}"],
                "question": row.text("question"),
                **({"hint": row.text("hint")} if hint else {}),
                "choices": choices,
                "answer": row.index("answer", len(choices)),
            }

    shape = Shape(("image", "hint", "question", "choices", "answer"))
    return Form("Qwen-VL's converted JSONL", (shape,), convert)


def prompts(folder: str, pictured: bool) -> Form:
    """LLaVA's llava_test_CQM-A.json; those with a picture."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        seen: dict[str, Row] = {}
        for row in tables[0].rows:
            pid = source.claim(seen, row, "id", source.identifier(row, "id"))
            if pictured and "image" not in row.fields:
                continue
            asked, answered = _turns(row)
            text = asked.string("value").removeprefix("<image>\n")
            text, choices = options(asked, "value", text)
            hint, question = _parted(text)
            image = f"{folder}/{pid}/{source.file_name(row, 'image')}" if "image" in row.fields else None
            yield {
                "id": pid,
                "images": [] if image is None else [image],
                "question": question,
                **({"hint": hint} if hint else {}),
                "choices": choices,
                "answer": letter(answered, "value", len(choices)),
            }

    return Form(
        "LLaVA's prompts",
        (Shape(("id", "conversations")),),
        convert,
        partial="it has neither subjects nor grades, and a rule parts contexts from questions",
    )


def _turns(row: Row) -> list[Row]:
    """What was asked and what is to be answered."""
    value = row.fields.get("conversations")
    if not isinstance(value, list) or len(value) != 2:
        raise row.error("conversations", f"expected a list of 2 turns, got {source.kind(value)}")
    place = source.where(row).removeprefix("in ")
    return list(source.items(row.path, value, f"{place}.conversations"))


def _parted(text: str) -> tuple[str, str]:
    """Context and question of a prompt."""
    if not text.startswith(CONTEXT):
        return "", text
    *context, before, last = ["", *text.removeprefix(CONTEXT).split("\n")]
    two_lines = not last.endswith("?") and (before.endswith("?") or CLOZE in before)
    hint, question = (context, [before, last]) if two_lines else ([*context, before], [last])
    return "\n".join(hint[1:]), "\n".join(question)
