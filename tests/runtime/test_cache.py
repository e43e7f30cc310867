"""The program cache: what is stored comes back, and what cannot be trusted does not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chainrule.compiler.errors import Bound, Fault
from chainrule.compiler.program import Buffer, Kernel, Program
from chainrule.compiler.types import TensorType, Where, add, floordiv, mul, symbol
from chainrule.runtime import cache as cache_module
from chainrule.runtime.cache import (
    Cache,
    CacheWarning,
    default_folder,
    fingerprint_of_environment,
    module_stem,
)

N = symbol("n")
POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes are POSIX's")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private directory that does not exist yet; warnings are given each time."""
    monkeypatch.setattr(cache_module, "_warn", cache_module._warn.__wrapped__)
    return tmp_path / "cache"


def program(fingerprint: str = "ab12", source: str = "def step(x):\n    return (x,)\n") -> Program:
    where = Where("net.py", 5, "hidden")
    odd = add(mul(2, N), 1)
    return Program(
        "net",
        "numpy",
        source,
        (
            Buffer("x", "input", TensorType("float32", (odd, 3)), where),
            Buffer("y", "output", TensorType("float32", (floordiv(odd, 2), 3))),
        ),
        (Kernel("h1", "h1 = tanh(x)", ("x",), ("h1",), "h1 = tanh(x W)", where),),
        ("n",),
        None,
        (Fault("index", "label out of range", where), Fault("singular", "another")),
        (Bound(N, "too short", where), Bound(floordiv(odd, 2), "shorter")),
        fingerprint,
    )


def test_a_program_comes_back(folder: Path) -> None:
    Cache.open(folder).store_program(program())
    assert Cache.open(folder).load_program("ab12") == program()
    assert Cache.open(folder).load_program("ab13") is None
    source = folder / f"{module_stem(program())}.py"
    assert source.read_text() == program().source


def test_native_code_comes_back(folder: Path) -> None:
    code = bytes(range(256)) * 10 + b"\n\n"
    Cache.open(folder).store_object("ff", code, ("scipy_linalg_cython_blas__sgemm",))
    cache = Cache.open(folder)
    assert cache.load_object("ff") == (code, ("scipy_linalg_cython_blas__sgemm",))
    assert cache.has_object("ff")
    assert cache.load_object("fe") is None
    assert not cache.has_object("fe")


def test_the_environment_names_the_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(folder))
    assert Cache.open().folder == folder
    monkeypatch.delenv("CHAINRULE_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    assert default_folder() == folder / "chainrule"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(folder))
    assert default_folder() == folder / "chainrule" / "cache"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_folder() == Path.home() / "Library" / "Caches" / "chainrule"


@POSIX
def test_directory_and_files_are_the_users_alone(folder: Path) -> None:
    old = os.umask(0)
    try:
        cache = Cache.open(folder)
        cache.store_program(program())
        cache.store_object("ff", b"code", ())
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 3  # nothing temporary is left


@pytest.mark.parametrize("key", ["../x", "a/b", "", "a.b", "a\0b"])
def test_a_key_is_never_a_path(key: str, folder: Path) -> None:
    cache = Cache.open(folder)
    with pytest.raises(ValueError, match="a cache key is a hexadecimal number"):
        cache.load_program(key)
    with pytest.raises(ValueError, match="a cache key is a hexadecimal number"):
        cache.store_object(key, b"", ())


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "truncated": lambda good: good[: len(good) // 2],
    "no checksum": lambda good: good.partition(b"\n")[2],
    "a byte changed": lambda good: good[:-5] + b"@" + good[-4:],
    "a byte more": lambda good: good + b" ",
    "another format": lambda good: good.replace(b"cache 1", b"cache 9", 1),
    "zeros": lambda good: b"\0" * len(good),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_deleted(damage: str, folder: Path) -> None:
    cache = Cache.open(folder)
    cache.store_program(program())
    cache.store_object("ff", b"code" * 100, ())
    for path in (folder / "ab12.json", folder / "ff.o"):
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.warns(CacheWarning, match=r"ab12\.json was damaged; it is made again"):
        assert cache.load_program("ab12") is None
    with pytest.warns(CacheWarning, match=r"ff\.o was damaged; it is made again"):
        assert cache.load_object("ff") is None
    assert not (folder / "ab12.json").exists()
    assert not (folder / "ff.o").exists()
    cache.store_program(program())
    assert cache.load_program("ab12") == program()


@pytest.mark.parametrize("body", [b"[]", b"{}", b"\xff", b'{"format": 999}', b"null", b"not JSON"])
def test_sound_files_that_are_no_programs(body: bytes, folder: Path) -> None:
    cache = Cache.open(folder)
    cache._store("ab12.json", body)
    with pytest.warns(CacheWarning, match="damaged"):
        assert cache.load_program("ab12") is None


def test_a_program_under_another_fingerprint(folder: Path) -> None:
    cache = Cache.open(folder)
    cache.store_program(program())
    (folder / "ab12.json").rename(folder / "cd34.json")
    with pytest.warns(CacheWarning, match="damaged"):
        assert cache.load_program("cd34") is None


def test_a_planted_source_is_replaced(folder: Path) -> None:
    """The text that runs is the program's; the file only shows it."""
    cache = Cache.open(folder)
    path = cache.source_path(program())
    path.write_text("raise SystemExit('planted')\n")
    assert cache.source_path(program()).read_text() == program().source


@POSIX
def test_files_that_others_may_write_or_that_are_links(folder: Path, tmp_path: Path) -> None:
    cache = Cache.open(folder)
    cache.store_object("ff", b"code", ())
    (folder / "ff.o").chmod(0o622)
    assert cache.load_object("ff") is None
    cache.store_object("ff", b"code", ())
    assert cache.load_object("ff") == (b"code", ())
    elsewhere = tmp_path / "elsewhere"
    (folder / "ff.o").rename(elsewhere)
    (folder / "ff.o").symlink_to(elsewhere)
    assert cache.load_object("ff") is None
    cache.store_object("ff", b"other", ())
    assert cache.load_object("ff") == (b"other", ())
    assert b"code" in elsewhere.read_bytes()


@POSIX
def test_what_is_no_file_is_not_read_and_not_waited_for(folder: Path) -> None:
    cache = Cache.open(folder)
    os.mkfifo(folder / "ff.o", mode=0o600)
    assert cache.load_object("ff") is None
    cache.store_object("ff", b"code", ())
    assert cache.load_object("ff") == (b"code", ())
    (folder / "ee.o").mkdir(mode=0o700)
    assert cache.load_object("ee") is None
    with pytest.warns(CacheWarning, match="cannot be written"):
        cache.store_object("ee", b"code", ())
    assert cache.load_object("ee") == (b"code", ())


def works_without(folder: Path, reason: str) -> None:
    """One warning, and everything goes on in a temporary directory."""
    with pytest.warns(CacheWarning) as caught:
        cache = Cache.open(folder)
    assert len(caught) == 1
    assert f"{folder} cannot be used: {reason}" in str(caught[0].message)
    assert not cache.persistent
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.store_program(program())
        cache.store_object("ff", b"code", ())
        assert cache.load_program("ab12") == program()
        assert cache.load_object("ff") == (b"code", ())
    assert folder not in cache.folder.parents
    assert cache.folder != folder


def test_a_file_in_the_place_of_the_directory(folder: Path) -> None:
    folder.write_text("")
    works_without(folder, "File exists")


def test_a_file_on_the_way_to_the_directory(folder: Path) -> None:
    folder.write_text("")
    works_without(folder / "inner", "Not a directory")


@POSIX
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_directory_that_others_may_write(mode: int, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(mode)
    works_without(folder, "other users may write to it")


@POSIX
def test_a_directory_that_others_may_read(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    assert Cache.open(folder).persistent


@POSIX
def test_another_users_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    user = os.geteuid()
    if ROOT:
        os.chown(folder, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    works_without(folder, "it belongs to another user")


@POSIX
@pytest.mark.skipif(not ROOT, reason="only root can make another user's link")
def test_another_users_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "own")
    assert Cache.open(folder).persistent
    os.lchown(folder, 12345, -1)
    works_without(folder, "it is another user's link")


@POSIX
def test_a_read_only_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o500)
    if ROOT:  # root may write anywhere
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    works_without(folder, "it is not writable")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk(call: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out only when writing: the rest of the process works without."""
    cache = Cache.open(folder)
    cache.store_object("ff", b"before", ())
    real = getattr(os, call)

    def full(*arguments: object) -> object:
        if cache.persistent:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, call, full)
    with pytest.warns(CacheWarning, match="cannot be written: No space left on device") as caught:
        cache.store_program(program())
    assert len(caught) == 1
    assert not cache.persistent
    assert cache.load_program("ab12") == program()
    cache.store_object("ff", b"after", ())
    assert cache.load_object("ff") == (b"after", ())
    assert [path.name for path in folder.iterdir()] == ["ff.o"]


def test_without_a_directory_a_process_has_one_cache(folder: Path) -> None:
    folder.write_text("")
    with pytest.warns(CacheWarning):
        Cache.open(folder).store_program(program("cd"))
    with pytest.warns(CacheWarning):
        assert Cache.open(folder).load_program("cd") == program("cd")


@POSIX
def test_a_temporary_cache_goes_with_the_process() -> None:
    code = (
        "import os\nfrom chainrule.runtime.cache import Cache\n"
        "cache = Cache(None)\ncache.store_object('ff', b'code', ())\nprint(cache.folder)\n"
        "if os.fork() == 0: raise SystemExit\n"
        "os.wait()\nassert cache.load_object('ff')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.split()[0]).exists()


def test_one_warning_a_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    folder.write_text("")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            Cache.open(folder)
    assert len(caught) == 1


def test_what_interrupted_processes_left_is_swept(folder: Path) -> None:
    cache = Cache.open(folder)
    for name, age in ((".old.o.1.abcd.tmp", 7200), (".new.o.2.abcd.tmp", 60)):
        (folder / name).write_text("")
        now = (folder / name).stat().st_mtime
        os.utime(folder / name, (now - age, now - age))
    cache.store_object("ff", b"code", ())
    assert sorted(path.name for path in folder.iterdir()) == [".new.o.2.abcd.tmp", "ff.o"]


WRITER = """
import sys
from chainrule.runtime.cache import Cache
cache = Cache.open(sys.argv[1])
code = sys.argv[2].encode() * 200_000
for _ in range(30):
    cache.store_object("ff", code, ())
    got = cache.load_object("ff")
    assert got is not None and len(got[0]) == len(code) and len(set(got[0])) == 1, "torn"
"""


def test_several_processes_write_at_once(folder: Path) -> None:
    """Whatever is read is one of the written contents, whole."""
    writers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", WRITER, folder, letter])
        for letter in "abc"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    stored = Cache.open(folder).load_object("ff")
    assert stored is not None
    assert len(set(stored[0])) == 1
    assert [path.name for path in folder.iterdir()] == ["ff.o"]


def test_the_name_of_a_source_is_that_of_its_content() -> None:
    other = program(source="def step(x):\n    return (x + 1,)\n")
    assert module_stem(program()) == module_stem(replace(program(), fingerprint="ff"))
    assert module_stem(program()) != module_stem(other)
    assert module_stem(program()).isidentifier()


def test_the_environment_is_hashed_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit of the compiler in an editable install is a new environment."""
    from chainrule.compiler import program as contract

    before = fingerprint_of_environment()
    assert before == fingerprint_of_environment.__wrapped__()
    monkeypatch.setattr(contract, "__file__", str(tmp_path / "program.py"))
    (tmp_path / "ir.py").write_text("x = 1\n")
    changed = fingerprint_of_environment.__wrapped__()
    (tmp_path / "ir.py").write_text("x = 2\n")
    assert len({before, changed, fingerprint_of_environment.__wrapped__()}) == 3


def test_opening_a_cache_is_cheap() -> None:
    code = (
        "import sys\nfrom chainrule.runtime.cache import Cache, fingerprint_of_environment\n"
        "Cache.open(); fingerprint_of_environment()\n"
        "print(sorted({'numpy', 'numba', 'sympy', 'scipy', 'llvmlite'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
