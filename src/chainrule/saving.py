"""Models in files: graphs as text, arrays as safetensors. Nothing in them is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.compiler.errors import ChainruleError, FileError
from chainrule.compiler.ir import Graph
from chainrule.compiler.targets import target as find_target
from chainrule.compiler.text import parse, show
from chainrule.compiler.types import Where, value
from chainrule.frontend.names import identifier
from chainrule.frontend.network import Row
from chainrule.frontend.training import Reported, Target
from chainrule.runtime import checkpoint

from .trained import Compiled, Trained


def save(path: str | Path, model: Trained) -> None:
    """Write a model to one file, completely or not at all."""
    checkpoint.save(path, model._arrays, _config(model))


def load_model(path: str | Path) -> Trained:
    """Read a model that `save` wrote: ready to predict, and to train on where it was compiled.

    Nothing in the file is executed, whoever wrote it: formulas are graphs, as text.

    Args:
        path: of the file.

    Returns:
        The model. The layers and formulas as Python objects are not in a file; their graphs are.

    Raises:
        FileError: the file is truncated, corrupted, or was not written by `model.save`.

    Example:
        >>> import chainrule as cr, tempfile, pathlib
        >>> model = cr.Sequential([cr.Input((3,)), cr.Dense(1)])
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> model.save(path)
        >>> cr.load_model(path).count_params()
        4
    """
    arrays, config = checkpoint.load(path)
    try:
        model = _model(config)
        _check(model, arrays)
    except FileError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, ChainruleError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise FileError(
            f"{Path(path).name} does not describe a model",
            f"{type(error).__name__}: {reason}"[:120],
            "write it again with model.save",
        ) from None
    model._arrays = arrays
    return model


def _config(model: Trained) -> dict[str, Any]:
    compiled = model._compiled
    return {
        "name": model.name,
        "seed": model.seed,
        "forward": show(model._forward),
        "rows": [_row_data(row) for row in model.rows],
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


def _model(config: Mapping[str, Any]) -> Trained:
    rows = [
        Row(
            _text(layer),
            _text(formula),
            _text(output),
            tuple(map(_text, parameters)),
            None if where is None else Where(_text(where[0]), int(where[1]), _text(where[2])),
        )
        for layer, formula, output, parameters, where in config["rows"]
    ]
    seed = config["seed"]
    model = Trained(
        identifier(config["name"], "a model's name"),
        parse(_text(config["forward"])),
        rows,
        None if seed is None else int(seed),
    )
    if config["compiled"] is not None:
        model._compiled = _compiled(config["compiled"])
    return model


def _compiled(data: Mapping[str, Any]) -> Compiled:
    return Compiled(
        train=parse(_text(data["train"])),
        evaluate=parse(_text(data["evaluate"])),
        targets=tuple(
            Target(_text(name), _text(output), None if classes is None else int(classes))
            for name, output, classes in data["targets"]
        ),
        reported=tuple(
            Reported(_text(name), None if finish is None else parse(_text(finish)))
            for name, finish in data["reported"]
        ),
        settings={_text(name): float(x) for name, x in data["settings"].items()},
        state={_text(name): float(x) for name, x in data["state"].items()},
        target=find_target(_text(data["target"])).name,
    )


def _text(data: object) -> str:
    if not isinstance(data, str):
        raise TypeError(f"expected text, came {type(data).__name__}")
    return data


def _check(model: Trained, arrays: Mapping[str, Any]) -> None:
    """Whether the arrays are those that the graphs ask for."""
    graphs: list[Graph] = [model._forward]
    if model._compiled is not None:
        graphs += [model._compiled.train, model._compiled.evaluate]
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
