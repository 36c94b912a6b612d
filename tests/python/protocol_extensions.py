"""Probes of the table in docs/protocol.md: what Triton's extensions let a request of inference say, on both protocols."""

import contextlib
import gzip
import json
import os
import struct
import threading
import zlib

import grpc
import numpy as np
from protocol_bench import LIMIT_S, messages, refusal, request
from protocol_http import SIMPLE, SUM
from protocol_table import differs, not_offered, works
from waiting import until

FLOATS = struct.pack("<2f", 1.5, -2)
HEADER = "inference-header-content-length"


def binary(bench, model, header, blob, headers=None):
    """A request with the binary tensor extension: (JSON of the response, bytes behind it, the answer)."""
    head = json.dumps(header).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), **(headers or {})}
    answer = bench.call("POST", f"/v2/models/{model}/infer", head + blob, headers)
    assert answer.status == 200, answer
    length = int(answer.headers.get(HEADER, len(answer.body)))
    return json.loads(answer.body[:length]), answer.body[length:], answer


def floats(**output):
    """A request to `identity_fp32` whose input is binary."""
    tensor = {"name": "INPUT0", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    return {"inputs": [tensor], **({"outputs": [{"name": "OUTPUT0", "parameters": output}]} if output else {})}


@works("the list `extensions`")
def extensions(bench, _):
    told = bench.get("/v2")["extensions"]
    order = "classification sequence model_repository model_repository(unload_dependents) schedule_policy model_configuration "
    order += "system_shared_memory cuda_shared_memory binary_tensor_data parameters statistics trace logging"
    order = order.split()
    assert told == [name for name in order if name in told], "as Triton orders them"
    assert set(order) - set(told) == {"sequence"}


@works("`Inference-Header-Content-Length`", "input `binary_data_size`", "output `binary_data`")
def binary_data(bench, _):
    told, tail, answer = binary(bench, "identity_fp32", floats(binary_data=True), FLOATS)
    assert tail == FLOATS and told["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert answer.headers["content-type"] == "application/octet-stream"
    told, tail, answer = binary(bench, "identity_fp32", floats(binary_data=False), FLOATS)
    assert (told["outputs"][0]["data"], tail) == ([1.5, -2.0], b"") and HEADER not in answer.headers


@differs("request `binary_data_output`")
def binary_data_output(bench, _):
    ask = floats()
    ask["parameters"] = {"binary_data_output": True}
    assert binary(bench, "identity_fp32", ask, FLOATS)[1] == FLOATS
    # An output that is asked for by name and says nothing of binary data follows it, too.
    ask["outputs"] = [{"name": "OUTPUT0"}]
    assert binary(bench, "identity_fp32", ask, FLOATS)[1] == FLOATS


@works("BOOL, BYTES, FP16 and BF16 as binary data")
def binary_layouts(bench, _):
    def echo(model, datatype, shape, blob):
        tensor = {"name": "INPUT0", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(blob)}}
        ask = {"inputs": [tensor], "outputs": [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]}
        return binary(bench, model, ask, blob)[1]

    assert echo("identity_bool", "BOOL", [1, 2], b"\x01\x00") == b"\x01\x00"
    texts = b"\x04\0\0\0moon\0\0\0\0"
    assert echo("identity_bytes", "BYTES", [1, 2], texts) == texts
    halves = np.array([0.5, -2], np.float16).tobytes()
    assert echo("identity_fp16", "FP16", [1, 2], halves) == halves
    tensor = {"data_type": "TYPE_BF16", "dims": [2]}
    config = {"backend": "identity", "input": [{"name": "INPUT0", **tensor}], "output": [{"name": "OUTPUT0", **tensor}]}
    with bench.loaded("identity_bf16", config):
        assert echo("identity_bf16", "BF16", [2], b"\x80\x3f\x00\xc0") == b"\x80\x3f\x00\xc0"


@works("FP16 and BF16 in JSON")
def halves_in_json(bench, _):
    answer = bench.infer("identity_fp16", [("INPUT0", "FP16", [1, 1], [0.5])])
    assert answer.status == 400 and "FP16 data via JSON is not supported" in answer.error


@differs("raw binary request")
def raw_request(bench, _):
    headers = {"Inference-Header-Content-Length": "0"}
    answer = bench.call("POST", "/v2/models/identity_fp32/infer", FLOATS, headers)
    length = int(answer.headers[HEADER])
    assert answer.body[length:] == FLOATS and json.loads(answer.body[:length])["outputs"][0]["shape"] == [1, 2]
    wrong = bench.call("POST", "/v2/models/identity_fp32/infer", FLOATS, {"Inference-Header-Content-Length": "abc"})
    assert wrong.status == 400 and "abc" in wrong.error


@works("`Content-Encoding: gzip`", "`Content-Encoding: deflate`")
def compressed_requests(bench, name):
    body = json.dumps({"inputs": [dict(zip(("name", "datatype", "shape", "data"), one)) for one in SIMPLE]}).encode()
    encoding = name.strip("`").split()[1]
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    answer = bench.call("POST", "/v2/models/simple/infer", packed, {"Content-Encoding": encoding})
    assert answer.json["outputs"][0]["data"] == SUM


@works("`Accept-Encoding` with weights")
def compressed_responses(bench, _):
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}
    for accept, expected in [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0.5, deflate;q=0.9", "deflate"),
        ("gzip;q=0", None),
        ("identity", None),
        ("br", None),
    ]:
        answer = bench.infer("simple", SIMPLE, headers={"Accept-Encoding": accept})
        assert answer.headers.get("content-encoding") == expected, accept
        assert json.loads(unpack[expected](answer.body))["outputs"][0]["data"] == SUM


@differs("compressed bodies of generate calls")
def compressed_generate(bench, _):
    body = gzip.compress(json.dumps({"INPUT0": "moon"}).encode())
    answer = bench.call("POST", "/v2/models/identity_bytes/generate", body, {"Content-Encoding": "gzip"})
    assert answer.json["OUTPUT0"] == "moon"


CLASSES = [("INPUT0", "FP32", [1, 3], [1, 5, 3])]


def classes(bench, model, **output):
    answer = bench.infer(model, CLASSES, outputs=[{"name": "OUTPUT0", "parameters": output}])
    return answer.json["outputs"][0]["data"] if answer.status == 200 else answer.error


@works("output `classification`", "classification: labels of `label_filename`")
def classification(bench, name):
    model, expected = ("labelled", ["5.000000:1:dog", "3.000000:2:fish"])
    if "output" in name:
        model, expected = ("identity_fp32", ["5.000000:1", "3.000000:2"])
    assert classes(bench, model, classification=2) == expected
    answer = bench.rpc.ModelInfer(request(model, CLASSES, [("OUTPUT0", {"classification": 2})]), timeout=LIMIT_S)
    sized = b"".join(struct.pack("<I", len(text)) + text.encode() for text in expected)
    assert answer.raw_output_contents[0] == sized


@works("`classification` with shared memory")
def classification_in_shared_memory(bench, _):
    both = {"classification": 2, "shared_memory_region": "r", "shared_memory_byte_size": 8}
    assert "can't set both 'shared_memory_region' and 'classification'" in classes(bench, "labelled", **both)
    code, _ = refusal(bench.rpc.ModelInfer, request("labelled", CLASSES, [("OUTPUT0", both)]))
    assert code == "INVALID_ARGUMENT"


@works("`sequence_id`", "`sequence_start`", "`sequence_end`")
def sequence(bench, name):
    for told in bench.tells(sequence_id=7, sequence_start=True):
        assert (told["told_sequence"], told["told_flags"]) == (7, 1)
    for told in bench.tells(sequence_id="seven", sequence_end=True):
        assert (told["told_sequence_text"], told["told_flags"]) == ("seven", 2)


@not_offered("models with `sequence_batching`")
def sequence_batching(bench, _):
    config = {"backend": "identity", "max_batch_size": 4, "sequence_batching": {"direct": {}}}
    tensor = {"data_type": "TYPE_FP32", "dims": [1]}
    config |= {"input": [{"name": "INPUT0", **tensor}], "output": [{"name": "OUTPUT0", **tensor}]}
    (bench.repository / "sequences" / "1").mkdir(parents=True)
    body = {"parameters": {"config": json.dumps(config)}}
    answer = bench.call("POST", "/v2/repository/models/sequences/load", body)
    (bench.repository / "sequences" / "1").rmdir()
    (bench.repository / "sequences").rmdir()
    assert answer.status >= 400 and "sequence_batching" in answer.error, answer


@works("`priority`")
def priority(bench, _):
    """While one request holds the instance up, the urgent one of those that wait overtakes the others."""
    order, threads = [], []

    def ask(name, **parameters):
        # Long enough that none of these threads tells its end after the next one's.
        parameters["sleep_ms"] = 2000

        def run():
            answer = bench.infer("tells", [("IN", "INT32", [1, 1], [1])], parameters=parameters, id=name)
            assert answer.status == 200, answer
            order.append(name)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    ask("first")
    ask("first")
    bench.until_waiting(1)
    ask("low", priority=2)
    bench.until_waiting(2)
    ask("high", priority=1)
    bench.until_waiting(3)
    for thread in threads:
        thread.join(LIMIT_S)
    # Which came first of those that were sent one after the other is the network's to say.
    assert order[:2] == ["first", "high"] and sorted(order[2:]) == ["first", "low"], order


@works("`timeout`")
def timeout(bench, _):
    held = threading.Thread(target=bench.tells, kwargs={"sleep_ms": 2000})
    held.start()
    tensor = [("IN", "INT32", [1, 1], [1])]
    made = request("tells", tensor, parameters={"timeout": 1000})
    try:
        until(lambda: bench.infer("tells", tensor, parameters={"timeout": 1000}).status == 503)
    finally:
        held.join(LIMIT_S)
    held = bench.rpc.ModelInfer.future(request("tells", tensor, parameters={"sleep_ms": 2000}))

    def told():
        try:
            return bench.rpc.ModelInfer(made, timeout=LIMIT_S) and None
        except grpc.RpcError as error:
            return error.code().name, error.details()

    until(lambda: told() == ("UNAVAILABLE", "Request timeout expired"))
    held.result(LIMIT_S)


@contextlib.contextmanager
def region(bench, name, content):
    """A registered region with this content."""
    key = f"hippocamp_table_{os.getpid()}_{name}"
    path = f"/dev/shm/{key}"
    with open(path, "wb") as made:
        made.write(content)
    try:
        body = {"key": f"/{key}", "offset": 0, "byte_size": len(content)}
        assert bench.call("POST", f"/v2/systemsharedmemory/region/{name}/register", body).status == 200
        yield path
    finally:
        bench.call("POST", f"/v2/systemsharedmemory/region/{name}/unregister")
        os.unlink(path)


@works("`shared_memory_region`", "`shared_memory_byte_size`", "`shared_memory_offset`")
def shared_memory(bench, _):
    with region(bench, "table", b"\0" * 4 + FLOATS + b"\0" * 12) as path:

        def place(offset):
            return {"shared_memory_region": "table", "shared_memory_byte_size": 8, "shared_memory_offset": offset}

        tensor = {"name": "INPUT0", "shape": [1, 2], "datatype": "FP32", "parameters": place(4)}
        ask = {"inputs": [tensor], "outputs": [{"name": "OUTPUT0", "parameters": place(16)}]}
        [output] = bench.call("POST", "/v2/models/identity_fp32/infer", ask).json["outputs"]
        assert output == {"name": "OUTPUT0", "datatype": "FP32", "shape": [1, 2]}
        with open(path, "rb") as made:
            assert made.read()[16:24] == FLOATS


@works("off without `--allow-client-shm`")
def shared_memory_is_off(bench, _):
    code, text = refusal(
        bench.stub(bench.other()).SystemSharedMemoryRegister,
        messages.SystemSharedMemoryRegisterRequest(name="r", key="/r", byte_size=4),
    )
    assert "allow-client-shm" in text, (code, text)


@works("free request parameters", "response parameters")
def parameters(bench, _):
    for told in bench.tells(a=-5, b=True, c="x", d=0.5):
        assert (told["told_a"], told["told_b"], told["told_c"], told["told_d"]) == (-5, True, "x", 0.5)
        assert told["told_id"] == "q"


@works("reserved parameters `triton_…`")
def reserved_parameters(bench, _):
    answer = bench.infer("tells", [("IN", "INT32", [1, 1], [1])], parameters={"triton_x": 1})
    assert answer.status == 400 and "triton_" in answer.error
    made = request("tells", [("IN", "INT32", [1, 1], [1])], parameters={"triton_x": 1})
    assert refusal(bench.rpc.ModelInfer, made)[0] == "INVALID_ARGUMENT"


@works("headers forwarded by pattern")
def forwarded_headers(bench, _):
    for told in bench.tells():
        assert told["told_x-head"] == "er" and "told_y-head" not in told


def generate(bench, model, body, call="generate"):
    answer = bench.call("POST", f"/v2/models/{model}/{call}", body)
    return answer.json if answer.status == 200 and call == "generate" else answer


@works("generate: inputs by name, scalars and lists")
def generate_inputs(bench, _):
    assert generate(bench, "identity_fp32", {"INPUT0": 1.5})["OUTPUT0"] == 1.5
    assert generate(bench, "identity_fp32", {"INPUT0": [1.5, 2]})["OUTPUT0"] == [1.5, 2]


@works("generate: `id`")
def generate_id(bench, _):
    assert generate(bench, "identity_bytes", {"INPUT0": "moon", "id": "q"})["id"] == "q"


@works("generate: other keys, `parameters`")
def generate_parameters(bench, _):
    told = generate(bench, "tells", {"IN": 1, "a": 1, "parameters": {"b": "x"}})
    assert (told["told_a"], told["told_b"]) == (1, "x")


@works("generate: exactly one response")
def generate_one_response(bench, _):
    answer = bench.call("POST", "/v2/models/repeat/generate", {"IN": [1, 2], "DELAY": [0, 0], "WAIT": 0})
    assert answer.status == 500
    assert answer.error.startswith("generate expects model to produce exactly 1 response, use generate stream")


@works("generate_stream: errors after the first response")
def generate_stream_errors(bench, _):
    answer = bench.call("POST", "/v2/models/repeat/generate_stream", {"IN": [1, 2], "DELAY": [0], "WAIT": 0})
    assert answer.status >= 400 or b'data: {"error":' in answer.body
