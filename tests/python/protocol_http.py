"""Probes of the table in docs/protocol.md: the routes of Triton's HTTP front-end."""

import base64
import json
import os
import socket
import struct

from hippocamp_server import GOLDEN
from protocol_bench import call
from protocol_table import differs, not_offered, works

SIMPLE = [("INPUT0", "INT32", [1, 16], list(range(16))), ("INPUT1", "INT32", [1, 16], [1] * 16)]
SUM = [number + 1 for number in range(16)]


@differs("`GET /v2/health/live`")
def live(bench, _):
    assert bench.get("/v2/health/live") == {"live": True}


@differs("`GET /v2/health/ready`")
def ready(bench, _):
    assert bench.get("/v2/health/ready") == {"ready": True}
    # Not ready is 400, as in Triton: one model failed, and readiness is strict.
    broken = bench.directory / "broken"
    (broken / "wrong" / "1").mkdir(parents=True)
    (broken / "wrong" / "config.pbtxt").write_text('backend: "no_such_backend"')
    server = bench.other("--exit-on-error=false", repository=broken)
    assert call(server.http, "GET", "/v2/health/ready").status == 400
    assert call(server.http, "GET", "/v2/health/live").status == 200


@works("`GET /v2`")
def server_metadata(bench, _):
    told = bench.get("/v2")
    assert set(told) == {"name", "version", "extensions"} and told["name"] == "triton"
    assert "binary_tensor_data" in told["extensions"] and "trace" in told["extensions"]


@works("`GET /v2/models/M[/versions/V]`")
def model_metadata(bench, _):
    for path in ("/v2/models/simple", "/v2/models/simple/versions/1"):
        told = bench.get(path)
        assert (told["name"], told["versions"], told["platform"]) == ("simple", ["1"], "onnxruntime_onnx")
        assert told["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}
        assert [output["name"] for output in told["outputs"]] == ["OUTPUT0", "OUTPUT1"]
    unknown = bench.call("GET", "/v2/models/nope")
    assert unknown.status == 404 and "'nope' is not found" in unknown.error


@differs("`GET /v2/models/M[/versions/V]/ready`")
def model_ready(bench, _):
    for path in ("/v2/models/simple/ready", "/v2/models/simple/versions/1/ready"):
        assert bench.get(path) == {"name": "simple", "ready": True}
    assert bench.call("GET", "/v2/models/simple/versions/9/ready").status == 400


@works("`GET /v2/models/M[/versions/V]/config`")
def model_config(bench, _):
    for path in ("/v2/models/simple/config", "/v2/models/simple/versions/1/config"):
        told = bench.get(path)
        assert (told["name"], told["max_batch_size"]) == ("simple", 8)
        assert told["input"][0]["data_type"] == "TYPE_INT32"
        # 64-bit fields are numbers, not the strings of protobuf's JSON.
        assert told["input"][0]["dims"] == [16]


@works("`GET /v2/models/stats`", "`GET /v2/models/M[/versions/V]/stats`")
def statistics(bench, name):
    if "M" in name:
        for path in ("/v2/models/simple/stats", "/v2/models/simple/versions/1/stats"):
            assert [model["name"] for model in bench.get(path)["model_stats"]] == ["simple"]
    else:
        assert {"simple", "repeat"} <= {model["name"] for model in bench.get("/v2/models/stats")["model_stats"]}


@works("`POST /v2/models/M[/versions/V]/infer`")
def infer(bench, _):
    body = {"inputs": [dict(zip(("name", "datatype", "shape", "data"), one)) for one in SIMPLE]}
    for path in ("/v2/models/simple/infer", "/v2/models/simple/versions/1/infer"):
        told = bench.call("POST", path, body).json
        assert (told["model_name"], told["model_version"]) == ("simple", "1")
        assert {output["name"]: output["data"] for output in told["outputs"]}["OUTPUT0"] == SUM
    decoupled = bench.infer("repeat", [("IN", "INT32", [1], [1]), ("DELAY", "UINT32", [1], [0]), ("WAIT", "UINT32", [1], [0])])
    assert (decoupled.status, decoupled.error) == (
        501,
        "HTTP end point doesn't support models with decoupled transaction policy",
    )


@works("`POST /v2/models/M[/versions/V]/generate`")
def generate(bench, _):
    for path in ("/v2/models/identity_bytes/generate", "/v2/models/identity_bytes/versions/1/generate"):
        assert bench.call("POST", path, {"INPUT0": "moon"}).json["OUTPUT0"] == "moon"


@works("`POST /v2/models/M[/versions/V]/generate_stream`")
def generate_stream(bench, _):
    body = {"IN": [4, 2], "DELAY": [0, 0], "WAIT": 0}
    for path in ("/v2/models/repeat/generate_stream", "/v2/models/repeat/versions/1/generate_stream"):
        answer = bench.call("POST", path, body)
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = [json.loads(line.removeprefix("data: ")) for line in answer.body.decode().split("\n\n") if line]
        assert [event["OUT"] for event in events] == [4, 2]


@works("`GET /v2/logging`", "`POST /v2/logging`")
def logging(bench, name):
    before = bench.get("/v2/logging")
    assert set(before) == {
        "log_file",
        "log_info",
        "log_warning",
        "log_error",
        "log_verbose_level",
        "log_format",
    }
    if "POST" in name:
        answer = bench.call("POST", "/v2/logging", {"log_verbose_level": 0})
        assert answer.status == 200 and answer.json == before


@works("`POST /v2/repository/index`", "`POST /v2/repository/R/index`")
def index(bench, name):
    path = name.strip("`").removeprefix("POST ")
    listed = {model["name"]: model for model in bench.call("POST", path, {}).json}
    assert listed["simple"] == {"name": "simple", "version": "1", "state": "READY"}
    assert bench.call("POST", path).status == 200, "the body may be left out"


@works("`POST /v2/repository/models/M/load`", "`POST /v2/repository/models/M/unload`")
def load_and_unload(bench, name):
    def state():
        return bench.call("GET", "/v2/models/identity_fp16/ready").status

    assert bench.call("POST", "/v2/repository/models/identity_fp16/unload").status == 200
    assert state() == 400
    answer = bench.call("POST", "/v2/repository/models/identity_fp16/load", {})
    assert (answer.status, answer.body) == (200, b"")
    assert state() == 200


@works("`POST /v2/repository/R/models/M/load`", "`POST /v2/repository/R/models/M/unload`")
def named_repository(bench, name):
    path = name.strip("`").removeprefix("POST ")
    answer = bench.call("POST", path)
    assert (answer.status, answer.error) == (501, "'repository_name' specification is not supported")


@works(
    "`GET /v2/systemsharedmemory[/region/R]/status`",
    "`POST /v2/systemsharedmemory/region/R/register`",
    "`POST /v2/systemsharedmemory[/region/R]/unregister`",
)
def system_shared_memory(bench, _):
    key = f"hippocamp_table_{os.getpid()}"
    with open(f"/dev/shm/{key}", "wb") as made:
        made.write(struct.pack("<2f", 1.5, -2.0) + bytes(56))
    try:
        region = "/v2/systemsharedmemory/region/r"
        answer = bench.call("POST", f"{region}/register", {"key": f"/{key}", "offset": 0, "byte_size": 64})
        assert (answer.status, answer.body) == (200, b"")
        expected = [{"name": "r", "key": f"/{key}", "offset": 0, "byte_size": 64}]
        assert bench.get("/v2/systemsharedmemory/status") == bench.get(f"{region}/status") == expected
        assert bench.call("POST", f"{region}/unregister").status == 200
        assert bench.get("/v2/systemsharedmemory/status") == []
        assert bench.call("POST", "/v2/systemsharedmemory/unregister").status == 200
    finally:
        os.unlink(f"/dev/shm/{key}")


@works("`GET /v2/cudasharedmemory[/region/R]/status`", "`POST /v2/cudasharedmemory[/region/R]/unregister`")
def cuda_shared_memory(bench, name):
    if "GET" in name:
        assert bench.get("/v2/cudasharedmemory/status") == []
        assert bench.call("GET", "/v2/cudasharedmemory/region/r/status").status == 404
    else:
        assert bench.call("POST", "/v2/cudasharedmemory/unregister").status == 200


@not_offered("`POST /v2/cudasharedmemory/region/R/register`")
def register_cuda(bench, _):
    body = {"raw_handle": {"b64": ""}, "device_id": 0, "byte_size": 4}
    answer = bench.call("POST", "/v2/cudasharedmemory/region/r/register", body)
    assert answer.status == 400 and "GPUs not supported" in answer.error


@works(
    "`GET /v2/trace/setting`",
    "`POST /v2/trace/setting`",
    "`GET /v2/models/M/trace/setting`",
    "`POST /v2/models/M/trace/setting`",
)
def trace_setting(bench, name):
    path = name.strip("`").split(" ")[1].replace("/M/", "/simple/")
    assert bench.get(path)["trace_level"] == ["OFF"]
    if "POST" in name:
        assert bench.call("POST", path, {"trace_rate": "7"}).json["trace_rate"] == "7"
        assert bench.call("POST", path, {"trace_rate": None}).json["trace_rate"] == "1000"


@works("`GET :8002/metrics[/]`")
def metrics(bench, _):
    for path in ("/metrics", "/metrics/"):
        text = call(bench.server.metrics, "GET", path).body.decode()
        assert 'nv_inference_request_success{model="simple",version="1"} ' in text
        assert "# TYPE nv_cpu_utilization gauge" in text


@works("any other path", "another verb")
def other_paths_and_verbs(bench, name):
    if name == "any other path":
        for path in ("/", "/v2/nothing", "/v2/models/simple/", "/v2/models/simple/versions/1/trace/setting"):
            answer = bench.call("GET", path)
            assert (answer.status, answer.error) == (404, "Not Found"), path
    else:
        for verb, path in (("PUT", "/v2"), ("GET", "/v2/models/simple/infer"), ("POST", "/v2/health/live")):
            answer = bench.call(verb, path, b"")
            assert (answer.status, answer.error) == (405, "Method Not Allowed"), path


@differs("status of an error")
def statuses(bench, _):
    assert bench.call("GET", "/v2/models/nope").status == 404  # NOT_FOUND
    assert bench.infer("simple", SIMPLE[:1]).status == 400  # INVALID_ARG
    assert bench.call("POST", "/v2/repository/R/models/M/load").status == 501  # UNSUPPORTED
    failed = bench.call("POST", "/v2/models/repeat/generate", {"IN": [1, 2], "DELAY": [0, 0], "WAIT": 0})
    assert failed.status == 500 and "exactly 1 response" in failed.error  # INTERNAL
    fixed = bench.other()
    assert call(fixed.http, "POST", "/v2/repository/models/simple/unload").status == 503  # UNAVAILABLE
    # Where Triton answers 500 for what the client got wrong.
    assert bench.call("POST", "/v2/models/simple/infer", b"{").status == 400
    assert bench.call("POST", "/v2/models/simple/infer", {"outputs": []}).status == 400


@works("`Connection: keep-alive`, pipelining, chunked bodies")
def connections(bench, _):
    host, port = bench.server.http.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = "POST /v2/models/identity_bytes/generate HTTP/1.1\r\nHost: x\r\n"
        body = json.dumps({"INPUT0": "moon"})
        pieces = "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in (body[:4], body[4:], ""))
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n{pieces}{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        got = b""
        while got.count(b'"OUTPUT0":"moon"') < 2:
            piece = connection.recv(65536)
            assert piece, got
            got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 2


def onnx() -> str:
    """The model `simple` in base64."""
    return base64.b64encode((GOLDEN / "model_repository/simple/1/model.onnx").read_bytes()).decode()
