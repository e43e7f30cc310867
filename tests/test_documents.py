"""The Python in the pages of the project runs as it stands."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def test_the_code_of_contributing_runs() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    assert len(blocks) == 3
    program = "\n".join([*blocks, SHOW])
    # In a process of its own: it registers an op.
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_the_code_of_costs_prints_a_profile_and_a_plan() -> None:
    page = (ROOT / "docs" / "costs.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for start in ("train, batch 64: ", "kernel ", "parameters: 407,080 bytes", "between kernels: "):
        assert any(line.startswith(start) for line in done.stdout.splitlines()), start
        assert f"\n{start}" in page


SHOW = """
from chainrule.compiler.ir import const, evaluate, leaf
from chainrule.compiler.types import TensorType

x = leaf("x", TensorType("float64", ()), "input")
(value,) = evaluate([logit(x)], {x: 0.75})
assert abs(value - 1.0986122886681098) < 1e-15, value
assert without_zero(x + 0) is x
"""
