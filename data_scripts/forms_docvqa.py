"""Published forms of DocVQA and InfographicVQA, which share a server (https://rrc.cvc.uab.es) and its files.

- official: {"data": [..]} or only its list, pictures under a field of either benchmark's own.
- converted: Qwen-VL's JSONL of DocVQA, and rows in that form.
"""

from dataclasses import dataclass

from data_scripts.benchmark import Form, Source
from data_scripts.forms import in_folder
from data_scripts.forms_vqa import converted, listed

TEST = "test"
"""The part whose answers are not public."""


@dataclass(frozen=True, slots=True)
class Server:
    """What one benchmark of the server calls itself, and its pictures."""

    name: str
    title: str
    pictures: str
    picture_field: str

    def sources(self, part: str, *names: str) -> tuple[Source, ...]:
        """Of a part: the official file, whole or only its rows; Qwen-VL's; one like it with some prefix."""
        form = converted(self.pictures, public=part != TEST)
        return (
            Source(self._official("data", part), (names,), others=(self._official("", part),)),
            Source(form, ((f"{part}.jsonl", f"{self.name}_{part}.jsonl"),)),
            Source(form, ((f"*_{part}.jsonl",),)),
        )

    def _official(self, at: str, part: str) -> Form:
        return listed(
            self.title,
            in_folder(self.pictures, self.picture_field),
            at=at,
            id="questionId",
            fields=(self.picture_field,),
            lacks=("answer", "predicted_answer"),
            public=part != TEST,
        )
