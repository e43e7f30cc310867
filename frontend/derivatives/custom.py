"""Formulas with a derivative of their own, which is part of the graph and checked against them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node, is_leaf, leaf, substitute, walk
from chainrule.compiler.ops import custom as rules
from chainrule.compiler.ops.broadcasting import broadcast_dims, zeros_like
from chainrule.compiler.ops.custom import Declaration, bound
from chainrule.compiler.ops.shape import broadcast_to
from chainrule.compiler.types import TensorType

from ..tensor import Like, Tensor, as_tensor, public

Rule = Callable[..., Any]
Decorated = Callable[..., Tensor]


@overload
def custom_gradient(
    function: Rule, *, vjp: Rule, jvp: Rule | None = None, check: bool = True
) -> Decorated: ...
@overload
def custom_gradient(
    function: None = None, *, vjp: Rule, jvp: Rule | None = None, check: bool = True
) -> Callable[[Rule], Decorated]: ...
def custom_gradient(
    function: Rule | None = None, *, vjp: Rule, jvp: Rule | None = None, check: bool = True
) -> Any:
    """A formula whose derivative is declared: where the derived one is unstable, or is to differ.

    The rules are formulas too. They become part of the graph and of a model's file, and are
    differentiated for higher derivatives. Before they are used they are compared with differences
    of the formula at sample points, in float64.

    Args:
        function: the formula, a Python function of tensors that gives one float tensor. It uses no
            other tensors than its arguments. Nothing: the result is a decorator.
        vjp: the gradient for each argument, a function of `(g, y, *arguments)`, where g is the
            gradient of the result y. It returns a tensor for one argument, a tuple for several;
            None for an argument without derivative.
        jvp: the change of the result, a function of `(*changes, y, *arguments)` with one change
            for each argument; by default it is derived from `vjp`. It is what `cr.jvp` uses.
        check: whether the rules are compared with the formula when it is first used on tensors of
            some type. False for a rule that is meant to differ.

    Returns:
        A function of tensors.

    Raises:
        UsageError: when it is used: a rule is not the derivative of the formula, and by how much;
            or it cannot be compared; or the formula uses a tensor that is no argument.
        ShapeError: a gradient does not have its argument's shape.

    Example:
        >>> import chainrule as cr
        >>> @cr.custom_gradient(vjp=lambda g, y, x: g * y * (1 - y))
        ... def logistic(x):
        ...     return 1 / (1 + cr.exp(-x))
        >>> x = cr.tensor("x", (), "float64")
        >>> float(cr.function([x], cr.grad(logistic(x), x), "numpy")(0.0))
        0.25
    """
    if function is None:
        return lambda given: custom_gradient(given, vjp=vjp, jvp=jvp, check=check)
    formula = _Custom(function, vjp, jvp)
    checked: set[tuple[TensorType, ...]] = set()

    @public
    @functools.wraps(function)
    def applied(*arguments: Like) -> Tensor:
        first = next((x for x in arguments if isinstance(x, Tensor) and not x.weak), None)
        xs = [as_tensor(x, first).node for x in arguments]
        types = tuple(x.type for x in xs)
        if check and types not in checked:
            from .checks import compare

            compare(formula.name, lambda given: formula.traced(given), types)
            checked.add(types)
        return Tensor(_applied(formula.traced(types), xs))

    return applied


@public
def straight_through(y: Like, x: Like) -> Tensor:
    """The value of y with the derivative of x: what y did to x, gradients do not see.

    It trains through steps whose derivative is 0 everywhere, such as rounding.

    Args:
        y: a float tensor.
        x: a float tensor of the type of y, which gets the gradient of the result.

    Returns:
        A tensor of the type of y.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: a tensor is not of floats, or the dtypes differ.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (), "float64")
        >>> y = cr.straight_through(cr.round(x), x) ** 2
        >>> [float(v) for v in cr.function([x], [y, cr.grad(y, x)], "numpy")(1.7)]
        [4.0, 4.0]

    Source:
        Bengio, Leonard and Courville 2013, "Estimating or propagating gradients through stochastic
        neurons for conditional computation", section 4.
    """
    value = as_tensor(y, x if isinstance(x, Tensor) else None)
    through = as_tensor(x, value)
    if value.shape != through.shape:
        raise ShapeError(
            "straight_through: shapes differ",
            f"{value.node.type} and {through.node.type}",
            "the gradient of y is handed to x as it is",
        )
    if value.dtype != through.dtype or not value.node.type.is_float:
        raise DTypeError(
            "straight_through: not two tensors of the same floats",
            f"{value.node.type} and {through.node.type}",
            "convert one with astype",
        )
    return Tensor(rules.straight_through(value.node, through.node))


@dataclass(frozen=True, slots=True)
class Traced:
    """A formula and its rules on placeholders.

    Attributes:
        arguments: a leaf for each argument.
        declaration: of those arguments that have a derivative.
    """

    arguments: tuple[Node, ...]
    declaration: Declaration


@dataclass(frozen=True, slots=True)
class _Custom:
    """A formula with its rules, as Python functions."""

    function: Rule
    vjp: Rule
    jvp: Rule | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(getattr(self.function, "__name__", "formula")).strip("<>")

    def traced(self, types: Sequence[TensorType]) -> Traced:
        """The formula and its rules for arguments of these types."""
        names = _names(self.function, len(types))
        xs = [leaf(name, t, "placeholder") for name, t in zip(names, types, strict=True)]
        given = [Tensor(x) for x in xs]
        out = self._tensor(self.function(*given), "the formula", given[0] if given else None)
        if not out.type.is_float:
            raise DTypeError(
                f"{self.name} gives {out.type}", "expected floats", "other values have no gradient"
            )
        u, y = (leaf(name, out.type, "placeholder") for name in ("cotangent", "result"))
        wanted = [x for x in xs if x.type.is_float]
        gradients = self._gradients(Tensor(u), Tensor(y), given)
        kept = [(x, g) for x, g in zip(xs, gradients, strict=True) if g is not None]
        for x, _ in kept:
            if x not in wanted:
                raise DTypeError(
                    f"{self.name}: the vjp gives a gradient for {x.type}",
                    "expected None for an argument that is not of floats",
                    "integers have no derivatives",
                )
        tangents: dict[Node, Node] = {}
        change = None
        if self.jvp is not None:
            tangents = {
                x: leaf(f"d_{name}", x.type, "placeholder")
                for name, x in zip(names, xs, strict=True)
                if x in wanted
            }
            along = [Tensor(tangents[x]) if x in wanted else None for x in xs]
            result = self.jvp(*along, Tensor(y), *given)
            change = self._fitted(result, out, "the jvp", "the result")
            dropped = {t: zeros_like(t) for x, t in tangents.items() if x not in dict(kept)}
            (change,) = substitute([change], dropped)
        parts = [*(g for _, g in kept), *([change] if change is not None else [])]
        self._closed([out, *parts], [*xs, u, y, *tangents.values()])
        return Traced(
            tuple(xs),
            Declaration(
                out,
                y,
                u,
                tuple(x for x, _ in kept),
                tuple(g for _, g in kept),
                () if change is None else tuple(tangents[x] for x, _ in kept),
                change,
            ),
        )

    def _gradients(self, u: Tensor, out: Tensor, given: Sequence[Tensor]) -> list[Node | None]:
        result = self.vjp(u, out, *given)
        found = list(result) if isinstance(result, tuple | list) else [result]
        if len(found) != len(given):
            raise UsageError(
                f"{self.name}: the vjp gives {len(found)} gradients",
                f"expected {len(given)}, one for each argument",
                "return a tuple; None for an argument without derivative",
            )
        return [
            None if g is None else self._fitted(g, x.node, "the vjp", "its argument")
            for g, x in zip(found, given, strict=True)
        ]

    def _fitted(self, result: Any, like: Node, what: str, of: str) -> Node:
        """A rule's result in the type of what it belongs to."""
        node = self._tensor(result, what, Tensor(like))
        if node.dtype != like.dtype or broadcast_dims(what, (node.shape, like.shape)) != like.shape:
            raise ShapeError(
                f"{self.name}: {what} gives {node.type}",
                f"expected {like.type}, the type of {of}",
                "sum over what was repeated",
            )
        return broadcast_to(node, shape=like.shape)

    def _tensor(self, result: Any, what: str, like: Tensor | None) -> Node:
        if not isinstance(result, Tensor | int | float):
            raise UsageError(
                f"{self.name}: {what} gives {type(result).__name__}",
                "expected a tensor",
                "is a return missing?" if result is None else "one formula gives one tensor",
            )
        return as_tensor(result, like).node

    def _closed(self, nodes: Sequence[Node], known: Sequence[Node]) -> None:
        """Nothing from outside is used: it would get no gradient."""
        order = walk(nodes)
        own = {*known, *bound(order)}
        for x in order:
            if is_leaf(x) and x not in own:
                raise UsageError(
                    f"{self.name} uses {x.attr('name')!r}, which is no argument",
                    f"{x.type}: its gradient would be lost",
                    "make it an argument of the formula",
                )


def _names(function: Rule, count: int) -> list[str]:
    """What the function calls its arguments, where each has a name of its own."""
    found = [p.name for p in inspect.signature(function).parameters.values()]
    return [found[i] if len(found) == count else f"x{i + 1}" for i in range(count)]


def _applied(traced: Traced, xs: Sequence[Node]) -> Node:
    """The formula on tensors."""
    known, mapped = traced.declaration, dict(zip(traced.arguments, xs, strict=True))
    parts = [known.value, *known.xs, *known.grads]
    parts += [] if known.change is None else [known.change]
    n, new = len(known.xs), substitute(parts, mapped)
    return rules.custom(
        Declaration(
            new[0],
            known.result,
            known.cotangent,
            tuple(new[1 : 1 + n]),
            tuple(new[1 + n : 1 + 2 * n]),
            known.tangents,
            None if known.change is None else new[-1],
        )
    )
