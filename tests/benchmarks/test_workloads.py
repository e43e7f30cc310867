"""Every workload is the same work in every framework that is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from benchmarks.cpu.measure import STEPS, TOLERANCE, difference
from benchmarks.cpu.runners import OWN, RUNNERS
from benchmarks.cpu.runners.base import Runner
from benchmarks.cpu.workloads import KINDS, WORKLOADS, Sample, Workload, workload
from benchmarks.cpu.workloads.pinn import PINN
from tests.benchmarks.tiny import TINY

INSTALLED = [name for name, x in RUNNERS.items() if importlib.util.find_spec(x.framework)]


def made(name: str, what: Workload) -> Runner:
    return RUNNERS[name].make(what)(what.numpy())


@pytest.mark.parametrize("what", TINY, ids=lambda what: what.name)
@pytest.mark.parametrize("name", INSTALLED)
def test_the_same_losses(name: str, what: Workload) -> None:
    if not RUNNERS[name].runs(what) or name == "torch-compile":
        return  # compiling takes ten seconds, and what is compiled is what "torch-eager" runs
    expected = made(OWN, what).losses(0, STEPS)
    runner = made(name, what)
    losses = runner.losses(0, 1) + runner.losses(1, STEPS - 1)
    assert len(set(losses)) == STEPS
    assert difference(expected, losses) < TOLERANCE
    assert len(runner.epochs(2)) == 2


@pytest.mark.parametrize("what", TINY, ids=lambda what: what.name)
def test_an_epoch_is_its_steps(what: Workload) -> None:
    stepped, whole = made(OWN, what), made(OWN, what)
    stepped.losses(0, 2 * what.batches)
    assert len(whole.epochs(2)) == 2
    assert stepped.losses(0, 1) == whole.losses(0, 1)


def test_there_is_a_tiny_one_of_each_kind() -> None:
    assert {type(what) for what in TINY} == set(KINDS.values())
    assert {type(what) for what in WORKLOADS.values()} <= set(KINDS.values())


@pytest.mark.parametrize("what", TINY, ids=lambda what: what.name)
def test_workloads_and_arrays_survive_the_way_to_another_process(
    what: Workload, tmp_path: Any
) -> None:
    assert workload(what.describe()) == what
    first, path = what.numpy(), str(tmp_path / "arrays.npz")
    first.save(path)
    second = Sample.load(path)
    assert list(first.weights) == list(second.weights)
    assert list(first.state) == list(second.state)
    for name, array in first.weights.items():
        assert array.dtype == second.weights[name].dtype
        np.testing.assert_array_equal(array, second.weights[name])
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.y, second.y)


# Gradients of gradients are more than forward mode needs, by which `PINN` counts.
@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:TF32")
@pytest.mark.parametrize(
    "what", [what for what in TINY if not isinstance(what, PINN)], ids=lambda what: what.name
)
def test_operations_are_those_that_pytorch_counts(what: Workload) -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    runner = made("torch-eager", what)
    written_out = sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False)
    with FlopCounterMode(display=False) as counter, written_out[0], written_out[1]:
        runner.losses(0, 1)
    assert counter.get_total_flops() == what.flops
