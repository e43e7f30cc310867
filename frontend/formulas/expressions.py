"""SymPy expressions as formulas: their symbols become the arguments of a function of tensors.

SymPy itself is only met in the compiler, and only when there is an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.compiler.errors import UsageError, caller
from chainrule.compiler.ir import leaf
from chainrule.compiler.types import Shape, TensorType, symbol

from ..names import identifier
from ..tensor import Tensor, promote
from .kinds import Formula, Regularizer
from .replicate import Neuron
from .signature import REQUIRED, Argument, Role, Signature
from .updates import Optimizer

# What the operands are called where no order is given and the names alone do not say it.
NAMES = {"neuron": ("x",), "optimizer": ("p", "g")}


def is_sympy(given: Any) -> bool:
    """Whether this is a SymPy expression, or several."""
    if isinstance(given, tuple | list):
        return bool(given) and all(map(is_sympy, given))
    return any(str(base.__module__).partition(".")[0] == "sympy" for base in type(given).__mro__)


def of_expressions(
    given: Any,
    kind: type[Formula],
    args: Sequence[Any] | None,
    settings: Mapping[Any, Any] | None,
    states: Mapping[Any, float] | None,
    step: Any,
) -> tuple[Callable[..., Any], Signature]:
    """The function and the arguments of a formula given as a SymPy expression.

    Symbols are given themselves or by name.

    Args:
        given: an expression; for an optimizer the new parameter and the new states.
        kind: the class of the formula.
        args: the operands in order; by default all symbols that are nothing else, sorted by name.
        settings: symbols that are settings, with their values.
        states: symbols that are states, with what they start from.
        step: the symbol that is the number of the step.

    Raises:
        UnknownNameError: a symbol's name is no identifier.
        NoExpressionError: the expression holds something that is no function of tensors.
        UsageError: its symbols are not the operands of such a formula.
    """
    from chainrule.compiler.from_sympy import from_sympy, unknowns

    expressions = tuple(given) if isinstance(given, tuple | list) else (given,)
    symbols = unknowns(expressions)
    others: dict[str, tuple[Role, Any]] = {
        **{str(name): ("setting", value) for name, value in (settings or {}).items()},
        **{str(name): ("state", value) for name, value in (states or {}).items()},
        **({str(step): ("step", REQUIRED)} if step is not None else {}),
    }
    for name in (*symbols, *others):
        identifier(name, "a symbol's name")
    free = sorted(name for name in symbols if name not in others)
    operands = _words(args) if args is not None else NAMES.get(kind.kind, tuple(free))
    rest = [name for name in free if name not in operands]
    vectors = {name for name, x in symbols.items() if type(x).__name__ == "IndexedBase"}
    if kind is Neuron:
        for name in sorted(rest, key=lambda name: (name not in vectors, name)):
            others[name] = ("per_input" if name in vectors else "scalar", REQUIRED)
    elif rest or len(operands) != len(kind.operands):
        raise UsageError(
            f"{kind.kind}: an expression of {', '.join(free) or 'no symbols'}",
            f"its operands are {', '.join(kind.operands)}",
            "args= says which symbols they are, in order; settings= gives the others values",
        )
    arguments = [Argument(name, "operand") for name in operands]
    arguments += [Argument(name, role, value) for name, (role, value) in others.items()]
    names = [argument.name for argument in arguments]

    def function(*values: Any) -> Any:
        nodes, weak = promote(*values)
        known = {symbols[n]: x for n, x in zip(names, nodes, strict=True) if n in symbols}
        results = [from_sympy(e, known, nodes[0].dtype) for e in expressions]
        if kind is Regularizer:
            from ..functions.reductions import sum

            return sum(Tensor(results[0]))  # of each element; the cost is that of all
        tensors = tuple(Tensor(node, weak) for node in results)
        return tensors if kind is Optimizer else tensors[0]

    # Read once now, so that what is wrong with it is said where it is defined.
    shapes: list[Shape] = [(symbol("inputs"),) if name in vectors else () for name in names]
    types = [TensorType("float64", shape) for shape in shapes]
    function(*(Tensor(leaf(n, t, "placeholder")) for n, t in zip(names, types, strict=True)))
    return function, Signature(tuple(arguments), caller())


def _words(given: Any) -> tuple[str, ...]:
    """The names of symbols: of several, or of one alone."""
    return tuple(map(str, given if isinstance(given, tuple | list) else (given,)))
