"""Models in files: graphs as text, arrays as safetensors. Nothing in them is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chainrule.compiler.errors import ChainruleError, FileError
from chainrule.compiler.ir import Graph, Node, transform
from chainrule.compiler.targets import target as find_target
from chainrule.compiler.text import parse, show
from chainrule.compiler.types import Where, symbol, value
from chainrule.frontend.names import identifier
from chainrule.frontend.network import Network, Row
from chainrule.frontend.training import Reported, Target
from chainrule.runtime import checkpoint

from . import sound
from .compiled import Compiled
from .model import Model


def save(path: str | Path, model: Model) -> None:
    """Write a model to one file, completely or not at all."""
    checkpoint.save(path, model._arrays, _config(model))


def load_model(path: str | Path) -> Model:
    """Read a model that `save` wrote: ready to predict, and to train on where it was compiled.

    Nothing in the file is executed, whoever wrote it: formulas are graphs, as text.

    Args:
        path: of the file.

    Returns:
        The model. It trains on with the loss, the optimizer and the metrics that it was compiled
        for, as if it had never been away, or is compiled for others. The layers as Python objects
        are not in a file, their graphs are.

    Raises:
        FileError: the file is truncated, corrupted, or was not written by `model.save`.

    Example:
        >>> import chainrule as cr, tempfile, pathlib
        >>> model = cr.Sequential([cr.Input((3,)), cr.Dense(1)])
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> model.save(path)
        >>> loaded = cr.load_model(path)
        >>> loaded.count_params()
        4
        >>> loaded.compile(loss="mse", optimizer="adam")
    """
    arrays, config = checkpoint.load(path)
    try:
        model = _model(config)
        _check(model, arrays)
    except (
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        RecursionError,
        ChainruleError,
    ) as e:
        reason = e.what if isinstance(e, ChainruleError) else str(e).strip().partition("\n")[0]
        raise FileError(
            f"{Path(path).name} does not describe a model",
            f"{type(e).__name__}: {reason}"[:160],
            "write it again with model.save",
        ) from None
    model._arrays = arrays
    return model


def _config(model: Model) -> dict[str, Any]:
    network, compiled = model._network, model._compiled
    return {
        "name": model.name,
        "seed": model.seed,
        "training": show(network.graph),
        "forward": show(network.inference),
        "terms": show(_terms(network)),
        "sparse": sorted(network.sparse),
        "rows": [_row_data(row) for row in network.rows],
        "compiled": None if compiled is None else _compiled_data(compiled),
    }


def _row_data(row: Row) -> list[Any]:
    where = row.where
    return [
        row.layer,
        row.formula,
        row.output,
        list(row.parameters),
        None if where is None else [where.file, where.line, where.layer],
    ]


def _compiled_data(compiled: Compiled) -> dict[str, Any]:
    return {
        "train": show(compiled.train),
        "evaluate": show(compiled.evaluate),
        "targets": [[t.name, t.output, t.classes] for t in compiled.targets],
        "reported": [
            [r.name, None if r.finish is None else show(r.finish)] for r in compiled.reported
        ],
        "settings": dict(compiled.settings),
        "state": dict(compiled.state),
        "target": compiled.target,
    }


def _model(config: Mapping[str, Any]) -> Model:
    rows = tuple(
        Row(
            sound.line(layer),
            sound.line(formula),
            sound.line(output),
            tuple(map(sound.line, parameters)),
            None if where is None else sound.place(Where(where[0], int(where[1]), where[2])),
        )
        for layer, formula, output, parameters, where in config["rows"]
    )
    forward = _graph(config["forward"], "forward")
    training = _of_leaves(forward, _graph(config["training"], "training"))
    terms = _of_leaves(training, _graph(config["terms"], "terms"))
    seed, sparse = config["seed"], frozenset(map(sound.line, config.get("sparse", ())))
    if not sparse <= set(map(_name, training.params)):
        raise ValueError("rows are updated of what is no parameter")
    model = Model.of(
        identifier(config["name"], "a model's name"),
        Network(training, forward, _pairs(terms, training), rows, {}, sparse),
        None if seed is None else int(seed),
    )
    if config["compiled"] is not None:
        model._compiled = _compiled(config["compiled"])
    return model


def _compiled(data: Mapping[str, Any]) -> Compiled:
    train, evaluate = _graph(data["train"], "train"), _graph(data["evaluate"], "evaluate")
    settings = [_name(x) for x in train.inputs if x.attr("role") == "setting"]
    kept = {_name(x) for x in evaluate.state}
    state = [_name(x) for x in train.state if _name(x) not in kept]
    seeds = [_name(x) for x in train.inputs if x.attr("role") == "setting" and x.dtype == "int64"]
    if seeds:
        settings = [name for name in settings if name not in seeds]
        state = state[1:]  # the first one counts draws
    return Compiled(
        train=train,
        evaluate=evaluate,
        targets=tuple(
            Target(str(name), str(output), None if classes is None else int(classes))
            for name, output, classes in data["targets"]
        ),
        reported=tuple(
            Reported(str(name), None if finish is None else sound.number(_parsed(finish)))
            for name, finish in data["reported"]
        ),
        settings=sound.numbers(data["settings"], settings, "settings"),
        state=sound.numbers(data["state"], state, "states"),
        target=find_target(sound.line(data["target"])).name,
    )


def _graph(text: object, what: str) -> Graph:
    return sound.graph(_parsed(text), what)


def _terms(network: Network) -> Graph:
    """What is added to the loss, as a graph: in training, then the same term outside."""
    owner = network.graph
    outputs = [
        (f"{phase}_{i + 1}", node)
        for i, pair in enumerate(network.terms)
        for phase, node in zip(("training", "outside"), pair, strict=True)
    ]
    return Graph("terms", owner.inputs, owner.params, owner.state, tuple(outputs))


def _pairs(terms: Graph, owner: Graph) -> tuple[tuple[Node, Node], ...]:
    """The nodes of `_terms`."""
    if terms.leaves != owner.leaves:
        raise ValueError("what is added to the loss is not made of what the network has")
    if any(node.shape or not node.type.is_float for _, node in terms.outputs):
        raise ValueError("what is added to the loss is no number")
    nodes = iter(terms.roots)
    return tuple(zip(nodes, nodes, strict=True))


def _of_leaves(owner: Graph, graph: Graph) -> Graph:
    """The graph on the leaves of another, where they are called the same."""
    own = {_name(x): x for x in owner.leaves}
    known = {x: own[_name(x)] for x in graph.leaves if _name(x) in own}
    moved = graph.map(transform((*graph.roots, *graph.names), known=known))
    inputs, params, state = (
        tuple(known.get(x, x) for x in leaves)
        for leaves in (graph.inputs, graph.params, graph.state)
    )
    updates = tuple((known.get(old, old), new) for old, new in moved.updates)
    return replace(moved, inputs=inputs, params=params, state=state, updates=updates)


def _parsed(text: object) -> Graph:
    if not isinstance(text, str):
        raise TypeError(f"expected text, came {type(text).__name__}")
    return parse(text)


def _name(leaf: Node) -> str:
    name: str = leaf.attr("name")
    return name


def _check(model: Model, arrays: Mapping[str, Any]) -> None:
    """Whether the graphs are of one model, and the arrays those that they ask for."""
    network, forward = model._network, model._network.inference
    graphs: list[Graph] = [forward]
    inputs = [_name(x) for x in forward.inputs]
    _check_network(network)
    if (compiled := model._compiled) is not None:
        graphs += [compiled.train, compiled.evaluate]
        inputs += [t.name for t in compiled.targets]
        for graph in graphs[1:]:
            given = [x for x in graph.inputs if x.attr("role") == "input"]
            if [_name(x) for x in given] != inputs:
                raise ValueError(f"{graph.name} has other inputs than the model")
            if [name for name, _ in graph.outputs] != [r.name for r in compiled.reported]:
                raise ValueError(f"{graph.name} reports other numbers than the model")
            if any(node.shape for _, node in graph.outputs):
                raise ValueError(f"{graph.name} reports arrays")
        outputs = [name for name, _ in forward.outputs]
        compared = [t.output for t in compiled.targets]
        if compared != [name for name in outputs if name in compared]:
            raise ValueError("the targets are not those of the outputs")
        if {old for old, _ in compiled.train.updates} - {
            *compiled.train.params,
            *compiled.train.state,
        }:
            raise ValueError("train changes what is neither parameter nor state")
    batch = symbol("batch")
    for graph in graphs:
        for leaf in graph.inputs:
            if leaf.attr("role") == "input" and leaf.shape[:1] != (batch,):
                raise ValueError(f"{_name(leaf)} has no row for each sample")
    needed = {
        leaf.attr("name"): leaf
        for graph in graphs
        for leaf in graph.leaves
        if leaf.attr("role") != "input"
    }
    if needed.keys() != arrays.keys():
        differing = ", ".join(sorted(needed.keys() ^ arrays.keys()))
        raise ValueError(f"arrays and graphs differ in {differing}")
    for name, leaf in needed.items():
        shape = tuple(value(dim, {}) for dim in leaf.shape)
        if arrays[name].shape != shape or arrays[name].dtype.name != leaf.dtype:
            raise ValueError(f"{name} is {arrays[name].dtype}{list(shape)}, expected {leaf.type}")


def _check_network(network: Network) -> None:
    """Whether a network's graphs are of one network."""
    training, forward = network.graph, network.inference
    kept = [x for x in training.state if x is not network.counter]
    data = [x for x in training.inputs if x.attr("role") == "input"]
    if (data, training.params, kept) != ([*forward.inputs], forward.params, [*forward.state]):
        raise ValueError("training has other inputs, parameters or state than forward")
    if [(n, x.type) for n, x in training.outputs] != [(n, x.type) for n, x in forward.outputs]:
        raise ValueError("training has other outputs than forward")
    if {old for old, _ in training.updates} - {*kept} or forward.updates:
        raise ValueError("something that is no layer's state is changed")
