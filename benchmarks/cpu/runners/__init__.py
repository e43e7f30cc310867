"""The runners, a file for each framework; each is imported only where its framework is."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from ..workloads import Workload
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
    """

    framework: str
    file: str
    name: str
    method: str

    def runs(self, workload: Workload) -> bool:
        """Whether the workload exists in this framework."""
        slow = self.name == "JaxScan" and type(workload) is ResNet  # minutes for an epoch
        return hasattr(workload, self.method) and not slow

    def load(self) -> type[Runner]:
        """The class; imports the framework."""
        found: type[Runner] = getattr(
            importlib.import_module(f"{__package__}.{self.file}"), self.name
        )
        return found


RUNNERS = {
    OWN: Entry("chainrule", "own", "Own", "model"),
    "jax-scan": Entry("jax", "jaxed", "JaxScan", "jax"),
    "jax-step": Entry("jax", "jaxed", "JaxStep", "jax"),
    "torch": Entry("torch", "pytorch", "Torch", "torch"),
    "torch-compile": Entry("torch", "pytorch", "TorchCompile", "torch"),
}
