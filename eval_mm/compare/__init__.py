"""Two runs, side by side: what differs between them, and on which tasks one of them is better."""

from eval_mm.compare.differences import Difference
from eval_mm.compare.runs import Comparison, compare_runs
from eval_mm.compare.task import Changed, TaskComparison

__all__ = ["Changed", "Comparison", "Difference", "TaskComparison", "compare_runs"]
