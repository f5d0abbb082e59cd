"""Published forms of MME: two yes/no questions about each picture, in 14 sub-tasks.

- results: eval_tool's folder with a file per sub-task, <sub-task>.txt, of lines
  `image <tab> question <tab> Yes|No`, with or without a model's answer behind.
- release: the folder of sub-tasks with pictures and, per picture, a text file of its name with two lines
  `question <tab> Yes|No`, side by side or in images/ and questions_answers_YN/.

Questions are kept as published, "Please answer yes or no." included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_scripts import source
from data_scripts.benchmark import Canonical, Form, Shape, Table
from data_scripts.source import Document
from eval_mm.data import Row
from eval_mm.tasks.mme import COGNITION, PERCEPTION

SUBTASKS = (*PERCEPTION, *COGNITION)
ANSWERS = ("Yes", "No")
QUESTIONS = "questions_answers_YN"
"""The folder of text files where pictures have a folder of their own."""


@dataclass(frozen=True, slots=True)
class Folder(Shape):
    """A folder of text files, every line of which is a row; `by_file` says in which of the two layouts."""

    by_file: bool = True

    def fits(self, document: Document) -> str | None:
        """None where the folder has text files of all sub-tasks."""
        if not document.path.is_dir():
            return "expected a folder"
        lost = [name for name in SUBTASKS if not self.texts(document.path, name)]
        if not lost:
            return None
        what = "<sub-task>.txt" if self.by_file else "<sub-task>/<picture>.txt"
        return f"expected {what} for {len(SUBTASKS)} sub-tasks, it lacks {', '.join(lost)}"

    def table(self, document: Document) -> Table:
        """The lines of all files, sub-task by sub-task."""
        files = [file for name in SUBTASKS for file in self.texts(document.path, name)]
        rows = [row for file in files for row in source.text_lines(file, file.read_bytes())]
        return Table(document.path, rows, {})

    def texts(self, folder: Path, subtask: str) -> list[Path]:
        """The text files of a sub-task, by the names of their pictures."""
        if self.by_file:
            file = folder / f"{subtask}.txt"
            return [file] if file.is_file() else []
        inner = folder / subtask / QUESTIONS
        found = (inner if inner.is_dir() else folder / subtask).glob("*.txt")
        return sorted(found, key=lambda path: source.natural(path.name))


def results(pictures: str) -> Form:
    """eval_tool's layout; the pictures are those of the release, in a folder per sub-task."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        asked: dict[tuple[str, str], list[Row]] = {}
        for row in tables[0].rows:
            if row.fields["line"].strip():
                image = _cells(row, 3)[0].strip()
                asked.setdefault((row.path.stem, image), []).append(row)
        for (subtask, image), rows in asked.items():
            for row in rows:
                row.fields["line"] = row.fields["line"].partition("\t")[2]
            yield from _pair(rows, subtask, image, f"{pictures}/{subtask}/{image}")

    return Form("MME's eval_tool", (Folder(("line",)),), convert)


def release(pictures: str) -> Form:
    """The release; a picture keeps its place in it."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        root = tables[0].path
        asked: dict[Path, list[Row]] = {}
        for row in tables[0].rows:
            asked.setdefault(row.path, [])
            if row.fields["line"].strip():
                asked[row.path].append(row)
        shown = {subtask: _shown(root / subtask) for subtask in SUBTASKS}
        for path, rows in asked.items():
            subtask = path.relative_to(root).parts[0]
            if not rows:
                raise Row({}, path, 1).error("line", "expected two questions, the file is empty")
            if path.stem not in shown[subtask]:
                raise rows[0].error("line", f"no picture {path.stem}.jpg or .png lies in {root / subtask}")
            place = shown[subtask][path.stem]
            yield from _pair(rows, subtask, place.name, f"{pictures}/{place.relative_to(root).as_posix()}")

    return Form("MME's release", (Folder(("line",), by_file=False),), convert)


def _shown(folder: Path) -> dict[str, Path]:
    """The pictures of a sub-task by name, wherever in its folder they lie."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return {path.stem: path for path in reversed(found)}


def _pair(rows: Sequence[Row], subtask: str, image: str, path: str) -> Iterator[Canonical]:
    """The two questions about a picture, from lines `question <tab> Yes|No`."""
    if len(rows) != 2:
        raise rows[-1].error("line", f"expected 2 questions about {image}, got {len(rows)}")
    for number, row in enumerate(rows):
        question, answer = (cell.strip() for cell in _cells(row, 2)[:2])
        if not question or answer not in ANSWERS:
            raise row.error("line", f"expected a question, a tab, and Yes or No, got '{answer}'")
        row.fields["image"] = path
        yield {
            "id": f"{subtask}/{image}#{number}",
            "image": row.image("image").path,
            "question": question,
            "answer": answer,
            "category": subtask,
        }


def _cells(row: Row, least: int) -> list[str]:
    cells = row.string("line").split("\t")
    if len(cells) < least:
        raise row.error("line", f"expected {least} texts with tabs between, got {len(cells)}")
    return cells
