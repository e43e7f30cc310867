"""Examples as modules, and scripts in processes of their own."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example() -> Callable[[str], ModuleType]:
    """An example by its name, imported but not run."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Run a script in a process of its own: what it prints. Warnings are errors there too."""

    def run(text: str, cache: Path | None = None, *arguments: str) -> str:
        path = tmp_path / "script.py"
        path.write_text(text)
        environment = dict(os.environ)
        if cache is not None:
            environment["CHAINRULE_CACHE_DIR"] = str(cache)
        done = subprocess.run(
            [sys.executable, "-W", "error", str(path), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
