"""A large module of LLVM code in pieces that can be compiled at the same time.

A function that is never inlined stands in one piece, and the others call it there; so does what
only this function calls. What may be inlined, and what is internal to a module otherwise, is in
every piece that uses it. How a module is cut depends on its text alone, and so does the code.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

LINES = ((12_000, 4), (4_000, 2))  # a module of so many lines has so many pieces
_NAME = re.compile(r'@"([^"]+)"')
_DEFINED = re.compile(r"define (?:internal )?")


def pieces(text: str) -> list[str]:
    """The pieces of a module; one of few lines stays whole.

    Args:
        text: the module, as llvmlite writes it.
    """
    lines = text.splitlines()
    count = next((count for least, count in LINES if len(lines) >= least), 1)
    if count == 1:
        return [text]
    functions, rest = _read(lines)
    parts: list[dict[str, None]] = [{} for _ in range(count)]
    sizes = [0] * count
    groups = list(_groups(functions))
    heads = {name for names, group in groups for name in names}
    for _, group in sorted(groups, key=lambda x: -sum(len(functions[name]) for name in x[1])):
        smallest = sizes.index(min(sizes))
        parts[smallest].update(dict.fromkeys(group))
        sizes[smallest] += sum(len(functions[name]) for name in group)
    return [_piece(part, functions, rest, heads, i == 0) for i, part in enumerate(parts)]


def _read(lines: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The functions of a module by name, each as its lines, and all other lines."""
    functions: dict[str, list[str]] = {}
    rest: list[str] = []
    now = rest
    for line in lines:
        if line.startswith("define "):
            now = functions[_names(line)[0]] = []
        now.append(line)
        if line == "}":
            now = rest
    return functions, rest


def _names(text: str) -> list[str]:
    return _NAME.findall(text)


def _groups(functions: Mapping[str, Sequence[str]]) -> Iterator[tuple[list[str], list[str]]]:
    """Functions that others call from elsewhere, and with them those that they need beside them.

    The entry points are together.
    """
    uses = {
        name: [x for x in dict.fromkeys(_names("\n".join(lines[1:]))) if x in functions]
        for name, lines in functions.items()
    }
    callers: dict[str, list[str]] = defaultdict(list)
    for name, used in uses.items():
        for x in used:
            callers[x].append(name)
    entries = [name for name, lines in functions.items() if "internal" not in lines[0].split()]
    apart = []
    for name, lines in functions.items():
        is_alone = len(callers[name]) == 1 and callers[name][0] not in entries
        if "noinline" in lines[0].split() and not is_alone:
            apart.append(name)
    heads = {*entries, *apart}
    for group in (entries, *([name] for name in apart)):
        beside = dict.fromkeys(group)
        waiting = list(group)
        while waiting:
            more = [x for x in uses[waiting.pop()] if x not in heads and x not in beside]
            beside.update(dict.fromkeys(more))
            waiting += more
        yield group, list(beside)


def _piece(
    part: Mapping[str, None],
    functions: Mapping[str, Sequence[str]],
    rest: Sequence[str],
    heads: set[str],
    is_first: bool,
) -> str:
    """The text of some functions as a module."""
    used = {x for name in part for x in _names("\n".join(functions[name]))}
    written: list[str] = []
    for line in rest:
        if not line.startswith(("@", "declare ")):
            written.append(line)
            continue
        name = _names(line)[0]
        if line.startswith("declare ") or " internal " in line:
            written += [line] * (name in used)
        elif is_first:
            written.append(line)
        elif name in used:  # the team, which the process sets
            variable, _ = line.split(" global ")
            written.append(f"{variable} external global ptr")
    for name in sorted(used - {*part}):
        if name in functions:
            written.append(_DEFINED.sub("declare ", functions[name][0], count=1))
    for name in part:
        head, *body = functions[name]
        visible = head.replace("define internal ", "define hidden ", 1) if name in heads else head
        written += [visible, *body]
    return "\n".join(written)
