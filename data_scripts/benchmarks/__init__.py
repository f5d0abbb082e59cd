"""Benchmarks to prepare: one file here declares one as `BENCHMARK`; there is no other register."""

import importlib
import pkgutil
from functools import cache

from data_scripts.benchmark import Benchmark


@cache
def all_benchmarks() -> dict[str, Benchmark]:
    """Every benchmark by name, in the order of the files."""
    modules = [
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    ]
    return {module.BENCHMARK.name: module.BENCHMARK for module in modules}
