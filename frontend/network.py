"""A network: the graph from a model's inputs to its outputs, with every layer and array named."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.compiler.errors import ShapeError, UsageError, pinned
from chainrule.compiler.explain.formulas import text
from chainrule.compiler.ir import Graph, Node, const, is_leaf, leaf, substitute, transform, walk
from chainrule.compiler.ops.choice import pruned
from chainrule.compiler.ops.gradient import original
from chainrule.compiler.ops.phase import in_training, outside_training
from chainrule.compiler.ops.steps import throughout
from chainrule.compiler.passes.contract import Contractions
from chainrule.compiler.types import Where

from .calls import CALLS, LOOPS, Call, Effects, check_outside
from .drawing import SEED, STEP, Streams
from .initializers import Initializer
from .layers.base import BaseLayer, Parameter, State
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
class Network:
    """The forward graphs of a model.

    Attributes:
        graph: in training: inputs, parameters, named outputs, and what layers' states become.
        inference: outside training: what is random is the same every time, nothing changes.
        terms: what regularizers and layers add to the loss, in training and outside.
        rows: the layers in order.
        initializers: of parameters and states by name; none where the arrays are there already.
        sparse: names of parameters of which a step is to update those rows alone that it reads.
    """

    graph: Graph
    inference: Graph
    terms: tuple[tuple[Node, Node], ...]
    rows: tuple[Row, ...]
    initializers: Mapping[str, Initializer]
    sparse: frozenset[str] = frozenset()

    @property
    def counter(self) -> Node | None:
        """The state that counts draws of random numbers, if there are any."""
        seeded = any(x.attr("role") == "setting" for x in self.graph.inputs)
        return self.graph.state[0] if seeded else None


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
    order, calls, effects = _calls([t.node for t in inputs], [t.node for t in outputs])
    for name_, beside in effects:
        _check_complete(f"add_loss of {name_}", beside.losses, inputs)
    layers = list(dict.fromkeys(call.layer for _, call in calls))
    numbers = _numbers(layers)
    namer = Namer()

    renamed: dict[Node, Node] = {}
    wanted = [t.node.attr("name") for t in inputs]
    for i, (t, given) in enumerate(zip(inputs, wanted, strict=True)):
        final = namer(given if wanted.count(given) == 1 else f"{given}{i + 1}")
        renamed[t.node] = leaf(final, t.node.type, "input", t.node.where)
    initializers: dict[str, Initializer] = {}
    for layer in layers:
        owned: list[Parameter | State] = [*layer.parameters, *layer.states]
        for own in owned:
            renamed[own.node] = _renamed(own.node, namer(_suffixed(own.name, layer, numbers)))
            initializers[renamed[own.node].attr("name")] = own.initializer
    parameters = [p for layer in layers for p in layer.parameters]
    states = [s for layer in layers for s in layer.states]
    draws = None
    if SEED in order:
        draws = (
            leaf(namer("seed"), SEED.type, "setting"),
            leaf(namer("draws"), STEP.type, "state"),
        )
        renamed |= {SEED: draws[0], STEP: draws[1]}
    both = transform(order, throughout(Streams(order)), renamed)
    training, outside = _phase(both, in_training), _phase(both, outside_training)
    if draws is not None:
        # Outside training the same numbers every time: those of seed 0 and step 0.
        same = substitute([*outside.values()], dict.fromkeys(draws, const(0, SEED.dtype)))
        outside = dict(zip(outside, same, strict=True))

    results = [t.node for t in outputs]
    labels = [namer(label) for label in _outputs(results, calls)]
    called: dict[Node, str] = {}
    for node, label in zip(results, labels, strict=True):
        called.setdefault(node, label)
    seen = {training[node] for node in called}
    for node, call in calls:
        for letter, inner in (*call.inner, (call.layer.letter, node)):
            if letter and training[inner] not in seen and not is_leaf(training[inner]):
                seen.add(training[inner])
                called[inner] = namer(_suffixed(letter, call.layer, numbers))
    given = tuple(renamed[t.node] for t in inputs)
    params = tuple(renamed[p.node] for p in parameters)
    kept = tuple(renamed[s.node] for s in states)

    def graph(mapped: dict[Node, Node], inputs: tuple[Node, ...], state: tuple[Node, ...]) -> Graph:
        inside = set(walk(mapped[node] for node in results))
        names: dict[Node, str] = {}
        for node, label in called.items():
            if mapped[node] in inside and not is_leaf(mapped[node]):
                names.setdefault(mapped[node], label)
        values = tuple(zip(labels, (mapped[node] for node in results), strict=True))
        return Graph(name, inputs, params, state, values, (), names)

    seeds, counters = ((draws[0],), (draws[1],)) if draws else ((), ())
    trained = graph(training, given + seeds, counters + kept)
    added = [(training[x], outside[x]) for _, beside in effects for x in beside.losses]
    names = {training[node]: label for node, label in called.items()}
    return Network(
        replace(trained, updates=_updates(effects, training)),
        graph(outside, given, kept),
        (*_penalties(parameters, renamed), *added),
        tuple(_row(node, call, training, renamed, names) for node, call in calls),
        initializers,
        frozenset(renamed[p.node].attr("name") for p in parameters if p.sparse),
    )


def _penalties(
    parameters: Sequence[Parameter], renamed: Mapping[Node, Node]
) -> Iterator[tuple[Node, Node]]:
    """What regularizers make of parameters, the same in training and outside."""
    for p in parameters:
        if p.regularizer is not None:
            with pinned(p.node.where):
                cost = p.regularizer(Tensor(renamed[p.node])).node
            yield cost, cost


def _phase(both: dict[Node, Node], chosen: Callable[[Node], Node]) -> dict[Node, Node]:
    """What each node of the layers' is in one phase."""
    mapped = transform(both.values(), throughout(lambda node: pruned(chosen(node))))
    return {node: mapped[new] for node, new in both.items()}


def _updates(
    effects: Sequence[tuple[str, Effects]], training: dict[Node, Node]
) -> tuple[tuple[Node, Node], ...]:
    """What each state becomes: the calls of a shared layer change it one after the other."""
    found: dict[Node, Node] = {}
    for _, beside in effects:
        for old, new in beside.updates:
            state = training[old]
            (found[state],) = substitute([training[new]], {state: found.get(state, state)})
    return tuple(found.items())


def _calls(
    inputs: Sequence[Node], outputs: Sequence[Node]
) -> tuple[list[Node], list[tuple[Node, Call]], list[tuple[str, Effects]]]:
    """The nodes that outputs are made of, the layers on the way, and what happens beside.

    A layer's input need not be among what its result is made of: a reshape of a reshape is one, and
    an encoding of positions is the same for all inputs, those of other models included.
    """
    roots = list(outputs)
    while True:
        order = _order(roots)
        inside = set(order)
        calls = [
            (node, call)
            for node in order
            for call in CALLS.get(node, ())
            if not _foreign([n for n in call.inputs if n not in inside], inputs)
        ]
        loops = {LOOPS[node]: node for node in reversed(order) if node in LOOPS}
        touched = [n for _, c in calls for n in (*c.inputs, *(inner for _, inner in c.inner))]
        for beside in (*(c.effects for _, c in calls), *(loop.effects for loop in loops)):
            touched += (*itertools.chain(*beside.updates), *beside.losses)
        touched += [y for node in order if (y := original(node)) is not None]
        missing = [n for n in dict.fromkeys(touched) if n not in inside]
        if not missing:
            break
        roots = missing + roots
    # Layers that own nothing and do the same to the same are one row, whoever made them.
    told: dict[object, tuple[Node, Call]] = {}
    for node, call in calls:
        owns = call.layer.parameters or call.layer.states or call.effects.losses
        key = call.layer if owns else call.layer.describe()
        told.setdefault((key, call.inputs), (node, call))
    place = {node: i for i, node in enumerate(order)}
    effects = [(place[node], c.layer.describe(), c.effects) for node, c in told.values()]
    effects += [(place[node], "a layer in a loop", loop.effects) for loop, node in loops.items()]
    effects.sort(key=lambda each: each[0])
    return order, list(told.values()), [(name, beside) for _, name, beside in effects]


def _order(roots: Sequence[Node]) -> list[Node]:
    """All nodes below the roots, and before each loop the nodes that its step was made of."""
    found: dict[Node, None] = {}
    for node in walk(roots):
        if node in LOOPS and node not in found:
            found.update(dict.fromkeys(_order(LOOPS[node].traced)))
        found[node] = None
    return list(found)


def _foreign(nodes: Sequence[Node], inputs: Sequence[Node]) -> bool:
    """Whether nodes depend on inputs other than these."""
    return any(is_leaf(n) and n.attr("role") == "input" and n not in inputs for n in walk(nodes))


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
    _check_complete("an output", [t.node for t in outputs], inputs)
    samples = {t.shape[0] for t in inputs if t.ndim}
    for t in outputs:
        if not t.ndim or t.shape[0] not in samples:
            raise ShapeError(
                f"an output of a model is {t.node.type}",
                f"its first axis is not that of the samples, {', '.join(map(str, samples))}",
                "cr.permute_dims puts it in front; what is of all samples is for cr.function",
                t.node.where,
            )


def _check_complete(what: str, nodes: Sequence[Node], inputs: Sequence[Tensor]) -> None:
    """Everything that the nodes are made of is given."""
    known, order = {t.node for t in inputs}, walk(nodes)
    check_outside(what, order)
    for node in order:
        if is_leaf(node) and node.attr("role") == "input" and node not in known:
            raise UsageError(
                f"{what} needs {node.attr('name')}, which is not among the inputs",
                str(node.type),
                "add it to the model's inputs",
                node.where,
            )


def _numbers(layers: Sequence[BaseLayer]) -> dict[BaseLayer, int]:
    """The number of each layer: those that own arrays count, the others belong to the last."""
    numbers, count = {}, 0
    for layer in layers:
        if (layer.parameters or layer.states) and layer.name is None:
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


def _renamed(node: Node, name: str) -> Node:
    return leaf(name, node.type, node.attr("role"), node.where)


def _text(result: Node, names: dict[Node, str]) -> str:
    """The formula of a result, its sums of products written as matrix products."""
    return text(Contractions().node(result, names), names)


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
    own = [x for part in (new, *inside) for x in part.operands]
    below = (*walk(own, names), *(mapped[x] for x in call.inputs))
    shown = {n: names[n] for n in below if n in names and n is not new and n not in inside}
    for i, x in enumerate(call.inputs):
        if not is_leaf(mapped[x]):
            shown.setdefault(mapped[x], "x" if len(call.inputs) == 1 else f"x{i + 1}")
    if call.layer.formula is not None:
        formulas = [call.layer.formula]
    elif new is mapped[call.inputs[0]]:
        formulas = [f"{names.get(new, 'y')} = x"]
    elif call.layer.opened:
        formulas = [f"{names.get(new, 'y')} = {_text(new, shown)}"]
    else:
        formulas = []
        for part in (*(mapped[inner] for _, inner in call.inner), new):
            formulas.append(f"{names.get(part, 'y')} = {_text(part, shown)}")
            shown.setdefault(part, names.get(part, "y"))
    return Row(
        call.layer.describe(),
        "; ".join(formulas),
        str(new.type),
        tuple(renamed[p.node].attr("name") for p in call.layer.parameters),
        call.layer.where,
    )
