"""The convolutional examples."""

import runpy
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import chainrule as cr
from chainrule.compiler.errors import FileError

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits_convolution.py"


def test_digits(capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a user runs it: 98 % of the held-out fifth, which it has never seen, are right."""
    pytest.importorskip("sklearn")
    start = time.perf_counter()
    made = runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert time.perf_counter() - start < 60  # from import to printed gradient, compiling included
    model, printed = made["model"], capsys.readouterr().out
    scores = model.evaluate(made["x_test"], made["y_test"], verbose=0)
    assert len(made["x_test"]) == 359
    assert scores["accuracy"] >= 0.98
    assert f"accuracy on the held-out fifth: {scores['accuracy']:.1%}" in printed
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert {"dL/dW1 = correlate(x, dL/dz1)", "dL/dW3 = h2_2ᵀ dL/dz3"} <= {*lines}


@pytest.mark.slow
def test_mnist(example: Callable[[str], ModuleType]) -> None:
    """LeCun et al. 1998, table I: 0.95 % errors for LeNet-5."""
    try:
        (x, y), (x_test, y_test) = cr.datasets.mnist()
    except FileError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip("neither mnist.npz in the folder CHAINRULE_DATA nor a network")
    module = example("mnist_convolution")
    model = module.lenet()
    module.train(model, x[..., None], y, verbose=0)
    assert model.evaluate(x_test[..., None], y_test, verbose=0)["accuracy"] >= 0.99
