"""A model file comes back bit for bit, or is refused; and an old file survives a failed save."""

import errno
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays_of

from chainrule.compiler.errors import (
    ChainruleError,
    DTypeError,
    FileError,
    UnknownNameError,
    UsageError,
)
from chainrule.compiler.types import DTYPES
from chainrule.runtime import checkpoint, files

Array = npt.NDArray[Any]

ARRAYS: dict[str, Array] = {
    "dense.w": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "dense.b": np.array([np.nan, np.inf, -0.0]),
    "step": np.array(2**40, np.int64),
    "labels": np.array([-1, 2], np.int32),
    "mask": np.array([[True, False]]),
    "empty": np.zeros((0, 4), np.float32),
}
CONFIG: dict[str, Any] = {
    "layers": [{"name": "dense", "units": 3}],
    "rate": 0.1,
    "text": "é\u2028",
    "n": None,
}


def same(first: Mapping[str, Array], second: Mapping[str, Array]) -> bool:
    return first.keys() == second.keys() and all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        for a, b in ((first[name], second[name]) for name in first)
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.model"
    checkpoint.save(path, ARRAYS, CONFIG)
    return path


def test_what_is_saved_comes_back(file: Path) -> None:
    arrays, config = checkpoint.load(file)
    assert same(arrays, ARRAYS)
    assert config == CONFIG
    for array in arrays.values():
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.flags.aligned


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5})?", fullmatch=True).filter(
            lambda name: checkpoint._is_name(name)
        ),
        st.sampled_from(DTYPES).flatmap(
            lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, min_side=0))
        ),
    )
)
def test_any_arrays_come_back(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Array]
) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    checkpoint.save(path, arrays, {})
    assert same(checkpoint.load(path)[0], arrays)


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3).T, np.arange(6.0)[::2], np.arange(3, dtype=">f8"), np.float64(1)],
)
def test_other_layouts_are_saved_as_their_values(tmp_path: Path, array: Array) -> None:
    checkpoint.save(tmp_path / "file", {"w": array}, {})
    np.testing.assert_array_equal(checkpoint.load(tmp_path / "file")[0]["w"], array)


def test_it_is_one_safetensors_file(file: Path) -> None:
    assert os.listdir(file.parent) == ["net.model"]
    assert same(safetensors.numpy.load_file(file), ARRAYS)


@pytest.mark.parametrize(
    "name",
    ["../../x", "/etc/x", "a b", "", ".", "a.", "lambda", "__class__", "x); import os", "1a"],
)
def test_names_are_identifiers(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownNameError):
        checkpoint.save(tmp_path / "file", {name: np.zeros(1)}, {})
    forge(tmp_path / "file", {name: np.zeros(1)}, json.dumps({"format": 1, "config": {}}))
    with pytest.raises(FileError, match="not an identifier"):
        checkpoint.load(tmp_path / "file")


@pytest.mark.parametrize("dtype", ["float16", "complex128", "uint8", "object", "U3"])
def test_dtypes_are_those_of_programs(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(DTypeError):
        checkpoint.save(tmp_path / "file", {"w": np.zeros(2, dtype)}, {})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [{1, 2}, np.float32(1), float("nan"), float("inf"), b"x"])
def test_a_configuration_is_json(tmp_path: Path, value: object) -> None:
    with pytest.raises(UsageError):
        checkpoint.save(tmp_path / "file", {}, {"value": value})


def forge(path: Path, arrays: Mapping[str, Array], text: str, digest: str | None = None) -> None:
    """A file with a valid checksum whatever is in it."""
    tensors = dict(arrays)
    metadata = {"chainrule": text, "sha256": digest or checkpoint._digest(text, tensors)}
    path.write_bytes(safetensors.numpy.save(tensors, metadata=metadata))


WHOLE = json.dumps({"format": 1, "config": {}})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not a dictionary"),
        ("1", "not a dictionary"),
        ("null", "not a dictionary"),
        ('{"format": 1}', "not a dictionary"),
        ('{"format": 1, "config": []}', "not a dictionary"),
        ('{"format": 2, "config": {}}', "expected format 1, got 2"),
        ('{"config": {}}', "expected format 1, got None"),
        ('{"format": 1, "config": {"x": NaN}}', "not JSON"),
        ('{"format": 1, "config": {"x": ' + "9" * 9999 + "}}", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_forged_configuration(tmp_path: Path, text: str, part: str) -> None:
    forge(tmp_path / "file", {}, text)
    with pytest.raises(FileError) as caught:
        checkpoint.load(tmp_path / "file")
    assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


def test_a_wrong_checksum(tmp_path: Path) -> None:
    forge(tmp_path / "file", {"w": np.zeros(2)}, WHOLE, digest="0" * 64)
    with pytest.raises(FileError, match="checksum"):
        checkpoint.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"F32","shape":[2,3]', b'"I32","shape":[2,3]'),
        (b'"F32","shape":[2,3]', b'"F32","shape":[3,2]'),
        (b'"dense.w"', b'"dense.v"'),
        (b'\\"units\\": 3', b'\\"units\\": 4'),
    ],
)
def test_a_changed_header_with_the_same_numbers(file: Path, before: bytes, after: bytes) -> None:
    blob = file.read_bytes()
    assert blob.count(before) == 1
    file.write_bytes(blob.replace(before, after))
    with pytest.raises(FileError, match="checksum"):
        checkpoint.load(file)


def test_a_dtype_that_no_program_has(tmp_path: Path) -> None:
    forge(tmp_path / "file", {"w": np.zeros(2, np.uint8)}, WHOLE)
    with pytest.raises(FileError, match="dtype uint8"):
        checkpoint.load(tmp_path / "file")


def test_a_foreign_safetensors_file(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"w": np.zeros(2)}, tmp_path / "file")
    with pytest.raises(FileError, match="is not a chainrule model"):
        checkpoint.load(tmp_path / "file")


HEADER = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"\x80\x04K\x01.",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', }",
        b"import os\n",
        bytes(100),
        b"\xff" * 100,
        struct.pack("<Q", 2**63) + HEADER,
        struct.pack("<Q", 10**8 + 1) + HEADER + bytes(8),
        struct.pack("<Q", len(HEADER)) + HEADER + bytes(7),
        struct.pack("<Q", len(HEADER)) + HEADER + bytes(9),
        struct.pack("<Q", len(HEADER)) + HEADER.replace(b"[2]", b"[-2]") + bytes(8),
        struct.pack("<Q", len(HEADER) + 18)
        + HEADER.replace(b"[2]", b"[9999999999999999999]")
        + bytes(8),
    ],
)
def test_what_is_not_a_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        checkpoint.load(path)
    text = str(caught.value)
    assert text.startswith("test_checkpoint.py:")
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize("missing", [True, False])
def test_no_such_file_or_a_directory(tmp_path: Path, missing: bool) -> None:
    path = tmp_path / "missing" if missing else tmp_path
    with pytest.raises(FileError, match="cannot be read") as caught:
        checkpoint.load(path)
    assert ("No such file" if missing else "Is a directory") in str(caught.value)


def mutated(blob: bytes, chance: random.Random) -> bytes:
    """The file with a few bytes changed, cut, doubled, moved or made zero."""
    data = bytearray(blob)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = chance.randrange(len(data)) if data else 0
        size = chance.randrange(1, 1 + min(64, max(1, len(data) - at)))
        match chance.randrange(7):
            case 0 if data:
                data[at] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[at] = chance.randrange(256)
            case 2:
                del data[at:]
            case 3:
                del data[at : at + size]
            case 4:
                data[at:at] = data[at : at + size]
            case 5:
                data[at : at + size] = bytes(size)
            case 6:
                data += chance.randbytes(size)
    return bytes(data)


def test_a_changed_file_is_refused_or_the_same(file: Path) -> None:
    blob, refused = file.read_bytes(), 0
    chance = random.Random(0)
    for _ in range(4000):
        changed = mutated(blob, chance)
        file.write_bytes(changed)
        try:
            arrays, config = checkpoint.load(file)
        except FileError:
            refused += 1
        else:
            assert same(arrays, ARRAYS)
            assert config == CONFIG
    assert refused > 3500


def test_every_truncation_is_refused(file: Path) -> None:
    blob = file.read_bytes()
    for size in range(len(blob)):
        file.write_bytes(blob[:size])
        with pytest.raises(FileError):
            checkpoint.load(file)


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize("problem", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failed_save_leaves_the_old_file(
    file: Path, step: str, problem: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise problem

    if step == "write":
        monkeypatch.setattr(files, "open", Full(problem), raising=False)
    else:
        monkeypatch.setattr(os, step, fail)
    before = file.read_bytes()
    expected = FileError if isinstance(problem, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        checkpoint.save(file, {"w": np.zeros(1000)}, {})
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]


class Full:
    """An `open` whose files take half of what is written."""

    def __init__(self, problem: BaseException) -> None:
        self.problem = problem

    def __call__(self, descriptor: int, mode: str) -> "Full":
        self.file = os.fdopen(descriptor, mode)
        return self

    def __enter__(self) -> "Full":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, blob: bytes) -> None:
        self.file.write(blob[: len(blob) // 2])
        raise self.problem


LIMITED = """
import resource, sys
import numpy as np
from chainrule.compiler.errors import FileError
from chainrule.compiler.types import DTYPES
from chainrule.runtime import checkpoint, files
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    checkpoint.save(sys.argv[1], {"w": np.zeros(1000)}, {})
except FileError as error:
    print(error)
"""


def test_a_real_limit_of_the_system(file: Path) -> None:
    before = file.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, file], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "File too large" in done.stdout
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]


def test_the_file_and_its_folder_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    original, rename = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        original(descriptor)

    def replace(source: Path, target: Path) -> None:
        synced.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    checkpoint.save(tmp_path / "file", ARRAYS, CONFIG)
    beside, renamed, folder = synced
    assert Path(beside).parent == tmp_path
    assert renamed == "rename"
    assert folder == str(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot write"):
        checkpoint.save(tmp_path / "missing" / "file", ARRAYS, CONFIG)


def test_a_link_stays_a_link(file: Path) -> None:
    link = file.parent / "link"
    link.symlink_to(file)
    checkpoint.save(link, {}, {"new": True})
    assert link.is_symlink()
    assert checkpoint.load(file)[1] == {"new": True}


def test_the_mode_is_that_of_any_new_file(file: Path) -> None:
    other = file.parent / "other"
    other.touch()
    assert file.stat().st_mode == other.stat().st_mode


def test_errors_are_chainrule_errors() -> None:
    assert issubclass(FileError, ChainruleError)
