"""What a run would do, as a table: nothing is asked, no weight is loaded, nothing is written.

Stored answers are counted as the run itself would find them, by the key of the very question. Tokens of
prompts are counted on some questions of each task and scaled: by the model's own vocabulary where the back
end has one at hand, pictures included; else a token is taken for four letters, and pictures are left out.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import astuple, dataclass

from eval_mm import journal, models, store
from eval_mm.console import align, count, size
from eval_mm.jobs import Job
from eval_mm.planning import Plan
from eval_mm.preflight import disks, pictures_of
from eval_mm.prompt import plain_text
from eval_mm.schema import Request

COUNTED = 256
"""Questions of a task whose tokens are counted."""
LETTERS_PER_TOKEN = 4

HEAD = (
    "run folder",
    "task",
    "protocol",
    "samples",
    "pictures",
    "missing",
    "answered",
    "to ask",
    "prompt tokens",
    "new tokens",
)
LEFT = {0, 1, 2}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one task of one job comes to; `answered` is None where the model is not here to be known."""

    samples: int
    pictures: int
    missing: int
    answered: int | None
    prompt_tokens: int
    new_tokens: int

    def plus(self, other: "Forecast") -> "Forecast":
        """Both together; an unknown number counts as none."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Forecast(*((one or 0) + (more or 0) for one, more in pairs))


def show(jobs: Sequence[Job]) -> str:
    """The plan of all jobs as text for a terminal."""
    counters = [_counter(job) for job in jobs]
    rows: list[tuple[str, ...]] = [HEAD]
    total = Forecast(0, 0, 0, 0, 0, 0)
    for job, counter in zip(jobs, counters, strict=True):
        for plan in job.planned.plans:
            one = forecast(job, plan, counter)
            asked_by = plan.variant.named(plan.protocol.name)
            rows.append((str(job.out), plan.task.name, asked_by, *_cells(one)))
            total = total.plus(one)
    if len(rows) > 2:
        rows.append(("all", "", "", *_cells(total)))
    guessed = {job.info.name for job, counter in zip(jobs, counters, strict=True) if counter is None}
    return "\n".join([align(rows, LEFT), "", *_models(jobs), *_estimates(jobs, guessed)])


def forecast(job: Job, plan: Plan, counter: Callable[[Request], int] | None) -> Forecast:
    """One task of a job: what is stored, what is left, and about how many tokens that is."""
    requests = plan.requests()
    pictures = pictures_of(plan)
    known = bool(job.info.fingerprint)
    done = _answered(requests, job, plan) if known and not job.fresh else set()
    left = [request for request in requests if request.id not in done]
    some = left[:: max(1, len(left) // COUNTED)]
    counted = sum(map(counter or _guess, some))
    return Forecast(
        len(requests),
        pictures.total,
        len(pictures.missing),
        len(done) if known else None,
        round(counted * len(left) / max(1, len(some))),
        sum(0 if request.choices else request.max_new_tokens for request in left),
    )


def _answered(requests: Sequence[Request], job: Job, plan: Plan) -> set[str]:
    """The samples that have an answer to exactly this question, and no error."""
    keys = store.Keys(job.info.fingerprint)
    stored = {(answer.id, answer.key): answer for answer in journal.read_answers(job.out / plan.task.name)}
    asked = {(name, key.partition("-")[0]) for name, key in stored}
    done = set()
    for request in requests:
        if (request.id, store.asked_key(request, job.info.fingerprint)) in asked:  # else no picture is read
            answer = stored.get((request.id, keys.of(request)))
            if answer is not None and answer.error is None:
                done.add(request.id)
    return done


def _counter(job: Job) -> Callable[[Request], int] | None:
    if not isinstance(job.model, str) or not job.info.fingerprint:
        return None
    return models.prompt_counter(job.model, job.settings)


def _guess(request: Request) -> int:
    """Tokens of a prompt's text: four letters of most scripts each, one letter of those without spaces."""
    text = plain_text(request.prompt)
    wide = sum(char >= "\u2e80" for char in text)
    return wide + (len(text) - wide) // LETTERS_PER_TOKEN + 1


def _cells(one: Forecast) -> tuple[str, ...]:
    left = one.samples - (one.answered or 0)
    numbers = (one.samples, one.pictures, one.missing, one.answered, left, one.prompt_tokens, one.new_tokens)
    return tuple(map(count, numbers))


def _models(jobs: Sequence[Job]) -> list[str]:
    """A line for every model: where it computes and in what, which checkpoint it is."""
    lines = {}
    for job in jobs:
        info = job.info
        parts = [info.compute] if info.compute else []
        parts += [f"{info.parameters:,} parameters"] if info.parameters else []
        known = f"fingerprint {info.fingerprint}" if info.fingerprint else "its stored answers are not known"
        lines[info.name, info.fingerprint] = f"model {info.name}: {'; '.join([*parts, known])}"
    return list(lines.values())


def _estimates(jobs: Sequence[Job], guessed: Set[str]) -> list[str]:
    """How the numbers were come by; `guessed` are the models whose tokens nobody could count."""
    lines = []
    exact = [job.info.name for job in jobs if job.info.name not in guessed]
    for names, how in (
        (exact, f"by its own vocabulary, with pictures, from {COUNTED} questions a task"),
        (sorted(guessed), f"{LETTERS_PER_TOKEN} letters each, without pictures"),
    ):
        if names:
            lines.append(f"prompt tokens of {', '.join(dict.fromkeys(names))}: {how}")
    lines.append("new tokens: at most, every answer as long as its protocol allows")
    for disk in disks(jobs):
        free = size(disk.free)
        lines.append(f"disk: at most about {size(disk.needed.most)} at {disk.folder}, {free} are free there")
    return lines
