"""One hand-written training program, as the compiler writes it for each target, and small ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.errors import Bound, Fault
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import Dim, TensorType, Where, sub, symbol
from chainrule.runtime import threads
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable
from chainrule.runtime.devices.cpu import pool
from chainrule.runtime.devices.cpu.choice import Choice
from chainrule.runtime.devices.cpu.pool_code import LONG, WORTH

Arrays = dict[str, Any]
BATCH = symbol("batch")

NUMPY = '''"""tanh network 3-4-2, mean squared error, gradient descent. Target numpy."""

import numpy as np


def step(x, t, rate, W1, b1, W2, b2, count):
    h1 = np.tanh(x @ W1 + b1)                       # net.py:5   h1 = tanh(x W1 + b1)
    y = h1 @ W2 + b2                                # net.py:6   y = h1 W2 + b2
    loss = np.mean((y - t) ** 2)                    # net.py:9   loss = mean((y - t)^2)
    error = np.mean(np.abs(y - t))
    dL_dy = (2 / y.size) * (y - t)
    dL_dz1 = (dL_dy @ W2.T) * (1 - h1**2)
    new_W1 = W1 - rate * (x.T @ dL_dz1)
    new_b1 = b1 - rate * dL_dz1.sum(axis=0)
    new_W2 = W2 - rate * (h1.T @ dL_dy)
    new_b2 = b2 - rate * dL_dy.sum(axis=0)
    return loss, y, error, new_W1, new_b1, new_W2, new_b2, count + 1
'''

CPU = '''"""tanh network 3-4-2, mean squared error, gradient descent. Target cpu."""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    f64,
    isfinite,
    kernel,
    matmul,
    matmul_nt,
    matmul_tn,
    program,
    rows_in_order,
    tanh,
    view,
)


# net.py:5   h1 = tanh(x W1 + b1)
@kernel
def forward(batch, x, W, b, out, squash):
    matmul(x, W, out)
    for i in range(batch):
        for j in range(out.shape[1]):
            z = out[i, j] + b[j]
            out[i, j] = tanh(z) if squash else z


# net.py:9   loss = mean((y - t)^2)
@kernel
def losses(batch, y, t, loss, error, dL_dy):
    squares, sizes, n = 0.0, 0.0, f64(2 * batch)
    for i in range(batch):
        for j in range(2):
            d = y[i, j] - t[i, j]
            squares = accumulate(squares, d * d)
            sizes = accumulate(sizes, abs(d))
            dL_dy[i, j] = (2.0 / n) * d
    loss[0] = squares / n
    error[0] = sizes / n


@kernel
def backward(batch, dL_dy, W2, h1, dL_dz1):
    matmul_nt(dL_dy, W2, dL_dz1)
    for i in range(batch):
        for j in range(4):
            dL_dz1[i, j] *= 1.0 - h1[i, j] * h1[i, j]


# net.py:10  W <- W - rate x' g,  b <- b - rate sum g
@kernel
def update(batch, x, g, rate, W, b, dL_dW):
    matmul_tn(x, g, dL_dW)
    for j in range(W.shape[1]):
        total = 0.0
        for i in range(batch):
            total = accumulate(total, g[i, j])
        b[j] -= rate[0] * total
        for i in range(W.shape[0]):
            W[i, j] -= rate[0] * dL_dW[i, j]


@program
def step(
    batch, x, t, rate, W1, b1, W2, b2, count, loss, y, error,
    x_batch, t_batch, h1, dL_dy, dL_dz1, dL_dW, fault,
):
    h1_ = view(h1, (batch, 4))
    dL_dy_ = view(dL_dy, (batch, 2))
    dL_dz1_ = view(dL_dz1, (batch, 4))
    forward(batch, x, W1, b1, h1_, True)
    forward(batch, h1_, W2, b2, view(y, (batch, 2)), False)
    losses(batch, y, t, loss, error, dL_dy_)
    backward(batch, dL_dy_, W2, h1_, dL_dz1_)
    update(batch, x, dL_dz1_, rate, W1, b1, view(dL_dW, (3, 4)))
    update(batch, h1_, dL_dy_, rate, W2, b2, view(dL_dW, (4, 2)))
    count[0] += 1


@program
def epoch(
    first, last, batch_size, order, batch, totals,
    x, t, rate, W1, b1, W2, b2, count, loss, y, error,
    x_batch, t_batch, h1, dL_dy, dL_dz1, dL_dW, fault,
):
    done = 0
    for k in range(first, last):
        start = k * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 2)))
        step(
            rows, x_rows, t_rows, rate, W1, b1, W2, b2, count, loss, y, error,
            x_batch, t_batch, h1, dL_dy, dL_dz1, dL_dW, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * loss[0]
        totals[1] += f64(rows) * error[0]
        done += 1
    return done
'''


def _buffer(name: str, role: Any, *shape: Dim, dtype: str = "float64") -> Buffer:
    return Buffer(name, role, TensorType(dtype, shape))


def _network(target: str) -> Program:
    """The two-layer network as the compiler will write it, for a target."""
    buffers: tuple[Buffer, ...] = (
        _buffer("x", "input", BATCH, 3),
        _buffer("t", "input", BATCH, 2),
        _buffer("rate", "setting"),
        _buffer("W1", "param", 3, 4),
        _buffer("b1", "param", 4),
        _buffer("W2", "param", 4, 2),
        _buffer("b2", "param", 2),
        _buffer("count", "state", dtype="int64"),
        _buffer("loss", "output"),
        _buffer("y", "output", BATCH, 2),
        _buffer("error", "output"),
        _buffer("x_batch", "scratch", BATCH, 3),
        _buffer("t_batch", "scratch", BATCH, 2),
        _buffer("h1", "scratch", BATCH, 4),
        _buffer("dL_dy", "scratch", BATCH, 2),
        _buffer("dL_dz1", "scratch", BATCH, 4),
        _buffer("dL_dW", "scratch", 12),
    )
    if target == "numpy":
        buffers = tuple(b for b in buffers if b.role != "scratch")
    source = NUMPY if target == "numpy" else CPU
    bounds = (Bound(sub(BATCH, 1), "mean of nothing", Where("net.py", 3)),)
    return Program(
        "net", target, source, buffers, (), ("batch",), "batch", (), bounds, f"{target}0"
    )


def _piece(
    target: str,
    lines: str,
    *buffers: Buffer,
    sizes: tuple[str, ...] = ("n",),
    bounds: tuple[Bound, ...] = (),
    faults: tuple[Fault, ...] = (),
) -> Executable:
    """A small program whose `step` has these lines."""
    names = [b.name for b in buffers if target == "cpu" or b.role != "output"]
    head = "import numpy as np\n"
    if target == "cpu":
        names = [*sizes, *names, "fault"]
        head = "from chainrule.runtime.devices.cpu.library import *\n"
    body = "".join(f"    {line}\n" for line in lines.strip("\n").splitlines())
    decorator = "@program\n" if target == "cpu" else ""
    source = f"{head}\n{decorator}def step({', '.join(names)}):\n{body}"
    return load(Program("piece", target, source, buffers, (), sizes, None, faults, bounds, "0"))


def _data(rows: int = 10) -> Arrays:
    random = np.random.default_rng(0)
    shapes = {"x": (rows, 3), "t": (rows, 2), "W1": (3, 4), "b1": (4,), "W2": (4, 2), "b2": (2,)}
    arrays: Arrays = {name: random.normal(size=shape) for name, shape in shapes.items()}
    return arrays | {"rate": np.array(0.1), "count": np.array(0)}


def _trained(executable: Executable, arrays: Arrays, **changes: Any) -> tuple[int, Any]:
    """Three batches of 4, 4 and 2 rows, in an order."""
    options: Arrays = {"first": 0, "last": 3, "batch_size": 4, "totals": np.zeros(2)}
    options |= {"order": np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7]), **changes}
    return executable.epoch(arrays=arrays, **options), options["totals"]


@pytest.fixture(scope="session")
def buffer() -> Callable[..., Buffer]:
    """Make a buffer of a name, a role and a shape."""
    return _buffer


@pytest.fixture(scope="session")
def network() -> Callable[[str], Program]:
    """The two-layer network for a target."""
    return _network


@pytest.fixture(scope="session")
def piece() -> Callable[..., Executable]:
    """Make a program of a few lines, and load it."""
    return _piece


@pytest.fixture(scope="session")
def data() -> Callable[..., Arrays]:
    """The arrays of the network, new ones each time."""
    return _data


@pytest.fixture(scope="session")
def trained() -> Callable[..., tuple[int, Any]]:
    """Run the network's first epoch, or what is said instead."""
    return _trained


@pytest.fixture
def with_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Give programs exactly so many threads, and have them share every loop."""
    before = threads.get_num_threads()

    def always(choice: Choice, steps: int) -> tuple[int, int]:
        choice.alone = False
        return choice.limit, steps

    with pool.team().helping(2):
        pass
    monkeypatch.setattr(Choice, "next", always)
    monkeypatch.setattr(Choice, "took", lambda *given: None)
    pool.team()._words[LONG] = 0
    yield threads.set_num_threads
    pool.team()._words[LONG] = WORTH
    threads.set_num_threads(before)
