"""The demo model's learning curve, from the folders of its lessons in order (needs the extra `plots`).

    python benchmarks/demo_model/plot_curve.py WORK/one-a WORK/one-b ...

Writes curve.csv and curve.svg beside this script.
"""

import csv
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(lessons: list[Path]) -> None:
    """Joins the logs of the lessons into one curve."""
    from matplotlib import pyplot

    rows: list[tuple[str, int, float, float | None]] = []
    starts = [0]
    for lesson in lessons:
        lines = (lesson / "log.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        rows += [
            (lesson.name, starts[-1] + record["step"], record["loss"], record.get("held_out_loss"))
            for record in records
        ]
        starts.append(rows[-1][1])
    shown = [row for row in rows if row[1] % 20 == 0 or row[3] is not None]
    with (HERE / "curve.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["lesson", "step", "loss", "held_out_loss"])
        writer.writerows(
            (name, step, f"{loss:.4f}", held and f"{held:.4f}") for name, step, loss, held in shown
        )
    figure, axes = pyplot.subplots(figsize=(8, 3.5), layout="constrained")
    axes.plot([row[1] for row in shown], [row[2] for row in shown], linewidth=0.5, label="training")
    measured = [(row[1], row[3]) for row in rows if row[3] is not None]
    axes.plot(*zip(*measured, strict=True), marker=".", label="held out")
    for start, lesson in zip(starts[:-1], lessons, strict=True):
        axes.axvline(start, color="0.7", linewidth=0.8)
        axes.text(start, axes.get_ylim()[1], f" {lesson.name}", fontsize=7, va="top", rotation=90)
    axes.set(xlabel="step", ylabel="loss per learned token, nats", yscale="log")
    axes.legend()
    figure.savefig(HERE / "curve.svg", metadata={"Date": None})


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
