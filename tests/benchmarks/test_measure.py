"""Processes that train are compared before they are timed, and what was seen becomes tables."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks import __main__, peak
from benchmarks.cpu import command, curves, picture, report
from benchmarks.cpu.measure import Settings, measure, timed
from benchmarks.cpu.process import Worker, WorkerError
from benchmarks.cpu.runners import OWN
from benchmarks.cpu.workloads import Workload
from tests.benchmarks.tiny import TINY

SETTINGS = Settings({"chainrule": sys.executable}, [OWN], [1], rounds=2, seconds=0.001)


def test_a_workload_is_measured_in_processes_of_its_own() -> None:
    (row,) = measure(TINY[0], SETTINGS)
    own = row["runners"][OWN]
    assert "error" not in own
    assert len(own["rounds"]) == 2
    assert 0 < own["minimum"] <= own["median"]
    assert own["warm"] < own["cold"]
    assert 0 < own["imported"] < own["megabytes"]


def test_a_worker_that_ends_says_why(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"No such file.*missing"):
        Worker(OWN, TINY[0], str(tmp_path / "missing"), str(tmp_path), sys.executable, 1)


class Told:
    """Stands for a worker that takes a second for an epoch."""

    first, imported = 1.0, 10.0

    def __init__(self, runner: str, loss: float) -> None:
        self.runner, self.loss = runner, loss

    def steps(self, count: int) -> list[float]:
        return [self.loss] * (count + 1)

    def epochs(self, count: int) -> list[float]:
        return [1.0] * count

    def peak(self) -> float:
        return 30.0


def test_other_work_is_not_timed() -> None:
    workers: list[Any] = [Told(OWN, 1.0), Told("torch-eager", 1.00002), Told("jax-scan", 1.01)]
    seen = timed(TINY[0], workers, SETTINGS)
    assert seen[OWN]["median"] == seen["torch-eager"]["minimum"] == 1e6 / TINY[0].batches
    assert seen["jax-scan"]["error"] == "losses differ by 1.0e-02"
    assert "median" not in seen["jax-scan"]


@pytest.fixture
def seen() -> dict[str, Any]:
    """A report in which our step takes 100 microseconds, half of them at the machine's peak."""
    own = {"median": 110.0, "minimum": 100.0, "cold": 0.5, "warm": 0.2}
    own |= {"megabytes": 90.0, "imported": 50.0}
    peers = {
        "torch-eager": {**own, "median": 330.0, "minimum": 200.0, "cold": 3.0},
        "jax-scan": {**own, "median": 440.0, "minimum": 400.0, "cold": 0.4},
        "jax-step": {"difference": 0.1, "error": "losses differ by 1.0e-01", "cold": 0.6},
    }
    row = {"workload": {"name": "net"}, "flops": 50_000, "bytes": 1000, "threads": 1}
    return {
        "machine": {"processor": "A", "cores": 1},
        "dtype": "float32",
        "runners": [OWN, "torch-eager", "jax-scan", "jax-step"],
        "peaks": {"1": {"flops": 1e9, "bandwidth": {"100": 1e9, "2000": 1e8}}},
        "rows": [{**row, "runners": {OWN: own, **peers}}],
    }


def test_the_ratio_is_to_the_best_peer(seen: dict[str, Any]) -> None:
    head, cells = report.steps(seen)
    told = dict(zip(head, cells, strict=True))
    assert told["torch-eager"] == "330 (200)"
    assert told["jax-step"] == "differs"
    assert told["ratio"] == "3.00 (2.00)"
    assert told["GFLOP/s"] == "0.5"
    assert told["of peak"] == "50%"
    assert told["of roofline"] == "60%"  # and 10 microseconds for the bytes


def test_starts_are_beside_the_best_peers(seen: dict[str, Any]) -> None:
    head, cells = report.starts(seen)
    told = dict(zip(head, cells, strict=True))
    assert told["cold: chainrule"] == "0.50"
    assert told["cold: best peer"] == "0.40 jax-scan"
    assert told["MB after imports: chainrule"] == "40.0"


def test_a_table_in_markdown(seen: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    command.tell(seen, markdown=True)
    text = capsys.readouterr().out
    assert (
        "A, 1 cores, float32. 1 thread: 1 GFLOP/s, copies 1 (in the first cache) to 0 GB/s" in text
    )
    assert re.search(r"^\| net \| 1 \| 110 \(100\) \|", text, re.MULTILINE)
    assert "net, jax-step, 1 threads: losses differ" in text


def test_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "seen.json"
    given = "benchmarks cpu --only mlp-8-16-1 --peers --threads 1 --rounds 1 --seconds 0.01 --json"
    monkeypatch.setattr(sys, "argv", [*given.split(), str(path)])
    __main__.main()
    assert "mlp-8-16-1" in capsys.readouterr().out
    assert json.loads(path.read_text())["rows"][0]["runners"][OWN]["median"] > 0


@pytest.mark.parametrize("curved", [False, True])
def test_a_picture(seen: dict[str, Any], curved: bool, tmp_path: Path) -> None:
    if curved:
        rows = [{**row, "at": at} for row in seen["rows"] for at in (1, 10)]
        seen = {**seen, "rows": [], "curves": {"width": rows, "depth": rows}}
    path = tmp_path / "seen.png"
    picture.draw(seen, str(path))
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("begun", [False, True])
def test_what_a_run_wrote_that_was_stopped(
    seen: dict[str, Any], begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, drawn = tmp_path / "seen.json", tmp_path / "seen.png"
    width = [{**row, "at": 16} for row in seen["rows"] if begun]
    file.write_text(json.dumps({**seen, "rows": [], "curves": {"width": width, "depth": []}}))
    given = ["benchmarks", "cpu", "--read", str(file), "--plot", str(drawn)]
    monkeypatch.setattr(sys, "argv", given)
    __main__.main()
    assert drawn.exists() is begun


def test_curves_are_beside_the_best_peer(
    seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = seen["rows"]
    command.tell({**seen, "rows": [], "curves": {"width": [{**row, "at": 16}]}}, markdown=True)
    text = capsys.readouterr().out
    assert "| 16 | 1 | 110 (100) | 330 (200) torch-eager | 2.00 |" in text
    assert "net, jax-step, 1 threads: losses differ" in text


def test_a_curve_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny: dict[int, Workload] = {3: TINY[0]}
    monkeypatch.setitem(curves.CURVES, "width", tiny)
    path = tmp_path / "seen.json"
    given = "benchmarks cpu --curves width --peers --threads 1 --rounds 1 --seconds 0.01 --json"
    monkeypatch.setattr(sys, "argv", [*given.split(), str(path)])
    __main__.main()
    text = capsys.readouterr().out
    (row,) = json.loads(path.read_text())["curves"]["width"]
    assert row["at"] == 3
    assert row["runners"][OWN]["median"] > 0
    assert "cold" not in row["runners"][OWN]
    monkeypatch.setattr(sys, "argv", ["benchmarks", "cpu", "--read", str(path)])
    __main__.main()
    assert capsys.readouterr().out == text


@pytest.mark.parametrize(
    "given", ["--only nothing", "--peers nothing", "--peer nothing", "--curves nothing"]
)
def test_what_is_not_there(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "cpu", *given.split()])
    with pytest.raises(SystemExit):
        __main__.main()
    assert "'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given",
    [
        "--threads 0",
        "--rounds -1",
        "--rounds 1.5",
        "--seconds nan",
        "--seconds 0",
        "--seconds soon",
        "--json /nowhere/seen.json",
        "--plot /",
        "--read /nowhere",
        "--peer jax=/nowhere",
    ],
)
def test_an_option_that_is_wrong_is_told_at_once(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "cpu", *given.split()])
    with pytest.raises(SystemExit):
        __main__.main()
    told = capsys.readouterr().err.splitlines()[-1]
    option, value = given.split()
    assert f"argument {option}" in told
    assert value.rpartition("=")[2] in told


def test_copies_have_a_speed() -> None:
    assert 1e7 < peak.bandwidth(1, 1 << 15) < 1e13
    assert 1e7 < peak.bandwidth(2, 1 << 19) < 1e13
