"""The files of data sets: found in a folder or downloaded once, and checked whenever they are read.

Nothing in a file is trusted: an array is unpacked only when its size is the expected one, objects
are refused, and the content must have the expected SHA-256 digest.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.compiler.errors import FileError
from chainrule.runtime.cache import Cache
from chainrule.runtime.files import replace_file

_TIMEOUT = 30.0  # seconds without a byte
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True, slots=True)
class Remote:
    """A file that is downloaded when no folder has it."""

    name: str
    url: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Listed:
    """Where the same arrays stand as text, a row a line: the last column is an array of its own."""

    name: str
    heading: int  # lines before the rows
    dtypes: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """Arrays of an npz file: the digest is of their bytes, in order, however they are packed."""

    keys: tuple[str, ...]
    size: int  # bytes of all arrays
    sha256: str
    listed: Listed | None = None


def read_arrays(path: Path, table: Table) -> tuple[NDArray[Any], ...]:
    """The arrays of an npz file, if they are those of the table."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = tuple(_member(archive, f"{key}.npy", table.size) for key in table.keys)
    except (*_UNREADABLE, zipfile.BadZipFile, RuntimeError, MemoryError) as error:
        raise _unreadable(path, error) from None
    _check(path, b"".join(array.tobytes() for array in arrays), table.sha256)
    return arrays


def read_rows(folder: Path, table: Table) -> tuple[NDArray[Any], ...]:
    """The arrays of a table from a file of text, if they are those of the table."""
    listed = table.listed
    assert listed is not None
    path = folder / listed.name
    try:
        rows = np.loadtxt(path, delimiter=",", skiprows=listed.heading, ndmin=2)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None
    columns = (rows[:, :-1], rows[:, -1])
    arrays = tuple(x.astype(dtype) for x, dtype in zip(columns, listed.dtypes, strict=True))
    _check(path, b"".join(array.tobytes() for array in arrays), table.sha256)
    return arrays


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> NDArray[Any]:
    if name not in archive.namelist():
        raise ValueError(f"it has no array {name}")
    member = archive.getinfo(name)
    if member.file_size > limit + 1024:  # an npy header is shorter; a bomb is larger
        raise ValueError(f"array {name} unpacks to {member.file_size} bytes, more than {limit}")
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def read_text(path: Path, remote: Remote) -> str:
    """A text file, gzipped or not, if it is the one that is meant."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(remote.size + 1)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None
    _check(path, content, remote.sha256)
    return content.decode()


def _check(path: Path, content: bytes, sha256: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise FileError(
            f"{path.name} is damaged, or is another file",
            f"expected content with SHA-256 {sha256[:12]}..., came {digest[:12]}...",
            f"remove {path} and try again",
        )


def _unreadable(path: Path, error: Exception) -> FileError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return FileError(f"{path.name} cannot be read", reason, f"remove {path} and try again")


def given(name: str) -> Path | None:
    """The file in the folder `CHAINRULE_DATA`, if it is there."""
    folder = os.environ.get("CHAINRULE_DATA")
    path = Path(folder, name) if folder else None
    return path if path and path.is_file() else None


def fetch(remote: Remote) -> Path:
    """The file in the folder `CHAINRULE_DATA` or in the cache, where it is put if need be."""
    path = given(remote.name)
    if path:
        return path
    path = _cache(os.environ.get("CHAINRULE_CACHE_DIR")).folder / "datasets" / remote.name
    if not path.is_file():
        from http.client import HTTPException

        try:
            _download(remote, path)
        except (OSError, HTTPException) as error:
            raise FileError(
                f"{remote.name} cannot be downloaded",
                f"{remote.url}: {error}",
                "put the file into a folder and name that folder in CHAINRULE_DATA",
            ) from None
    return path


@functools.cache
def _cache(folder: str | None) -> Cache:
    """The cache, kept open: one that works in a temporary directory takes it along when it goes."""
    return Cache.open(folder)


def _download(remote: Remote, path: Path) -> None:
    import urllib.request

    print(f"downloading {remote.name} (once, {remote.size / 1e6:.0f} MB)", file=sys.stderr)
    with urllib.request.urlopen(remote.url, timeout=_TIMEOUT) as response:
        content = response.read(remote.size + 1)
    if hashlib.sha256(content).hexdigest() != remote.sha256:
        raise OSError(f"came {len(content)} bytes of other content")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    replace_file(path, content)
