"""Whole models against PyTorch: the same weights and batches, in float64."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
F = torch.nn.functional

Array = np.ndarray[Any, Any]
STEPS, ROWS = 12, 24


@dataclass(frozen=True)
class Case:
    """A model, and the same in PyTorch: the loss of weights, inputs and targets."""

    model: Callable[[], cr.Model]
    forward: Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], Any]
    optimizer: Callable[[Sequence[Any]], Any]
    x: Sequence[tuple[int, ...]]
    y: Sequence[tuple[int, ...] | int]  # a shape, or the number of classes
    clip: float | None = None


def features(*shape: int, name: str | None = None) -> cr.Tensor:
    return cr.Input(shape, name=name, dtype="float64")


def mean(values: Any) -> Any:
    return torch.mean(values)


def regression() -> cr.Model:
    model = cr.Sequential([features(5), cr.Dense(8, activation="tanh"), cr.Dense(3)])
    model.compile("mse", cr.SGD(0.1, momentum=0.9, nesterov=True))
    return model


def classification() -> cr.Model:
    hidden = [cr.Dense(8, activation="relu"), cr.Dense(6, activation="gelu")]
    model = cr.Sequential([features(5), *hidden, cr.Dense(4, activation="softmax")])
    model.compile("sparse_categorical_crossentropy", cr.Adam(0.01, epsilon=1e-30))
    return model


def classify(w: Sequence[Any], x: Sequence[Any], y: Sequence[Any]) -> Any:
    h = F.gelu(F.relu(x[0] @ w[0] + w[1]) @ w[2] + w[3])
    return F.cross_entropy(h @ w[4] + w[5], y[0])


def several() -> cr.Model:
    a, b = features(4, name="a"), features(3, name="b")
    h = cr.Dense(6, activation="silu")(cr.Concatenate()([a, b]))
    model = cr.Model([a, b], [cr.Dense(2)(h), cr.Dense(1)(h)])
    losses = ["huber", "binary_crossentropy_from_logits"]
    model.compile(losses, cr.SGD(0.1), loss_weights=[0.3, 2.0])
    return model


def several_losses(w: Sequence[Any], x: Sequence[Any], y: Sequence[Any]) -> Any:
    h = F.silu(torch.cat(list(x), 1) @ w[0] + w[1])
    first = F.huber_loss(h @ w[2] + w[3], y[0])
    return 0.3 * first + 2 * F.binary_cross_entropy_with_logits(h @ w[4] + w[5], y[1])


def twins() -> cr.Model:
    a, b = features(4, name="a"), features(4, name="b")
    twin = cr.Dense(5, activation="sigmoid")
    model = cr.Model([a, b], cr.Dense(1)(cr.Multiply()([twin(a), twin(b)])))
    model.compile("mse", cr.RMSprop(0.01, rho=0.9, epsilon=1e-30))
    return model


def residual() -> cr.Model:
    x = features(6)
    h = cr.Add()([x, cr.Dense(6, activation="elu")(x)])
    model = cr.Model(x, cr.Dense(2)(cr.Add()([h, cr.Dense(6, activation="softplus")(h)])))
    model.compile("mse", cr.AdamW(0.01, weight_decay=0.1, epsilon=1e-30))
    return model


def residual_loss(w: Sequence[Any], x: Sequence[Any], y: Sequence[Any]) -> Any:
    h = x[0] + F.elu(x[0] @ w[0] + w[1])
    h = h + F.softplus(h @ w[2] + w[3])
    return mean((h @ w[4] + w[5] - y[0]) ** 2)


def bells() -> cr.Model:
    @cr.neuron
    def radial(x: cr.Tensor, c: cr.PerInput, gamma: cr.Scalar = 0.3) -> cr.Tensor:
        return cr.exp(-gamma * cr.sum((x - c) ** 2))

    bent = cr.activation(lambda z: (cr.sqrt(z**2 + 1) - 1) / 2 + z, name="bent_identity")
    model = cr.Sequential([features(4), cr.Layer(radial, 6), cr.Dense(3, activation=bent)])
    model.compile("mse", cr.SGD(0.1))
    return model


def bells_loss(w: Sequence[Any], x: Sequence[Any], y: Sequence[Any]) -> Any:
    h = torch.exp(-w[1] * ((x[0][:, :, None] - w[0]) ** 2).sum(1))
    z = h @ w[2] + w[3]
    return mean(((torch.sqrt(z**2 + 1) - 1) / 2 + z - y[0]) ** 2)


def penalized() -> cr.Model:
    h = cr.Dense(5, activation="tanh", kernel_regularizer=cr.L1(0.01), bias_regularizer="l2")
    model = cr.Sequential([features(4), h, cr.Dense(2, kernel_regularizer=cr.L2(0.1))])
    model.compile("mse", cr.SGD(0.1, global_clipnorm=0.2))
    return model


def penalized_loss(w: Sequence[Any], x: Sequence[Any], y: Sequence[Any]) -> Any:
    p = torch.tanh(x[0] @ w[0] + w[1]) @ w[2] + w[3]
    penalty = 0.01 * w[0].abs().sum() + 0.01 * (w[1] ** 2).sum() + 0.1 * (w[2] ** 2).sum()
    return mean((p - y[0]) ** 2) + penalty


CASES = {
    "regression": Case(
        regression,
        lambda w, x, y: mean((torch.tanh(x[0] @ w[0] + w[1]) @ w[2] + w[3] - y[0]) ** 2),
        lambda w: torch.optim.SGD(w, 0.1, momentum=0.9, nesterov=True),
        [(5,)],
        [(3,)],
    ),
    "classification": Case(
        classification, classify, lambda w: torch.optim.Adam(w, 0.01, eps=1e-30), [(5,)], [4]
    ),
    "several inputs and outputs": Case(
        several, several_losses, lambda w: torch.optim.SGD(w, 0.1), [(4,), (3,)], [(2,), (1,)]
    ),
    "shared layer": Case(
        twins,
        lambda w, x, y: mean(
            (
                torch.sigmoid(x[0] @ w[0] + w[1]) * torch.sigmoid(x[1] @ w[0] + w[1]) @ w[2]
                + w[3]
                - y[0]
            )
            ** 2
        ),
        lambda w: torch.optim.RMSprop(w, 0.01, alpha=0.9, eps=1e-30),
        [(4,), (4,)],
        [(1,)],
    ),
    "residual": Case(
        residual,
        residual_loss,
        lambda w: torch.optim.AdamW(w, 0.01, weight_decay=0.1, eps=1e-30),
        [(6,)],
        [(2,)],
    ),
    "neuron and activation of one's own": Case(
        bells, bells_loss, lambda w: torch.optim.SGD(w, 0.1), [(4,)], [(3,)]
    ),
    "regularizers and clipping": Case(
        penalized, penalized_loss, lambda w: torch.optim.SGD(w, 0.1), [(4,)], [(2,)], clip=0.2
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_model(name: str) -> None:
    case = CASES[name]
    model = case.model()
    random = np.random.default_rng(3)
    for array in model.parameters.values():
        array[...] = random.uniform(0.1, 0.7, array.shape) * random.choice([-1, 1], array.shape)
    if name == "neuron and activation of one's own":
        model.parameters["gamma1"][...] = np.linspace(0.1, 0.5, 6)
    weights = [torch.tensor(a, requires_grad=True) for a in model.get_weights()]
    optimizer = case.optimizer(weights)
    for _ in range(STEPS):
        x = [random.standard_normal((ROWS, *shape)) for shape in case.x]
        y: list[Array] = [
            random.integers(0, kind, ROWS)
            if isinstance(kind, int)
            else random.random((ROWS, *kind))
            for kind in case.y
        ]
        optimizer.zero_grad()
        loss = case.forward(weights, [torch.tensor(a) for a in x], [torch.tensor(a) for a in y])
        loss.backward()
        if case.clip is not None:
            norm = torch.sqrt(sum((w.grad**2).sum() for w in weights))
            for w in weights:
                w.grad *= min(1.0, case.clip / norm.item())
        assert model.train_on_batch(x, y)["loss"] == pytest.approx(loss.item(), rel=1e-10)
        optimizer.step()
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
