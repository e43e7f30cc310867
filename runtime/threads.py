"""How many threads programs may use: a setting of the process."""

from __future__ import annotations

import operator
import os
import sys

from chainrule.compiler.errors import UsageError

VARIABLE = "CHAINRULE_NUM_THREADS"
MOST = 256

_chosen = 0
known = 0  # `get_num_threads()` as it was when it was last asked for; 0 if it never was


def cores() -> int:
    """The cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_num_threads() -> int:
    """The number of threads that a program may use at most.

    It is what `set_num_threads` was last given; else the environment's `CHAINRULE_NUM_THREADS`;
    else the number of cores that the process may use. A program takes fewer where more were not
    faster.

    Returns:
        The number, 1 or more.

    Raises:
        UsageError: `CHAINRULE_NUM_THREADS` is not a number from 1 to 256.

    Example:
        >>> import chainrule as cr
        >>> cr.get_num_threads() >= 1
        True
    """
    global known
    known = _chosen or _looked_up()
    return known


def set_num_threads(n: int) -> None:
    """Let programs use at most `n` threads from now on.

    What they compute does not depend on it.

    Args:
        n: the number, from 1 to 256; 1 for no other threads than the caller's.

    Raises:
        UsageError: `n` is not such a number.

    Example:
        >>> import chainrule as cr
        >>> before = cr.get_num_threads()
        >>> cr.set_num_threads(1)
        >>> cr.get_num_threads()
        1
        >>> cr.set_num_threads(before)
    """
    global _chosen, known
    try:
        number = 0 if isinstance(n, bool) else operator.index(n)
    except TypeError:
        number = 0
    if not 1 <= number <= MOST:
        raise _wrong("n", repr(n))
    _chosen = known = number


def _looked_up() -> int:
    text = os.environ.get(VARIABLE, "")
    if not text:
        return min(cores(), MOST)
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise _wrong(VARIABLE, repr(text))
    return int(text)


def _wrong(what: str, came: str) -> UsageError:
    return UsageError(
        f"the number of threads cannot be {came}",
        f"expected {what} from 1 to {MOST}, came {came}",
        "without a number, it is that of the cores which the process may use",
    )
