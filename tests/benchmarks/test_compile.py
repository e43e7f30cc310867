"""The benchmarks run, and leave no example out."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import EXAMPLES
from benchmarks.compile import COMPILED, PHASES, median, rows
from benchmarks.processes import Processes

ROOT = Path(__file__).parents[2]


def test_every_example_is_a_case() -> None:
    # A new one needs a line in benchmarks/cases.py, which says how it takes its first step.
    assert sorted(EXAMPLES) == sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


def test_a_case_is_measured_cold_and_from_the_cache(tmp_path: Path) -> None:
    run = Processes(str(tmp_path / "bytecode"))
    cold, warm = (run(["-m", "benchmarks.case", "neural_ode"], str(tmp_path)) for _ in range(2))
    assert set(cold["seconds"]) == set(PHASES)
    assert set(PHASES) - set(warm["seconds"]) == set(COMPILED)
    assert cold["kernels"] == warm["kernels"] > 0
    assert cold["calls"] >= cold["kernels"]
    for kind in ("cold", "warm"):
        head, cells = rows([{"name": "neural_ode", "cold": cold, "warm": warm}], kind)
        assert len(head) == len(cells)
        assert float(cells[head.index("total")]) > 0


def test_medians_of_nested_numbers() -> None:
    found = median([{"a": {"b": n}, "c": "same"} for n in (3, 1, 2)])
    assert found == {"a": {"b": 2}, "c": "same"}
