"""What the machine can do at most, as it is measured."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.runtime.devices.cpu import objects, peak


def test_additions_in_registers_beat_those_in_memory() -> None:
    a, b = np.ones(1 << 22, np.float32), np.ones(1 << 22, np.float32)
    best = min(peak.seconds(lambda: np.add(a, b, out=b)) for _ in range(5))
    assert peak.flops_per_second("float32") > 2 * len(a) / best


def test_float32_has_twice_the_lanes() -> None:
    ratio = peak.flops_per_second("float32") / peak.flops_per_second("float64")
    assert 1.2 < ratio < 3.5


def test_a_number_is_measured_once() -> None:
    assert peak.bytes_per_second() is peak.bytes_per_second()
    assert 1e8 < peak.bytes_per_second() < 1e13


def test_threads_add_up() -> None:
    assert peak.bytes_per_second(2) > 0
    assert peak.flops_per_second("float64", 2) > 0.5 * peak.flops_per_second("float64")


@pytest.mark.parametrize("lanes", [16, 8, 4])
def test_the_loop_stays_in_registers(lanes: int) -> None:
    """A multiply-add for each chain, as wide as vectors are, and no memory in between."""
    text = peak.text("float32", lanes)
    assert text.count(f"call <{lanes} x float>") == peak.CHAINS
    assert text.count("load <") == text.count("store <") == 1
    objects.compile_text(text)
