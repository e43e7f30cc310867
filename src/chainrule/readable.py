"""What can be read of a model: its graphs, formulas and code, and what they cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from . import _build

if TYPE_CHECKING:
    from chainrule.compiler.explain.formulas import Formulas
    from chainrule.compiler.explain.loops import Loops
    from chainrule.compiler.explain.provenance import Explanation
    from chainrule.compiler.ir import Graph


class Readable(ABC):
    """Something with programs, by name, that can be read."""

    @abstractmethod
    def _request(self, what: str) -> Graph:
        """What a program is to compute."""

    @abstractmethod
    def _target(self) -> str:
        """What the programs are for."""

    @property
    @abstractmethod
    def _main(self) -> str:
        """The program that is meant where none is named."""

    def graph(self, what: str = "train") -> Graph:
        """The graph of a program, its gradients taken: "train", "evaluate" or "predict"."""
        from chainrule.compiler.pipeline import derive

        return derive(self._request(what))

    def gradients(self) -> Formulas:
        """The gradient of the loss for each parameter, as formulas in the model's own names."""
        from chainrule.compiler.explain.formulas import gradients

        return gradients(self.graph("train"))

    def source(self, target: str | None = None, what: str | None = None) -> str:
        """The code that runs.

        Args:
            target: "numpy" or "cpu"; by default the one that the model is compiled for.
            what: "train", "evaluate" or "predict"; by default "train" if the model is compiled.

        Returns:
            A Python module, with the formula and the model's line above each kernel.
        """
        chosen = self._target() if target is None else _build.check_target(target)
        return _build.program(self._request(self._main if what is None else what), chosen).source

    def explain(self, name: str) -> Explanation:
        """How a gradient came about: each step of the chain rule, each rule, the lines of code.

        Args:
            name: such as "dL_dW1".

        Raises:
            UnknownNameError: no gradient has that name; the nearest one is in the message.
        """
        from chainrule.compiler.explain.provenance import explain
        from chainrule.compiler.pipeline import derive
        from chainrule.compiler.trace import Trace

        trace = Trace()
        request = self._request("train")
        graph = derive(request, trace)
        return explain(name, graph, trace, _build.program(request, self._target()))

    def loops(self, what: str | None = None, **sizes: int) -> Loops:
        """What each loop stores, in bytes, and what is computed again on the way back instead.

        Args:
            what: "train", "evaluate" or "predict"; by default "train" if the model is compiled.
            **sizes: numbers for named sizes, such as `batch=32`; others stay symbols.

        Returns:
            The loops, to be printed. Those of loops in loops are stored for one step at a time.
        """
        from chainrule.compiler.explain.loops import loops

        return loops(self.graph(self._main if what is None else what), sizes)
