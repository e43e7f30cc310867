"""The bridge to SymPy: formulas as SymPy expressions, and derivatives that SymPy takes.

SymPy is imported when it is first needed. Nothing is ever parsed: nodes are turned into SymPy
objects one by one, their leaves into symbols that the caller gives. Kinks (`abs`, `maximum`,
`where`) stay functions of our own with declared derivatives, so no Heaviside or DiracDelta arises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from .derivatives import known
from .errors import UsageError
from .ir import CONST, OPS, Node, Op, leaf, make, substitute, walk
from .ops.base import Scalar
from .ops.convert import CAST
from .ops.gradient import STOP_GRADIENT
from .types import TensorType

if TYPE_CHECKING:
    import sympy as sp

# Functions whose derivatives and simplifications in SymPy keep what is stable. The others stay
# functions of our own: SymPy turns erfc(-x), which is small for negative x, into 2 - erfc(x).
PLAIN = frozenset(("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"))

Expression = Any
Builder = Callable[..., Expression]


class NoExpressionError(UsageError):
    """A formula that SymPy cannot express or differentiate."""


@cache
def arithmetic() -> Mapping[str, Builder]:
    """SymPy's operators and relations, by the names of rows."""
    import sympy as sp

    return {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": lambda x, y: x / y,
        "negative": lambda x: -x,
        "square": lambda x: x**2,
        "pow": lambda x, y: x**y,
        "equal": sp.Eq,
        "not_equal": sp.Ne,
        "less": sp.Lt,
        "less_equal": sp.Le,
        "greater": sp.Gt,
        "greater_equal": sp.Ge,
        "logical_and": sp.And,
        "logical_or": sp.Or,
        "logical_xor": sp.Xor,
        "logical_not": sp.Not,
    }


@cache
def unfolded() -> Mapping[str, Builder]:
    """What the rows with kinks are in SymPy when everything is written out."""
    import sympy as sp

    return {
        "abs": sp.Abs,
        "sign": sp.sign,
        "copysign": lambda x, y: sp.Piecewise((-sp.Abs(x), y < 0), (sp.Abs(x), True)),
        "floor": sp.floor,
        "ceil": sp.ceiling,
        "trunc": lambda x: sp.sign(x) * sp.floor(sp.Abs(x)),
        "maximum": sp.Max,
        "minimum": sp.Min,
        "remainder": lambda x, y: x - y * sp.floor(x / y),
        "floor_divide": lambda x, y: sp.floor(x / y),
        "where": lambda c, x, y: sp.Piecewise((x, c), (y, True)),
        "hypot": lambda x, y: sp.sqrt(x**2 + y**2),
        "logaddexp": lambda x, y: sp.log(sp.exp(x) + sp.exp(y)),
    }


def symbols(names: tuple[str, ...]) -> tuple[sp.Symbol, ...]:
    """Fresh real symbols; two of one name are never the same."""
    import sympy as sp

    return tuple(sp.Dummy(name, real=True) for name in names)


def rational(value: float) -> Expression:
    """A number as a fraction or its root: a short one that it rounds from, else exactly itself.

    `0.1` is 1/10 and `math.sqrt(0.5)` the root of 1/2, for that is what was written; they round to
    the same float.
    """
    import sympy as sp

    if isinstance(value, bool):
        return sp.true if value else sp.false
    if value != value or value in (float("inf"), float("-inf")):
        return sp.nan if value != value else sp.oo * (1 if value > 0 else -1)
    short = Fraction(repr(float(value)))
    if short.denominator > 10**6:
        if 0.1 < abs(value) < 10:
            square = Fraction(value * value).limit_denominator(100)
            if math.copysign(math.sqrt(square), value) == value:
                root = sp.sqrt(sp.Rational(square.numerator, square.denominator))
                return root if value > 0 else -root
        third = Fraction(value).limit_denominator(1000)
        short = third if float(third) == value else Fraction(value)
    return sp.Rational(short.numerator, short.denominator)


def to_sympy(node: Node, symbols: Mapping[Node, Any], opaque: bool = True) -> Expression:
    """A node as a SymPy expression.

    Args:
        node: made of elementwise functions.
        symbols: a SymPy expression for every leaf.
        opaque: keep functions that have a derivative of their own as functions (`softplus(x)`), so
            that SymPy's chain rule uses it and names survive; else write out their formulas.

    Returns:
        The expression.

    Raises:
        NoExpressionError: the node holds something that is not an elementwise function.
    """
    known: dict[Node, Expression] = dict(symbols)
    for inner in walk([node], frozenset(known)):
        if inner not in known:
            known[inner] = _expression(inner, [known[x] for x in inner.operands], opaque)
    return known[node]


def _expression(node: Node, args: list[Expression], opaque: bool) -> Expression:
    op = node.op
    if op is CONST:
        return rational(node.attr("value"))
    if op is CAST:
        return _cast(node, args[0], opaque)
    if not isinstance(op, Scalar) and op is not STOP_GRADIENT:
        raise NoExpressionError(
            f"{op.name} has no SymPy expression",
            f"{node.type}: only elementwise functions have one",
            "write the formula with elementwise functions of its arguments",
            node.where,
        )
    if op.name in arithmetic() and OPS.get(op.name) is op:
        return arithmetic()[op.name](*args)
    if isinstance(op, Scalar) and op.sympy and (op.name in PLAIN or not opaque):
        import sympy as sp

        return getattr(sp, op.sympy)(*args)
    if opaque:
        return function(op)(*args)
    if op is STOP_GRADIENT:
        return args[0]
    assert isinstance(op, Scalar)
    return _written_out(node, op, args)


def _written_out(node: Node, op: Scalar, args: list[Expression]) -> Expression:
    if OPS.get(op.name) is op and op.name in unfolded():
        return unfolded()[op.name](*args)
    if op.formula is not None:
        leaves = tuple(placeholders(op, node.dtype))
        return to_sympy(op.formula(*leaves), dict(zip(leaves, args, strict=True)), opaque=False)
    raise NoExpressionError(
        f"{op.name} has no formula",
        f"{node.type}",
        "it is known only by its values",
        node.where,
    )


def _cast(node: Node, arg: Expression, opaque: bool) -> Expression:
    (x,) = node.operands
    if x.dtype == "bool" and node.type.is_float:
        where = function(OPS["where"]) if opaque else unfolded()["where"]
        return where(arg, 1, 0)
    if x.dtype == node.dtype or node.type.is_float:
        return arg
    raise NoExpressionError(
        f"a conversion to {node.dtype} has no SymPy expression", str(x.type), "", node.where
    )


def placeholders(op: Op, dtype: str) -> list[Node]:
    """A leaf for each operand of a row."""
    assert isinstance(op, Scalar)
    dtypes = [dtype] * op.arity
    if op.kind == "select":
        dtypes[0] = "bool"
    elif op.kind == "logic":
        dtypes = ["bool"] * op.arity
    names = ("x", "y", "z", "w") if op.arity <= 4 else tuple(f"x{i}" for i in range(op.arity))
    return [leaf(names[i], TensorType(d), "placeholder") for i, d in enumerate(dtypes)]


@cache
def function(op: Op) -> Any:
    """The SymPy function of a row: its `fdiff` is the row's own derivative.

    `diff(softplus(3*x + y), x)` is then `3*sigmoid(3*x + y)`.
    """
    import sympy as sp

    def fdiff(self: Any, argindex: int = 1) -> Expression:
        return _derivative(op, argindex - 1, self)

    def through(self: Any, symbol: Any) -> Expression:
        condition, x, y = self.args
        return type(self)(condition, x.diff(symbol), y.diff(symbol))

    def evaluated(cls: Any, *args: Any) -> Expression | None:
        if op.name == "where":
            if args[0] in (sp.true, sp.false):
                return args[1] if args[0] is sp.true else args[2]
            return args[1] if args[1] == args[2] else None
        if op.name in unfolded() and all(x.is_number for x in args):
            return unfolded()[op.name](*args)
        return None

    arity = op.arity if isinstance(op, Scalar) else 1
    body: dict[str, Any] = {
        "fdiff": fdiff,
        "nargs": arity,
        "row": op,
        "is_real": True,
        "eval": classmethod(evaluated),
    }
    if op is OPS["where"]:
        body["_eval_derivative"] = through
    return type(op.name, (sp.Function,), body)


def _derivative(op: Op, index: int, at: Any) -> Expression:
    import sympy as sp

    if not isinstance(op, Scalar):
        return sp.Integer(0)
    leaves = placeholders(op, "float64")
    node = make(op, tuple(leaves))
    wanted = op.derivatives(node)[index]
    if wanted is None:
        return sp.Integer(0)
    return to_sympy(wanted, {**dict(zip(leaves, at.args, strict=True)), node: at})


def derivatives(row: Scalar, node: Node) -> tuple[Node | None, ...]:
    """The derivative of a row for each operand: SymPy's derivative of its formula.

    Where it is written down SymPy is not needed.

    Args:
        row: a row with a formula and without declared derivatives.
        node: the row applied to operands.

    Returns:
        The derivatives, in terms of the operands and of the node itself where it occurs.

    Raises:
        NoExpressionError: the formula has no derivative that SymPy can take.
    """
    written = known(row)
    if written is not None:
        assert written.grads is not None
        return written.grads(node, *node.operands)
    return taken(row, node)


def taken(row: Scalar, node: Node) -> tuple[Node | None, ...]:
    """The same, always by SymPy."""
    out, leaves, found = _templates(row, node.dtype)
    wanted = [d for d in found if d is not None]
    values = {**dict(zip(leaves, node.operands, strict=True)), out: node}
    filled = iter(substitute(wanted, values))
    return tuple(None if d is None else next(filled) for d in found)


@lru_cache(maxsize=1024)
def _templates(row: Scalar, dtype: str) -> tuple[Node, list[Node], tuple[Node | None, ...]]:
    """Placeholders for a row's value and operands, and the derivatives in terms of them."""
    from .from_sympy import from_sympy
    from .passes.fold import Fold
    from .passes.rewrite import Rewrite
    from .rules import ALGEBRA, STABILIZE

    assert row.formula is not None
    simplify = Rewrite(ALGEBRA + STABILIZE)
    leaves = placeholders(row, dtype)
    formula = Fold().node(simplify.node(row.formula(*leaves)))
    out = leaf(row.name, formula.type, "placeholder")
    names = symbols(tuple(x.attr("name") for x in leaves))
    nodes = dict(zip(names, leaves, strict=True))
    found: list[Node | None] = []
    try:
        expression = to_sympy(formula, dict(zip(leaves, names, strict=True)))
        for x, name in zip(leaves, names, strict=True):
            if not x.type.is_float:
                found.append(None)
                continue
            derivative = from_sympy(expression.diff(name), nodes, dtype)
            simple = Fold().node(simplify.node(derivative))
            # Where the value itself occurs in its derivative it is used again.
            found.append(substitute([simple], {formula: out})[0])
    except NoExpressionError as error:
        raise NoExpressionError(
            f"{row.name}: its formula has no derivative that SymPy can take",
            f"{error.what}: {error.detail}",
            error.hint or "write it with other functions, or give the derivative",
            error.where,
        ) from None
    return out, leaves, tuple(found)
