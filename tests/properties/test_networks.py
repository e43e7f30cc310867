"""Random networks, trained on both targets. `python -m tests.properties.fuzz` draws others."""

from __future__ import annotations

import pytest

from .networks import compare

NETWORKS = range(8)


@pytest.mark.parametrize("number", NETWORKS)
def test_random_networks_train_alike_on_both_targets(number: int) -> None:
    assert any(compare(f"{number}/{attempt}") for attempt in range(5))
