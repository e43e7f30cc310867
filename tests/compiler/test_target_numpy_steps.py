"""Source for NumPy of training steps: its functions, how they read, and that names are no code."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule.compiler.ir import Graph, const, located, make
from chainrule.compiler.ops import linear, reduce
from chainrule.compiler.ops.arithmetic import square
from chainrule.compiler.ops.convert import cast
from chainrule.compiler.ops.elementary import exp, tanh
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.program import Program
from chainrule.compiler.targets.spelling import Identifiers
from chainrule.compiler.types import Where

from .numpy_source import (
    BATCH,
    agree,
    emitted,
    executed,
    graph,
    tensor,
    values,
)

X = tensor("x", BATCH, 3)


def two_layer() -> Graph:
    x, t = tensor("x", BATCH, 3), tensor("t", BATCH, 2)
    rate = tensor("learning_rate", dtype="float64", role="setting")
    w1, b1 = tensor("W1", 3, 4, role="param"), tensor("b1", 4, role="param")
    w2, b2 = tensor("W2", 4, 2, role="param"), tensor("b2", 2, role="param")
    with located(Where("net.py", 5, "dense_1")):
        z1 = linear.matmul(x, w1) + b1
        h1 = tanh(z1)
    with located(Where("net.py", 6, "dense_2")):
        y = linear.matmul(h1, w2) + b2
    with located(Where("net.py", 9)):
        loss = make(reduce.MEAN, (square(y - t),), axes=(0, 1))
    params = (w1, b1, w2, b2)
    with located(Where("net.py", 10)):
        updates = tuple(
            (p, p - cast(rate, "float32") * gradient(loss, p, const(1, "float32"))) for p in params
        )
    names = {z1: "z1", h1: "h1", y: "y", loss: "L"}
    return Graph("two_layer", (x, t, rate), params, (), (("L", loss),), updates, names)


def function(source: str, name: str) -> list[str]:
    tree = ast.parse(source)
    found = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    return source.splitlines()[found.lineno - 1 : found.end_lineno]


def test_the_gradient_of_two_layers_is_short_and_has_the_models_names() -> None:
    lines = function(emitted(two_layer()).source, "gradient")
    assert len(lines) <= 20
    for name in ("h1", "y", "dL_dy", "dL_dz1", "dL_dW1", "dL_db1", "dL_dW2", "dL_db2"):
        assert any(name in line for line in lines)
    assert max(map(len, lines)) <= 100


def test_formula_and_line_stand_beside_the_code() -> None:
    source = emitted(two_layer()).source
    assert "# net.py:6   y = h1 W2 + b2\n" in source
    assert "#            dL/dW1 = xᵀ dL/dz1\n" in source
    assert "W1 ← W1 - learning_rate * dL/dW1\n" in source


def test_forward_gradient_and_update_make_a_step() -> None:
    request = two_layer()
    module = executed(emitted(request))
    x, t, rate, w1, b1, w2, b2 = arrays = [values(x, i) for i, x in enumerate(request.leaves)]
    h1, y = module["forward"](x, w1, b1, w2, b2)
    loss, *grads = module["gradient"](x, t, w1, b1, w2, b2)
    new = module["update"](w1, b1, w2, b2, *grads, rate)
    expected = module["step"](*arrays)
    assert np.array_equal(y, np.tanh(x @ w1 + b1) @ w2 + b2)
    assert loss == expected[0]
    assert all(map(np.array_equal, new, expected[1:]))
    assert h1.dtype == y.dtype == np.float32
    agree(request, rtol=1e-6)


def test_buffers_and_sizes() -> None:
    program = emitted(two_layer())
    assert [(b.name, b.role) for b in program.buffers] == [
        ("x", "input"), ("t", "input"), ("learning_rate", "setting"), ("W1", "param"),
        ("b1", "param"), ("W2", "param"), ("b2", "param"), ("L", "output"),
    ]  # fmt: skip
    assert program.sizes == ("batch",)
    assert program.batch == "batch"
    assert [kernel.name for kernel in program.kernels] == ["forward", "gradient", "update"]
    assert Program.loads(program.dumps()) == program


def test_parameters_come_back_though_nothing_changes_them() -> None:
    w = tensor("w", 3, role="param")
    program = emitted(Graph("predict", (X,), (w,), outputs=(("y", X * w),)))
    x, array = np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)
    y, same = executed(program)["step"](x, array)
    assert np.array_equal(y, x * array)
    assert same is array


def test_it_runs_without_chainrule(tmp_path: Path) -> None:
    (tmp_path / "two_layer.py").write_text(emitted(two_layer()).source)
    code = (
        "import sys, numpy as np, two_layer as m; r = np.random.default_rng(0);"
        "print(m.forward(r.random((5, 3)), r.random((3, 4)), r.random(4), r.random((4, 2)),"
        " r.random(2))[-1].shape, 'chainrule' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "(5, 2) False\n"


# -- names ----------------------------------------------------------------------------------------

NAMES = [
    "x); import os", "lambda", "__class__", "np", "special", "step", "float", "match", "x.y",
    'a"""b', "a\nimport os\n", "a\rb", "a\u2028b", "1st", "", "\ufb01", "ŋ\x00", "forward",
    "in_range", "\\", "new_w",
]  # fmt: skip


def is_harmless(source: str) -> bool:
    """Only our imports and our functions, whose bodies call NumPy and each other."""
    tree = ast.parse(source)
    imports = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return imports == ["import numpy as np"] and "os" not in names


@pytest.mark.parametrize("name", NAMES)
def test_names_are_never_code(name: str) -> None:
    x, w = tensor(name, 3), tensor("w", 3, role="param")
    h = tanh(x * w)
    with located(Where(f"{name}.py", 1, name)):
        z = exp(h)
    loss = make(reduce.MEAN, (z,), axes=(0,))
    new = w - gradient(loss, w, const(1, "float32"))
    request = Graph(
        name or "g",
        (x,),
        (w,),
        (),
        ((name, loss),),
        ((w, new),),
        {h: name, z: f"{name} ", loss: "L"},
    )
    source = emitted(request).source
    assert is_harmless(source)
    agree(request, rtol=1e-6)


def test_names_that_python_reads_alike_are_kept_apart() -> None:
    names = Identifiers()
    assert len({names.new(name) for name in ("fi", "\ufb01", "ﬁ", "fi_2")}) == 4


def test_a_name_of_many_nodes() -> None:
    x = tensor("h", 3)
    agree(graph(tanh(exp(x)), names={exp(x): "h", tanh(exp(x)): "h"}))


def test_arguments_stand_as_buffers_do_whatever_the_graphs_order() -> None:
    rate, x = tensor("rate", role="setting"), tensor("x", BATCH)
    program = emitted(Graph("f", (rate, x), outputs=(("y", rate * x),)))
    (step,) = [f for f in ast.parse(program.source).body if getattr(f, "name", "") == "step"]
    assert isinstance(step, ast.FunctionDef)
    names = [argument.arg for argument in step.args.args]
    assert names == [buffer.name for buffer in program.buffers][:-1] == ["x", "rate"]
