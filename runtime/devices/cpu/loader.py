"""Native object code into this process, by llvmlite alone."""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import itertools
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

# Symbols that are looked up in SciPy: `scipy_linalg_cython_blas__sgemm`.
EXTERNAL = "scipy_"
_names = itertools.count()
_lock = threading.Lock()


@cache
def _jit() -> Any:
    """The one linker of the process."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler()


def framed(part: bytes) -> bytes:
    """An object file behind its length: so several can follow each other."""
    return len(part).to_bytes(8, "little") + part


def _apart(code: bytes) -> Iterator[bytes]:
    """The object files that follow each other."""
    start = 0
    while start < len(code):
        end = start + 8 + int.from_bytes(code[start : start + 8], "little")
        yield code[start + 8 : end]
        start = end


class NativeLibrary:
    """Object code that is loaded, and its entry points; unloaded when the last reference goes.

    Args:
        code: object files for this machine, each framed.
        entries: the functions to be called, each taking the address of a block of words.
        imports: the symbols that it takes from SciPy's extension modules.
        variables: the variables to be written to.

    Attributes:
        entries: the functions, by name.
        addresses: of functions and variables, by name.
        imports: the symbols that it takes from SciPy.
    """

    def __init__(
        self,
        code: bytes,
        entries: Sequence[str],
        imports: Sequence[str],
        variables: Sequence[str] = (),
    ) -> None:
        """Link and load. RuntimeError if a symbol is missing."""
        import llvmlite.binding as llvm

        builder = llvm.JITLibraryBuilder().add_current_process()
        for part in _apart(code):
            builder.add_object_img(part)
        for name in imports:
            builder.import_symbol(name, external_address(name))
        for name in (*entries, *variables):
            builder.export_symbol(name)
        with _lock:
            self._tracker = builder.link(_jit(), f"chainrule_{next(_names)}")
        self.imports = tuple(imports)
        # A CFUNCTYPE function runs without the GIL.
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
        self.addresses = {name: self._tracker[name] for name in (*entries, *variables)}
        self.entries = {name: kind(self.addresses[name]) for name in entries}


@cache
def external_address(name: str) -> int:
    """The address of a function that SciPy exports to Cython.

    `scipy_linalg_cython_blas__sgemm` is `sgemm` of `scipy.linalg.cython_blas`.
    """
    path, function = name.removeprefix(EXTERNAL).split("__", 1)
    package, module = path.split("_", 1)
    capsules = _extension(f"scipy.{package}", module).__pyx_capi__
    capsule = capsules[function]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = (
        ctypes.c_char_p,
        [ctypes.py_object],
    )
    api.PyCapsule_GetPointer.restype, api.PyCapsule_GetPointer.argtypes = (
        ctypes.c_void_p,
        [ctypes.py_object, ctypes.c_char_p],
    )
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    assert isinstance(address, int)
    return address


def _extension(package: str, name: str) -> ModuleType:
    """An extension module of SciPy without the package around it, which takes 0.25 s to import."""
    full = f"{package}.{name}"
    if full in sys.modules:
        return sys.modules[full]
    scipy = importlib.util.find_spec("scipy")
    assert scipy is not None
    assert scipy.origin is not None
    folder = Path(scipy.origin).parent.joinpath(*package.split(".")[1:])
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = folder / (name + suffix)
        if path.exists():
            loader = importlib.machinery.ExtensionFileLoader(full, str(path))
            spec = importlib.util.spec_from_file_location(full, path, loader=loader)
            assert spec is not None
            module = importlib.util.module_from_spec(spec)
            loader.exec_module(module)
            return module
    return importlib.import_module(full)
