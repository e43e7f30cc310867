"""Data sets: found where they are said to be, whole, and with a plain word when they are not."""

import gzip
import hashlib
import http.server
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from chainrule import datasets
from chainrule.compiler.errors import FileError, UsageError
from chainrule.downloads import Remote, Table, read_rows
from chainrule.runtime.cache import CacheWarning

IMAGES = (np.arange(7 * 784) % 256).astype(np.uint8).reshape(7, 28, 28)
LABELS = np.arange(7, dtype=np.uint8)


def packed(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


MINI = packed(x_train=IMAGES[:5], y_train=LABELS[:5], x_test=IMAGES[5:], y_test=LABELS[5:])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, named by CHAINRULE_DATA."""
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def mini(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small set in the place of MNIST."""
    content = IMAGES[:5].tobytes() + LABELS[:5].tobytes()
    content += IMAGES[5:].tobytes() + LABELS[5:].tobytes()
    digest = hashlib.sha256(content).hexdigest()
    table = Table(datasets._MNIST_TABLE.keys, len(content), digest)
    monkeypatch.setattr(datasets, "_MNIST_TABLE", table)
    (folder / "mnist.npz").write_bytes(MINI)
    return folder / "mnist.npz"


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """A server on this machine that gives whatever it is told, in the place of MNIST's."""
    served = [b""]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(served[0])

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        digest = hashlib.sha256(MINI).hexdigest()
        url = f"http://127.0.0.1:{listening.server_port}/mnist.npz"
        remote = Remote("mnist.npz", url, len(MINI), digest)
        monkeypatch.setattr(datasets, "_MNIST", remote)
        yield lambda content: served.__setitem__(0, content)
        listening.shutdown()
        thread.join()


def test_mnist_is_read_from_the_folder(mini: Path) -> None:
    (x_train, y_train), (x_test, y_test) = datasets.mnist()
    assert (x_train.shape, x_test.shape) == ((5, 28, 28), (2, 28, 28))
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    np.testing.assert_array_equal(x_train * 255, IMAGES[:5])
    assert y_test.tolist() == [5, 6]


def test_images_may_be_rows_and_of_another_type(mini: Path) -> None:
    (x_train, _), _ = datasets.mnist(flat=True, dtype=np.float64)
    assert x_train.shape == (5, 784)
    np.testing.assert_array_equal(x_train, IMAGES[:5].reshape(5, -1) / 255)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip file at all",
        MINI[:3000],
        packed(x_train=IMAGES),
        packed(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS),
        packed(x_train=np.zeros(10**6), y_train=LABELS, x_test=IMAGES, y_test=LABELS),
        MINI.replace(IMAGES[0].tobytes()[:99], b"\0" * 99),
    ],
    ids=["empty", "foreign", "truncated", "incomplete", "other", "bomb", "changed"],
)
def test_a_damaged_file_is_named_in_three_lines(mini: Path, content: bytes) -> None:
    mini.write_bytes(content)
    with pytest.raises(FileError) as caught:
        datasets.mnist()
    first, detail, hint = str(caught.value).splitlines()
    assert first.startswith("test_datasets.py:")
    assert "mnist.npz" in first
    assert detail.strip()
    assert hint == f"    hint: remove {mini} and try again"


def test_an_array_of_objects_is_never_unpickled(mini: Path) -> None:
    mini.write_bytes(packed(x_train=np.array([{}]), y_train=0, x_test=0, y_test=0))
    with pytest.raises(FileError, match="allow_pickle=False"):
        datasets.mnist()


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, len(MINI) - 1), flip=st.integers(1, 255))
def test_a_flipped_byte_is_noticed_or_changes_nothing(mini: Path, position: int, flip: int) -> None:
    content = bytearray(MINI)
    content[position] ^= flip
    mini.write_bytes(content)
    try:
        (x_train, _), (_, y_test) = datasets.mnist()
    except FileError:
        return
    np.testing.assert_array_equal(x_train * 255, IMAGES[:5])
    assert y_test.tolist() == [5, 6]


def test_a_compressed_bomb_is_not_unpacked(mini: Path) -> None:
    with zipfile.ZipFile(mini, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", bytes(50_000_000))
    with pytest.raises(FileError, match="unpacks to 50000000 bytes"):
        datasets.mnist()


def test_a_download_is_kept(
    mini: Path, server: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    mini.unlink()
    server(MINI)
    (first, _), _ = datasets.mnist()
    assert "downloading mnist.npz (once" in capsys.readouterr().err
    server(b"gone")
    (second, _), _ = datasets.mnist()
    np.testing.assert_array_equal(first, second)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "content",
    [b"", MINI[:-1], MINI + b"more", b"<html>" * 10_000],
    ids=["empty", "truncated", "longer", "page"],
)
def test_a_wrong_download_is_refused_and_not_kept(
    mini: Path, server: Callable[[bytes], None], content: bytes
) -> None:
    mini.unlink()
    server(content)
    with pytest.raises(FileError, match="cannot be downloaded"):
        datasets.mnist()
    server(MINI)
    (x_train, _), _ = datasets.mnist()
    assert len(x_train) == 5


def test_without_a_cache_the_data_still_come(
    mini: Path, server: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(mini))  # a file, not a directory
    monkeypatch.delenv("CHAINRULE_DATA")
    server(MINI)
    with pytest.warns(CacheWarning, match="cannot be used"):
        (x_train, _), _ = datasets.mnist()
    assert len(x_train) == 5


def test_without_a_network_the_error_says_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Remote("mnist.npz", "http://127.0.0.1:1/mnist.npz", 1, "")
    monkeypatch.setattr(datasets, "_MNIST", remote)
    with pytest.raises(FileError, match="cannot be downloaded") as caught:
        datasets.mnist()
    assert len(str(caught.value).splitlines()) == 3
    assert "CHAINRULE_DATA" in caught.value.hint


def test_digits_are_scaled_and_split(folder: Path) -> None:
    (x_train, y_train), (x_test, y_test) = datasets.digits(flat=True)
    assert (x_train.shape, x_test.shape) == ((1438, 64), (359, 64))
    assert (x_train.min(), x_train.max()) == (0, 1)
    assert set(y_train) == set(y_test) == set(range(10))


def test_the_split_is_always_the_same_and_loses_no_row(folder: Path) -> None:
    from sklearn.datasets import load_breast_cancer

    (x_train, y_train), (x_test, y_test) = datasets.breast_cancer(dtype=np.float64)
    again = datasets.breast_cancer(dtype=np.float64)[1]
    np.testing.assert_array_equal(x_test, again[0])
    np.testing.assert_array_equal(y_test, again[1])
    rows = np.vstack([np.column_stack([x_train, y_train]), np.column_stack([x_test, y_test])])
    every = load_breast_cancer()
    expected = np.column_stack([every.data, every.target])
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(expected, axis=0))
    assert rows.shape == expected.shape


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_the_folder_has_the_same_rows_as_scikit_learn(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn import datasets as bundled

    expected = getattr(datasets, name)()
    data = getattr(bundled, f"load_{name}")()
    x = data.data.astype(np.uint8) if name == "digits" else data.data
    arrays = {f"sk_{name}__X": x, f"sk_{name}__y": data.target.astype(np.int16)}
    (folder / "tabular.npz").write_bytes(packed(**arrays))
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for (x, y), (x_expected, y_expected) in zip(getattr(datasets, name)(), expected, strict=True):
        np.testing.assert_array_equal(x, x_expected)
        np.testing.assert_array_equal(y, y_expected)


def test_scikit_learn_is_read_without_its_import(folder: Path) -> None:
    code = "import chainrule as cr, sys; cr.datasets.digits(); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_rows_that_are_not_those_of_the_table_are_refused(tmp_path: Path) -> None:
    table = datasets._BREAST_CANCER_TABLE
    (tmp_path / "breast_cancer.csv").write_text("1,2,a,b\n1.5,2.5,0\n")
    with pytest.raises(FileError, match="is damaged, or is another file"):
        read_rows(tmp_path, table)
    (tmp_path / "breast_cancer.csv").write_text("1,2,a,b\n1.5,no number,0\n")
    with pytest.raises(FileError, match="cannot be read"):
        read_rows(tmp_path, table)


def test_without_scikit_learn_the_error_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UsageError, match="breast_cancer: scikit-learn is not installed") as caught:
        datasets.breast_cancer()
    assert len(str(caught.value).splitlines()) == 3
    assert caught.value.hint == "pip install scikit-learn"


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_shakespeare_is_cut_in_two(
    suffix: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"to be or not to be, " * 10
    digest = hashlib.sha256(text).hexdigest()
    remote = Remote("tinyshakespeare.txt", "http://127.0.0.1:1/", len(text), digest)
    monkeypatch.setattr(datasets, "_SHAKESPEARE", remote)
    path = folder / f"tinyshakespeare.txt{suffix}"
    path.write_bytes(gzip.compress(text) if suffix else text)
    train, test = datasets.tiny_shakespeare()
    assert (len(train), train + test) == (180, text.decode())


def test_a_truncated_text_is_refused(folder: Path) -> None:
    (folder / "tinyshakespeare.txt.gz").write_bytes(gzip.compress(b"to be" * 99)[:-9])
    with pytest.raises(FileError, match=r"tinyshakespeare\.txt\.gz cannot be read"):
        datasets.tiny_shakespeare()
