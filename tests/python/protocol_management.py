"""Probes of the table in docs/protocol.md: the extensions about models and the server itself, on both protocols; who may call
what; and the front-ends of platforms."""

import base64
import json
import re
import socket

import grpc
import numpy as np
import trustme
from hippocamp_server import Server
from protocol_bench import LIMIT_S, call, copy_model, messages, plain, refusal, request
from protocol_http import SIMPLE, onnx
from protocol_table import differs, not_offered, works
from waiting import eventually, until


@works("load: `config`")
def load_config(bench, _):
    tensor = {"data_type": "TYPE_FP32", "dims": [1]}
    tensors = {"input": [{"name": "I", **tensor}], "output": [{"name": "O", **tensor}]}
    with bench.loaded("configured", {"backend": "identity", "max_batch_size": 3, **tensors}):
        assert bench.get("/v2/models/configured/config")["max_batch_size"] == 3


@works("load: `file:<version>/<name>`")
def load_files(bench, _):
    config = json.dumps({"backend": "onnxruntime", "max_batch_size": 4})
    body = {"parameters": {"config": config, "file:2/model.onnx": onnx()}}
    assert bench.call("POST", "/v2/repository/models/sent/load", body).status == 200
    assert bench.get("/v2/models/sent")["versions"] == ["2"]
    assert bench.infer("sent", SIMPLE).status == 200
    message = messages.RepositoryModelLoadRequest(model_name="sent")
    message.parameters["config"].string_param = config
    message.parameters["file:3/model.onnx"].bytes_param = base64.b64decode(onnx())
    bench.rpc.RepositoryModelLoad(message, timeout=LIMIT_S)
    assert bench.get("/v2/models/sent")["versions"] == ["3"]
    assert bench.call("POST", "/v2/repository/models/sent/unload").status == 200
    alone = bench.call("POST", "/v2/repository/models/sent/load", {"parameters": {"file:2/model.onnx": onnx()}})
    assert alone.status == 400 and "config" in alone.error


@works("unload: `unload_dependents`")
def unload_dependents(bench, _):
    server = bench.other("--model-control-mode=explicit")

    def after(**parameters):
        for action, body in (("load", {}), ("unload", {"parameters": parameters})):
            assert call(server.http, "POST", f"/v2/repository/models/ensemble_simple/{action}", body).status == 200
        return call(server.http, "GET", "/v2/models/simple/ready").status

    assert (after(unload_dependents=False), after(unload_dependents=True)) == (200, 400)


@works("index: `ready`")
def index_ready(bench, _):
    assert bench.call("POST", "/v2/repository/models/identity_fp16/unload").status == 200

    def names(**body):
        return {model["name"] for model in bench.call("POST", "/v2/repository/index", body).json}

    assert "identity_fp16" in names() and "identity_fp16" not in names(ready=True)
    assert bench.call("POST", "/v2/repository/models/identity_fp16/load").status == 200


@works("index: `name`, `version`, `state`, `reason`")
def index_fields(bench, _):
    assert bench.call("POST", "/v2/repository/models/identity_fp16/unload").status == 200

    def entry():
        models = bench.call("POST", "/v2/repository/index").json
        return next(model for model in models if model["name"] == "identity_fp16")

    until(lambda: entry().get("state") == "UNAVAILABLE")
    assert entry() == {"name": "identity_fp16", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}
    assert bench.call("POST", "/v2/repository/models/identity_fp16/load").status == 200
    assert entry() == {"name": "identity_fp16", "version": "1", "state": "READY"}


STATISTICS = [
    "`last_inference`",
    "`inference_count`, `execution_count`",
    "`inference_stats`: `success`, `fail`, `queue`, `compute_input`, `compute_infer`, `compute_output`",
    "`batch_stats`",
]


@works(*STATISTICS)
def statistics(bench, name):
    def told():
        [model] = bench.get("/v2/models/identity_int64/stats")["model_stats"]
        return model

    before = told()
    rows = [("INPUT0", "INT64", [3, 1], [1, 2, 3])]
    assert bench.infer("identity_int64", rows).status == 200
    assert bench.infer("identity_int64", []).status == 400
    # Its execution is counted last.
    until(lambda: told()["execution_count"] == before["execution_count"] + 1)
    after = told()
    assert after["inference_count"] == before["inference_count"] + 3
    if "last" in name:
        assert after["last_inference"] >= before["last_inference"] and after["last_inference"] > 1_600_000_000_000
    elif "execution_count" in name:
        assert after["execution_count"] == before["execution_count"] + 1
    elif "inference_stats" in name:
        for key in re.findall(r"`(\w+)`", name)[1:]:
            old, new = before["inference_stats"][key], after["inference_stats"][key]
            # Time is counted by requests, and some of it passed.
            assert new["count"] > old["count"] and new["ns"] >= old["ns"], key
        assert after["inference_stats"]["success"]["ns"] > before["inference_stats"]["success"]["ns"]
    else:
        [batch] = [batch for batch in after["batch_stats"] if batch["batch_size"] == 3]
        assert set(batch) == {"batch_size", "compute_input", "compute_infer", "compute_output"}
        assert batch["compute_infer"]["count"] >= 1
    # gRPC tells the same.
    [model] = bench.rpc.ModelStatistics(messages.ModelStatisticsRequest(name="identity_int64"), timeout=LIMIT_S).model_stats
    assert model.inference_count == told()["inference_count"]
    assert model.inference_stats.success.ns == told()["inference_stats"]["success"]["ns"]


@works("`response_stats`")
def response_statistics(bench, _):
    bench.tells()

    def told():
        return bench.get("/v2/models/tells/stats")["model_stats"][0]["response_stats"]

    until(lambda: "0" in told())
    expected = {"compute_infer", "compute_output", "success", "fail", "empty_response", "cancel"}
    assert set(told()["0"]) == expected and told()["0"]["success"]["count"] >= 1


@works("`memory_usage`")
def memory_usage(bench, _):
    [model] = bench.get("/v2/models/tells/stats")["model_stats"]
    assert model["memory_usage"] == [{"type": "CPU", "id": 0, "byte_size": 41}]
    [model] = bench.rpc.ModelStatistics(messages.ModelStatisticsRequest(name="tells"), timeout=LIMIT_S).model_stats
    assert [(usage.type, usage.byte_size) for usage in model.memory_usage] == [("CPU", 41)]


@not_offered("`inference_stats`: `cache_hit`, `cache_miss`")
def no_cache(bench, _):
    assert bench.infer("simple", SIMPLE).status == 200
    [model] = bench.get("/v2/models/simple/stats")["model_stats"]
    assert all(model["inference_stats"][key] == {"count": 0, "ns": 0} for key in ("cache_hit", "cache_miss"))


TRACE = ["`trace_level`", "`trace_rate`", "`trace_count`", "`log_frequency`", "`trace_file`", "`trace_mode`"]


@works(*TRACE[:4])
def trace_settings(bench, name):
    """Settings of the server and of a model; null gives those of the server, or of the start, back."""
    key, own = name.strip("`"), {"trace_level": ["TIMESTAMPS"], "trace_rate": "9", "trace_count": "5", "log_frequency": "3"}
    server = bench.other(f"--trace-config=triton,file={bench.directory / 'trace.json'}")

    def setting(path, value=...):
        answer = call(server.http, *(("GET", path) if value is ... else ("POST", path, {key: value})))
        assert answer.status == 200, answer
        return answer.json[key]

    model, everywhere = "/v2/models/simple/trace/setting", "/v2/trace/setting"
    start = setting(everywhere)
    assert setting(model, own[key]) == own[key] and setting(everywhere) == start
    assert setting(model, None) == start
    told = bench.stub(server).TraceSetting(messages.TraceSettingRequest(model_name="simple"), timeout=LIMIT_S).settings[key]
    assert list(told.value) == (start if isinstance(start, list) else [start])


@works("traces in a file")
def traces(bench, _):
    file = bench.directory / "one.json"
    flags = [f"--trace-config={text}" for text in (f"triton,file={file}", "rate=1", "level=TIMESTAMPS")]
    server = bench.other(*flags)
    body = {"inputs": [dict(zip(("name", "datatype", "shape", "data"), one)) for one in SIMPLE], "id": "seen"}
    assert call(server.http, "POST", "/v2/models/simple/infer", body).status == 200

    def marks():
        written = json.loads(file.read_text()) if file.exists() and file.stat().st_size else []
        return {mark["name"] for part in written for mark in part.get("timestamps", [])}

    wanted = "HTTP_RECV_START REQUEST_START QUEUE_START COMPUTE_START COMPUTE_END INFER_RESPONSE_COMPLETE REQUEST_END HTTP_SEND_END"
    until(lambda: set(wanted.split()) <= marks())


@works(*TRACE[4:])
def trace_settings_of_the_start(bench, name):
    server = bench.other(f"--trace-config=triton,file={bench.directory / 'trace.json'}")
    told = call(server.http, "GET", "/v2/trace/setting").json
    assert told["trace_file"] == str(bench.directory / "trace.json") and told["trace_mode"] == "triton"
    change = {name.strip("`"): {"trace_file": "/tmp/x", "trace_mode": "opentelemetry"}[name.strip("`")]}
    assert call(server.http, "POST", "/v2/trace/setting", change).status >= 400


@differs("`log_format`")
@works("`log_info`", "`log_warning`", "`log_error`", "`log_verbose_level`")
def log_settings(bench, name):
    key = name.strip("`")
    before = bench.get("/v2/logging")[key]
    other = {"log_verbose_level": 1, "log_format": "ISO8601"}.get(key, False)
    try:
        assert bench.call("POST", "/v2/logging", {key: other}).json[key] == other
        told = bench.rpc.LogSettings(messages.LogSettingsRequest(), timeout=LIMIT_S).settings[key]
        assert plain(told) == other
        new = _lines_of_a_load(bench)
        ready = [line for line in new if "model ready" in line]
        if key == "log_info":
            assert not ready
        elif key == "log_format":
            assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z I", ready[0])
        else:
            assert re.match(r"I\d{4} \d\d:\d\d:\d\d\.\d{6}", ready[0])
        assert bool([line for line in new if "request failed" in line]) == (key == "log_verbose_level")
    finally:
        assert bench.call("POST", "/v2/logging", {key: before}).status == 200


def _lines_of_a_load(bench):
    """What the log says of a request that fails, and of a model that is loaded anew."""
    lines = len(bench.server.log().splitlines())
    assert bench.call("GET", "/v2/models/nope").status == 404
    for action in ("unload", "load"):
        assert bench.call("POST", f"/v2/repository/models/identity_fp16/{action}").status == 200
    return bench.server.log().splitlines()[lines:]


@works("`log_file`")
def log_file(bench, _):
    answer = bench.call("POST", "/v2/logging", {"log_file": "/tmp/x"})
    assert (answer.status, answer.error) == (501, "log file location can not be updated through network protocol")


@works("strict readiness")
def strict_readiness(bench, _):
    repository = bench.directory / "one_fails"
    copy_model(repository, "simple", "works")
    copy_model(repository, "simple", "fails", lambda text: text.replace("onnxruntime_onnx", "tensorrt_plan"))
    for strict, expected in (("true", 400), ("false", 200)):
        server = bench.other("--exit-on-error=false", f"--strict-readiness={strict}", repository=repository)
        assert call(server.http, "GET", "/v2/health/ready").status == expected
        ready = bench.stub(server).ServerReady(messages.ServerReadyRequest(), timeout=LIMIT_S).ready
        assert ready == (expected == 200)


@works("restricted endpoints over HTTP")
def restricted_http(bench, _):
    server = bench.other("--http-restricted-api=metadata,statistics:admin=secret")
    refused = call(server.http, "GET", "/v2")
    assert (refused.status, refused.error) == (403, "This API is restricted, expecting header 'admin'")
    assert call(server.http, "GET", "/v2", headers={"admin": "wrong"}).status == 403
    assert call(server.http, "GET", "/v2", headers={"admin": "secret"}).status == 200
    assert call(server.http, "GET", "/v2/health/live").status == 200


@works("restricted endpoints over gRPC")
def restricted_grpc(bench, _):
    rpc = bench.stub(bench.other("--grpc-restricted-protocol=metadata:admin=secret"))
    code, text = refusal(rpc.ServerMetadata, messages.ServerMetadataRequest())
    assert (code, text) == ("UNAVAILABLE", "This protocol is restricted, expecting header 'triton-grpc-protocol-admin'")
    metadata = (("triton-grpc-protocol-admin", "secret"),)
    assert rpc.ServerMetadata(messages.ServerMetadataRequest(), timeout=LIMIT_S, metadata=metadata).name


@not_offered("SageMaker: `/ping`, `/invocations`, `/models`", "Vertex AI's routes")
def platforms(bench, name):
    flag = "--allow-sagemaker=true" if "SageMaker" in name else "--allow-vertex-ai=true"
    try:
        Server(bench.repository, flag)
    except AssertionError as refused:
        assert f"{flag.split('=')[0]} is not offered" in str(refused)
    else:
        raise AssertionError(f"{flag} was taken")
    for path in ("/ping", "/invocations", "/models", "/predict"):
        assert bench.call("GET", path).status == 404


@differs("OpenAI: `POST /v1/embeddings`, `GET /v1/models[/M]`")
def openai(bench, _):
    listed = bench.get("/v1/models")
    assert [model["id"] for model in listed["data"]] == ["embed_plot_bow"]
    assert bench.get("/v1/models/embed_plot_bow")["object"] == "model"
    made = bench.call("POST", "/v1/embeddings", {"model": "embed_plot_bow", "input": ["a shark", "the moon"]}).json
    vectors = np.array([item["embedding"] for item in made["data"]])
    assert vectors.shape == (2, 1536) and np.isfinite(vectors).all() and made["object"] == "list"


@not_offered("OpenAI: `POST /v1/chat/completions`, `POST /v1/completions`")
def completions(bench, _):
    for path in ("/v1/chat/completions", "/v1/completions"):
        assert bench.call("POST", path, {"model": "simple"}).status == 404


@not_offered("ORCA: `endpoint-load-metrics`")
def orca(bench, _):
    answer = bench.infer("simple", SIMPLE, headers={"endpoint-load-metrics-format": "json"})
    assert answer.status == 200 and "endpoint-load-metrics" not in answer.headers


@works("TLS and mutual TLS of gRPC")
def tls(bench, _):
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    cert, key, root = (bench.directory / name for name in ("cert.pem", "key.pem", "root.pem"))
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(root)
    flags = [f"--grpc-server-cert={cert}", f"--grpc-server-key={key}", f"--grpc-root-cert={root}"]
    server = bench.other("--grpc-use-ssl-mutual=true", *flags)

    def live(**shown):
        credentials = grpc.ssl_channel_credentials(root.read_bytes(), **shown)
        with grpc.secure_channel(server.grpc, credentials) as channel:
            ask = channel.unary_unary(
                "/inference.GRPCInferenceService/ServerLive",
                messages.ServerLiveRequest.SerializeToString,
                messages.ServerLiveResponse.FromString,
            )
            return ask(messages.ServerLiveRequest(), timeout=LIMIT_S).live

    assert live(private_key=key.read_bytes(), certificate_chain=cert.read_bytes())
    try:
        live()
    except grpc.RpcError as refused:
        assert refused.code() == grpc.StatusCode.UNAVAILABLE
    else:
        raise AssertionError("a client without a certificate was served")


@works("requests of a client that is gone")
def disconnect(bench, _):
    host, port = bench.server.http.split(":")

    def served():
        """Requests that the backend answered, and those that failed."""
        [told] = bench.get("/v2/models/tells/stats")["model_stats"]
        return told["response_stats"].get("0", {}).get("success", {}).get("count", 0), told["inference_stats"]["fail"]["count"]

    answered, failed = served()
    slow = request("tells", [("IN", "INT32", [1, 1], [1])], parameters={"sleep_ms": 2000})
    held = [bench.rpc.ModelInfer.future(slow) for _ in range(2)]
    bench.until_waiting(1)
    body = json.dumps({"inputs": [{"name": "IN", "shape": [1, 1], "datatype": "INT32", "data": [1]}]})
    with socket.create_connection((host, int(port)), timeout=LIMIT_S) as connection:
        connection.sendall(f"POST /v2/models/tells/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        bench.until_waiting(2)
    assert all(answer.result(LIMIT_S) for answer in held)
    # What was asked after it was answered; it was not.
    assert bench.infer("tells", [("IN", "INT32", [1, 1], [1])]).status == 200
    assert eventually(served, (answered + 3, failed + 1)) == (answered + 3, failed + 1)
    assert bench.metric("nv_inference_pending_request_count", "tells") == 0
