"""Formulas as plain data: a built-in one by its name and settings, a user's by its graph's text.

A user's formula comes back from its graph alone, never from Python code: it then takes tensors of
the types that it was stored for, and its settings are fixed, but for an optimizer's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.compiler.errors import ChainruleError, FileError, ShapeError, UsageError
from chainrule.compiler.ir import Graph, LeafRole, Node, leaf, substitute
from chainrule.compiler.types import TensorType

from .. import initializers
from ..names import identifier
from ..tensor import Tensor
from .comparisons import Loss, Metric
from .kinds import Activation, Formula, Regularizer, named
from .replicate import Neuron
from .signature import REQUIRED, Argument, Role, Signature
from .updates import OPTIONS, Optimizer

KINDS: dict[str, type[Formula]] = {
    kind.kind: kind for kind in (Activation, Loss, Metric, Regularizer, Neuron, Optimizer)
}
# What an argument of each role is in a stored graph.
LEAVES: dict[Role, LeafRole] = {
    "operand": "input",
    "per_input": "param",
    "scalar": "state",
    "state": "state",
    "step": "state",
    "setting": "setting",
}
NUMBER = TensorType("float64")


def config(formula: Formula, operands: Sequence[TensorType]) -> dict[str, Any]:
    """See `Formula.config`."""
    described: dict[str, Any] = {
        "kind": formula.kind,
        "name": formula.name,
        "settings": {name: _plain(value) for name, value in formula.settings.items()},
    }
    if formula.builtin:
        return described
    described["settings"] = {}
    arguments = formula.signature.of("operand", "per_input", "scalar", "state", "step")
    if isinstance(formula, Optimizer):
        numbers = {n: v for n, v in formula.settings.items() if isinstance(v, float)}
        arguments += tuple(a for a in formula.signature.of("setting") if a.name in numbers)
        own = {a.name for a in formula.signature.of("setting")}
        options = {n: v for n, v in formula.settings.items() if n in OPTIONS and n not in own}
        described["settings"] = options
    described["arguments"] = [[a.name, a.role, _start(formula, a)] for a in arguments]
    described["graphs"] = [_text(formula, arguments, types) for types in _types(formula, operands)]
    if isinstance(formula, Loss):
        described |= {"target": formula.target, "from_logits": formula.from_logits}
    if isinstance(formula, Metric) and formula.finish is not None:
        x = leaf("x", NUMBER, "input")
        result = formula.tensor(formula.finish(Tensor(x)), "the end of the metric")
        described["finish"] = _shown(formula.name, (x,), [("y", result.node)])
    return described


def _plain(value: Any) -> Any:
    return value.config() if isinstance(value, initializers.Initializer) else value


def _start(formula: Formula, argument: Argument) -> Any:
    """What an argument that is no operand starts from, as plain data."""
    if isinstance(formula, Optimizer):
        if argument.role == "setting":
            return formula.settings[argument.name]
        return formula.start(argument) if argument.role in ("state", "scalar") else None
    return _plain(formula.settings.get(argument.name))


def _types(formula: Formula, operands: Sequence[TensorType]) -> list[tuple[TensorType, ...]]:
    """The types of the operands, for each graph that is stored."""
    if isinstance(formula, Activation) and formula.elementwise:
        return [(NUMBER,)]
    if isinstance(formula, Optimizer):
        return [(p, p) for p in dict.fromkeys(operands)]
    if len(operands) != len(formula.operands):
        raise UsageError(
            f"{formula.name} is to be stored for {len(operands)} operands",
            f"it takes {', '.join(formula.operands)}",
            "give their types: its graph is stored for them",
        )
    return [tuple(operands)]


def _text(formula: Formula, arguments: Sequence[Argument], operands: tuple[TensorType, ...]) -> str:
    """The formula's graph for operands of these types."""
    given = iter(operands)
    leaves = {}
    for a in arguments:
        whole = a.role in ("per_input", "state")
        type_ = next(given) if a.role == "operand" else operands[0] if whole else NUMBER
        if a.role == "scalar" and isinstance(formula, Neuron):
            type_ = TensorType(operands[0].dtype)
        leaves[a.name] = leaf(a.name, type_, LEAVES[a.role])
    values = {
        a.name: Tensor(leaves[a.name], leaves[a.name].type == NUMBER and a.role != "operand")
        for a in arguments
    }
    inputs = [values[a.name] for a in arguments if a.role == "operand"]
    others = {a.name: values[a.name] for a in arguments if a.role != "operand"}
    if isinstance(formula, Activation) and formula.elementwise:
        results = [("y", formula.applied(*inputs).node)]
    elif isinstance(formula, Optimizer):
        names = ["p", *formula.states]
        traced = formula.results(inputs[0], inputs[1], {**formula.settings, **others})
        pairs = zip(names, traced, strict=True)
        results = [(n, formula.tensor(x, n).node) for n, x in pairs if x is not None]
    else:
        results = [("y", formula.tensor(formula.trace(*inputs, **others)).node)]
    return _shown(formula.name, tuple(leaves.values()), results)


def _shown(name: str, leaves: tuple[Node, ...], results: Sequence[tuple[str, Node]]) -> str:
    from chainrule.compiler.text import show

    return show(Graph(name, inputs=leaves, outputs=tuple(results)))


def formula(config: Mapping[str, Any]) -> Formula:
    """See `from_config`."""
    try:
        return _formula(config)
    except ChainruleError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise FileError(
            "a stored formula cannot be read",
            f"{type(error).__name__}: {error}",
            "expected what Formula.config returns",
        ) from error


def _formula(config: Mapping[str, Any]) -> Formula:
    kind, name = KINDS[config["kind"]], config["name"]
    if "graphs" not in config:
        settings = {
            n: initializers.from_config(v) if isinstance(v, Mapping) else v
            for n, v in config["settings"].items()
        }
        found: Formula = named(kind.kind, name)
        return found.configured(**settings)
    identifier(name, "a stored formula's name")
    arguments = []
    for argument, role, start in config["arguments"]:
        identifier(argument, f"an argument of {name}")
        if role not in LEAVES:
            raise ValueError(f"an argument's role is {role!r}")
        first = initializers.from_config(start) if isinstance(start, Mapping) else start
        arguments.append(Argument(argument, role, REQUIRED if first is None else first))
    signature = Signature(tuple(arguments))
    graphs = [_parsed(text) for text in config["graphs"]]
    states = [a.name for a in signature.of("state", "scalar")] if kind is Optimizer else None
    function = _replayed(name, [a.name for a in arguments], graphs, kind is Activation, states)
    attributes: dict[str, Any] = {}
    if kind is Loss:
        target, from_logits = config["target"], config["from_logits"]
        if target not in ("values", "classes") or not isinstance(from_logits, bool):
            raise ValueError(f"a loss of {target!r}")
        attributes = {"target": target, "from_logits": from_logits}
    if kind is Metric and "finish" in config:
        attributes = {"finish": _replayed(name, ["x"], [_parsed(config["finish"])])}
    return kind(name, function, signature, {}, **attributes).configured(**config["settings"])


def _parsed(text: str) -> Graph:
    from chainrule.compiler.text import parse

    return parse(text)


def _replayed(
    name: str,
    arguments: Sequence[str],
    graphs: Sequence[Graph],
    shapeless: bool = False,
    states: Sequence[str] | None = None,
) -> Callable[..., Any]:
    """A function of tensors that does what the graph for their types does.

    Args:
        name: the formula's, for errors.
        arguments: what it is called with, in order.
        graphs: one for each combination of types.
        shapeless: whether a graph of a number goes for tensors of any float type.
        states: for an optimizer, the states of which it returns new ones.
    """

    def function(*values: Tensor) -> Any:
        given = dict(zip(arguments, values, strict=True))
        graph = _chosen(name, graphs, given, shapeless)
        known = {x: given[x.attr("name")].node for x in graph.inputs}
        results = dict(
            zip(
                (label for label, _ in graph.outputs),
                map(Tensor, substitute([node for _, node in graph.outputs], known)),
                strict=True,
            )
        )
        if states is None:
            return results["y"]
        return results["p"], *(results.get(state) for state in states)

    function.__name__ = name
    return function


def _chosen(
    name: str, graphs: Sequence[Graph], given: Mapping[str, Tensor], shapeless: bool
) -> Graph:
    """The graph for these types."""
    for graph in graphs:
        if all(given[x.attr("name")].node.type == x.type for x in graph.inputs):
            return graph
        if shapeless and graph.inputs[0].type == NUMBER:
            return graph
    shown = ", ".join(str(x.node.type) for x in given.values())
    stored = "; ".join(", ".join(str(x.type) for x in graph.inputs) for graph in graphs)
    raise ShapeError(
        f"the stored formula {name} of {shown}",
        f"it was stored for {stored}",
        "define it again to use it on other types",
    )
