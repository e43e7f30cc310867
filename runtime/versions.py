"""Which versions of packages are installed, found without importing anything large."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path


@cache
def version(package: str) -> str:
    """The version of an installed package; a dash if there is none.

    The folder of its metadata is named after it. Only where there is no such folder is
    `importlib.metadata` asked, whose import takes longer than most programs take to start.
    """
    for folder in sys.path:
        for path in Path(folder).glob(f"{package}-*.dist-info"):
            return path.name.removesuffix(".dist-info").removeprefix(f"{package}-")
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "-"
