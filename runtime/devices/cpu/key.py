"""What native code depends on, as one number."""

from __future__ import annotations

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path

from chainrule.compiler.program import Program

from ...versions import version


def object_key(program: Program) -> str:
    """The name of a program's native code in the cache.

    Two programs that differ only in comments and docstrings, so in the lines of the user's file
    that they mention, share their native code.
    """
    digest = hashlib.sha256(_toolchain())
    buffers = [(buffer.role, str(buffer.type)) for buffer in program.buffers]
    digest.update(repr((program.batch is not None, len(program.sizes), buffers)).encode())
    digest.update(_statements(program.source).encode())
    return digest.hexdigest()


def _statements(source: str) -> str:
    """The syntax tree of a module without its docstrings, as text."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


@cache
def _toolchain() -> bytes:
    """A hash of what turns source into native code: packages, our own library, the processor."""
    import llvmlite.binding as llvm

    digest = hashlib.sha256(repr(sys.version_info[:3]).encode())
    for package in ("llvmlite", "numpy"):
        digest.update(f" {package} {version(package)}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    processor = (llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features())
    digest.update(repr((*processor[:2], processor[2].flatten())).encode())
    return digest.digest()
