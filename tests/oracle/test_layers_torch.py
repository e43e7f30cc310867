"""Normalization, embedding and attention against PyTorch's modules, from the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import Graph, const, evaluate
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.ops.reduce import sum as total
from chainrule.compiler.pipeline import derive
from chainrule.frontend.network import network

torch = pytest.importorskip("torch")
functional = torch.nn.functional
pytestmark = pytest.mark.oracle

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(5)


def close(ours: Any, theirs: Any, name: str = "") -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10, err_msg=name)


def ours(
    build: Callable[..., cr.Tensor], given: dict[str, Array], weights: dict[str, Array], dy: Array
) -> dict[str, Array]:
    """Output and gradients of sum(dy y) for inputs of floats and for parameters, by name."""
    inputs = [cr.Input(a.shape[1:], name=n, dtype=str(a.dtype)) for n, a in given.items()]
    y = build(*inputs)
    net = network(inputs, [y], "model").graph
    values = {x: given[x.attr("name")] for x in net.inputs}
    values |= {p: weights[p.attr("name")] for p in net.params}
    ((_, node),) = net.outputs
    seed = cr.tensor("dy", node.shape, dtype="float64").node
    loss = total(node * seed, axes=tuple(range(node.type.ndim)))
    wanted = [x for x in (*net.inputs, *net.params) if x.type.is_float]
    outputs = [("y", node)]
    outputs += [(x.attr("name"), gradient(loss, x, const(1, "float64"))) for x in wanted]
    graph = derive(Graph("test", (*net.inputs, seed), net.params, (), tuple(outputs)))
    arrays = evaluate(graph.roots, {**values, seed: dy})
    return {name: array for (name, _), array in zip(outputs, arrays, strict=True)}


def theirs(
    build: Callable[..., Any], given: dict[str, Array], weights: dict[str, Array], dy: Array
) -> dict[str, Array]:
    """The same of a function of PyTorch's."""
    leaves = {}
    for name, array in {**given, **weights}.items():
        leaves[name] = torch.tensor(array, requires_grad=array.dtype.kind == "f")
    y = build(**leaves)
    (y * torch.tensor(dy)).sum().backward()
    grads = {n: t.grad.numpy() for n, t in leaves.items() if t.grad is not None}
    return {"y": y.detach().numpy(), **grads}


def compare(
    mine: Callable[..., cr.Tensor],
    torchs: Callable[..., Any],
    given: dict[str, Array],
    weights: dict[str, Array],
) -> None:
    shape: Any = mine(*(cr.Input(a.shape[1:], dtype=str(a.dtype)) for a in given.values())).shape
    first = next(iter(given.values()))
    dy = RANDOM.normal(size=(len(first), *shape[1:]))
    left, right = ours(mine, given, weights, dy), theirs(torchs, given, weights, dy)
    assert left.keys() == right.keys()
    for name, array in left.items():
        close(array, right[name], name)


def normal(*shape: int) -> Array:
    return RANDOM.normal(size=shape)


def channels_first(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: f(x.movedim(-1, 1)).movedim(1, -1)


NORMS: dict[str, tuple[Callable[[], Any], Callable[..., Any], tuple[int, ...]]] = {
    "batch": (
        lambda: cr.BatchNormalization(),
        lambda x, gamma1, beta1: channels_first(
            lambda x: functional.batch_norm(x, None, None, gamma1, beta1, True, 0.1, 1e-3)
        )(x),
        (7, 5, 4),
    ),
    "batch of images": (
        lambda: cr.BatchNormalization(epsilon=1e-5),
        lambda x, gamma1, beta1: channels_first(
            lambda x: functional.batch_norm(x, None, None, gamma1, beta1, True, 0.1, 1e-5)
        )(x),
        (3, 4, 5, 2),
    ),
    "layer": (
        lambda: cr.LayerNormalization(),
        lambda x, gamma1, beta1: functional.layer_norm(x, (6,), gamma1, beta1, 1e-3),
        (4, 3, 6),
    ),
    "layer of one sample": (
        lambda: cr.LayerNormalization(epsilon=1e-6),
        lambda x, gamma1, beta1: functional.layer_norm(x, (6,), gamma1, beta1, 1e-6),
        (1, 6),
    ),
    "rms": (
        lambda: cr.RMSNormalization(),
        lambda x, gamma1: functional.rms_norm(x, (6,), gamma1, 1e-6),
        (4, 3, 6),
    ),
    "group": (
        lambda: cr.GroupNormalization(3),
        lambda x, gamma1, beta1: channels_first(
            lambda x: functional.group_norm(x, 3, gamma1, beta1, 1e-3)
        )(x),
        (4, 5, 6),
    ),
    "instance": (
        lambda: cr.InstanceNormalization(),
        lambda x, gamma1, beta1: channels_first(
            lambda x: functional.instance_norm(x, weight=gamma1, bias=beta1, eps=1e-3)
        )(x),
        (4, 5, 3, 6),
    ),
}


@pytest.mark.parametrize("case", NORMS)
def test_normalization_and_its_gradients(case: str) -> None:
    layer, torchs, shape = NORMS[case]
    weights = {"gamma1": normal(shape[-1])} | (
        {} if case == "rms" else {"beta1": normal(shape[-1])}
    )
    compare(lambda x: layer()(x), torchs, {"x": 3 + 2 * normal(*shape)}, weights)


def test_layer_normalization_over_two_axes() -> None:
    compare(
        lambda x: cr.LayerNormalization(axis=(1, 2))(x),
        lambda x, gamma1, beta1: functional.layer_norm(x, (3, 6), gamma1, beta1, 1e-3),
        {"x": normal(4, 3, 6)},
        {"gamma1": normal(3, 6), "beta1": normal(3, 6)},
    )


def test_batch_normalization_along_another_axis() -> None:
    compare(
        lambda x: cr.BatchNormalization(axis=1)(x),
        lambda x, gamma1, beta1: functional.batch_norm(
            x, None, None, gamma1, beta1, True, 0.1, 1e-3
        ),
        {"x": normal(7, 3, 6)},
        {"gamma1": normal(3), "beta1": normal(3)},
    )


def test_running_statistics_and_weights_after_steps_with_a_smaller_last_batch() -> None:
    x, t = 2 + 3 * normal(10, 4, 5), normal(10, 4, 2)
    model = cr.Sequential(
        [cr.Input((4, 5), dtype="float64"), cr.BatchNormalization(momentum=0.8), cr.Dense(2)],
        seed=1,
    )
    model.compile("mse", cr.SGD(0.1), target="numpy")
    norm, dense = torch.nn.BatchNorm1d(5, eps=1e-3, momentum=0.2).double(), torch.nn.Linear(5, 2)
    dense = dense.double()
    gamma, beta, w, b, _, _ = (torch.tensor(a) for a in model.get_weights())
    with torch.no_grad():
        (
            dense.weight.copy_(w.T),
            dense.bias.copy_(b),
            norm.weight.copy_(gamma),
            norm.bias.copy_(beta),
        )
    sgd = torch.optim.SGD([*norm.parameters(), *dense.parameters()], 0.1)
    # PyTorch keeps the variance over n - 1, Keras and we that over n.
    variance = np.ones(5)
    for _ in range(3):
        for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
            sgd.zero_grad()
            batch = torch.tensor(x[rows]).movedim(-1, 1)
            loss = ((dense(norm(batch).movedim(1, -1)) - torch.tensor(t[rows])) ** 2).mean()
            loss.backward()
            sgd.step()
            variance = 0.8 * variance + 0.2 * x[rows].var(axis=(0, 1))
    model.fit(x, t, batch_size=4, epochs=3, shuffle=False, verbose=0)
    found = {**model.parameters, **model.state}
    close(found["moving_mean1"], norm.running_mean.numpy())
    close(found["moving_variance1"], variance)
    close(found["gamma1"], norm.weight.detach().numpy())
    close(found["W2"], dense.weight.detach().numpy().T)
    with torch.no_grad():
        norm.running_var.copy_(torch.tensor(variance))
    norm.eval()
    expected = dense(norm(torch.tensor(x).movedim(-1, 1)).movedim(1, -1)).detach().numpy()
    close(model.predict(x), expected)


def test_embedding() -> None:
    compare(
        lambda x: cr.Embedding(7, 3, dtype="float64")(x),
        lambda x, E1: functional.embedding(x, E1),
        {"x": RANDOM.integers(0, 7, (4, 5))},
        {"E1": normal(7, 3)},
    )


def attend(
    query: Any, value: Any, key: Any, mask: Any, weights: dict[str, Any], heads: int, causal: bool
) -> Any:
    """PyTorch's attention with our weights."""
    w = weights
    return functional.multi_head_attention_forward(
        query.transpose(0, 1),
        key.transpose(0, 1),
        value.transpose(0, 1),
        query.shape[-1],
        heads,
        None,
        torch.cat([w["b_q1"], w["b_k1"], w["b_v1"]]),
        None,
        None,
        False,
        0.0,
        w["W_o1"].T,
        w["b_o1"],
        use_separate_proj_weight=True,
        q_proj_weight=w["W_q1"].T,
        k_proj_weight=w["W_k1"].T,
        v_proj_weight=w["W_v1"].T,
        key_padding_mask=None if mask is None else ~mask,
        attn_mask=torch.ones(query.shape[1], key.shape[1]).triu(1).bool() if causal else None,
        need_weights=False,
    )[0].transpose(0, 1)


def attention_weights(size: int, of_key: int) -> dict[str, Array]:
    found = {
        f"W_{n}1": normal(rows, size)
        for n, rows in zip("qkvo", (size, of_key, of_key, size), strict=True)
    }
    return found | {f"b_{n}1": normal(size) for n in "qkvo"}


def test_self_attention_with_a_causal_mask() -> None:
    compare(
        lambda x: cr.MultiHeadAttention(2, 3)(x, use_causal_mask=True),
        lambda x, **w: attend(x, x, x, None, w, 2, True),
        {"x": normal(2, 5, 6)},
        attention_weights(6, 6),
    )


def test_attention_to_another_sequence_with_a_mask_of_padding() -> None:
    def mine(x: cr.Tensor, m: cr.Tensor, length: cr.Tensor) -> cr.Tensor:
        present = cr.arange(5, dtype="int64") < length[:, None]
        return cr.MultiHeadAttention(3, 2)(x, m, attention_mask=present[:, None, :])

    compare(
        mine,
        lambda x, m, length, **w: attend(x, m, m, torch.arange(5) < length[:, None], w, 3, False),
        {"x": normal(3, 4, 6), "m": normal(3, 5, 4), "length": np.array([5, 2, 1])},
        attention_weights(6, 4),
    )


@pytest.mark.parametrize("kind", ["none", "bool", "float", "causal"])
def test_scaled_dot_product_attention(kind: str) -> None:
    allowed = RANDOM.random((4, 5)) < 0.7
    allowed[2] = False  # nothing to attend to
    masks = {"bool": allowed, "float": np.where(allowed, normal(4, 5), -np.inf)}
    mask = masks.get(kind)
    compare(
        lambda q, k, v: cr.scaled_dot_product_attention(q, k, v, mask, is_causal=kind == "causal"),
        lambda q, k, v: functional.scaled_dot_product_attention(
            q, k, v, None if mask is None else torch.tensor(mask), is_causal=kind == "causal"
        ),
        {"q": normal(2, 3, 4, 6), "k": normal(2, 3, 5, 6), "v": normal(2, 3, 5, 2)},
        {},
    )
