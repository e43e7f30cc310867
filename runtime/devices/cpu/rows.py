"""Rows of a table that a batch names, so that a step need not look at the others."""

from __future__ import annotations

from typing import Any

from .arrays import checked
from .casts import i64
from .routines import kernel


@kernel
def group_rows(
    index: Any,
    rows: Any,
    count: Any,
    places: Any,
    first: Any,
    slots: Any,
    fault: Any,
    code: Any,
) -> Any:
    """The rows that `index` names, each once, in the order in which they are named first.

    Row `rows[i]`, for `i` below `count[0]`, is named at `places[first[i]]` up to, and without,
    `places[first[i + 1]]`, in increasing order. `slots` has a place for each row of the table and
    may hold anything before: a row's slot counts only if `rows` says the same, and so nothing has
    to be cleared (Briggs and Torczon 1993, "An efficient representation for sparse sets").
    """
    found = 0
    for place in range(index.shape[0]):
        row = checked(i64(index[place]), slots.shape[0], fault, code)
        slot = slots[row]
        if not (0 <= slot < found and rows[slot] == row):
            slot = found
            rows[slot] = row
            slots[row] = slot
            first[slot] = 0
            found += 1
        first[slot] += 1
    for later in range(1, found):
        first[later] += first[later - 1]
    for place in range(index.shape[0] - 1, -1, -1):
        slot = slots[checked(i64(index[place]), slots.shape[0], fault, code)]
        first[slot] -= 1
        places[first[slot]] = place
    first[found] = index.shape[0]
    count[0] = found


@kernel
def rows_by_panel(
    index: Any,
    rows: Any,
    places: Any,
    first: Any,
    size: Any,
    count: Any,
    fault: Any,
    code: Any,
) -> Any:
    """The places of `index`, those first that name one of the first `count` of `size` rows.

    Rows `count` * p and so on up to `count` * (p + 1) are named at `places[first[p]]` up to, and
    without, `places[first[p + 1]]`, in increasing order, and `rows` says for each which one it is.
    """
    for panel in range(first.shape[0]):
        first[panel] = 0
    for place in range(index.shape[0]):
        first[checked(i64(index[place]), size, fault, code) // count] += 1
    for panel in range(1, first.shape[0]):
        first[panel] += first[panel - 1]
    for place in range(index.shape[0] - 1, -1, -1):
        row = checked(i64(index[place]), size, fault, code)
        first[row // count] -= 1
        last = first[row // count]
        places[last] = place
        rows[last] = row
