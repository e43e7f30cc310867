"""Cache directories that cannot be used or trusted: one warning, and a fit that works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FIT = """
import warnings
import numpy as np
import chainrule as cr

x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
model = cr.Sequential([cr.Input((4,)), cr.Dense(3, activation="tanh"), cr.Dense(1)], seed=0)
model.compile("mse", "sgd")
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    model.fit(x, x[:, :1], epochs=2, validation_split=0.2, seed=0, verbose=0)
    model.predict(x)
print(len(seen), *[str(w.message).replace("\\n", " ") for w in seen], sep="\\n")
print(repr(model.history.history["loss"]))
"""


def trained(cache: str, user: int | None = None, before: str = "") -> list[str]:
    """What a fit prints, in a process with this cache: warnings, then the losses."""
    environment = {**os.environ, "CHAINRULE_CACHE_DIR": cache, "TMPDIR": "/tmp"}
    done = subprocess.run(
        [sys.executable, "-c", before + FIT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        user=user,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache with the programs of the fit, and the losses."""
    cache = tmp_path_factory.mktemp("warm") / "cache"
    count, losses = trained(str(cache))
    assert count == "0"
    return cache, losses


FULL = """
import os
write = os.open
def full(path, flags, *rest, **options):
    if flags & os.O_CREAT and "cache" in str(path):
        raise OSError(28, "No space left on device")
    return write(path, flags, *rest, **options)
os.open = full
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize("case", ["file", "open to all", "another user's", "full", "read-only"])
def test_a_cache_that_cannot_be_used(case: str, tmp_path: Path, warm: tuple[Path, str]) -> None:
    """One warning that says why, and everything works as it does with a cache."""
    place, before = tmp_path / "cache", ""
    if case == "file":
        place.write_text("not a folder")
    else:
        place.mkdir(mode=0o700)
    if case == "open to all":
        place.chmod(0o777)
    elif case == "another user's":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        os.chown(place, 12345, 12345)
    elif case == "full":
        before = FULL
    elif case == "read-only":
        if os.geteuid() == 0:  # who may write everywhere
            before = "import os\nos.access = lambda *_, **__: False\n"
        place.chmod(0o500)
    count, warning, losses = trained(str(place), before=before)
    assert count == "1"
    assert "cache" in warning
    assert "working without it" in warning
    assert losses == warm[1]


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "zeros", "empty", "foreign"])
def test_a_poisoned_cache(damage: str, warm: tuple[Path, str], tmp_path: Path) -> None:
    """What was damaged is made again; nothing in it is executed."""
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    files = [path for path in warm[0].iterdir() if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".o", ".py"}
    for path in files:
        content = path.read_bytes()
        content = {
            "truncated": content[: len(content) // 2],
            "zeros": bytes(len(content)),
            "empty": b"",
            "foreign": b"import os; os.mkdir('executed')\n",
        }[damage]
        (place / path.name).write_bytes(content)
        (place / path.name).chmod(0o600)
    *told_, losses = trained(str(place), before=f"import os; os.chdir({str(tmp_path)!r})\n")
    assert losses == warm[1]
    assert all("damaged" in line for line in told_[1:])
    assert not (tmp_path / "executed").exists()
    assert trained(str(place)) == ["0", losses]
