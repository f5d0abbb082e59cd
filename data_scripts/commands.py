"""What the verbs of the command line do, once their options are read."""

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from data_scripts.benchmark import Benchmark
from data_scripts.benchmarks import all_benchmarks
from data_scripts.check import check
from data_scripts.options import ALL, DOWNLOADS, KEPT, fetchable
from data_scripts.prepare import Options, prepare
from eval_mm.console import BAD_INPUT, INTERRUPTED, SAMPLE_ERRORS, guarded
from eval_mm.data import find_root
from eval_mm.errors import UserError

WORST = (0, SAMPLE_ERRORS, BAD_INPUT, INTERRUPTED)
"""Exit codes, the worst last."""


def run(args: argparse.Namespace) -> int:
    """Does what was asked and returns the exit code."""
    if args.verb == "demo":
        from data_scripts.drawn import demo  # pulls in numpy and Pillow

        demo.write(args.out, args.seed)
        return 0
    if args.verb == "demo-training":
        from data_scripts.drawn import training

        lesson = training.Lesson(args.max_shapes, coarse=args.coarse)
        if args.kinds is not None:
            lesson = lesson._replace(kinds=tuple(args.kinds.split(",")))
        if args.shows is not None:
            lesson = lesson._replace(shows=tuple(args.shows.split(",")))
        training.write(args.out, args.scenes, args.seed, lesson, args.workers)
        return 0
    known = all_benchmarks()
    if args.verb == "list":
        from data_scripts import listing

        named = args.benchmark
        print(listing.splits(known[named], args.data) if named else listing.table(known, args.data, args.out))
        return 0
    if args.verb == "fetch":
        fetch = functools.partial(_fetch, args)
        return _each(fetchable(), fetch) if args.benchmark == ALL else fetch(args.benchmark)
    if args.verb == "frames":
        from data_scripts import frames
        from data_scripts.benchmarks.seedbench import VIDEO

        return frames.make(args.data / VIDEO.path, args.data, args.clips, args.workers)
    verb = _prepare if args.verb == "prepare" else _check
    if args.benchmark != ALL:
        return verb(known[args.benchmark], args)
    names = [name for name, one in known.items() if _has_input(one, args)]
    if not names:
        where = (args.raw or DOWNLOADS) if args.verb == "prepare" else args.data
        raise UserError(
            f"{where}: nothing to {args.verb} here; python -m data_scripts list shows what there is"
        )
    return _each(names, lambda name: verb(known[name], args))


def _each(names: Sequence[str], verb: Callable[[str], int]) -> int:
    """Does it for each, whatever becomes of the others; returns the worst exit code."""
    codes = []
    for name in names:
        print(f"== {name}", flush=True)
        codes.append(guarded(functools.partial(verb, name), KEPT))
        if codes[-1] == INTERRUPTED:
            break
    return max(codes, key=WORST.index)


def _has_input(benchmark: Benchmark, args: argparse.Namespace) -> bool:
    """Whether there is anything of a benchmark that `all` could mean."""
    if args.verb == "prepare":
        return _raw(benchmark, args).is_dir()
    root = find_root(args.data).path
    return any((root / split.path).is_file() for split in benchmark.splits)


def _raw(benchmark: Benchmark, args: argparse.Namespace) -> Path:
    """The folder of a benchmark's official files: by default the one `fetch` fills."""
    if args.benchmark == ALL:
        return (args.raw or DOWNLOADS) / benchmark.name
    return args.raw or DOWNLOADS / benchmark.name


def _fetch(args: argparse.Namespace, name: str) -> int:
    from data_scripts import fetch

    benchmark = all_benchmarks().get(name)
    wanted = fetch.Wanted(args.out, args.only, args.few_shot, args.yes)
    fetch.fetch(name, wanted, benchmark.pictures if benchmark else None)
    return 0


def _prepare(benchmark: Benchmark, args: argparse.Namespace) -> int:
    options = Options(args.images, args.allow_partial, args.source)
    prepare(benchmark, _raw(benchmark, args), args.out, options)
    return 0


def _check(benchmark: Benchmark, args: argparse.Namespace) -> int:
    checked = check(benchmark, args.data, args.allow_partial)
    print(checked.text())
    return checked.exit_code
