"""MNIST, as the example trains it.

LeCun et al. 1998, "Gradient-based learning applied to document recognition", table I: 12.0 % error
for a linear classifier, 4.7 % for a network of 300 hidden units.
"""

from collections.abc import Callable
from types import ModuleType

import pytest

import chainrule as cr
from chainrule.compiler.errors import FileError


@pytest.fixture(scope="module")
def mnist() -> cr.datasets.Split:
    try:
        return cr.datasets.mnist(flat=True)
    except FileError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip("neither mnist.npz in the folder CHAINRULE_DATA nor a network")


@pytest.mark.slow
@pytest.mark.parametrize(("network", "share"), [("linear", 0.92), ("hidden", 0.98)])
def test_example(
    mnist: cr.datasets.Split, example: Callable[[str], ModuleType], network: str, share: float
) -> None:
    (x, y), (x_test, y_test) = mnist
    module = example("mnist")
    model = getattr(module, network)()
    module.train(model, x, y, verbose=0)
    assert model.history.epoch == [7, 8, 9]
    assert model.evaluate(x_test, y_test, verbose=0)["accuracy"] >= share
