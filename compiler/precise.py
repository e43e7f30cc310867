"""The meaning of a graph in exact or many-digit numbers: what proofs and tests compare with.

A row is evaluated by its formula, never by its stable spelling; arrays hold Python objects: numbers
of mpmath, or SymPy expressions. Numbers that formulas round, such as log 2, are meant exactly.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .errors import UsageError
from .ir import CONST, LEAF, Node, walk
from .ops import convert, linear, reduce
from .ops.base import Composite, Scalar
from .ops.elementary import LN2, LN10
from .ops.gradient import STOP_GRADIENT
from .ops.special import TWO_OVER_SQRT_PI
from .reference import RULES, bind
from .types import INTS, value

Array = Any
Functions = Mapping[str, Callable[..., Any]]


def evaluate(
    roots: Sequence[Node],
    values: Mapping[Node, Any],
    functions: Functions,
    number: Callable[[float], Any],
    sizes: Mapping[str, int] | None = None,
) -> list[Array]:
    """Evaluate nodes on arrays of objects.

    Args:
        roots: what is wanted.
        values: an array for every leaf.
        functions: the scalar functions by the names of rows; rows without one use their formula.
        number: turns a float into an object.
        sizes: the symbolic sizes.

    Returns:
        An array of objects for each root.
    """
    known: dict[Node, Array] = {node: np.asarray(x, object) for node, x in values.items()}
    run = _Run(functions, number, {**bind(values), **(sizes or {})}, known)
    return [run.value(root) for root in roots]


class _Run:
    def __init__(
        self,
        functions: Functions,
        number: Callable[[float], Any],
        sizes: Mapping[str, int],
        known: dict[Node, Array],
    ) -> None:
        self.functions, self.number, self.sizes, self.known = functions, number, sizes, known

    def value(self, root: Node) -> Array:
        """The value of a node."""
        for node in walk([root], frozenset(self.known)):
            if node not in self.known:
                self.known[node] = np.asarray(
                    self.step(node, *(self.known[x] for x in node.operands)), object
                )
        return self.known[root]

    def step(self, node: Node, *xs: Array) -> Array:
        """The value of a node from those of its operands."""
        op = node.op
        if op is CONST or op is convert.SIZE:
            found = node.attr("value") if op is CONST else value(node.attr("dim"), self.sizes)
            return self.number(found) if node.type.is_float else found
        if isinstance(op, Scalar):
            if op.name in self.functions:
                return np.frompyfunc(self.functions[op.name], len(xs), 1)(*xs)
            if op.formula is not None:
                return self.value(op.formula(*node.operands))
        if isinstance(op, Composite):
            return self.value(op.formula(node))
        if op is convert.CAST:
            return self.cast(node, *xs)
        if op is STOP_GRADIENT:
            return xs[0]
        if op is linear.CONTRACT:
            return self.contract(node, *xs)
        if op in FOLDS:
            return self.fold(node, *xs)
        if op is LEAF or op not in RULES:
            raise UsageError(
                f"{op.name} has no value in exact numbers",
                str(node.type),
                "give the value of each leaf; expand ops that have no row here",
            )
        positions = (
            x.astype(np.int64) if operand.dtype in INTS else x
            for x, operand in zip(xs, node.operands, strict=True)
        )
        return RULES[op](node, self.sizes, *positions)

    def cast(self, node: Node, x: Array) -> Array:
        """Numbers stay what they are; an integer becomes one, a condition 1 or 0."""
        if node.operands[0].dtype in INTS and node.type.is_float:
            return np.frompyfunc(lambda v: self.number(int(v)), 1, 1)(x)
        if node.operands[0].dtype == "bool" and node.dtype != "bool":
            one, zero = self.number(1), self.number(0)
            return np.frompyfunc(lambda c: self.functions["where"](c, one, zero), 1, 1)(x)
        return x

    def contract(self, node: Node, a: Array, b: Array) -> Array:
        """The sum of products, axis by axis."""
        left, right, out = (node.attr(name) for name in ("left", "right", "out"))
        letters = "".join(dict.fromkeys(out + left + right))
        spread = [
            np.transpose(x, [own.index(y) for y in letters if y in own]).reshape(
                [dict(zip(own, x.shape, strict=True)).get(y, 1) for y in letters]
            )
            for x, own in ((a, left), (b, right))
        ]
        product = spread[0] * spread[1]
        return product.sum(tuple(range(len(out), len(letters))), initial=self.number(0))

    def fold(self, node: Node, x: Array) -> Array:
        """A reduction: elements one after the other."""
        axes = node.attr("axes")
        function = FOLDS[node.op]
        if isinstance(function, str):
            function = self.functions[function]
        free = [axis for axis in range(x.ndim) if axis not in axes]
        rows = np.transpose(x, [*free, *axes]).reshape(*(x.shape[axis] for axis in free), -1)
        result = np.empty(rows.shape[:-1], object)
        for at in np.ndindex(*result.shape):
            result[at] = functools.reduce(function, rows[at])
        return result


FOLDS: Mapping[object, Any] = {
    reduce.SUM: operator.add,
    reduce.PROD: operator.mul,
    reduce.MAX: "maximum",
    reduce.MIN: "minimum",
    reduce.ANY: operator.or_,
    reduce.ALL: operator.and_,
}


@functools.cache
def many_digits() -> Functions:
    """The scalar functions in mpmath, at whatever precision is set."""
    import mpmath as mp

    def sign(x: Any) -> Any:
        return mp.mpf(0) if x == 0 else mp.sign(x)

    def zeta(s: Any, x: Any) -> Any:
        return mp.zeta(s, x)

    return {
        **COMPARED,
        "add": operator.add,
        "subtract": operator.sub,
        "multiply": operator.mul,
        "divide": operator.truediv,
        "negative": operator.neg,
        "square": lambda x: x * x,
        "pow": _power,
        "sqrt": mp.sqrt,
        "abs": abs,
        "sign": sign,
        "copysign": lambda x, y: -abs(x) if y < 0 else abs(x),
        "floor": mp.floor,
        "ceil": mp.ceil,
        "round": mp.nint,
        "trunc": lambda x: sign(x) * mp.floor(abs(x)),
        "remainder": lambda x, y: x - y * mp.floor(x / y),
        "floor_divide": lambda x, y: mp.floor(x / y),
        "maximum": max,
        "minimum": min,
        "isnan": mp.isnan,
        "isinf": mp.isinf,
        "isfinite": mp.isfinite,
        "where": lambda c, x, y: x if c else y,
        "exp": mp.exp,
        "log": mp.log,
        "sin": mp.sin,
        "cos": mp.cos,
        "tan": mp.tan,
        "asin": mp.asin,
        "acos": mp.acos,
        "atan": mp.atan,
        "atan2": mp.atan2,
        "sinh": mp.sinh,
        "cosh": mp.cosh,
        "tanh": mp.tanh,
        "asinh": mp.asinh,
        "acosh": mp.acosh,
        "atanh": mp.atanh,
        "erf": mp.erf,
        "erfc": mp.erfc,
        "lgamma": lambda x: mp.log(abs(mp.gamma(x))) if x < 0 else mp.loggamma(x),
        "digamma": mp.digamma,
        "zeta": zeta,
    }


def _power(x: Any, y: Any) -> Any:
    return x ** int(y) if y == int(y) and abs(y) < 10**6 else x**y


COMPARED: Functions = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "logical_and": lambda a, b: a and b,
    "logical_or": lambda a, b: a or b,
    "logical_xor": lambda a, b: a != b,
    "logical_not": operator.not_,
}


@functools.cache
def expressions() -> Functions:
    """The scalar functions in SymPy, written out."""
    import sympy as sp

    from .ir import OPS
    from .symbolic import arithmetic, unfolded

    named = {
        name: getattr(sp, row.sympy)
        for name, row in OPS.items()
        if isinstance(row, Scalar) and row.sympy
    }
    return {**named, **arithmetic(), **unfolded()}


def digits(
    roots: Sequence[Node], values: Mapping[Node, Any], count: int = 50, **sizes: int
) -> list[Array]:
    """Evaluate nodes with numbers of so many digits, whose exponents have no bounds.

    Args:
        roots: what is wanted.
        values: numbers or arrays of numbers for every leaf.
        count: of decimal digits, in every step.
        sizes: the symbolic sizes.

    Returns:
        Arrays of mpmath's numbers.
    """
    import mpmath as mp

    with mp.workdps(count):
        exact = {node: _spread(x, mp.mpf) for node, x in values.items()}
        return evaluate(roots, exact, many_digits(), number, sizes)


def number(value: float) -> Any:
    """A number of mpmath: log 2 where its rounded value stands."""
    import mpmath as mp

    named = {
        LN2: lambda: mp.log(2),
        LN10: lambda: mp.log(10),
        TWO_OVER_SQRT_PI: lambda: 2 / mp.sqrt(mp.pi),
    }
    sign = -1 if value < 0 else 1
    return sign * named[abs(value)]() if abs(value) in named else mp.mpf(value)


def expression(value: float) -> Any:
    """A number of SymPy: log 2 where its rounded value stands."""
    import sympy as sp

    from .symbolic import rational

    named = {LN2: sp.log(2), LN10: sp.log(10), TWO_OVER_SQRT_PI: 2 / sp.sqrt(sp.pi)}
    sign = -1 if value < 0 else 1
    return sign * named[abs(value)] if abs(value) in named else rational(value)


def _spread(x: Any, exact: Callable[[Any], Any]) -> Array:
    """An array of exact numbers; conditions stay what they are."""

    def one(v: Any) -> Any:
        v = v.item() if isinstance(v, np.generic) else v
        return v if isinstance(v, bool) else exact(v)

    return np.frompyfunc(one, 1, 1)(np.asarray(x))
