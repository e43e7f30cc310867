"""What can be read of a model: its graphs, formulas and code, and what they cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from chainrule.frontend.names import options

from . import _build

if TYPE_CHECKING:
    from chainrule.compiler.explain.formulas import Formulas
    from chainrule.compiler.explain.loops import Loops
    from chainrule.compiler.explain.plan import Plan
    from chainrule.compiler.explain.provenance import Explanation
    from chainrule.compiler.ir import Graph
    from chainrule.runtime.devices.base import Array, Executable
    from chainrule.runtime.profile import Profile


class Readable(ABC):
    """Something with programs, by name, that can be read."""

    @abstractmethod
    def _request(self, what: str) -> Graph:
        """What a program is to compute."""

    @abstractmethod
    def _target(self) -> str:
        """What the programs are for."""

    @abstractmethod
    def _program(self, what: str) -> Executable:
        """A program, ready to run."""

    @abstractmethod
    def _batch(self, what: str, x: Any, y: Any, batch_size: int | None) -> dict[str, Array]:
        """The arrays that a program is given for a batch of the first samples."""

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

    @options
    def profile(
        self, x: Any, y: Any = None, batch_size: int | None = None, what: str | None = None
    ) -> Profile:
        """What the kernels of a step cost: time, operations, bytes, share of the machine's peak.

        The program is compiled once more, with a clock around the kernels' calls, and runs for a
        quarter of a second on one batch, and as long again on all threads where there are several.
        Nothing of the model's is changed by it.

        Args:
            x: samples, as in `fit`. The first ones make the batch.
            y: what they should give.
            batch_size: samples of the batch; 32 by default.
            what: "train", "evaluate" or "predict"; by default "train" if the model is compiled.

        Returns:
            A table, to be printed; `rows` has it as data.

        Raises:
            UsageError: the model is compiled for another target than "cpu".

        Example:
            >>> import chainrule as cr, numpy as np
            >>> model = cr.Sequential([cr.Input((64,)), cr.Dense(32), cr.Dense(1)], seed=0)
            >>> profile = model.profile(np.ones((16, 64)), what="predict")
            >>> profile.flops  # 2 * 16 * (64 * 32 + 32 * 1), and the biases
            67088.0
            >>> [line.split("   ")[-1] for line in profile.rows[0].formula.splitlines()]
            ['z1 = x W1 + b1', 'y = z1 W2 + b2']
        """
        from chainrule.runtime.profile import profile

        chosen = self._main if what is None else what
        arrays = self._batch(chosen, x, y, batch_size)
        program = self._program(chosen)
        return profile(program, program.in_order(arrays))

    def plan(self, what: str | None = None, **sizes: int) -> Plan:
        """What memory a program uses, and what it computes again rather than store.

        Args:
            what: "train", "evaluate" or "predict"; by default "train" if the model is compiled.
            **sizes: numbers for named sizes, such as `batch=32`; others stay symbols.

        Returns:
            Parameters, state and data; the buffers between kernels with the tensors that share
            them; what is stored or computed again, and what decided. It prints as text.

        Raises:
            UsageError: the model is compiled for another target than "cpu", or a size is negative.
            UnknownNameError: there is no size of a name.

        Example:
            >>> import chainrule as cr
            >>> model = cr.Sequential([cr.Input((64,)), cr.Dense(32), cr.Dense(1)], seed=0)
            >>> plan = model.plan(batch=16)
            >>> [held.name for held in plan.parameters]
            ['W1', 'b1', 'W2', 'b2']
            >>> print(str(plan).splitlines()[0])
            model: 12,612 bytes
        """
        from ._build import plan

        return plan(self._request(self._main if what is None else what), self._target(), sizes)

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
