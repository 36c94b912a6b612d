"""The recorded answers of the real Triton, replayed: tests/golden/README.md."""

import subprocess
import sys

from hippocamp_server import GOLDEN, ROOT


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


def test_http(fresh_server, capsys):
    show(capsys, "HTTP", replay("--http", fresh_server.http))


def test_grpc(fresh_server, capsys):
    show(capsys, "gRPC", replay("--grpc", fresh_server.grpc))


def test_both_protocols_on_one_server(fresh_server, capsys):
    show(capsys, "both", replay("--http", fresh_server.http, "--grpc", fresh_server.grpc))


def test_explicit_sequence(explicit_server, capsys):
    show(capsys, "explicit", replay("--http", explicit_server.http, "--explicit"))
