"""What README.md shows is what comes out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of the program in the README, and the source that it says it can print."""
    program = tmp_path_factory.mktemp("readme") / "net.py"
    (code,) = blocks("python")
    program.write_text(code + '\nprint(model.source("numpy"))\n')
    ran = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=True, timeout=300
    )
    return ran.stdout


@pytest.mark.parametrize("which", [0, 1], ids=["gradients", "code"])
def test_what_the_program_prints(printed: str, which: int) -> None:
    assert blocks("text")[which].strip() in printed
