"""Activations and losses, with their gradients, against PyTorch's in float64."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import Graph, evaluate
from chainrule.compiler.pipeline import derive

torch = pytest.importorskip("torch")
functional = torch.nn.functional
pytestmark = pytest.mark.oracle

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(3)
Z = RANDOM.normal(size=(8, 5)) * 3
T = RANDOM.normal(size=(8, 5)) * 3
P = RANDOM.uniform(0.01, 0.99, size=(8, 5))
BITS = RANDOM.integers(0, 2, size=(8, 5)).astype("float64")
SHARES = RANDOM.dirichlet(np.ones(5), size=8)
LABELS = RANDOM.integers(0, 5, size=8)
FAR = np.array([[-800.0, 0.0, 800.0, 30.0, -30.0]] * 2)

ACTIVATIONS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "relu": (cr.activation("relu"), functional.relu),
    "leaky_relu": (cr.leaky_relu, lambda x: functional.leaky_relu(x, 0.2)),
    "elu": (cr.elu(alpha=1.5), lambda x: functional.elu(x, 1.5)),
    "selu": (cr.selu, functional.selu),
    "gelu": (cr.gelu, functional.gelu),
    "gelu_tanh": (cr.gelu(approximate=True), lambda x: functional.gelu(x, approximate="tanh")),
    "silu": (cr.silu, functional.silu),
    "mish": (cr.mish, functional.mish),
    "softplus": (cr.activation("softplus"), functional.softplus),
    "softsign": (cr.softsign, functional.softsign),
    "tanh": (cr.activation("tanh"), torch.tanh),
    "sigmoid": (cr.activation("sigmoid"), torch.sigmoid),
    # Not functional.hardsigmoid: its slope is float32's 1/6 in float64 too.
    "hard_sigmoid": (cr.hard_sigmoid, lambda x: functional.relu6(x + 3) / 6),
    "softmax": (cr.activation("softmax"), lambda x: functional.softmax(x, -1)),
    "log_softmax": (cr.activation("log_softmax"), lambda x: functional.log_softmax(x, -1)),
}


def both(formula: Callable[..., cr.Tensor], *given: Array) -> tuple[Array, Array]:
    """The sum of a formula weighted with 1, 2, 3, ... and its gradient for the last operand."""
    tensors = [cr.tensor(f"x{i}", x.shape, dtype=str(x.dtype)) for i, x in enumerate(given)]
    y = formula(*tensors)
    shape = cast("tuple[int, ...]", y.shape)
    total = cr.sum(y * np.arange(1.0, 1 + np.prod(shape)).reshape(shape))
    dx = cr.grad(total, tensors[-1])
    inputs = tuple(t.node for t in tensors)
    outputs = (("y", y.node), ("dx", dx.node))
    graph = derive(Graph("test", inputs=inputs, outputs=outputs))
    value, gradient = evaluate(graph.roots, dict(zip(inputs, given, strict=True)))
    return value, gradient


def reference(formula: Callable[..., Any], *given: Array) -> tuple[Array, Array]:
    *fixed, last = [torch.tensor(x) for x in given]
    last.requires_grad_()
    y = formula(*fixed, last)
    (y * torch.arange(1.0, 1 + y.numel(), dtype=torch.float64).reshape(y.shape)).sum().backward()
    return y.detach().numpy(), last.grad.numpy()


@pytest.mark.parametrize("z", [Z, FAR], ids=["near", "far"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str, z: Array) -> None:
    ours, theirs = ACTIVATIONS[name]
    found, wanted = both(ours, z), reference(theirs, z)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-9, atol=1e-11)


def each(loss: Any) -> Callable[[Any, Any], Any]:
    """PyTorch's loss with (target, prediction), the mean over the last axis."""
    return lambda t, p: loss(p, t, reduction="none").mean(-1)


LOSSES: dict[str, tuple[Any, Callable[[Any, Any], Any], Array, Array]] = {
    "mse": (cr.mean_squared_error, each(functional.mse_loss), T, Z),
    "mae": (cr.mean_absolute_error, each(functional.l1_loss), T, Z),
    "huber": (cr.huber, each(functional.huber_loss), T, Z),
    "bce": (cr.binary_crossentropy, each(functional.binary_cross_entropy), BITS, P),
    "bce_logits": (
        cr.binary_crossentropy_from_logits,
        each(functional.binary_cross_entropy_with_logits),
        BITS,
        Z,
    ),
    "cce_logits": (
        cr.categorical_crossentropy_from_logits,
        lambda t, p: functional.cross_entropy(p, t, reduction="none"),
        SHARES,
        Z,
    ),
    "cce_smooth": (
        cr.categorical_crossentropy_from_logits(label_smoothing=0.1),
        lambda t, p: functional.cross_entropy(p, t, reduction="none", label_smoothing=0.1),
        SHARES,
        Z,
    ),
    "sparse_logits": (
        cr.sparse_categorical_crossentropy_from_logits,
        lambda t, p: functional.cross_entropy(p, t, reduction="none"),
        LABELS,
        Z,
    ),
    "sparse_of_softmax": (
        lambda t, z: cr.sparse_categorical_crossentropy(t, cr.softmax(z)),
        lambda t, p: functional.cross_entropy(p, t, reduction="none"),
        LABELS,
        Z,
    ),
    "kl": (
        lambda t, z: cr.kl_divergence(t, cr.softmax(z)),
        lambda t, z: functional.kl_div(functional.log_softmax(z, -1), t, reduction="none").sum(-1),
        SHARES,
        Z,
    ),
    "poisson": (
        lambda t, z: cr.poisson(t, cr.exp(z)),
        lambda t, z: functional.poisson_nll_loss(z, t, reduction="none").mean(-1),
        np.round(np.abs(T)),
        Z,
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str) -> None:
    ours, theirs, target, given = LOSSES[name]
    found, wanted = both(ours, target, given), reference(theirs, target, given)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-10, atol=1e-11)
