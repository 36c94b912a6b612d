"""The limits of docs/limits.md, as clients meet them: each answer tells what was expected and what came, and the server serves on."""

import gzip
import json
import re
import socket
import subprocess
import time
import zlib

import grpc
import h2.config
import h2.connection
import h2.events
import pytest
from hippocamp_server import GOLDEN, Server, binary
from protocol_bench import LIMIT_S, call, messages, refusal, request
from tritonclient.grpc import service_pb2_grpc

INFER = "/v2/models/identity_fp32/infer"
LIMIT = 1 << 20
TENSOR = {"name": "INPUT0", "shape": [1, 1], "datatype": "FP32", "data": [1]}


@pytest.fixture(scope="module")
def server():
    """A server in explicit mode that takes bodies of a mebibyte, and inputs of few bytes from shared memory."""
    running = Server(
        GOLDEN / "model_repository",
        f"--http-max-input-size={LIMIT}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--allow-client-shm",
    )
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture
def rpc(server):
    """Triton's service."""
    with grpc.insecure_channel(server.grpc) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.fixture(autouse=True)
def serves_on(server):
    """After each test the server is alive and answers."""
    yield
    answer = call(server.http, "POST", INFER, {"inputs": [TENSOR]})
    assert answer.json["outputs"][0]["data"] == [1.0]


def send(address, data):
    """Sends bytes, and reads until the server closes the connection: (status, body)."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=LIMIT_S) as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            pass  # It is refused before it is all there.
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), answer[:200]
    return int(head.split()[1]), body


def post(server, body, headers=None):
    """(status, text of the error) of an inference."""
    answer = call(server.http, "POST", INFER, body, headers)
    return answer.status, answer.json.get("error")


def head(*lines, verb="POST", path=INFER):
    return "\r\n".join([f"{verb} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def too_large(size):
    text = f"request body of {size} bytes exceeds the maximum allowed input size of {LIMIT} bytes. "
    return text + "Use --http-max-input-size to increase the limit."


def test_an_announced_body_is_refused_before_it_comes(server):
    for more in ([], ["Expect: 100-continue"]):
        status, body = send(server.http, head(f"Content-Length: {LIMIT + 1}", *more))
        assert (status, json.loads(body)["error"]) == (400, too_large(LIMIT + 1))


def test_a_body_in_chunks_is_refused_at_the_limit(server):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    status, body = send(server.http, head("Transfer-Encoding: chunked") + chunk * 40)
    assert (status, json.loads(body)["error"]) == (400, too_large(f"more than {LIMIT}"))


@pytest.mark.parametrize("encoding, pack", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bombs_are_inflated_up_to_the_limit(server, encoding, pack):
    bomb = pack(b" " * (100 * LIMIT))
    assert len(bomb) < LIMIT
    assert post(server, bomb, {"Content-Encoding": encoding}) == (400, too_large(f"more than {LIMIT}"))


def test_a_body_at_the_limit_is_taken(server):
    body = json.dumps({"inputs": [TENSOR]}).encode()
    assert call(server.http, "POST", INFER, body + b" " * (LIMIT - len(body))).status == 200


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "x" * 100])
def test_unknown_content_encodings(server, encoding):
    answer = call(server.http, "POST", INFER, b"x", {"Content-Encoding": encoding})
    expected = f"Unsupported compression type: expected gzip, deflate or identity, got '{encoding[:64]}'"
    assert (answer.status, answer.error) == (501, expected)
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("accept", ["br", "zstd;q=1, br", "gzip;q=x", ",;,", "\xff"])
def test_unknown_accept_encodings_get_plain_answers(server, accept):
    answer = call(server.http, "POST", INFER, {"inputs": [TENSOR]}, {"Accept-Encoding": accept})
    assert answer.status == 200 and "content-encoding" not in answer.headers


def test_json_nesting(server):
    def nested(levels):
        return b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b',"inputs":[' + json.dumps(TENSOR).encode() + b"]}"

    assert post(server, nested(100)) == (200, None)
    status, text = post(server, nested(101))
    assert status == 400 and "100" in text
    answer = call(server.http, "POST", "/v2/repository/index", b'{"x":' + b"[" * 200 + b"]" * 200 + b"}")
    assert answer.status == 400 and "recursion limit" in answer.error


@pytest.mark.parametrize(
    "shape, text",
    [
        ([-1, 1], "attempt to access JSON non-unsigned-integer as unsigned-integer, got -1"),
        ([1 << 32, 1 << 32], "shape [4294967296,4294967296] causes total element count to exceed maximum size of 9223372036854775807"),
        ([1, 1 << 63], "9223372036854775808"),
        ([1] * 257, "too many dimensions: at most 256"),
        ([1.5], "got 1.5"),
        ([1, 0], "shape [1,0] has 0 elements, got more"),
    ],
)
def test_shapes_over_http(server, shape, text):
    status, error = post(server, {"inputs": [{**TENSOR, "shape": shape}]})
    assert status == 400 and text in error, error


@pytest.mark.parametrize("shape", [[-1, 1], [1, -1], [1 << 32, 1 << 32], [1, (1 << 63) - 1], [1] * 300, []])
def test_shapes_over_grpc(rpc, shape):
    code, text = refusal(rpc.ModelInfer, request("identity_fp32", [("INPUT0", "FP32", shape, None)], raw=[b"\0" * 4]))
    assert code == "INVALID_ARGUMENT" and "identity_fp32" in text, (code, text)


@pytest.mark.parametrize(
    "body, what",
    [
        ({"inputs": [TENSOR] * 4097}, "inputs"),
        ({"inputs": [TENSOR], "outputs": [{"name": f"{number}"} for number in range(4097)]}, "outputs"),
        ({"inputs": [TENSOR], "parameters": {f"{number}": 1 for number in range(257)}}, "parameters"),
    ],
    ids=["inputs", "outputs", "parameters"],
)
def test_numbers_of_things(server, body, what):
    limit = 256 if what == "parameters" else 4096
    assert post(server, body) == (400, f"too many {what}: at most {limit} are accepted in one request")


def test_a_header_length_beyond_the_body(server):
    for length in ("3", str((1 << 64) - 1), str(1 << 70)):
        status, text = post(server, b"{}", {"Inference-Header-Content-Length": length})
        assert (status, text) == (400, f"inference header size should be in range (0, 2), got: {length}")


def test_a_binary_size_beyond_the_body(server):
    tensor = {"name": "INPUT0", "shape": [1, 1], "datatype": "FP32", "parameters": {"binary_data_size": (1 << 64) - 1}}
    body = json.dumps({"inputs": [tensor]}).encode()
    status, text = post(server, body, {"Inference-Header-Content-Length": str(len(body))})
    assert status == 400 and "'INPUT0'" in text


def test_a_classification_above_the_elements_gets_them_all(server):
    outputs = [{"name": "OUTPUT0", "parameters": {"classification": 1 << 40}}]
    answer = call(server.http, "POST", INFER, {"inputs": [{**TENSOR, "shape": [1, 2], "data": [1, 2]}], "outputs": outputs})
    assert len(answer.json["outputs"][0]["data"]) == 2


@pytest.mark.parametrize(
    "lines, path, status",
    [
        ([f"a{number}: 1" for number in range(98)], "/v2", 200),
        ([f"a{number}: 1" for number in range(100)], "/v2", 431),
        (["a: " + "x" * 261_000], "/v2", 200),
        (["a: " + "x" * 263_000], "/v2", 431),
        ([], "/v2/" + "x" * 65_000, 404),
        ([], "/v2/" + "x" * 66_000, 414),
    ],
    ids=["number", "number-above", "size", "size-above", "path", "path-above"],
)
def test_headers_over_http1(server, lines, path, status):
    assert send(server.http, head("Connection: close", *lines, verb="GET", path=path))[0] == status


@pytest.mark.parametrize("name", ["simple%2F..", "..%2Fsimple", "%00", "simple%00", "simple%20", "%ff", "%zz", "..", "é"])
def test_names_with_escapes_are_names_of_nothing(server, name):
    for verb, path, status in [
        ("GET", f"/v2/models/{name}", 404),
        ("GET", f"/v2/models/{name}/ready", 400),
        ("POST", f"/v2/repository/models/{name}/load", 500),
    ]:
        got, body = send(server.http, head("Connection: close", "Content-Length: 0", verb=verb, path=path))
        assert got == status and json.loads(body)["error"], (path, body)


@pytest.mark.parametrize("version", ["18446744073709551616", "9" * 1000])
def test_versions_beyond_64_bits(server, version):
    answer = call(server.http, "GET", f"/v2/models/simple/versions/{version}")
    assert answer.status == 400 and f"'{version}': expected a number below 2^64" in answer.error


@pytest.mark.parametrize("name", ["", ".", "..", "../evil", "a/b", "/", "a\0b", "a\nb", "x" * 256])
def test_a_load_call_writes_nowhere_but_in_its_directory(rpc, tmp_path, name):
    """A call with files makes a directory of the model's name; no other name than one is taken."""
    _refused_name(rpc, name)
    _refused_name(rpc, str(tmp_path / "evil"))
    assert not (tmp_path / "evil").exists()


def _refused_name(rpc, name):
    message = messages.RepositoryModelLoadRequest(model_name=name)
    message.parameters["config"].string_param = json.dumps({"backend": "identity"})
    message.parameters["file:1/model.txt"].bytes_param = b"x"
    code, text = refusal(rpc.RepositoryModelLoad, message)
    assert code == "INVALID_ARGUMENT" and "must not contain path traversal characters" in text, (code, text)
    index = rpc.RepositoryIndex(messages.RepositoryIndexRequest(), timeout=LIMIT_S).models
    assert name not in {model.name for model in index}


def test_a_configuration_above_its_limit(rpc):
    message = messages.RepositoryModelLoadRequest(model_name="simple")
    message.parameters["config"].string_param = " " * (1 << 20) + "{}"
    code, text = refusal(rpc.RepositoryModelLoad, message)
    assert (code, text) == ("INVALID_ARGUMENT", "the configuration has 1048578 bytes, expected at most 1048576")


def test_texts_of_an_embeddings_call(server):
    answer = call(server.http, "POST", "/v1/embeddings", {"model": "m", "input": ["a"] * 2049})
    assert answer.status == 400
    assert answer.json["error"]["message"] == "'input' should have at most 2048 texts, got 2049"


def test_shared_memory_sizes(server):
    register = "/v2/systemsharedmemory/region/{}/register"
    for name, key, text in [("r", "/" + "k" * 256, "255"), ("n" * 256, "/k", "255")]:
        answer = call(server.http, "POST", register.format(name), {"key": key, "byte_size": 4})
        assert answer.status == 400 and text in answer.error, answer
    body = {"key": "/k", "offset": (1 << 64) - 1, "byte_size": (1 << 64) - 1}
    assert call(server.http, "POST", register.format("r"), body).status == 400


def refused(*arguments):
    """What a server says that does not start."""
    run = subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=LIMIT_S)
    assert run.returncode == 1, run
    return run.stderr


def test_files_above_their_limits(tmp_path):
    large = tmp_path / "large"
    large.write_bytes(b"#" * ((4 << 20) + 1))
    small = tmp_path / "small"
    small.write_bytes(b"#")
    models = f"--model-repository={GOLDEN / 'model_repository'}"
    ports = [f"--{endpoint}-port=0" for endpoint in ("http", "grpc", "metrics")]
    assert "has 4194305 bytes: expected at most 4194304" in refused(models, *ports, f"--api-keys={large}")
    told = refused(models, *ports, "--http-use-ssl", f"--http-server-cert={large}", f"--http-server-key={small}")
    assert "has 4194305 bytes: expected PEM of at most 4194304 bytes" in told
    told = refused(models, *ports, "--http-address=unix:/" + "x" * 107)
    assert "is 108 bytes long: expected a path of 1 to 107 bytes" in told


@pytest.mark.parametrize(
    "config, text",
    [
        ('backend: "identity" #' + "x" * (1 << 20), "a model configuration at most 1048576"),
        ('backend: "identity" instance_group { count: 1025 }', "asks for 1025 instances, expected at most 1024"),
    ],
    ids=["size", "instances"],
)
def test_configurations_above_their_limits(tmp_path, config, text):
    (tmp_path / "m" / "1").mkdir(parents=True)
    tensor = '{ name: "T" data_type: TYPE_FP32 dims: [ 1 ] }'
    (tmp_path / "m" / "config.pbtxt").write_text(f"input {tensor} output {tensor} {config}")
    told = refused(f"--model-repository={tmp_path}", *(f"--{endpoint}-port=0" for endpoint in ("http", "grpc", "metrics")))
    assert text in told


class Http2:
    """A connection of HTTP/2 that sends what it is told to."""

    def __init__(self, address):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=LIMIT_S)
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.state.initiate_connection()
        self._send()
        self.state.receive_data(self.socket.recv(65536))
        self._send()

    def _send(self):
        self.socket.sendall(self.state.data_to_send())

    def ask(self, headers, data=None):
        """Begins a call; the data do not end it."""
        stream = self.state.get_next_available_stream_id()
        self.state.send_headers(stream, headers, end_stream=data is None)
        if data is not None:
            self.state.send_data(stream, data)
        self._send()

    def answers(self, number):
        """The headers and trailers of so many ended calls, or of those before the connection is closed."""
        found, ended = [], 0
        while ended < number:
            data = self.socket.recv(65536)
            events = self.state.receive_data(data) if data else [None]
            for event in events:
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    found.append(dict(event.headers))
                ended += isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset))
                if event is None or isinstance(event, h2.events.ConnectionTerminated):
                    return found
            if data:
                self._send()
        return found


def http2(path, verb="GET", *more):
    return [(":method", verb), (":path", path), (":scheme", "http"), (":authority", "x"), *more]


def grpc_call(name, *more):
    about = [("content-type", "application/grpc"), ("te", "trailers"), *more]
    return http2(f"/inference.GRPCInferenceService/{name}", "POST", *about)


def test_calls_of_a_connection(server):
    """What the server says of itself; clients keep to it."""
    for address, calls in ((server.http, 1024), (server.grpc, 4096)):
        assert Http2(address).state.remote_settings.max_concurrent_streams == calls


def test_headers_over_http2(server):
    for size, status in ((60_000, "200"), (66_000, "431")):
        connection = Http2(server.http)
        connection.ask(http2("/v2", "GET", ("a", "x" * size)))
        assert connection.answers(1)[0][":status"] == status
    for size, status in ((16_000, "200"), (20_000, "431")):
        connection = Http2(server.grpc)
        connection.ask(grpc_call("ServerLive", ("a", "x" * size)), b"\0" * 5)
        connection.state.end_stream(1)
        connection._send()
        assert connection.answers(1)[0][":status"] == status


def memory_bytes(server):
    # Exact, which VmRSS is not: the kernel counts that by core.
    with open(f"/proc/{server.pid}/smaps_rollup") as rollup:
        return int(re.search(r"^Rss:\s+(\d+) kB", rollup.read(), flags=re.MULTILINE).group(1)) << 10


def test_a_grpc_message_above_its_limit(server):
    connection = Http2(server.grpc)
    connection.ask(grpc_call("ModelInfer"), b"\0\xff\xff\xff\xff")
    answer = connection.answers(1)[-1]
    assert answer["grpc-status"] == "11" and "found%204294967295%20bytes" in answer["grpc-message"]


def test_announced_grpc_messages_take_no_memory(server):
    """A hundred calls announce 2 GiB each: 32 of them fit into the room there is, and the others are told so."""
    before = memory_bytes(server)
    connection = Http2(server.grpc)
    for _ in range(100):
        connection.ask(grpc_call("ModelInfer"), b"\0\x7f\xff\xff\xff")
    answers = connection.answers(100 - 32)
    assert {answer["grpc-status"] for answer in answers if "grpc-status" in answer} == {"14"}
    assert "2147483647%20bytes%20does%20not%20fit%20now" in answers[-1]["grpc-message"]
    assert memory_bytes(server) - before < 32 << 20
    connection.socket.close()
    # What is gone takes no room.
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        with grpc.insecure_channel(server.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
            made = request("identity_fp32", [("INPUT0", "FP32", [1, 1 << 18], None)], raw=[b"\0" * LIMIT])
            try:
                assert service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(made, timeout=LIMIT_S).outputs
                break
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE
    else:
        pytest.fail(f"there is no room for a message of {LIMIT} bytes {LIMIT_S} s after the connection was closed")
