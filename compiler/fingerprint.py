"""A name for what was asked for, known before any work is done on it."""

from __future__ import annotations

import hashlib

from .ir import Graph
from .text import show


def fingerprint(request: Graph, target: str, environment: str = "") -> str:
    """The name under which the program of a request is kept.

    Args:
        request: the graph, whose gradients are still to be taken.
        target: the target's name.
        environment: versions of everything else that shapes a program.
    """
    parts = "\n".join((environment, target, show(request)))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]
