"""A program's source as a module: what is imported is the text of the program, nothing else."""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import InspectLoader
from types import CodeType, ModuleType

from chainrule.compiler.program import Program

from ..cache import Cache, module_stem


class _ProgramLoader(InspectLoader):
    """Executes the text that it was given, under the name of the file that shows it.

    The file itself is only read for tracebacks. No byte code is written, and none is read.
    """

    def __init__(self, source: str, path: str) -> None:
        self._source, self._path = source, path

    def get_source(self, fullname: str) -> str:
        """The text, for `linecache` and `inspect`."""
        return self._source

    def get_filename(self, fullname: str) -> str:
        """The file, for tracebacks."""
        return self._path

    def get_code(self, fullname: str) -> CodeType:
        """The text, compiled."""
        return self.source_to_code(self._source, self._path)


def import_program(program: Program, cache: Cache) -> ModuleType:
    """The program's source as a module in `sys.modules`, with its file in the cache."""
    name = f"chainrule.generated.{module_stem(program)}"
    if name in sys.modules:
        return sys.modules[name]
    path = str(cache.source_path(program))
    spec = importlib.util.spec_from_loader(name, _ProgramLoader(program.source, path), origin=path)
    assert spec is not None
    assert spec.loader is not None
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
