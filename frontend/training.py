"""What training asks for: the graphs of a training step and of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import Graph, Node, const, evaluate, leaf
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.types import TensorType

from .formula import Loss, Metric
from .formulas.updates import Optimizer
from .network import Namer, Network
from .rows import tables
from .tensor import Tensor


@dataclass(frozen=True, slots=True)
class Reported:
    """A number that training reports: the loss, or a metric.

    `finish` is a graph from `mean`, the mean over all samples, to what is reported, such as its
    root; None: the mean itself.
    """

    name: str
    finish: Graph | None = None

    def conclude(self, mean: float) -> float:
        """What is reported for this mean over all samples."""
        if self.finish is None:
            return mean
        (x,), (result,) = self.finish.inputs, self.finish.roots
        return float(evaluate([result], {x: mean})[0])


@dataclass(frozen=True, slots=True)
class Target:
    """What an output is compared with: its leaf's name, and the number of classes of labels."""

    name: str
    output: str
    classes: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """The graphs of a compiled model, still to be differentiated, and what they start from.

    Attributes:
        train: a step: reports, and updates of parameters and state.
        evaluate: the reports, outside training.
        targets: the labels.
        reported: the loss, then the metrics, as the graphs' outputs have them.
        settings: first value of each setting.
        state: first value of every element of each state.
    """

    train: Graph
    evaluate: Graph
    targets: tuple[Target, ...]
    reported: tuple[Reported, ...]
    settings: dict[str, float] = field(default_factory=dict)
    state: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Objective:
    """Losses and metrics of each output, with the weight of each loss; None: it has no loss."""

    losses: Sequence[Loss | None]
    weights: Sequence[float]
    metrics: Sequence[Sequence[Metric]]


def training(network: Network, objective: Objective, optimizer: Optimizer) -> Training:
    """The graphs of a model with its losses, metrics and optimizer."""
    graph, single = network.graph, len(network.graph.outputs) == 1
    namer = Namer([x.attr("name") for x in graph.leaves] + list(graph.names.values()))
    targets: list[Target] = []
    labels: list[Node | None] = []
    for (name, y), loss in zip(graph.outputs, objective.losses, strict=True):
        if loss is None:
            labels.append(None)
            continue
        given = loss.target_type(y.type)
        label = leaf(namer("t" if single else f"t_{name}"), given, "input", y.where)
        labels.append(label)
        size = y.shape[-1] if y.shape else None
        classes = size if loss.target == "classes" and isinstance(size, int) else None
        targets.append(Target(label.attr("name"), name, classes))

    known = [label for label in labels if label is not None]
    added = [term for term, _ in network.terms]
    reported, outputs, loss_node = _reports(graph, labels, objective, added)
    params = [Tensor(p) for p in graph.params]
    if not params:
        raise UsageError(
            "the model has no parameters",
            "there is nothing to train",
            "add a layer that has some, such as cr.Dense(10)",
        )
    grads = [Tensor(gradient(loss_node, p, const(1, loss_node.dtype))) for p in graph.params]
    found = tables(loss_node, graph.params, network.sparse)
    update = optimizer.apply(params, grads, found)
    names = {**graph.names, **update.names, loss_node: namer("L")}
    updates = tuple(update.updates) + graph.updates
    if (counter := network.counter) is not None:
        updates += ((counter, counter + 1),)
    data = [x for x in graph.inputs if x.attr("role") == "input"]
    seeds = [x for x in graph.inputs if x.attr("role") == "setting"]
    train = Graph(
        "train",
        (*data, *known, *seeds, *(node for node, _ in update.settings)),
        graph.params,
        graph.state + tuple(node for node, _ in update.state),
        outputs,
        updates,
        names,
    )
    plain = network.inference
    added = [term for _, term in network.terms]
    _, outside, loss_outside = _reports(plain, labels, objective, added)
    evaluate = Graph(
        "evaluate",
        plain.inputs + tuple(known),
        plain.params,
        plain.state,
        outside,
        (),
        {**plain.names, loss_outside: "L"},
    )
    return Training(
        train,
        evaluate,
        tuple(targets),
        reported,
        {node.attr("name"): value for node, value in update.settings},
        {node.attr("name"): value for node, value in update.state},
    )


def _reports(
    graph: Graph,
    labels: Sequence[Node | None],
    objective: Objective,
    added: Sequence[Node],
) -> tuple[tuple[Reported, ...], tuple[tuple[str, Node], ...], Node]:
    """The loss, each output's own loss where there are several, and the metrics."""
    single = len(graph.outputs) == 1
    namer = Namer()
    reported = [Reported(namer("loss"))]
    total: Tensor | None = None
    parts: list[tuple[Reported, Tensor]] = []
    for (name, y), label, loss, weight, metrics in zip(
        graph.outputs, labels, objective.losses, objective.weights, objective.metrics, strict=True
    ):
        if loss is None or label is None:
            continue
        value = loss.reduced(Tensor(label), Tensor(y))
        if not single:
            parts.append((Reported(namer(f"{name}_loss")), value))
        weighted = value if weight == 1 else value * weight
        total = weighted if total is None else total + weighted
        for metric in metrics:
            label_name = metric.name if single else f"{name}_{metric.name}"
            parts.append(
                (
                    Reported(namer(label_name), _finish(metric)),
                    metric.reduced(Tensor(label), Tensor(y)),
                )
            )
    for term in added:
        total = Tensor(term) if total is None else total + Tensor(term)
    assert total is not None
    outputs = [("loss", total.node)]
    for report, tensor in parts:
        reported.append(report)
        outputs.append((report.name, tensor.node))
    return tuple(reported), tuple(outputs), total.node


def _finish(metric: Metric) -> Graph | None:
    if metric.finish is None:
        return None
    mean = leaf("mean", TensorType("float64"), "input")
    result = metric.tensor(metric.finish(Tensor(mean)), "the end of the metric")
    return Graph("finish", (mean,), outputs=(("value", result.node),))
