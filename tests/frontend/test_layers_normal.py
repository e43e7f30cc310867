"""Normalization, noise, embedding and attention layers: graphs, names, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError
from chainrule.compiler.ir import evaluate
from chainrule.frontend.network import Network, network

Array = np.ndarray[Any, Any]
LABELS: dict[str, Any] = {"dtype": "int32"}


def wrong(value: Any) -> Any:
    """What a type checker would not let through."""
    return value


def build(layer: Any, shape: tuple[int, ...], **options: Any) -> Network:
    x = cr.Input(shape, **options)
    return network([x], [layer(x)], "model")


SHAPES: tuple[tuple[Callable[[], Any], tuple[int, ...], dict[str, Any], str], ...] = (
    (lambda: cr.BatchNormalization(), (3,), {}, "(batch, 3)"),
    (lambda: cr.LayerNormalization(), (2, 3), {}, "(batch, 2, 3)"),
    (lambda: cr.RMSNormalization(), (2, 3), {}, "(batch, 2, 3)"),
    (lambda: cr.GroupNormalization(2), (5, 5, 4), {}, "(batch, 5, 5, 4)"),
    (lambda: cr.InstanceNormalization(), (5, 4), {}, "(batch, 5, 4)"),
    (lambda: cr.GaussianNoise(0.1), (3,), {}, "(batch, 3)"),
    (lambda: cr.GaussianDropout(0.1), (3,), {}, "(batch, 3)"),
    (lambda: cr.AlphaDropout(0.1), (3,), {}, "(batch, 3)"),
    (lambda: cr.SpatialDropout1D(0.1), (5, 3), {}, "(batch, 5, 3)"),
    (lambda: cr.SpatialDropout2D(0.1), (5, 5, 3), {}, "(batch, 5, 5, 3)"),
    (lambda: cr.Embedding(7, 4), (), LABELS, "(batch, 4)"),
    (lambda: cr.PositionEmbedding(9), (5, 4), {}, "(batch, 5, 4)"),
    (lambda: cr.SinePositionEncoding(), (5, 4), {}, "(batch, 5, 4)"),
    (lambda: cr.MultiHeadAttention(2, 3, value_dim=5), (5, 4), {}, "(batch, 5, 4)"),
)


@pytest.mark.parametrize(("layer", "given", "options", "expected"), SHAPES)
def test_output_shapes(
    layer: Callable[[], Any], given: tuple[int, ...], options: dict[str, Any], expected: str
) -> None:
    shape = layer()(cr.Input(given, **options)).shape
    assert f"({', '.join(map(str, shape))})" == expected


def test_arrays_are_named_and_state_is_no_parameter() -> None:
    x = cr.Input((5, 4))
    h = cr.MultiHeadAttention(2, 3)(cr.BatchNormalization()(x))
    net = network([x], [cr.BatchNormalization(name="last")(h)], "model")
    assert [p.attr("name") for p in net.graph.params] == [
        *("gamma1", "beta1"),
        *("W_q2", "b_q2", "W_k2", "b_k2", "W_v2", "b_v2", "W_o2", "b_o2"),
        *("gamma_last", "beta_last"),
    ]
    assert [s.attr("name") for s in net.graph.state] == [
        *("moving_mean1", "moving_variance1"),
        *("moving_mean_last", "moving_variance_last"),
    ]
    for graph in (net.graph, net.inference):
        assert graph.state == net.graph.state
    assert tuple(old for old, _ in net.graph.updates) == net.graph.state
    assert net.inference.updates == ()


def test_batch_statistics_are_used_in_training_and_running_ones_outside() -> None:
    net = build(cr.BatchNormalization(momentum=0.75, center=False, scale=False), (2,))
    (x,), state = (
        net.graph.inputs,
        dict(zip(net.graph.state, ([1.0, 2.0], [4.0, 9.0]), strict=True)),
    )
    values = {n: np.array(v, "f") for n, v in state.items()}
    at = np.array([[1.0, 5.0], [3.0, 5.0]], "f")
    y, mean, variance = evaluate(net.graph.roots, {x: at, **values})
    np.testing.assert_allclose(y, [[-1 / 1.001**0.5, 0], [1 / 1.001**0.5, 0]], rtol=1e-6)
    np.testing.assert_allclose(mean, [1.25, 2.75])
    np.testing.assert_allclose(variance, [3.25, 6.75])
    (y,) = evaluate(net.inference.roots, {x: at, **values})
    np.testing.assert_allclose(y, (at - [1, 2]) / np.sqrt([4.001, 9.001]), rtol=1e-6)


def test_a_shared_layer_moves_its_running_numbers_once_for_each_call() -> None:
    shared = cr.BatchNormalization(momentum=0.5)
    a, b = cr.Input((1,), name="a"), cr.Input((1,), name="b")
    net = network([a, b], [cr.Add()([shared(a), shared(b)])], "model")
    left, right = net.graph.inputs
    moved = dict(net.graph.updates)
    ((mean, new), _) = moved.items()
    values = {left: np.array([[4.0]], "f"), right: np.array([[8.0]], "f"), mean: np.zeros(1, "f")}
    # 0 moves half the way to 4, then half the way to 8.
    np.testing.assert_array_equal(evaluate([new], values)[0], [5])


def test_an_encoding_of_positions_belongs_to_each_model_alone() -> None:
    for _ in range(2):
        x = cr.Input((5, 4))
        net = network([x], [cr.Add()([x, cr.SinePositionEncoding()(x)])], "model")
        assert [row.layer for row in net.rows] == ["SinePositionEncoding()", "Add()"]
        assert len([n for n in net.graph.nodes() if n.op.name == "leaf"]) == 1


def test_sines_and_cosines_of_the_position() -> None:
    net = build(cr.SinePositionEncoding(), (3, 4), dtype="float64")
    (y,) = evaluate(net.graph.roots, {net.graph.inputs[0]: np.zeros((1, 3, 4))})
    p = np.arange(3.0)
    expected = np.stack([np.sin(p), np.cos(p), np.sin(p / 100), np.cos(p / 100)], axis=1)
    np.testing.assert_allclose(y[0], expected, rtol=1e-15)


def drawn(layer: Any, x: Array) -> tuple[Array, Array]:
    """What a layer makes in training, and outside."""
    net = build(layer, x.shape[1:], dtype=str(x.dtype))
    at = {n: x if n.attr("name") == "x" else np.int64(3) for n in net.graph.leaves}
    (training,), (outside,) = (evaluate(g.roots, at) for g in (net.graph, net.inference))
    return training, outside


@pytest.mark.parametrize(
    "layer",
    [
        cr.GaussianNoise(0.5),
        cr.GaussianDropout(0.2),
        cr.AlphaDropout(0.3),
        cr.SpatialDropout1D(0.3),
    ],
    ids=str,
)
def test_noise_keeps_the_mean_and_is_not_there_outside_training(layer: Any) -> None:
    x = np.random.default_rng(2).normal(size=(2000, 2, 20))
    training, outside = drawn(layer, x)
    np.testing.assert_array_equal(outside, x)
    assert (training != x).any()
    assert abs(training.mean()) < 0.03
    expected = {"GaussianNoise": 1.25, "GaussianDropout": 1.25, "AlphaDropout": 1.0}
    assert training.var() == pytest.approx(expected.get(type(layer).__name__, 1 / 0.7), rel=0.03)


def test_spatial_dropout_drops_whole_channels() -> None:
    training, _ = drawn(cr.SpatialDropout2D(0.5), np.ones((50, 3, 3, 4)))
    channels = training.reshape(50, 9, 4)
    assert (channels == channels[:, :1]).all()
    assert set(np.unique(channels)) == {0, 2}


def test_a_row_that_may_attend_to_nothing_is_zero_with_zero_gradients() -> None:
    x = cr.tensor("x", (3, 2), dtype="float64")
    mask = np.array([[True, False, True], [False] * 3, [True] * 3])
    y = cr.scaled_dot_product_attention(x, x, x, mask)
    f = cr.function([x], [y, cr.grad(cr.sum(y[1] ** 2 + y[1]), x)], target="numpy")
    value, slope = f(np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(value[1], [0, 0])
    np.testing.assert_array_equal(slope, np.zeros((3, 2)))


def test_causal_attention_does_not_see_the_future() -> None:
    q = np.random.default_rng(1).normal(size=(2, 4, 3))
    before = np.asarray(cr.scaled_dot_product_attention(q, q, q, is_causal=True))
    changed = q.copy()
    changed[:, 3] += 1
    after = np.asarray(cr.scaled_dot_product_attention(changed, changed, changed, is_causal=True))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3] != after[:, 3]).all()


def test_a_layer_may_keep_state_of_its_own() -> None:
    class Count(cr.BaseLayer):
        def describe(self) -> str:
            return "Count()"

        def apply(self, *inputs: cr.Tensor) -> cr.Tensor:
            (x,) = inputs
            seen = self.state("seen", (), x.dtype, cr.initializers.Zeros())
            self.update(seen, seen + cr.sum(cr.ones_like(x)))
            return x * 1.0

    net = build(Count(), (2,))
    ((seen, new),) = net.graph.updates
    assert seen.attr("name") == "seen1"
    at = {net.graph.inputs[0]: np.zeros((3, 2), "f"), seen: np.float32(4)}
    assert evaluate([new], at)[0] == 10


X, LABEL = cr.Input((4,)), cr.Input((4,), dtype="int32")
WRONG: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: cr.BatchNormalization(epsilon=0.0), "expected a positive number"),
    (lambda: cr.BatchNormalization(momentum=1.5), "0 <= momentum <= 1"),
    (lambda: cr.BatchNormalization(axis=0)(X), "axis 0 of f32[batch, 4] is the batch"),
    (lambda: cr.LayerNormalization(axis=2)(X), "no axis 2"),
    (lambda: cr.LayerNormalization()(LABEL), "means and deviations are of floats"),
    (lambda: cr.LayerNormalization()(cr.Input((None, 4))[:, :, 0]), "no known size"),
    (lambda: cr.GroupNormalization(3)(X), "4 channels are not 3 groups"),
    (lambda: cr.GroupNormalization(0), "expected a positive integer, or -1"),
    (lambda: cr.GaussianNoise(-1.0), "0 or more"),
    (lambda: cr.GaussianDropout(1.0), "0 <= rate < 1"),
    (lambda: cr.SpatialDropout1D(0.1)(X), "expected 3 axes: batch, steps, channels"),
    (lambda: cr.SpatialDropout2D(0.1)(X), "expected 4 axes: batch, height, width, channels"),
    (lambda: cr.Embedding(0, 3), "expected a positive integer"),
    (lambda: cr.Embedding(5, 3)(X), "expected labels, int32 or int64"),
    (lambda: cr.PositionEmbedding(3)(cr.Input((4, 2))), "4 positions, there are 3 vectors"),
    (lambda: cr.PositionEmbedding(3)(X), "expected a sequence of vectors"),
    (lambda: cr.SinePositionEncoding(0), "expected a positive number"),
    (lambda: cr.MultiHeadAttention(0, 3), "expected a positive integer"),
    (lambda: cr.MultiHeadAttention(2, 3, dropout=1.0), "0 <= rate < 1"),
    (lambda: cr.MultiHeadAttention(2, 3)(X), "expected a sequence of vectors"),
    (
        lambda: cr.MultiHeadAttention(2, 3)(cr.Input((4, 2)), attention_mask=cr.Input((4, 4))),
        "expected bool of shape (batch, L, S)",
    ),
    (lambda: wrong(cr.MultiHeadAttention)(2, 3, heads=2), "has no option 'heads'"),
    (lambda: cr.scaled_dot_product_attention(X, cr.Input((3,)), X), "the shapes do not fit"),
)


@pytest.mark.parametrize(("made", "expected"), WRONG, ids=[text for _, text in WRONG])
def test_errors_say_what_was_expected(made: Callable[[], Any], expected: str) -> None:
    with pytest.raises(ChainruleError) as raised:
        made()
    assert expected in str(raised.value)
