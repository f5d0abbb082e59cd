"""SPICE (https://arxiv.org/abs/1607.08822), by the Java program that pycocoevalcap carries.

It parses captions with models that pycocoevalcap does not carry; the user downloads them once. Followed:
Spice of pycocoevalcap 1.2. Deviations: nothing is downloaded unasked; what the program writes, its cache
included, goes to a temporary folder (published: into the package); Java 16 and newer is told to open the
classes that the program reaches into; an image without a score counts 0 (published: the mean is no number).
What goes in and out of the program is tested; the program with its models is not.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from eval_mm.errors import UserError
from eval_mm.metrics.java import OPTIONS, failure, java, scorers

MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")

_OPEN = [
    f"--add-opens=java.base/java.{name}=ALL-UNNAMED"
    for name in ("lang", "math", "net", "nio", "text", "util")
]


def spice(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """SPICE of the split, the mean over images, and of every image, 0 to 1, of token strings.

    UserError where pycocoevalcap, its models or Java is missing, or where Java fails.
    """
    folder = scorers() / "spice"
    for name in MODELS:
        if not (folder / "lib" / name).is_file():
            raise UserError(
                f"SPICE needs {name} in {folder / 'lib'}: python -m pycocoevalcap.spice.get_stanford_models "
                "downloads it (Stanford CoreNLP 3.6.0, some hundred megabytes)"
            )
    rows = [
        {"image_id": image, "test": candidate, "refs": list(captions)}
        for image, (candidate, captions) in enumerate(zip(candidates, references, strict=True))
    ]
    with TemporaryDirectory() as name:
        asked, found, kept = Path(name, "asked.json"), Path(name, "found.json"), Path(name, "cache")
        kept.mkdir()
        asked.write_text(json.dumps(rows), encoding="utf-8")
        command = [str(java()), *OPTIONS, "-Xmx8G", "-jar", str(folder / "spice-1.0.jar"), str(asked)]
        command += ["-cache", str(kept), "-out", str(found), "-subset", "-silent"]
        # Read by Java 9 and newer only; Java 8, for which the program was written, would refuse the option.
        environment = {**os.environ, "JDK_JAVA_OPTIONS": " ".join(_OPEN)}
        try:
            done = subprocess.run(command, capture_output=True, check=False, env=environment)
        except OSError as error:
            raise UserError(f"SPICE: cannot start {command[0]}: {error.strerror or error}") from error
        if done.returncode or not found.is_file():
            said = failure("SPICE", done.stderr + done.stdout)
            raise UserError(f"{said} (it was written for Java 8; JAVA_HOME chooses one)")
        scores = dict.fromkeys(range(len(rows)), 0.0)
        for row in json.loads(found.read_text(encoding="utf-8")):
            scores[row["image_id"]] = float(row["scores"]["All"]["f"] or 0)
    values = list(scores.values())
    return sum(values) / len(values), values
