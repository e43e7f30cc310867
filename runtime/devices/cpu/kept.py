"""Native code of the runtime's own: the same in every process, so compiled once and kept."""

from __future__ import annotations

from ...cache import Cache
from .key import text_key


def keep(text: str, cache: Cache) -> None:
    """Have the native code of LLVM's text in the cache.

    Who compiles a program does this too: a process that finds its programs in the cache then needs
    no compiler for what it may want later, which would stay in its memory.
    """
    if not cache.has_object(text_key(text)):
        native(text, cache)


def native(text: str, cache: Cache) -> tuple[bytes, tuple[str, ...]]:
    """The native code of LLVM's text, from the cache or compiled now, and what it imports."""
    key = text_key(text)
    stored = cache.load_object(key)
    if stored is None:
        from .objects import compile_text

        # It is written as it is to run: to optimize it takes longer than all else.
        stored = compile_text(text, level=0)
        cache.store_object(key, *stored)
    return stored
