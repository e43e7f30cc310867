"""A callable on arrays, made from tensors."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from chainrule.compiler.errors import DTypeError, UnknownNameError, UsageError
from chainrule.compiler.ir import Graph, Node, is_leaf, walk
from chainrule.compiler.ops.gradient import GRADIENT, WANTED
from chainrule.compiler.types import SHORT
from chainrule.frontend.calls import check_outside
from chainrule.frontend.drawing import SEED, numbered
from chainrule.frontend.names import identifier
from chainrule.frontend.tensor import Tensor
from chainrule.runtime.reading import check_unmasked

from . import _build

if TYPE_CHECKING:
    from chainrule.compiler.explain.formulas import Formulas
    from chainrule.compiler.explain.loops import Loops
    from chainrule.compiler.explain.plan import Plan
    from chainrule.runtime.devices.base import Executable
    from chainrule.runtime.profile import Profile

Array: TypeAlias = "np.ndarray[Any, Any]"


class Function:
    """A callable on arrays. Made by `cr.function`, compiled when it is first called.

    It may be called from several threads.

    Attributes:
        target: what it is compiled for.
    """

    def __init__(
        self,
        inputs: Tensor | Sequence[Tensor],
        outputs: Tensor | Sequence[Tensor],
        target: str,
        name: str,
    ) -> None:
        """Check what is asked for; nothing is compiled yet."""
        self.target = _build.check_target(target)
        self._single = isinstance(outputs, Tensor)
        self._request, self._places = _request(inputs, outputs, name)
        self._lock = threading.Lock()
        self._executable: Executable | None = None

    def __call__(self, *arrays: Any) -> Any:
        """The outputs for these inputs.

        Args:
            *arrays: one for each input, in order, of its dtype and shape. Python numbers and nested
                lists are taken in the input's dtype.

        Returns:
            A new array for each output: one alone if one tensor was given as `outputs`, a list if a
            list was.

        Raises:
            UsageError: there are more or fewer arrays than inputs.
            DTypeError: an array has another dtype than its input.
            ShapeError: an array has another shape than its input.
            DataError: an array has masked values.
            IndexOutOfRange: an index that the arrays hold lies outside its axis.
            LoopError: a loop still goes on after the most steps that it may take.
        """
        if self._executable is not None:
            outputs = self._executable.again(arrays)
            if outputs is not None:
                return outputs[0] if self._single else [outputs[place] for place in self._places]
        outputs = self._compiled().call(*self._checked(arrays))
        return outputs[0] if self._single else [outputs[place] for place in self._places]

    def _checked(self, arrays: Sequence[Any]) -> list[Array]:
        """What was given, as arrays of the inputs' dtypes."""
        inputs = self._request.inputs
        if len(arrays) != len(inputs):
            names = ", ".join(x.attr("name") for x in inputs)
            raise UsageError(
                f"{self._request.name} called with {len(arrays)} arrays",
                f"expected {len(inputs)}: {names}",
                "one for each of the inputs that it was made with",
            )
        return [
            x
            if type(x) is np.ndarray and x.dtype == node.dtype
            else _array(self._request.name, node, x)
            for node, x in zip(inputs, arrays, strict=True)
        ]

    def _compiled(self) -> Executable:
        with self._lock:
            if self._executable is None:
                self._executable = _build.executable(self._request, self.target)
            return self._executable

    def source(self, target: str | None = None) -> str:
        """The code that runs, or that another target would run.

        Args:
            target: "numpy" or "cpu"; by default the function's own.

        Returns:
            A Python module as text.

        Raises:
            UnknownNameError: there is no such target.
        """
        chosen = self.target if target is None else _build.check_target(target)
        return _build.program(self._request, chosen).source

    def formula(self) -> Formulas:
        """The outputs as formulas, gradients taken; `print` shows them, `.latex()` gives LaTeX."""
        from chainrule.compiler.explain.formulas import Formulas

        derived = self.graph()
        return Formulas(dict(derived.outputs), derived.names)

    def graph(self) -> Graph:
        """What is computed, gradients taken; `print` shows a line for each operation."""
        from chainrule.compiler.pipeline import derive

        return derive(self._request)

    def profile(self, *arrays: Any) -> Profile:
        """What the kernels of a call cost: time, operations, bytes, share of the machine's peak.

        The program is compiled once more, with a clock around the kernels' calls, and runs for a
        quarter of a second, and as long again on all threads where there are several.

        Args:
            *arrays: as for a call.

        Returns:
            A table, to be printed; `rows` has it as data.

        Raises:
            UsageError: it is compiled for another target than "cpu".

        Example:
            >>> import chainrule as cr, numpy as np
            >>> x = cr.tensor("x", ("n", "n"))
            >>> f = cr.function(x, cr.sum(x @ x, axis=1))
            >>> profile = f.profile(np.ones((64, 64), np.float32))
            >>> profile.flops  # 2 n^3, and n^2 terms of the sums
            528384.0
        """
        from chainrule.runtime.profile import profile

        return profile(self._executable or self._compiled(), self._checked(arrays))

    def plan(self, **sizes: int) -> Plan:
        """What memory a call uses, and what it computes again rather than store.

        Args:
            **sizes: numbers for named sizes; others stay symbols.

        Returns:
            Inputs and outputs; the buffers between kernels with the tensors that share them; what
            is stored or computed again, and what decided. It prints as text.

        Raises:
            UsageError: it is compiled for another target than "cpu", or a size is negative.
            UnknownNameError: there is no size of a name.

        Example:
            >>> import chainrule as cr
            >>> x = cr.tensor("x", ("n", "n"))
            >>> f = cr.function(x, cr.sum(cr.exp(x @ x), axis=1))
            >>> print(f.plan())
            function: 8 n² + 4 n bytes
            <BLANKLINE>
            data: 4 n² bytes
                x f32[n, n]
            <BLANKLINE>
            outputs: 4 n bytes
                y f32[n]
            <BLANKLINE>
            between kernels: 4 n² bytes, shared by tensors of 4 n² bytes
                scratch_1: 4 n² bytes
                    x_x f32[n, n]: k1_y
        """
        return _build.plan(self._request, self.target, sizes)

    def loops(self, **sizes: int) -> Loops:
        """What each loop stores, in bytes, and what is computed again on the way back instead.

        Args:
            **sizes: numbers for named sizes; others stay symbols.

        Returns:
            The loops, to be printed. Those of loops in loops are stored for one step at a time.

        Example:
            >>> import chainrule as cr
            >>> x, w = cr.tensor("x", ("n",)), cr.tensor("w", ())
            >>> y, _ = cr.scan(lambda y, x: (cr.tanh(w * y + x), None), 0.0, x)
            >>> print(cr.function([x, w], cr.grad(y, w)).loops())  # doctest: +ELLIPSIS
            function: loops store 8 n bytes
            <BLANKLINE>
            loop 1: n steps ...
                stores tanh(w * y + x): 4 n bytes
                stores y: 4 n bytes
            <BLANKLINE>
            loop 2: n steps, back through loop 1 ...
        """
        from chainrule.compiler.explain.loops import loops

        return loops(self.graph(), sizes)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{x.attr('name')}: {x.type}" for x in self._request.inputs)
        outputs = ", ".join(f"{name}: {x.type}" for name, x in self._request.outputs)
        return f"<function {self._request.name}({inputs}) -> {outputs}, target {self.target}>"


def function(
    inputs: Tensor | Sequence[Tensor],
    outputs: Tensor | Sequence[Tensor],
    target: str = "cpu",
    name: str = "function",
) -> Function:
    """A callable on arrays that computes tensors from the values of others.

    Args:
        inputs: tensors made by `cr.tensor`, in the order of the arguments.
        outputs: the tensor to compute, or a list of them; gradients too.
        target: "cpu" for native code, "numpy" for NumPy statements.
        name: what it is called in code and messages.

    Returns:
        The callable. It is compiled when it is first called, once for all values of the named
        sizes; the next process finds it in the cache.

    Raises:
        UsageError: an output needs an input that is not listed, or an input is no plain tensor.
        UnknownNameError: a name is no identifier or is given twice, or there is no such target.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x, w = cr.tensor("x", (None, 3)), cr.tensor("w", (3,))
        >>> loss = cr.mean(cr.square(x @ w))
        >>> f = cr.function([x, w], [loss, cr.grad(loss, w)], target="numpy")
        >>> value, slope = f(np.ones((5, 3), np.float32), np.ones(3, np.float32))
        >>> float(value), slope
        (9.0, array([6., 6., 6.], dtype=float32))
    """
    return Function(inputs, outputs, target, identifier(name, "a function's name"))


def _array(name: str, node: Node, given: Any) -> Array:
    """What was given for an input, as an array of its dtype."""
    if isinstance(given, Tensor):
        raise UsageError(
            f"{name} called on a tensor",
            f"{node.attr('name')} is {given!r}",
            "call it on arrays; functions of tensors are made of cr.exp, cr.sum and so on",
        )
    check_unmasked(f"{name}: {node.attr('name')}", given)
    if isinstance(given, np.ndarray | np.generic):
        array = np.asarray(given)
        if array.dtype != node.dtype:
            short = SHORT.get(array.dtype.name, array.dtype.name)
            raise DTypeError(
                f"{name}: {node.attr('name')} has the wrong dtype",
                f"expected {node.type}, came {short}[{', '.join(map(str, array.shape))}]",
                f'convert with {node.attr("name")}.astype("{node.dtype}"), '
                f'or declare it with dtype="{array.dtype.name}"',
            )
        return array
    try:
        array = np.asarray(given)
        kinds = {"bool": "b", "int32": "bi", "int64": "bi"}.get(node.dtype, "bif")
        if array.dtype.kind in kinds or not array.size:
            return array.astype(node.dtype)
    except (ValueError, OverflowError):
        array = np.asarray(None)
    raise DTypeError(
        f"{name}: {node.attr('name')} is no array of numbers",
        f"expected {node.type}, came {type(given).__name__}",
        "pass a NumPy array",
    )


def _request(inputs: Any, outputs: Any, name: str) -> tuple[Graph, list[int]]:
    """What is to be computed, as a graph whose outputs have names, and which is whose."""
    leaves = _inputs(inputs)
    results = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    for result in results:
        if not isinstance(result, Tensor):
            raise UsageError(
                f"{name}: an output is {type(result).__name__}",
                "expected a tensor or a list of them",
                "make tensors of arrays with cr.asarray",
            )
    if not results:
        raise UsageError(
            f"{name} has no outputs", "expected at least one tensor", "cr.function([x], [y])"
        )
    nodes = list(dict.fromkeys(result.node for result in results))
    places = [nodes.index(result.node) for result in results]
    _check_complete(name, leaves, nodes)
    nodes = numbered(nodes)
    named = _names([x.attr("name") for x in leaves], nodes)
    inner = {node: label for label, node in named if not is_leaf(node)}
    graph = Graph(name, inputs=tuple(leaves), outputs=tuple(named), names=inner)
    return graph, places


def _inputs(inputs: Any) -> list[Node]:
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    leaves: list[Node] = []
    for x in given:
        if not isinstance(x, Tensor) or not is_leaf(x.node):
            raise UsageError(
                f"an input is {x!r:.60}",
                "expected a tensor that cr.tensor made",
                "what is computed from others cannot be an input",
            )
        same = [leaf for leaf in leaves if leaf.attr("name") == x.node.attr("name")]
        if same:
            raise UnknownNameError(
                f"two inputs are called {x.node.attr('name')!r}",
                f"{same[0].type} and {x.node.type}",
                "names are what formulas and code call them: give each its own",
            )
        leaves.append(x.node)
    return leaves


def _check_complete(name: str, leaves: Sequence[Node], nodes: Sequence[Node]) -> None:
    """Everything that the outputs need is an input; the stand-ins of derivatives are not needed."""
    order = walk(nodes)
    check_outside(f"{name}: an output", order, leaves)
    missing = [
        x for x in order if is_leaf(x) and x not in leaves and x.attr("role") != "placeholder"
    ]
    if missing:
        if SEED in missing:
            raise UsageError(
                f"{name}: random numbers without a seed",
                "a model has one, a function has not",
                "cr.random takes a seed, which may be an input; a layer's noise is for models",
            )
        x = missing[0]
        made = f", made at {x.where}" if x.where else ""
        raise UsageError(
            f"{name}: an output needs {x.attr('name')!r}, which is not among the inputs",
            f"{x.type}{made}; the inputs are "
            f"{', '.join(leaf.attr('name') for leaf in leaves) or 'none'}",
            "add it to the list of inputs",
        )


def _names(taken: Sequence[str], nodes: Sequence[Node]) -> list[tuple[str, Node]]:
    """Names for outputs: y, or y1, y2, ...; a gradient of one of them for an input w is dy1_dw.

    Where all outputs are gradients, y is what the first is a gradient of. A gradient of anything
    else, such as of a product of a gradient and a vector, is gradient_w.
    """
    used = set(taken)
    plain = [node for node in nodes if not _is_gradient(node)]
    labels: dict[Node, str] = {}
    for i, node in enumerate(plain):
        labels[node] = _free("y" if len(plain) == 1 else f"y{i + 1}", used)
    called = dict(labels)
    if not plain:
        y = nodes[0]
        while _is_gradient(y):
            y = y.operands[0]
        if not any(x.op in WANTED for x in walk([y])):
            called[y] = "y"
    for node in nodes:
        if node not in labels:
            label = _gradient_name(node, called) or f"gradient_{_variable(node, called)}"
            labels[node] = called[node] = _free(label, used)
    return [(labels[node], node) for node in nodes]


def _gradient_name(node: Node, called: Mapping[Node, str]) -> str | None:
    """A name such as dy_dw, or ddy_dw_dw; None if what it is of has no name."""
    y = node.operands[0]
    of = called.get(y) or (_gradient_name(y, called) if _is_gradient(y) else None)
    return None if of is None else f"d{of}_d{_variable(node, called)}"


def _variable(node: Node, called: Mapping[Node, str]) -> str:
    x = node.operands[3]
    return str(x.attr("name")) if is_leaf(x) else called.get(x, "x")


def _is_gradient(node: Node) -> bool:
    """Whether it is a gradient that the user asked for, not one inside another derivative."""
    if node.op is not GRADIENT:
        return False
    x = node.operands[3]
    return not is_leaf(x) or x.attr("role") != "placeholder"


def _free(label: str, used: set[str]) -> str:
    """The label, with an underscore more for every time it is taken."""
    while label in used:
        label += "_"
    used.add(label)
    return label
