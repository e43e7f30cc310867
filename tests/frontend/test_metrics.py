"""Metrics: what counts as right for which shapes, and what is made of the mean."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import UnknownNameError, UsageError
from chainrule.compiler.ir import evaluate
from chainrule.compiler.types import symbol
from chainrule.frontend.losses import LOSSES
from chainrule.frontend.metrics import METRICS

Array = np.ndarray[Any, Any]


def run(metric: Any, target: Array, given: Array) -> Array:
    """One value for each sample."""
    t = cr.tensor("t", (None, *target.shape[1:]), dtype=str(target.dtype))
    p = cr.tensor("p", (None, *given.shape[1:]), dtype=str(given.dtype))
    (value,) = evaluate([metric(t, p).node], {t.node: target, p.node: given})
    return value


SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2]])
RIGHT = [1.0, 0.0, 1.0, 1.0]  # of two that tie, the first counts
LABELS = np.array([1, 2, 2, 0])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_accuracy_of_classes(dtype: str) -> None:
    assert run(cr.accuracy, LABELS.astype(dtype), SCORES).tolist() == RIGHT


def test_accuracy_of_classes_in_a_column() -> None:
    assert run(cr.accuracy, LABELS[:, None], SCORES).tolist() == RIGHT


def test_accuracy_of_classes_given_as_floats() -> None:
    assert run(cr.accuracy, LABELS.astype("float64"), SCORES).tolist() == RIGHT


def test_accuracy_of_one_hot_rows() -> None:
    assert run(cr.accuracy, np.eye(3)[LABELS], SCORES).tolist() == RIGHT


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_accuracy_of_yes_and_no(shape: tuple[int, ...]) -> None:
    given = np.array([[0.2], [0.5], [0.51], [0.9]])
    target = np.array([0.0, 1.0, 1.0, 0.0]).reshape(shape)
    assert run(cr.accuracy, target, given).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_accuracy_of_logits_has_its_threshold_at_0() -> None:
    given = np.array([[-0.1], [0.1]])
    target = np.array([[0.0], [1.0]])
    assert run(cr.accuracy(threshold=0.0), target, given).tolist() == [1.0, 1.0]


def test_accuracy_of_a_sequence_of_classes() -> None:
    y = cr.accuracy(cr.tensor("t", (None, 7), "int32"), cr.tensor("p", (None, 7, 3)))
    assert y.shape == (symbol("batch"), 7)


def test_accuracy_has_the_dtype_of_the_prediction() -> None:
    assert run(cr.accuracy, LABELS, SCORES.astype("float32")).dtype == np.float32


def test_errors_of_numbers() -> None:
    target, given = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 4.0], [0.0, 0.0]])
    assert run(METRICS["mae"], target, given).tolist() == [1.0, 3.5]
    assert run(METRICS["mse"], target, given).tolist() == [2.0, 12.5]
    squares = run(cr.root_mean_squared_error, target, given)
    assert cr.root_mean_squared_error.conclude(squares.mean()) == np.sqrt(7.25)


def test_without_an_end_the_mean_is_it() -> None:
    assert METRICS["mae"].finish is None
    assert METRICS["mae"].conclude(0.1) == 0.1


def test_every_loss_is_a_metric() -> None:
    for name, loss in LOSSES.items():
        metric = cr.metric(name)
        assert metric.function is loss.function or name in ("mse", "mae", *METRICS)
    assert cr.metric(cr.huber(delta=3)).settings["delta"] == 3.0


def test_a_metric_of_ones_own() -> None:
    @cr.metric(finish=lambda m: 100 * m)
    def percentage(target: cr.Tensor, prediction: cr.Tensor) -> cr.Tensor:
        return cr.mean(cr.abs((target - prediction) / target), axis=-1)

    target, given = np.array([[2.0, 4.0]]), np.array([[1.0, 4.0]])
    assert run(percentage, target, given).tolist() == [0.25]
    assert percentage.conclude(0.25) == 25.0


def test_an_end_that_is_no_formula() -> None:
    with pytest.raises(UsageError, match="the end of the metric is no tensor"):
        cr.metric(lambda t, p: cr.mean(t - p), finish=lambda m: None).conclude(1.0)  # type: ignore[arg-type, return-value]


def test_an_unknown_metric() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy'"):
        cr.metric("acuracy")
