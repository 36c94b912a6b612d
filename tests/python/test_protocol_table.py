"""docs/protocol.md tells of each route, call, field and flag of Triton whether it works here. Each row is held by a probe against
real servers (protocol_*.py); a row without a probe fails, and so does a probe without a row."""

import pathlib
import shutil

import protocol_extensions  # noqa: F401
import protocol_flags
import protocol_grpc  # noqa: F401
import protocol_http  # noqa: F401
import protocol_management  # noqa: F401
import pytest
from protocol_bench import Bench
from protocol_table import PROBES, STATES, rows

ROWS = rows()
protocol_flags.register(ROWS)

# The options of tritonserver (server: src/command_line_parser.cc, 2.73), without the line of dashes before each.
TRITON_FLAGS = """
allow-client-shm allow-cpu-metrics allow-gpu-metrics allow-grpc allow-http allow-metrics allow-sagemaker allow-vertex-ai
backend-config backend-directory buffer-manager-thread-count cache-config cache-directory cuda-memory-pool-byte-size
cuda-virtual-address-size disable-auto-complete-config enable-peer-access exit-on-error exit-timeout-secs grpc-address
grpc-header-forward-pattern grpc-http2-max-ping-strikes grpc-http2-max-pings-without-data
grpc-http2-min-recv-ping-interval-without-data grpc-infer-allocation-pool-size grpc-infer-response-compression-level
grpc-infer-thread-count grpc-keepalive-permit-without-calls grpc-keepalive-time grpc-keepalive-timeout
grpc-max-connection-age grpc-max-connection-age-grace grpc-max-response-pool-size grpc-port grpc-restricted-protocol
grpc-root-cert grpc-server-cert grpc-server-key grpc-use-ssl grpc-use-ssl-mutual help host-policy http-address
http-header-forward-pattern http-max-input-size http-port http-restricted-api http-thread-count id load-model log-error
log-file log-format log-info log-verbose log-warning metrics-address metrics-config metrics-interval-ms metrics-port
min-supported-compute-capability model-config-name model-control-mode model-load-gpu-limit model-load-retry-count
model-load-thread-count model-namespacing model-repository model-store pinned-memory-pool-byte-size rate-limit
rate-limit-resource repoagent-directory repository-poll-secs response-cache-byte-size reuse-grpc-port reuse-http-port
sagemaker-port sagemaker-safe-port-range sagemaker-thread-count strict-model-config strict-readiness trace-config
trace-count trace-file trace-level trace-log-frequency trace-rate vertex-ai-default-model vertex-ai-port
vertex-ai-thread-count
""".split()


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The servers that the probes look at."""
    if shutil.which("cc") is None:
        pytest.fail("a C compiler (cc, or $CC) is needed for the backend that tells what it was asked")
    made = Bench(pathlib.Path(tmp_path_factory.mktemp("protocol")))
    yield made
    made.close()


def test_every_row_has_a_probe_and_every_probe_a_row():
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)), "a row stands twice"
    assert set(names) - set(PROBES) == set(), "rows without a probe"
    assert set(PROBES) - set(names) == set(), "probes without a row"


def test_every_flag_of_triton_is_a_row():
    assert len(TRITON_FLAGS) == 91
    flags = {row.name.strip("`").removeprefix("--") for row in ROWS if row.name.startswith("`--")}
    assert flags == set(TRITON_FLAGS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(bench, row):
    assert row.state in STATES
    assert row.note or row.state == "works", "what differs, or is not there, has a reason"
    probe = PROBES[row.name]
    assert probe.state == row.state
    probe.check(bench, row.name)
