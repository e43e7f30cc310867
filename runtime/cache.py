"""Compiled programs between runs: a private directory of files that are checked before use.

| file | content |
| --- | --- |
| `<fingerprint>.json` | a `Program`, by the fingerprint of the graph that was asked for |
| `<name>_<hash of the text>.py` | its source, as it runs |
| `<key>.o` | its native code |

Files are written under another name and then renamed, so that several processes may write at
once. The first line of a program or an object is the SHA-256 of the rest: what is truncated or
altered is deleted and made again. That line is no secret; what keeps others out is that the
directory, and every file in it that is read, belongs to the user and nobody else can write to it.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path

from chainrule.compiler.program import FORMAT, Program

from .files import replace_file
from .versions import version

CACHE_FORMAT = 1
SHAPED_BY = ("chainrule", "llvmlite", "numpy", "scipy", "sympy")
# A link is not followed, and nobody waits for who writes into a pipe.
_READING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
ABANDONED_AFTER = 3600.0  # seconds until a temporary file is nobody's


class CacheWarning(UserWarning):
    """The cache directory cannot be used, or a file in it could not be trusted."""


class Cache:
    """A directory of compiled programs.

    Args:
        folder: where; `None` for a temporary directory that goes when the process ends.
    """

    def __init__(self, folder: Path | None) -> None:
        """Use `folder`, which has been checked; see `Cache.open`."""
        self._folder = folder

    @classmethod
    def open(cls, folder: str | Path | None = None) -> Cache:
        """The cache at `folder`, `$CHAINRULE_CACHE_DIR` or the platform's place for caches.

        Where that cannot be used (it is another user's, others can write to it, it is read-only, it
        is not a directory), one `CacheWarning` says why, and the programs of this process are kept
        in a temporary directory.
        """
        place = Path(folder or os.environ.get("CHAINRULE_CACHE_DIR") or default_folder())
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            reason = _distrust(place)
        except OSError as error:
            reason = error.strerror or str(error)
        if reason is None:
            return cls(place)
        _warn(f"the cache directory {place} cannot be used: {reason}; working without it")
        return cls(None)

    @property
    def folder(self) -> Path:
        """The directory in use."""
        return _temporary_folder() if self._folder is None else self._folder

    @property
    def persistent(self) -> bool:
        """Whether what is stored is still there in the next process."""
        return self._folder is not None

    def load_program(self, fingerprint: str) -> Program | None:
        """The program stored under `fingerprint`, if there is a sound one."""
        name = _file_name(fingerprint, ".json")
        body = self._load(name)
        if body is None:
            return None
        try:
            program = Program.loads(body.decode())
        except (ValueError, KeyError, TypeError, IndexError):
            self._discard(name)
            return None
        if program.fingerprint != fingerprint:
            self._discard(name)
            return None
        return program

    def store_program(self, program: Program) -> None:
        """Keep a program under its own fingerprint, and its source beside it."""
        self.source_path(program)
        self._store(_file_name(program.fingerprint, ".json"), program.dumps().encode())

    def source_path(self, program: Program) -> Path:
        """The file that holds the program's source: written now unless it is there already."""
        text = program.source.encode()
        name = f"{module_stem(program)}.py"
        if _read_trusted(self.folder / name) != text:
            self._write(name, text)
        return self.folder / name

    def load_object(self, key: str) -> tuple[bytes, tuple[str, ...]] | None:
        """The native code stored under `key` and the symbols it takes from elsewhere, if sound."""
        name = _file_name(key, ".o")
        body = self._load(name)
        if body is None:
            return None
        head, _, code = body.partition(b"\n")
        return code, tuple(json.loads(head))

    def has_object(self, key: str) -> bool:
        """Whether there is native code under `key`, sound or not."""
        return (self.folder / _file_name(key, ".o")).is_file()

    def store_object(self, key: str, code: bytes, imports: tuple[str, ...]) -> None:
        """Keep native code, and the symbols it takes from elsewhere, under `key`."""
        self._store(_file_name(key, ".o"), json.dumps(imports).encode() + b"\n" + code)

    def _load(self, name: str) -> bytes | None:
        """The checked content of a file; None if there is no such file or it is not sound."""
        content = _read_trusted(self.folder / name)
        if content is None:
            return None
        head, _, body = content.partition(b"\n")
        if head != _seal(body):
            self._discard(name)
            return None
        return body

    def _store(self, name: str, body: bytes) -> None:
        self._write(name, _seal(body) + b"\n" + body)

    def _write(self, name: str, content: bytes) -> None:
        """Write a file at once or not at all; leave a directory that fails for a temporary one."""
        try:
            replace_file(self.folder / name, content)
        except OSError as error:
            if self._folder is None:
                raise
            _warn(
                f"the cache directory {self._folder} cannot be written: "
                f"{error.strerror or error}; working without it"
            )
            self._folder = None
            replace_file(self.folder / name, content)
        _sweep(self.folder)

    def _discard(self, name: str) -> None:
        """Delete a file that is not what was stored."""
        _warn(f"{self.folder / name} was damaged; it is made again")
        (self.folder / name).unlink(missing_ok=True)


def default_folder() -> Path:
    """Where the platform wants a user's caches."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "chainrule" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "chainrule"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chainrule"


def module_stem(program: Program) -> str:
    """The name of the program's file and module: its own, and the hash of its text."""
    return f"{program.name}_{hashlib.sha256(program.source.encode()).hexdigest()[:16]}"


@cache
def fingerprint_of_environment() -> str:
    """A hash of everything besides the graph that shapes a program's text.

    The versions of the packages, the text of the compiler and of the devices (of an editable
    install, it changes while the version stays), and the formats of the files.
    """
    from chainrule.compiler import program

    digest = hashlib.sha256(f"{CACHE_FORMAT} {FORMAT} {sys.version_info[:2]}".encode())
    for package in SHAPED_BY:
        digest.update(f" {package} {version(package)}".encode())
    for folder in (Path(program.__file__).parent, Path(__file__).parent / "devices"):
        for path in sorted((*folder.rglob("*.py"), *folder.rglob("*.ir"))):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _file_name(key: str, ending: str) -> str:
    """A key as a file name. Keys are hashes of ours; anything else would be a mistake."""
    if not key.isalnum():
        raise ValueError(f"a cache key is a hexadecimal number, not {key!r}")
    return key + ending


def _seal(body: bytes) -> bytes:
    return b"chainrule cache %d %s" % (CACHE_FORMAT, hashlib.sha256(body).hexdigest().encode())


def _others_may_write(status: os.stat_result) -> str | None:
    """Why a file or directory with this status is not the user's alone."""
    if hasattr(os, "geteuid"):
        if status.st_uid != os.geteuid():
            return "it belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "other users may write to it"
    return None


def _distrust(folder: Path) -> str | None:
    """Why a directory cannot be used, or None if it can."""
    status = folder.stat()
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a directory"
    reason = _others_may_write(status)
    if reason is None and folder.is_symlink() and hasattr(os, "geteuid"):
        if folder.lstat().st_uid != os.geteuid():
            return "it is another user's link"
    if reason is None and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return "it is not writable"
    return reason


def _read_trusted(path: Path) -> bytes | None:
    """A regular file of the user's own that nobody else can write; None if it is not one."""
    try:
        descriptor = os.open(path, _READING)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or _others_may_write(status):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@cache
def _sweep(folder: Path) -> None:
    """Remove temporary files that an interrupted process has left, once in a process."""
    limit = time.time() - ABANDONED_AFTER
    for path in folder.glob(".*.tmp"):
        try:
            if path.stat().st_mtime < limit:
                path.unlink()
        except OSError:
            continue  # another process was faster


@cache
def _temporary_folder() -> Path:
    """A private directory of this process, which removes it at its end."""
    folder, owner = tempfile.mkdtemp(prefix="chainrule-"), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked child must leave it to its parent
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return Path(folder)


@cache
def _warn(message: str) -> None:
    """Say a thing once in a process."""
    warnings.warn(message, CacheWarning, stacklevel=2)
