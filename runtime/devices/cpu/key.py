"""What native code depends on, as one number."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path

from chainrule.compiler.program import Program

from ...versions import version

QUOTES = '"""'


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


def text_key(text: str) -> str:
    """The name in the cache of the native code that LLVM's text makes."""
    return hashlib.sha256(_toolchain() + text.encode()).hexdigest()


def _statements(source: str) -> str:
    """A module's text without its docstring and the comments that have lines of their own.

    There are no other texts of several lines in it.
    """
    if source.startswith(QUOTES):
        source = source[source.index(QUOTES, len(QUOTES)) :]
    return "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("#"))


@cache
def _toolchain() -> bytes:
    """A hash of what turns source into native code: packages, our own library, the processor."""
    from .processor import host

    digest = hashlib.sha256(repr(sys.version_info[:3]).encode())
    for package in ("llvmlite", "numpy"):
        digest.update(f" {package} {version(package)}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(repr(host()).encode())
    return digest.digest()
