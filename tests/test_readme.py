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
    """The output of the programs in the README, and the source that it says one can print."""
    folder, output = tmp_path_factory.mktemp("readme"), ""
    more = ['\nprint(model.source("numpy"))\n', ""]
    for name, code, end in zip(["net.py", "root.py"], blocks("python"), more, strict=True):
        program = folder / name
        program.write_text(code + end)
        ran = subprocess.run(
            [sys.executable, str(program)], capture_output=True, text=True, check=True, timeout=300
        )
        output += ran.stdout
    return output


@pytest.mark.parametrize("which", [0, 1, 2], ids=["gradients", "code", "loop"])
def test_what_the_program_prints(printed: str, which: int) -> None:
    assert blocks("text")[which].strip() in printed
