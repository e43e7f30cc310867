"""A network: the graph from a model's inputs to its outputs, with every layer and array named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.compiler.errors import UsageError
from chainrule.compiler.explain.formulas import text
from chainrule.compiler.ir import Graph, Node, is_leaf, leaf, make, transform, walk
from chainrule.compiler.ops.random import DROPOUT, inference
from chainrule.compiler.passes.contract import Contractions
from chainrule.compiler.types import Where

from .formula import Regularizer
from .initializers import Initializer
from .layers.base import CALLS, BaseLayer, Call, Parameter
from .layers.core import SEED, STEP
from .tensor import Tensor


@dataclass(frozen=True, slots=True)
class Row:
    """A layer in the summary: as written, its formula, its output and what it trains."""

    layer: str
    formula: str
    output: str
    parameters: tuple[str, ...]
    where: Where | None


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A parameter under its name in the model."""

    name: str
    node: Node
    initializer: Initializer
    regularizer: Regularizer | None


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """The forward graph of a model.

    Attributes:
        graph: inputs, parameters, named outputs; dropout is in it, for `training` or `inference`.
        rows: the layers in order.
        parameters: what is trained, in order.
        draws: seed and step counter of the random numbers, if there are any.
    """

    graph: Graph
    rows: tuple[Row, ...]
    parameters: tuple[Trained, ...]
    draws: tuple[Node, Node] | None

    def inference(self) -> Graph:
        """The graph outside training."""
        mapped = transform(
            self.graph.roots + self.graph.leaves + tuple(self.graph.names), inference
        )
        graph = self.graph.map(mapped)
        # What dropout was called, its operand is not.
        names = {n: s for n, s in graph.names.items() if not is_leaf(n)}
        used = tuple(n for n in graph.inputs if self.draws is None or n is not self.draws[0])
        return Graph(graph.name, used, graph.params, (), graph.outputs, (), names)


class Namer:
    """Gives each thing a name of its own."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self.taken = set(taken)

    def __call__(self, wanted: str) -> str:
        """`wanted`, or with the first number that makes it new."""
        name, number = wanted, 1
        while name in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self.taken.add(name)
        return name


def network(inputs: Sequence[Tensor], outputs: Sequence[Tensor], name: str) -> Network:
    """The network from inputs to outputs.

    Args:
        inputs: tensors made by `Input`.
        outputs: tensors computed from them.
        name: the model's name.

    Raises:
        UsageError: an input is not one, is missing, or is there twice.
    """
    _check(inputs, outputs)
    order, calls = _calls([t.node for t in outputs])
    layers = list(dict.fromkeys(call.layer for _, call in calls))
    numbers = _numbers(layers)
    namer = Namer()

    renamed: dict[Node, Node] = {}
    wanted = [t.node.attr("name") for t in inputs]
    for i, (t, given) in enumerate(zip(inputs, wanted, strict=True)):
        final = namer(given if wanted.count(given) == 1 else f"{given}{i + 1}")
        renamed[t.node] = leaf(final, t.node.type, "input", t.node.where)
    parameters = []
    for layer in layers:
        for p in layer.parameters:
            renamed[p.node] = _parameter(p, namer(_suffixed(p.name, layer, numbers)))
            named = renamed[p.node]
            parameters.append(Trained(named.attr("name"), named, p.initializer, p.regularizer))
    draws = None
    if any(node.op is DROPOUT for node in order):
        draws = (
            leaf(namer("seed"), SEED.type, "setting"),
            leaf(namer("draws"), STEP.type, "state"),
        )
        renamed |= {SEED: draws[0], STEP: draws[1]}
    mapped = transform(order, _Streams(), renamed)

    names: dict[Node, str] = {}
    results = [t.node for t in outputs]
    labels = [namer(label) for label in _outputs(results, calls)]
    for node, label in zip(results, labels, strict=True):
        names.setdefault(mapped[node], label)
    for node, call in calls:
        for letter, inner in (*call.inner, (call.layer.letter, node)):
            if letter and mapped[inner] not in names and not is_leaf(mapped[inner]):
                names[mapped[inner]] = namer(_suffixed(letter, call.layer, numbers))
    inside = set(walk(mapped[node] for node in results))
    graph = Graph(
        name,
        tuple(renamed[t.node] for t in inputs) + ((draws[0],) if draws else ()),
        tuple(p.node for p in parameters),
        (draws[1],) if draws else (),
        tuple(zip(labels, (mapped[node] for node in results), strict=True)),
        (),
        {n: s for n, s in names.items() if n in inside},
    )
    rows = tuple(_row(node, call, mapped, renamed, names) for node, call in calls)
    return Network(graph, rows, tuple(parameters), draws)


class _Streams:
    """Numbers the streams of random numbers in the order of the graph."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, node: Node) -> Node:
        if node.op is not DROPOUT:
            return node
        self.count += 1
        return make(
            DROPOUT, node.operands, node.where, rate=node.attr("rate"), stream=self.count - 1
        )


def _calls(outputs: Sequence[Node]) -> tuple[list[Node], list[tuple[Node, Call]]]:
    """The nodes that outputs are made of, and the layers that were applied on the way.

    A layer's input need not be among what its result is made of: a reshape of a reshape is one.
    """
    roots = list(outputs)
    while True:
        order = walk(roots)
        calls = [(node, call) for node in order for call in CALLS.get(node, ())]
        touched = [n for _, c in calls for n in (*c.inputs, *(inner for _, inner in c.inner))]
        missing = [n for n in dict.fromkeys(touched) if n not in set(order)]
        if not missing:
            break
        roots = missing + roots
    # Layers without parameters that do the same to the same are one row, whoever made them.
    told: dict[object, tuple[Node, Call]] = {}
    for node, call in calls:
        key = call.layer if call.layer.parameters else call.layer.describe()
        told.setdefault((key, call.inputs), (node, call))
    return order, list(told.values())


def _check(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    for what, given in (("an input", inputs), ("an output", outputs)):
        if not given:
            raise UsageError(
                f"a model without {what}",
                f"{len(inputs)} inputs, {len(outputs)} outputs",
                "cr.Model(x, y), with x = cr.Input((3,)) and y = cr.Dense(1)(x)",
            )
        for t in given:
            if not isinstance(t, Tensor):
                raise UsageError(
                    f"{what} of a model is {type(t).__name__}",
                    "expected a tensor",
                    "inputs come from cr.Input, outputs from calling layers on them",
                )
    for t in inputs:
        if not is_leaf(t.node) or t.node.attr("role") != "input":
            raise UsageError(
                "a model's input is computed from others",
                str(t.node.type),
                "start with cr.Input",
                t.node.where,
            )
    if len({t.node for t in inputs}) != len(inputs):
        raise UsageError(
            "a model's input is there twice",
            f"inputs: {', '.join(t.node.attr('name') for t in inputs)}",
            "make two inputs with cr.Input",
        )
    known = {t.node for t in inputs}
    for node in walk(t.node for t in outputs):
        if is_leaf(node) and node.attr("role") == "input" and node not in known:
            raise UsageError(
                f"an output needs {node.attr('name')}, which is not among the inputs",
                str(node.type),
                "add it to the model's inputs",
                node.where,
            )


def _numbers(layers: Sequence[BaseLayer]) -> dict[BaseLayer, int]:
    """The number of each layer: those with parameters count, the others belong to the last."""
    numbers, count = {}, 0
    for layer in layers:
        if layer.parameters and layer.name is None:
            count += 1
        numbers[layer] = count
    return numbers


def _outputs(results: Sequence[Node], calls: Sequence[tuple[Node, Call]]) -> list[str]:
    """What outputs are called: `y`; of several, each as its layer is, or by its number."""
    if len(results) == 1:
        return ["y"]
    given = {node: call.layer.name for node, call in calls if call.layer.name}
    return [given.get(node, f"y{i + 1}") for i, node in enumerate(results)]


def _suffixed(name: str, layer: BaseLayer, numbers: dict[BaseLayer, int]) -> str:
    return f"{name}_{layer.name}" if layer.name else f"{name}{numbers[layer] or ''}"


def _parameter(p: Parameter, name: str) -> Node:
    return leaf(name, p.node.type, "param", p.node.where)


def _text(result: Node, names: dict[Node, str]) -> str:
    """The formula of a result, its sums of products written as matrix products."""
    graph = Graph("row", outputs=(("value", result),), names=names)
    found = Contractions()(graph)
    return text(found.outputs[0][1], dict(found.names))


def _row(
    node: Node,
    call: Call,
    mapped: dict[Node, Node],
    renamed: dict[Node, Node],
    names: dict[Node, str],
) -> Row:
    """The layer as a line of the summary, its formula in terms of what goes in."""
    new = mapped[node]
    inside = {mapped[inner] for _, inner in call.inner}
    shown = {n: s for n, s in names.items() if n is not new and n not in inside}
    for i, x in enumerate(call.inputs):
        if not is_leaf(mapped[x]):
            shown.setdefault(mapped[x], "x" if len(call.inputs) == 1 else f"x{i + 1}")
    formula = "x" if new is mapped[call.inputs[0]] else _text(new, shown)
    return Row(
        call.layer.describe(),
        f"{names.get(new, 'y')} = {formula}",
        str(new.type),
        tuple(renamed[p.node].attr("name") for p in call.layer.parameters),
        call.layer.where,
    )
