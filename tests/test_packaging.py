"""What is installed, and what the README tells people to type, match the folders."""

import pathlib
import re
import tomllib
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parents[1]
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOPS = ("compiler", "frontend", "runtime")
SOURCES = [
    path
    for folder in (*TOPS, "src/chainrule", "tests", "examples", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "golden" not in path.parts
]


def commands(page: str) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


def test_every_folder_is_packaged() -> None:
    folders = {path.parent for top in TOPS for path in (ROOT / top).rglob("*.py")}
    names = [".".join(("chainrule", *folder.relative_to(ROOT).parts)) for folder in folders]
    assert CONFIG["tool"]["setuptools"]["packages"] == sorted(["chainrule", *names])
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("top", TOPS)
def test_type_checkers_find_the_folder_through_a_link(top: str) -> None:
    link = ROOT / "src" / "chainrule" / top
    assert link.is_symlink()
    assert link.readlink() == pathlib.Path("..", "..", top)


@pytest.mark.parametrize("module", CONFIG["project"]["entry-points"]["chainrule.targets"].values())
def test_a_target_is_packaged(module: str) -> None:
    assert module in CONFIG["tool"]["setuptools"]["packages"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_enough_to_read(path: pathlib.Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


def test_the_readme_has_one_command_to_train_and_one_to_test() -> None:
    train, test = commands("README.md")
    assert "examples/digits.py" in train
    assert "-m pytest" in test


@pytest.mark.parametrize("command", commands("README.md") + commands("CONTRIBUTING.md"))
def test_a_command_names_what_exists(command: str) -> None:
    for extras in re.findall(r"\.\[([\w,]+)\]", command):
        assert set(extras.split(",")) <= set(CONFIG["project"]["optional-dependencies"])
    for script in re.findall(r"\S+\.py\b", command):
        assert (ROOT / script).exists()
