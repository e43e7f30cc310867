"""How gradients of whole models are explained: every step between the chain rule and the code."""

import pytest

import chainrule as cr


def model(loss: str, *layers: cr.Dense) -> cr.Sequential:
    built = cr.Sequential([cr.Input((4,)), *layers])
    built.compile(loss=loss, optimizer="sgd", target="numpy")
    return built


def classifier() -> cr.Sequential:
    layers = cr.Dense(5, activation="relu"), cr.Dense(3)
    return model("sparse_categorical_crossentropy_from_logits", *layers)


@pytest.fixture(scope="module")
def explained() -> str:
    return str(classifier().explain("dL_dW1"))


@pytest.mark.parametrize(
    "line",
    [
        "mean(-log_softmax(y)[t]) = -mean(log_softmax(y)[t])",
        "sum_axis1 add_along_axis(-1 / batch, t) = sum_axis1 (-1 / batch)",
        "add_along_axis(-1 / batch, t) = -onehot(t) / batch",
        "dL/dh1 * [z1 > 0] = [z1 > 0] * dL/dh1",
    ],
)
def test_rules_that_made_the_gradient_what_it_is(line: str, explained: str) -> None:
    _, _, rules = explained.partition("rules applied")
    assert line in rules.partition("as it is computed")[0]


def test_a_gradient_that_is_known_is_named(explained: str) -> None:
    assert "dL/d[h1 W2] = dL/dy\n" in explained
    assert "dL/d[x W1] = dL/dz1\n" in explained


def test_rules_elsewhere_are_left_out() -> None:
    assert "[z1 > 0]" not in str(classifier().explain("dL_dW2")).partition("rules")[2]


def test_a_mean_over_an_axis_of_one() -> None:
    explained = str(model("mse", cr.Dense(1)).explain("dL_dW1"))
    assert "mean_axis1 (y - t)² = (y - t)²" in explained


def test_a_gradient_through_loops_and_choices_is_told() -> None:
    x = cr.Input((3,))
    dense = cr.Dense(3)
    h = cr.while_loop(
        lambda h: cr.sum(h * h) < 9, lambda h: dense(h) + x, x, max_steps=4, at_bound="stop"
    )
    h = cr.cond(cr.sum(h) > 0, lambda: h, lambda: -h)
    model = cr.Model(x, cr.Dense(1)(h), seed=0)
    model.compile("mse", target="numpy")
    explained = str(model.explain("W1"))
    assert "while(sum(h²) < 9: h ← h W1 + b1 + x, from x)" in explained.replace("h * h", "h²")
    assert "The loop backwards, over the derivative of its step." in explained
    assert "nothing passes through the other" in explained
