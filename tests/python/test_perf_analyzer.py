"""NVIDIA's perf_analyzer drives the golden models with no option that Triton would not need."""

import csv
import subprocess

import perf_analyzer
import pytest
from hippocamp_server import GOLDEN, Server

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="session")
def binary():
    return perf_analyzer.binary()


@pytest.fixture
def drive(binary, tmp_path, capsys):
    """Runs perf_analyzer against an address; returns what it reports, as the rows of its table, and says."""

    def run(protocol, address, *arguments):
        report = tmp_path / "report.csv"
        finished = subprocess.run(
            [
                *(binary, "-i", protocol, "-u", address, "-f", report),
                # Short windows: this shows that it works, not how fast.
                *("--measurement-interval", "1000", "--max-trials", "3", "--stability-percentage", "999"),
                *arguments,
            ],
            env=perf_analyzer.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stdout
        with report.open() as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            assert float(row["Inferences/Second"]) > 0, finished.stdout
        with capsys.disabled():
            rates = ", ".join(f"{float(row['Inferences/Second']):.0f}" for row in rows)
            print(f"\nperf_analyzer, {protocol} {' '.join(arguments)}: {rates} infer/s", flush=True)
        return rows, finished.stdout

    return run


@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_drives_simple(server, drive, protocol, concurrency):
    [row], _ = drive(protocol, getattr(server, protocol), "-m", "simple", "--concurrency-range", f"{concurrency}")
    assert int(row["Concurrency"]) == concurrency


@pytest.mark.parametrize("model", ["simple", "identity_bytes"])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_system_shared_memory(drive, protocol, model):
    running = Server(GOLDEN / "model_repository", "--allow-client-shm=true")
    shape = ("--shape", "INPUT0:16") if model == "identity_bytes" else ()
    arguments = ("-m", model, *shape, "--concurrency-range", "4", "--shared-memory", "system")
    drive(protocol, getattr(running, protocol), *arguments, "--output-shared-memory-size", "4096")
    assert running.stop() == 0, running.log()


def test_streaming(server, drive):
    [row], _ = drive("grpc", server.grpc, "-m", "simple", "--streaming", "--concurrency-range", "4")
    assert int(row["Concurrency"]) == 4


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_request_rates(server, drive, protocol):
    rows, _ = drive(protocol, getattr(server, protocol), "-m", "simple", "--request-rate-range", "50:100:50")
    assert [float(row["Request Rate"]) for row in rows] == [50, 100]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_collects_metrics(server, drive, protocol):
    url = f"http://{server.metrics}/metrics"
    arguments = ("-m", "simple", "--concurrency-range", "2", "--collect-metrics", "--metrics-url", url)
    drive(protocol, getattr(server, protocol), *arguments, "--metrics-interval", "100", "--verbose-csv")
