"""SymPy expressions as graphs: differences, quotients and roots as a person would write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, reduce
from typing import Any

from .ir import OPS, Node, const
from .ops.base import Scalar
from .symbolic import NoExpressionError


def from_sympy(expression: Any, nodes: Mapping[Any, Node], dtype: str) -> Node:
    """A SymPy expression as a node.

    Args:
        expression: made of SymPy's functions and those of rows.
        nodes: what each symbol is.
        dtype: of the numbers.

    Returns:
        The node.

    Raises:
        NoExpressionError: a symbol or function that is not known, or a step that is no function
            (Heaviside, DiracDelta, an unevaluated derivative).
    """
    import sympy as sp

    return _Reader(nodes, dtype).read(sp.sympify(expression, strict=True))


def unknowns(expressions: tuple[Any, ...]) -> dict[str, Any]:
    """The symbols and vectors in expressions by name; not the indices of sums and their ends.

    Raises:
        NoExpressionError: two of them have one name.
    """
    import sympy as sp

    found: dict[str, Any] = {}
    for e in map(sp.sympify, expressions):
        limits = [x for total in e.atoms(sp.Sum) for limit in total.limits for x in limit]
        ends = set().union(*(x.free_symbols for x in limits))
        vectors = e.atoms(sp.IndexedBase)
        labels = set().union(*(v.free_symbols for v in vectors))
        for x in (*vectors, *(e.free_symbols - ends - labels - e.atoms(sp.Indexed))):
            name = str(x.label) if isinstance(x, sp.IndexedBase) else x.name
            if found.setdefault(name, x) != x:
                raise unreadable(x, f"two different symbols are called {name}")
    return found


@cache
def functions() -> Mapping[Any, str]:
    """Rows by SymPy's functions of the same meaning."""
    import sympy as sp
    from sympy.codegen import cfunctions as c

    named = {
        getattr(sp, row.sympy): name
        for name, row in OPS.items()
        if isinstance(row, Scalar) and row.sympy
    }
    return {
        **named,
        sp.Abs: "abs",
        sp.sign: "sign",
        sp.floor: "floor",
        sp.ceiling: "ceil",
        sp.Mod: "remainder",
        c.expm1: "expm1",
        c.log1p: "log1p",
        c.log2: "log2",
        c.log10: "log10",
        c.hypot: "hypot",
    }


@cache
def relations() -> Mapping[Any, str]:
    """Comparisons and logic by SymPy's classes."""
    import sympy as sp

    return {
        sp.Eq: "equal",
        sp.Ne: "not_equal",
        sp.Lt: "less",
        sp.Le: "less_equal",
        sp.Gt: "greater",
        sp.Ge: "greater_equal",
    }


@cache
def reciprocals() -> Mapping[Any, str]:
    """Functions that are 1 over a row."""
    import sympy as sp

    return {
        sp.sec: "cos",
        sp.csc: "sin",
        sp.cot: "tan",
        sp.sech: "cosh",
        sp.csch: "sinh",
        sp.coth: "tanh",
    }


class _Reader:
    """Reads expressions of one set of symbols; an expression that occurs twice is read once."""

    def __init__(self, nodes: Mapping[Any, Node], dtype: str) -> None:
        self.dtype = dtype
        self.known: dict[Any, Node] = dict(nodes)

    def read(self, e: Any) -> Node:
        """The node of an expression."""
        if e not in self.known:
            self.known[e] = self._read(e)
        return self.known[e]

    def _read(self, e: Any) -> Node:
        import sympy as sp

        if isinstance(e, sp.logic.boolalg.Boolean):
            return self._condition(e)
        if e.is_number:
            return self._number(e)
        if e.is_Add:
            return self._sum(e)
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow:
            return self._power(e.base, e.exp)
        row = getattr(e.func, "row", None)
        if row is not None:
            return self._call(row, e.args)
        if e.func in functions():
            return self._call(OPS[functions()[e.func]], e.args)
        if e.func in reciprocals():
            return 1 / self._call(OPS[reciprocals()[e.func]], e.args)
        if isinstance(e, sp.Max | sp.Min):
            op = OPS["maximum" if isinstance(e, sp.Max) else "minimum"]
            ordered = sorted(e.args, key=sp.default_sort_key)
            # Numbers last: at a tie the gradient goes to the first operand.
            ordered.sort(key=lambda x: bool(x.is_number))
            return reduce(lambda x, y: op(x, y), map(self.read, ordered))
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if isinstance(e, sp.Sum):
            return self._total(e)
        if isinstance(e, sp.Indexed) and e.base in self.known:
            return self.known[e.base]  # an element of a vector, inside a sum over all of them
        if isinstance(e, sp.polygamma):
            return self._polygamma(*e.args)
        raise unreadable(e)

    def _call(self, op: Any, args: tuple[Any, ...]) -> Node:
        return op(*map(self.read, args))  # type: ignore[no-any-return]

    def _number(self, e: Any) -> Node:
        import sympy as sp

        if e.is_Rational:
            return const(int(e) if e.is_Integer else e.p / e.q, self.dtype)
        value = e if e.is_infinite else sp.N(e, 30)
        if not (value.is_real or value.is_infinite) or value is sp.zoo or value is sp.nan:
            raise unreadable(e, "a number that is not real")
        return const(float(value), self.dtype)

    def _sum(self, e: Any) -> Node:
        plus: list[Any] = []
        minus: list[Any] = []
        for term in e.as_ordered_terms():
            negative = term.as_coeff_Mul()[0].is_negative
            (minus if negative else plus).append(-term if negative else term)
        if not plus:
            return -reduce(lambda x, y: x + y, map(self.read, minus))
        total = reduce(lambda x, y: x + y, map(self.read, plus))
        return reduce(lambda x, y: x - y, map(self.read, minus), total)

    def _product(self, e: Any) -> Node:
        number, rest = e.as_coeff_Mul()
        if number.is_negative:
            return -self.read(-e)
        above: list[Any] = []
        below: list[Any] = []
        for factor in rest.as_ordered_factors():
            inverted = factor.is_Pow and factor.exp.is_number and factor.exp.is_negative
            (below if inverted else above).append(1 / factor if inverted else factor)
        if number.is_Rational and number.p == 1 and not _is_dyadic(number):
            below.append(number.q)  # x / 3 rounds once, x * (1/3) twice
            number = number * number.q
        import sympy as sp

        if number != 1 or not above:
            above.insert(0, number)
        top = reduce(lambda x, y: x * y, (self.read(sp.sympify(x)) for x in above))
        if not below:
            return top
        return top / reduce(lambda x, y: x * y, (self.read(sp.sympify(x)) for x in below))

    def _power(self, base: Any, power: Any) -> Node:
        import sympy as sp

        x = self.read(base)
        if power.is_number and power.is_negative:
            return 1 / self.read(base**-power)
        if power == sp.Rational(1, 2):
            return OPS["sqrt"](x)
        return OPS["square"](x) if power == 2 else OPS["pow"](x, self.read(power))

    def _polygamma(self, order: Any, x: Any) -> Node:
        """The derivatives of digamma: (-1)^(n+1) n! zeta(n + 1, x)."""
        if not (order.is_Integer and order >= 0):
            raise unreadable(order, "the order of polygamma has to be a natural number")
        n = int(order)
        if n == 0:
            return OPS["digamma"](self.read(x))
        value = OPS["zeta"](const(n + 1, self.dtype), self.read(x))
        factor = (-1) ** (n + 1) * math.factorial(n)
        return value if factor == 1 else factor * value

    def _total(self, e: Any) -> Node:
        """The sum over all elements of vectors: `Sum(x[i] * w[i], (i, 0, n - 1))`."""
        import sympy as sp

        from .ops.reduce import sum

        index, _, last = e.limits[0]
        elements = e.function.atoms(sp.Indexed)
        if len(e.limits) > 1 or not elements or any(x.indices != (index,) for x in elements):
            raise unreadable(e, "a sum over something else than the elements of vectors")
        if last.is_number:
            raise unreadable(e, "a sum that ends at a number: it has to end at a symbol, n - 1")
        body = self.read(e.function)
        return sum(body, axes=tuple(range(body.type.ndim)))

    def _piecewise(self, e: Any) -> Node:
        import sympy as sp

        pieces = list(e.args)
        last, always = pieces.pop()
        if always is not sp.true:
            raise unreadable(e, "Piecewise without a case for all others")
        result = self.read(last)
        for value, condition in reversed(pieces):
            result = OPS["where"](self.read(condition), self.read(value), result)
        return result

    def _condition(self, e: Any) -> Node:
        import sympy as sp

        if e in (sp.true, sp.false):
            return const(bool(e), "bool")
        if e.func in relations():
            return self._call(OPS[relations()[e.func]], e.args)
        if isinstance(e, sp.Not):
            return self._call(OPS["logical_not"], e.args)
        for kind, name in ((sp.And, "and"), (sp.Or, "or"), (sp.Xor, "xor")):
            if isinstance(e, kind):
                op = OPS[f"logical_{name}"]
                ordered = sorted(e.args, key=sp.default_sort_key)
                return reduce(lambda x, y, op=op: op(x, y), map(self.read, ordered))  # type: ignore[misc]
        raise unreadable(e)


def _is_dyadic(number: Any) -> bool:
    """Whether a fraction is exact in binary."""
    return bool(number.q & (number.q - 1) == 0)


def unreadable(e: Any, why: str = "") -> NoExpressionError:
    """An expression that is not a formula of ours."""
    import sympy as sp

    hint = "use SymPy's elementary functions, Max, Min, Abs, sign and Piecewise"
    if isinstance(e, sp.Heaviside | sp.DiracDelta):
        hint = "say what holds at the step: Piecewise((1, x >= 0), (0, True))"
    elif isinstance(e, sp.Derivative | sp.Subs):
        hint = "this derivative has no closed form"
    elif e.is_Symbol:
        hint = "every symbol of the expression has to be an argument"
    return NoExpressionError(why or f"{e.func.__name__} is no known function", str(e), hint)
