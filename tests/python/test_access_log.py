"""The access log: a line of JSON for each call over both protocols, with what became of it."""

import json
import queue

import httpx
import pytest
import tritonclient.grpc as grpcclient
from hippocamp_server import GOLDEN, Server
from tensors import SUM_AND_DIFFERENCE, inputs_for
from tritonclient.utils import InferenceServerException
from waiting import until

LIMIT_S = 30
INFER = {
    "inputs": [
        {"name": name, "shape": [1, 16], "datatype": "INT32", "data": array.ravel().tolist()}
        for name, array in SUM_AND_DIFFERENCE.items()
    ]
}


class Logged:
    """A server, and what it has written since somebody looked."""

    def __init__(self, file):
        self.file = file
        self.server = Server(GOLDEN / "model_repository", f"--access-log={file}")
        self.seen = 0

    def next(self, count=1):
        """The next lines: at most one of them may be late by the statistics of its backend."""
        until(lambda: len(self.lines()) >= self.seen + count)
        lines = self.lines()[self.seen :]
        self.seen += len(lines)
        assert len(lines) == count, lines
        return lines if count > 1 else lines[0]

    def lines(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@pytest.fixture
def logged(tmp_path):
    logged = Logged(tmp_path / "access.log")
    yield logged
    assert logged.server.stop() == 0, logged.server.log()


def pick(line, *names):
    return [line.get(name) for name in names]


def test_http_calls(logged):
    url = f"http://{logged.server.http}/v2"
    plain = {"accept-encoding": "identity"}
    answer = httpx.post(f"{url}/models/simple/infer", json={"id": "mine", **INFER}, headers=plain, timeout=LIMIT_S)
    line = logged.next()
    assert pick(line, "protocol", "method", "path") == ["http", "POST", "/v2/models/simple/infer"]
    assert pick(line, "status", "id", "model", "version", "batch_size") == [200, "mine", "simple", 1, 1]
    assert line["peer"].startswith("127.0.0.1:") and line["time"].endswith("Z")
    assert line["response_bytes"] == len(answer.content) and line["request_bytes"] > 100
    assert line["compute_us"] > 0 and line["duration_us"] > 0 and line["queue_us"] >= 0

    httpx.post(f"{url}/models/ensemble_simple/versions/1/infer", json=INFER, timeout=LIMIT_S)
    line = logged.next()
    assert pick(line, "status", "model", "version") == [200, "ensemble_simple", 1]
    assert line["compute_us"] > 0, "the sum of its steps"

    missing = httpx.get(f"{url}/models/missing", headers={"x-request-id": "looked-for"}, timeout=LIMIT_S)
    line = logged.next()
    assert pick(line, "method", "status", "id", "model") == ["GET", missing.status_code, "looked-for", None]

    wrong = httpx.post(f"{url}/models/simple/infer", json={"inputs": []}, timeout=LIMIT_S)
    line = logged.next()
    assert pick(line, "status", "id", "compute_us") == [400, wrong.headers["x-request-id"], None]


def test_grpc_calls(logged):
    with grpcclient.InferenceServerClient(logged.server.grpc) as client:
        client.infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE), request_id="mine")
        line = logged.next()
        assert pick(line, "protocol", "path") == ["grpc", "/inference.GRPCInferenceService/ModelInfer"]
        assert pick(line, "status", "id", "model", "version", "batch_size") == [0, "mine", "simple", 1, 1]
        assert line["compute_us"] > 0 and line["peer"].startswith("127.0.0.1:")

        with pytest.raises(InferenceServerException):
            client.get_model_metadata("missing")
        line = logged.next()
        assert line["status"] != 0 and line["id"] and "model" not in line

        results = queue.Queue()
        client.start_stream(lambda result, error: results.put((result, error)))
        client.async_stream_infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE), request_id="first")
        client.async_stream_infer("missing", inputs_for(grpcclient, SUM_AND_DIFFERENCE), request_id="second")
        for _ in range(2):
            results.get(timeout=LIMIT_S)
        lines = {line["id"]: line for line in logged.next(2)}
        assert pick(lines["first"], "status", "model") == [0, "simple"]
        assert lines["second"]["status"] != 0 and lines["second"]["model"] == "missing"
        client.stop_stream()


def test_a_log_that_is_moved_away_is_made_anew(logged):
    url = f"http://{logged.server.http}/v2/health/live"
    httpx.get(url, timeout=LIMIT_S)
    until(lambda: logged.file.read_text())
    logged.file.rename(logged.file.with_suffix(".1"))
    httpx.get(url, timeout=LIMIT_S)
    until(lambda: logged.file.exists() and "health/live" in logged.file.read_text())


def test_the_last_lines_are_written_at_the_end(tmp_path):
    file = tmp_path / "access.log"
    server = Server(GOLDEN / "model_repository", f"--access-log={file}")
    for _ in range(100):
        httpx.get(f"http://{server.http}/v2/health/live", timeout=LIMIT_S)
    assert server.stop() == 0
    assert len(file.read_text().splitlines()) == 100
