"""The recorded answers of the real Triton, replayed: tests/golden/README.md."""

import subprocess
import sys

import pytest
from hippocamp_server import GOLDEN, ROOT, Server


@pytest.fixture
def golden_server():
    """A server that has answered nothing yet and, as every Triton 2.51, takes shared memory of clients."""
    running = Server(GOLDEN / "model_repository", "--allow-client-shm")
    yield running
    assert running.stop() == 0, f"unclean end; its log:\n{running.log()}"


def replay(*arguments: str) -> str:
    """Runs replay.py, shows what it says, and returns the counts."""
    run = subprocess.run(
        [sys.executable, GOLDEN / "replay.py", "--expect-different", ROOT / "docs" / "compatibility.md", "-v", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    print(run.stdout, run.stderr, sep="")
    assert run.returncode == 0, "answers differ from Triton's and from docs/compatibility.md"
    return run.stdout.strip().splitlines()[-1]


def show(capsys, what: str, counts: str) -> None:
    with capsys.disabled():
        print(f"\ngolden, {what}: {counts}", flush=True)


def test_http(golden_server, capsys):
    show(capsys, "HTTP", replay("--http", golden_server.http))


def test_grpc(golden_server, capsys):
    show(capsys, "gRPC", replay("--grpc", golden_server.grpc))


def test_both_protocols_on_one_server(golden_server, capsys):
    show(capsys, "both", replay("--http", golden_server.http, "--grpc", golden_server.grpc))


def test_explicit_sequence(explicit_server, capsys):
    show(capsys, "explicit", replay("--http", explicit_server.http, "--explicit"))
