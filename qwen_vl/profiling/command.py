"""`python -m qwen_vl profile`: its options, checked before torch is loaded."""

import argparse

from qwen_vl.errors import CheckpointError
from qwen_vl.options import positive

PURPOSE = "measure speed and memory of an engine"
EXAMPLES = """\
examples:
  python -m qwen_vl profile --config demo --workload gqa --compare static
  python -m qwen_vl profile --workload refcoco --compare static
  python -m qwen_vl profile --workload generate-8192 --new-tokens 500

gqa to docvqa are questions of the shape of a benchmark (pictures, questions about each, tokens), with answers
of the same forced length for all engines. generate-N are the two figures of the model's README: the speed of
generating up to N tokens after a picture, the peak memory of that, and of reading N tokens.

Each engine runs in a process of its own, on as many cores as OMP_NUM_THREADS says. Where other programs run
beside it, rely on processor time on one core. With config small and --compare static a benchmark takes about
a minute on two free cores, generate-2048 about three, generate-8192 about fifteen: --new-tokens limits that.
"""
ASKED = ("gqa", "refcoco", "vqav2", "caption", "seedbench", "docvqa")
GENERATE = ("generate-2048", "generate-8192")
CONFIGS = ("demo", "small", "qwen-vl-7b")
ENGINES = ("fast", "static", "reference")
PICTURES = "gqa 4, refcoco 6, vqav2 12, caption 48, seedbench 6, docvqa 12"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--workload", choices=(*ASKED, *GENERATE), default="gqa", help="what is asked (gqa)")
    add(
        "--config",
        choices=CONFIGS,
        default="small",
        help="the bundled checkpoint, or random weights of a small (default) or the official size",
    )
    add(
        "--engine",
        choices=ENGINES,
        default="fast",
        help="the engine (default), the published evaluation loop, or one question at a time",
    )
    add("--compare", choices=ENGINES, help="measure this one too, and print the ratio last")
    add(
        "--images",
        type=positive,
        metavar="N",
        help=f"pictures asked about (default: {PICTURES}); not with generate-N",
    )
    add(
        "--new-tokens",
        type=positive,
        metavar="N",
        help="with generate-N: no more than N tokens, to have it sooner",
    )
    add(
        "--compile",
        action="store_true",
        dest="compiled",
        help="with torch.compile for the functions of compiled.py",
    )
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:N")
    add("--dtype", default="auto", help="auto (default), bfloat16, float16, float32")


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints; 0."""
    options = vars(arguments)
    if options["compare"] == options["engine"]:
        raise CheckpointError(f"--compare {options['compare']}: is the engine itself; name another one")
    if options["workload"] in GENERATE and options["images"] is not None:
        raise CheckpointError(f"--images: {options['workload']} shows one picture; take --new-tokens")
    if options["workload"] in ASKED and options["new_tokens"] is not None:
        raise CheckpointError(f"--new-tokens: the answers of {options['workload']} have their own length")
    # Imported late: it loads torch.
    from qwen_vl.profiling.report import profile

    profile(**options)
    return 0
