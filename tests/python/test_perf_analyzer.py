"""NVIDIA's perf_analyzer drives `simple` with no option that Triton would not need."""

import csv
import subprocess

import perf_analyzer
import pytest


@pytest.fixture(scope="session")
def binary():
    return perf_analyzer.binary()


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_drives_simple(server, binary, protocol, concurrency, tmp_path, capsys):
    report = tmp_path / "report.csv"
    run = subprocess.run(
        [
            *(binary, "-m", "simple", "-i", protocol, "-u", getattr(server, protocol)),
            # Short windows: this shows that it works, not how fast.
            *("--concurrency-range", f"{concurrency}", "--measurement-interval", "500", "--max-trials", "3"),
            *("--stability-percentage", "999", "-f", report),
        ],
        env=perf_analyzer.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout
    with report.open() as file:
        [row] = csv.DictReader(file)
    throughput = float(row["Inferences/Second"])
    with capsys.disabled():
        print(f"\nperf_analyzer, {protocol}, concurrency {concurrency}: {throughput:.0f} infer/s", flush=True)
    assert int(row["Concurrency"]) == concurrency
    assert throughput > 0, run.stdout
