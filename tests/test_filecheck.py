"""Passes, text in and text out: tests/filecheck/*.ir.

A file has cases with a line `// -----` between them. Each names its pass in a line `// PASS: fold`,
has a graph, and says in `// CHECK` lines what comes out, in the language of LLVM's FileCheck.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filecheck.matcher import Matcher
from filecheck.options import Options

from chainrule.compiler.ir import Graph
from chainrule.compiler.passes.contract import Contractions
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.passes.fold import Fold
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.passes.rewrite import Rewrite
from chainrule.compiler.pipeline import derive
from chainrule.compiler.rules import ALGEBRA, STABILIZE
from chainrule.compiler.targets import target
from chainrule.compiler.text import parse, show

FOLDER = Path(__file__).parent / "filecheck"
PASSES: dict[str, Callable[[Graph], Graph]] = {
    "fold": Fold(),
    "stabilize": Rewrite(STABILIZE),
    "rewrite": Rewrite(STABILIZE + ALGEBRA),
    "contract": Contractions(),
    "differentiate": Differentiate(),
    "derive": derive,
    "lower-numpy": Lower(target("numpy").spells),
    "lower-cpu": Lower(target("cpu").spells),
}


def cases() -> Iterator[tuple[str, str, str]]:
    """File and graph, the pass, the text."""
    for path in sorted(FOLDER.glob("*.ir")):
        for text in path.read_text().split("// -----\n"):
            graph = re.search(r"^graph (\w+)", text, re.MULTILINE)
            name = re.search(r"^// PASS: (\S+)", text, re.MULTILINE)
            assert graph is not None, text
            assert name is not None, text
            yield f"{path.stem}-{graph[1]}", name[1], text


def checked(expected: str, came: str, folder: Path) -> int:
    """FileCheck's exit status."""
    (folder / "check").write_text(expected)
    (folder / "input").write_text(came)
    options = Options(match_filename=str(folder / "check"), input_file=str(folder / "input"))
    status: int = Matcher.from_opts(options).run()
    return status


CASES = {name: (which, text) for name, which, text in cases()}


@pytest.mark.parametrize("case", CASES)
def test_pass(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    which, text = CASES[case]
    graph = "\n".join(line for line in text.splitlines() if not line.startswith("//"))
    came = show(PASSES[which](parse(graph)))
    status = checked(text, came, tmp_path)
    assert status == 0, f"{capsys.readouterr()}\n{came}"


def test_a_check_that_does_not_hold_is_seen(tmp_path: Path) -> None:
    assert checked("// CHECK: tanh(%x)\n", "%1 = exp(%x) : f32[]\n", tmp_path) != 0
