"""Products are measured beside BLAS only when both have computed the same."""

from __future__ import annotations

import pytest
from benchmarks.products import CASES, HEAD, Case, measured


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["", "_tn", "_nt"])
def test_both_sides_compute_the_product(kind: str, dtype: str) -> None:
    for case in (Case(9, 17, 33, kind, open="m"), Case(4, 3, 5, kind, count=2)):
        assert all(0 < seconds < 1 for seconds in measured(case, dtype, 0.0))


def test_cases_say_what_is_transposed() -> None:
    assert str(Case(2, 3, 4, "_tn")) == "(4 x 2)ᵀ by 4 x 3"
    assert str(Case(2, 3, 4, "_nt", count=5)) == "5 of 2 x 4 by (3 x 4)ᵀ"
    assert len({*map(str, CASES)}) == len(CASES)
    assert len(HEAD) == 6
