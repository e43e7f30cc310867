"""Model files: one safetensors file whose metadata hold the configuration and a checksum.

Nothing in a file is executed and no name in it becomes a path. safetensors itself neither checks
sums nor syncs: a third of randomly changed files would load as other numbers.
"""

from __future__ import annotations

import hashlib
import json
import keyword
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from chainrule.compiler.errors import DTypeError, FileError, UnknownNameError, UsageError
from chainrule.compiler.types import DTYPES

from .files import replace_file

FORMAT = 1
_KEY, _SUM = "chainrule", "sha256"


def save(
    path: str | os.PathLike[str],
    arrays: Mapping[str, npt.NDArray[Any]],
    config: Mapping[str, Any],
) -> None:
    """Write arrays and configuration to one file, whole or not at all.

    The file is written beside the old one, flushed to the disk and renamed, so that a full disk or
    a power cut leaves the old file as it was.

    Args:
        path: the file; one that exists is replaced.
        arrays: by name, of the dtypes that programs know.
        config: anything that JSON can say.

    Raises:
        FileError: the file cannot be written.
        UnknownNameError: a name that is not an identifier.
        DTypeError: an array that no program has.
        UsageError: a configuration that JSON cannot say.
    """
    from safetensors.numpy import save as serialize

    tensors: dict[str, npt.NDArray[Any]] = {}
    for name, array in arrays.items():
        if not _is_name(name):
            raise UnknownNameError(
                f"an array cannot be called {name!r}", "expected an identifier", "rename it"
            )
        if array.dtype.name not in DTYPES:
            raise DTypeError(
                f"array {name!r} cannot be saved",
                f"expected {', '.join(DTYPES)}, got {array.dtype}",
                "convert it first",
            )
        tensors[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    try:
        text = json.dumps({"format": FORMAT, "config": config}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            "the configuration cannot be saved",
            str(error),
            "use text, finite numbers, lists and dictionaries",
        ) from error
    blob = serialize(tensors, metadata={_KEY: text, _SUM: _digest(text, tensors)})
    try:
        replace_file(Path(os.path.realpath(path)), blob, 0o666)
    except OSError as error:
        raise FileError(
            f"cannot write {os.fspath(path)}",
            error.strerror or str(error),
            "a file that was there before is unchanged",
        ) from error


def load(path: str | os.PathLike[str]) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """What `save` wrote.

    Args:
        path: the file.

    Returns:
        The arrays by name, writable and in C order, and the configuration.

    Raises:
        FileError: the file is missing, truncated, corrupted, not a model, or of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        # Read first: a missing or unreadable file is the system's error, and says so best.
        with open(path, "rb") as file:
            file.read(1)
        with safe_open(path, framework="numpy") as handle:
            metadata = handle.metadata() or {}
            config = _config(path, metadata)
            arrays = {name: _writable(handle.get_tensor(name)) for name in handle.keys()}
    except OSError as error:
        _refuse(path, "cannot be read", error.strerror or str(error), "check the path")
    except FileError:
        raise
    except (SafetensorError, TypeError, ValueError, KeyError, AttributeError) as error:
        _corrupt(path, f"not a whole safetensors file: {str(error).splitlines()[0]}", error)
    for name, array in arrays.items():
        if not _is_name(name):
            _corrupt(path, f"an array is called {name!r}, which is not an identifier")
        if array.dtype.name not in DTYPES:
            _corrupt(path, f"array {name!r} has dtype {array.dtype}, which no program has")
    if metadata.get(_SUM) != _digest(metadata[_KEY], arrays):
        _corrupt(path, "the checksum does not fit the content")
    return arrays, config


def _config(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> dict[str, Any]:
    """The configuration, if this is a file of ours that we can read."""
    if _KEY not in metadata:
        _refuse(
            path,
            "is not a chainrule model",
            "it is a safetensors file without our metadata",
            "pass a file written by model.save",
        )
    try:
        data = json.loads(metadata[_KEY], parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _corrupt(path, "its configuration is not JSON", error)
    if not isinstance(data, dict) or not isinstance(data.get("config"), dict):
        _corrupt(path, "its configuration is not a dictionary")
    if data.get("format") != FORMAT:
        _refuse(
            path,
            "has a format that this version cannot read",
            f"expected format {FORMAT}, got {data.get('format')!r}",
            "a newer chainrule wrote it, or it is corrupted",
        )
    config: dict[str, Any] = data["config"]
    return config


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _digest(text: str, tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 over the metadata and over name, type, shape and bytes of each array."""
    digest = hashlib.sha256()
    # JSON ends where it ends, so no two contents share one stream of bytes.
    digest.update(json.dumps(text).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _is_name(name: object) -> bool:
    """Identifiers, possibly joined by dots: nothing that could be a path or a dunder."""
    return isinstance(name, str) and all(
        part.isidentifier() and not keyword.iskeyword(part) and not part.startswith("__")
        for part in name.split(".")
    )


def _writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.require(array, requirements=["C", "W", "A"])


def _corrupt(
    path: str | os.PathLike[str], detail: str, cause: BaseException | None = None
) -> NoReturn:
    _refuse(path, "is truncated or corrupted", detail, "copy it again, or save it again", cause)


def _refuse(
    path: str | os.PathLike[str],
    what: str,
    detail: str,
    hint: str,
    cause: BaseException | None = None,
) -> NoReturn:
    raise FileError(f"{os.fspath(path)} {what}", detail, hint) from cause
