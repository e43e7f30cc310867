"""The runners, a file for each framework; each is imported only where its framework is."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..workloads import Sample, Workload
from ..workloads.resnet import ResNet
from .base import Runner

OWN = "chainrule"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a runner is found.

    Attributes:
        framework: the module that has to be installed.
        file: the runner's file here.
        name: its class.
        method: of workloads: their loss in this framework. Without it there is nothing to run.
        predictor: the class that predicts one sample at a time; nothing if none does.
        sweeper: the class that trains many networks at once; nothing if none does.
        instead: a method that is taken where a workload has it: what suits this runner better.
    """

    framework: str
    file: str
    name: str
    method: str
    predictor: str = ""
    sweeper: str = ""
    instead: str = ""

    def runs(self, workload: Workload) -> bool:
        """Whether the workload exists in this framework."""
        slow = self.name == "JaxScan" and type(workload) is ResNet  # minutes for an epoch
        return bool(self._kind(workload)) and hasattr(workload, self._method(workload)) and not slow

    def make(self, workload: Workload) -> Callable[[Sample], Runner]:
        """The runner, but for its arrays; imports the framework."""
        module = importlib.import_module(f"{__package__}.{self.file}")
        kind: type[Runner] = getattr(module, self._kind(workload))
        method: Callable[..., Any] = getattr(workload, self._method(workload))

        def made(sample: Sample) -> Runner:
            return kind(workload, sample, method)

        return made

    def _kind(self, workload: Workload) -> str:
        if workload.sweeps:
            return self.sweeper
        return self.predictor if workload.predicts else self.name

    def _method(self, workload: Workload) -> str:
        if self.instead and hasattr(workload, self.instead):
            return self.instead
        own = self.framework == "chainrule"
        return f"{self.method}_scores" if workload.predicts and not own else self.method


RUNNERS = {
    OWN: Entry("chainrule", "own", "Own", "model", "OwnPrediction", "OwnSweep"),
    "jax-scan": Entry("jax", "jaxed", "JaxScan", "jax", sweeper="JaxSweep"),
    "jax-step": Entry("jax", "jaxed", "JaxStep", "jax", "JaxPrediction"),
    "torch-eager": Entry("torch", "pytorch", "Torch", "torch", "TorchPrediction", "Torch"),
    "torch-compile": Entry(
        "torch",
        "pytorch",
        "TorchCompile",
        "torch",
        "TorchCompilePrediction",
        "TorchCompile",
        "torch_compiled",
    ),
    "pytensor": Entry("pytensor", "pytensors", "PyTensor", "pytensor", "PyTensorPrediction"),
    "sklearn": Entry("sklearn", "scikit", "Scikit", "sklearn"),
}
