"""What a training run needs to go on after it was killed: weights, optimiser, position, and the log up to
there.
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from qwen_vl.distributed import Processes
from qwen_vl.errors import TrainingDataError
from qwen_vl.files import replace_file
from qwen_vl.model import QwenVL

STATE = "state-"
FREE = ("out", "model", "data", "device", "stop_after", "eval_every", "save_every", "save_dtype")
"""Settings that may differ when a run goes on: they do not change the weights."""

MOMENTS = ("exp_avg", "exp_avg_sq")


class TrainingState:
    """The folder of a run. Process 0 writes; all read."""

    def __init__(self, out: Path, settings: Mapping[str, Any], processes: Processes) -> None:
        self.out, self.processes = out, processes
        self.settings = {name: value for name, value in settings.items() if name not in FREE}

    @classmethod
    def open(cls, out: Path, settings: Mapping[str, Any], processes: Processes) -> "TrainingState":
        """The folder at `out`, made if need be; TrainingDataError where it holds a run of other settings."""
        state = cls(out, settings, processes)
        out.mkdir(parents=True, exist_ok=True)
        state._lock_folder()
        record = out / "settings.json"
        wanted = json.loads(json.dumps(state.settings))
        if record.exists():
            found = _read(lambda: dict(json.loads(record.read_text(encoding="utf-8"))), record)
            other = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
            if other:
                raise TrainingDataError(
                    f"{out}: holds a run with another {', '.join(other)}; name another --out"
                )
        processes.wait()
        if processes.rank == 0:
            text = json.dumps(wanted, indent=2) + "\n"
            replace_file(record, lambda path: path.write_text(text, encoding="utf-8"))
        return state

    def _lock_folder(self) -> None:
        """Keeps a second run out of the folder while this process lives."""
        if self.processes.rank == 0:
            self._lock = (self.out / ".lock").open("w")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TrainingDataError(
                    f"--out {self.out}: another run is writing there; wait for it, or name another"
                ) from None
            except OSError:
                pass  # a file system without locks

    def restore(self, model: QwenVL, optimiser: torch.optim.Optimizer) -> int:
        """Puts the newest state into model and optimiser; returns the number of steps that are done."""
        folder = self._newest()
        done = 0
        if folder is not None:
            path = folder / "state.safetensors"
            tensors = _read(lambda: load_file(path, device=str(model.device)), path)
            done = _step(folder)
            if {f"model.{name}" for name in _trained(model)} - tensors.keys():
                raise TrainingDataError(
                    f"{path}: is no state of this model; remove it, or name another --out"
                )
            for name, parameter in _trained(model).items():
                with torch.no_grad():
                    parameter.copy_(tensors[f"model.{name}"])
                moments = {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS}
                optimiser.state[parameter] = {
                    "step": torch.tensor(float(done), device=parameter.device),
                    **moments,
                }
        self._cut_log(done)
        self.processes.wait()
        return done

    def save(
        self, step: int, model: QwenVL, optimiser: torch.optim.Optimizer, trained: Mapping[str, nn.Parameter]
    ) -> None:
        """Writes the state after `step` steps, whole or not at all, and drops the one before."""
        if self.processes.rank == 0:
            tensors: dict[str, Tensor] = {}
            for name, parameter in trained.items():
                tensors[f"model.{name}"] = parameter.detach().cpu().contiguous()
                for moment in MOMENTS:
                    tensors[f"{moment}.{name}"] = optimiser.state[parameter][moment].cpu().contiguous()
            folder = self.out / f"{STATE}{step:06d}"
            temporary = self.out / f".{folder.name}.tmp"
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            save_file(tensors, temporary / "state.safetensors")
            temporary.rename(folder)
            for other in self._states():
                if other != folder:
                    shutil.rmtree(other)
        self.processes.wait()

    def log(self, record: Mapping[str, float]) -> None:
        """Appends a line to the log."""
        if self.processes.rank == 0:
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def _newest(self) -> Path | None:
        return max(self._states(), key=_step, default=None)

    def _states(self) -> list[Path]:
        """The saved states; other names that begin like one are the user's."""
        return [folder for folder in self.out.glob(f"{STATE}*") if folder.name[len(STATE) :].isdecimal()]

    def _cut_log(self, done: int) -> None:
        """Drops the lines of steps that will be taken again."""
        path = self.out / "log.jsonl"
        if self.processes.rank == 0 and path.exists():
            lines = [
                line
                for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
                if _step_of(line) <= done
            ]
            text = "".join(f"{line}\n" for line in lines)
            replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix(STATE))


def _read(reader: Callable[[], Any], path: Path) -> Any:
    """What a file of an earlier session holds; a damaged one is said in one line."""
    try:
        return reader()
    except (OSError, ValueError, TypeError, RecursionError, SafetensorError) as error:
        raise TrainingDataError(f"{path}: damaged ({error}); remove it, or name another --out") from None


def _trained(model: QwenVL) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _step_of(line: str) -> float:
    """The step of a log line; beyond any for a torn one."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
