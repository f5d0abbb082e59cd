"""METEOR 1.5 (https://aclanthology.org/W14-3348), by the Java program that pycocoevalcap carries.

Followed: Meteor of pycocoevalcap 1.2: English, normalised, and the same conversation with the program: one
line `SCORE ||| reference ||| .. ||| candidate` per image, answered by its statistics, then `EVAL` with all of
them, answered by one score per image and that of the split. Deviations: our Java, in English and UTF-8
whatever the machine's settings; the program's complaints are kept for a message, where the published pipe
fills up and stops both sides.
"""

import subprocess
from collections.abc import Sequence
from tempfile import TemporaryFile

from eval_mm.metrics.java import OPTIONS, failure, java, scorers


def meteor(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """METEOR of the split and of every image, 0 to 1, of token strings as `ptb.tokenize` makes them.

    Needs 2 GB of memory and about 6 s to start. UserError where pycocoevalcap or Java is missing or fails.
    """
    jar = scorers() / "meteor" / "meteor-1.5.jar"
    command = [str(java()), *OPTIONS, "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    with TemporaryFile() as said:
        try:
            with subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
            ) as program:
                try:
                    return _converse(program, candidates, references)
                finally:
                    program.kill()
        except (OSError, ValueError) as error:
            said.seek(0)
            raise failure("METEOR", said.read() or str(error).encode()) from error


def _converse(
    program: "subprocess.Popen[bytes]", candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, list[float]]:
    """OSError or ValueError where the program stops or answers something else."""
    assert program.stdin is not None
    assert program.stdout is not None
    statistics = []
    for candidate, captions in zip(candidates, references, strict=True):
        cleaned = candidate.replace("|||", "").replace("  ", " ")
        program.stdin.write(" ||| ".join(["SCORE", *captions, cleaned]).encode() + b"\n")
        program.stdin.flush()
        statistics.append(program.stdout.readline().decode().strip())
    program.stdin.write(" ||| ".join(["EVAL", *statistics]).encode() + b"\n")
    program.stdin.flush()
    scores = [float(program.stdout.readline()) for _ in candidates]
    return float(program.stdout.readline()), scores
