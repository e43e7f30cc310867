"""The handwritten digits that come with scikit-learn."""

import runpy
import time
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"


def test_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a user runs it: 97 % of the held-out fifth, which it has never seen, are right."""
    start = time.perf_counter()
    made = runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert time.perf_counter() - start < 30  # from import to printed gradient, compiling included
    model, printed = made["model"], capsys.readouterr().out
    scores = model.evaluate(made["x_test"], made["y_test"], verbose=0)
    assert len(made["x_test"]) == 359
    assert scores["accuracy"] >= 0.97
    assert f"accuracy on the held-out fifth: {scores['accuracy']:.1%}" in printed
    assert "dL/dW1 = " in printed
    assert model.history.history["loss"][-1] < 0.03
