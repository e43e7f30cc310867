"""Versions are those that the package index's metadata say."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from chainrule.runtime.cache import SHAPED_BY
from chainrule.runtime.versions import version


@pytest.mark.parametrize("package", SHAPED_BY)
def test_the_version_is_the_one_in_the_metadata(package: str) -> None:
    assert version(package) == metadata.version(package)


def test_the_first_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("3.1", "2.0"):
        (tmp_path / number / f"made_up-{number}.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "3.1"), str(tmp_path / "2.0")])
    assert version("made_up") == "3.1"


def test_what_is_not_installed_has_no_version() -> None:
    assert version("surely-not-installed") == "-"
