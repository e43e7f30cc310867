"""Small models: their graphs and the code made of them, as they were read and found good.

Each folder of tests/golden has a program of a user's, `net.py`, and what comes out for it. After a
change that is meant, `pytest tests/test_golden.py --update-golden` rewrites the files; read the
difference as code.
"""

import ast
import builtins
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.ir import Graph, Node, evaluate
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.targets import target
from chainrule.compiler.text import parse, show

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/net.py"))
BATCH = 5


def request(case: str) -> Graph:
    """What the program of a case asks for: a training step, or a function."""
    found = runpy.run_path(str(FOLDER / case / "net.py"))
    asked = found["model"]._request("train") if "model" in found else found["function"]._request
    assert isinstance(asked, Graph)
    return asked


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def graph(case: str) -> Graph:
    return derive(request(case))


def test_there_are_ten() -> None:
    assert len(CASES) >= 10


def test_graph(case: str, graph: Graph, golden: Callable[[str, str], None]) -> None:
    golden(f"{case}/train.ir", show(graph))


def test_the_graph_reads_back(graph: Graph) -> None:
    assert parse(show(graph)) == graph


@pytest.mark.parametrize("name", ["numpy", "cpu"])
def test_source(case: str, graph: Graph, name: str, golden: Callable[[str, str], None]) -> None:
    program = target(name).emit(lower(graph, name), "0" * 32)
    golden(f"{case}/train.{name}.py", program.source)


@pytest.mark.parametrize("name", ["numpy", "cpu"])
def test_names_and_lines_are_a_readers(case: str, name: str) -> None:
    """No variable takes the name of one of Python's functions, and no statement is too wide."""
    source = (FOLDER / case / f"train.{name}.py").read_text(encoding="utf-8")
    names = [x for x in ast.walk(ast.parse(source)) if isinstance(x, ast.Name | ast.arg)]
    bound = {
        x.arg if isinstance(x, ast.arg) else x.id
        for x in names
        if isinstance(x, ast.arg) or isinstance(x.ctx, ast.Store)
    }
    assert bound
    assert not bound & set(dir(builtins))
    code = [line.split("  #")[0] for line in source.split('"""')[2].splitlines()]
    assert max(len(line) for line in code if not line.lstrip().startswith("#")) <= 100


def values(leaf: Node, sizes: Mapping[str, int], seed: int) -> Any:
    shape = tuple(d if isinstance(d, int) else sizes[str(d)] for d in leaf.shape)
    random = np.random.default_rng(seed)
    if leaf.dtype.startswith("int"):
        return np.asarray(random.integers(0, 2, shape), leaf.dtype)
    return np.asarray(random.uniform(0.05, 0.95, shape), leaf.dtype)


def test_the_numpy_source_computes_what_the_graph_means(graph: Graph) -> None:
    sizes = {"batch": BATCH}
    arrays = [values(leaf, sizes, seed) for seed, leaf in enumerate(graph.leaves)]
    module: dict[str, Any] = {}
    exec(target("numpy").emit(lower(graph, "numpy"), "0" * 32).source, module)
    results = module["step"](*arrays)
    new = dict(graph.updates)
    wanted = [node for _, node in graph.outputs]
    wanted += [new.get(leaf, leaf) for leaf in graph.params + graph.state]
    expected = evaluate(wanted, dict(zip(graph.leaves, arrays, strict=True)))
    for node, result, value in zip(wanted, results, expected, strict=True):
        assert np.asarray(result).dtype == node.dtype
        tolerance = 1e-12 if node.dtype == "float64" else 2e-5
        np.testing.assert_allclose(result, value, rtol=tolerance, atol=tolerance)
