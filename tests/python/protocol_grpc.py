"""Probes of the table in docs/protocol.md: the calls of Triton's gRPC service, and what holds for all of them."""

import os
import struct

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from protocol_bench import LIMIT_S, messages, parameter, plain, refusal, request
from protocol_http import SIMPLE, SUM
from protocol_table import differs, not_offered, works


@works("`ServerLive`", "`ServerReady`", "`ModelReady`")
def health(bench, name):
    if "Model" in name:
        assert bench.rpc.ModelReady(messages.ModelReadyRequest(name="simple", version="1"), timeout=LIMIT_S).ready
        assert not bench.rpc.ModelReady(messages.ModelReadyRequest(name="nope"), timeout=LIMIT_S).ready
    elif "Live" in name:
        assert bench.rpc.ServerLive(messages.ServerLiveRequest(), timeout=LIMIT_S).live
    else:
        assert bench.rpc.ServerReady(messages.ServerReadyRequest(), timeout=LIMIT_S).ready


@works("`ServerMetadata`", "`ModelMetadata`")
def metadata(bench, name):
    if "Server" in name:
        told = bench.rpc.ServerMetadata(messages.ServerMetadataRequest(), timeout=LIMIT_S)
        assert told.name == "triton" and list(told.extensions) == bench.get("/v2")["extensions"]
    else:
        told = bench.rpc.ModelMetadata(messages.ModelMetadataRequest(name="simple"), timeout=LIMIT_S)
        assert (list(told.versions), told.platform, list(told.inputs[0].shape)) == (["1"], "onnxruntime_onnx", [-1, 16])


@works("`ModelInfer`")
def infer(bench, _):
    answer = bench.grpc_infer("simple", SIMPLE, id="7", model_version="1")
    assert (answer.id, answer.model_name, answer.model_version) == ("7", "simple", "1")
    assert dict(zip([output.name for output in answer.outputs], answer.raw_output_contents))["OUTPUT0"] == struct.pack("<16i", *SUM)


@works("`ModelStreamInfer`")
def stream(bench, _):
    requests = [request("simple", SIMPLE, id="a"), request("nope", SIMPLE), request("simple", SIMPLE, id="b")]
    answers = list(bench.rpc.ModelStreamInfer(iter(requests), timeout=LIMIT_S))
    assert {answer.infer_response.id for answer in answers if not answer.error_message} == {"a", "b"}
    assert ["'nope' is not found" in answer.error_message for answer in answers].count(True) == 1


@works("`ModelConfig`", "`ModelStatistics`", "`RepositoryIndex`")
def descriptions(bench, name):
    if "Config" in name:
        config = bench.rpc.ModelConfig(messages.ModelConfigRequest(name="simple"), timeout=LIMIT_S).config
        assert (config.max_batch_size, list(config.input[0].dims)) == (8, [16])
    elif "Statistics" in name:
        told = bench.rpc.ModelStatistics(messages.ModelStatisticsRequest(name="simple"), timeout=LIMIT_S)
        assert [(model.name, model.version) for model in told.model_stats] == [("simple", "1")]
    else:
        models = bench.rpc.RepositoryIndex(messages.RepositoryIndexRequest(), timeout=LIMIT_S).models
        assert ("simple", "1", "READY", "") in {(model.name, model.version, model.state, model.reason) for model in models}
        named = refusal(bench.rpc.RepositoryIndex, messages.RepositoryIndexRequest(repository_name="R"))
        assert named == ("UNIMPLEMENTED", "'repository_name' specification is not supported")


@works("`RepositoryModelLoad`", "`RepositoryModelUnload`")
def model_control(bench, name):
    bench.rpc.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name="identity_fp16"), timeout=LIMIT_S)
    ready = messages.ModelReadyRequest(name="identity_fp16")
    assert not bench.rpc.ModelReady(ready, timeout=LIMIT_S).ready
    bench.rpc.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name="identity_fp16"), timeout=LIMIT_S)
    assert bench.rpc.ModelReady(ready, timeout=LIMIT_S).ready
    call = bench.rpc.RepositoryModelLoad if "Load" in name else bench.rpc.RepositoryModelUnload
    message = messages.RepositoryModelLoadRequest if "Load" in name else messages.RepositoryModelUnloadRequest
    named = refusal(call, message(repository_name="R", model_name="simple"))
    assert named == ("UNIMPLEMENTED", "'repository_name' specification is not supported")


@works("`SystemSharedMemoryStatus`", "`SystemSharedMemoryRegister`", "`SystemSharedMemoryUnregister`")
def system_shared_memory(bench, _):
    key = f"hippocamp_table_{os.getpid()}"
    with open(f"/dev/shm/{key}", "wb") as made:
        made.write(bytes(64))
    try:
        region = messages.SystemSharedMemoryRegisterRequest(name="g", key=f"/{key}", offset=8, byte_size=16)
        bench.rpc.SystemSharedMemoryRegister(region, timeout=LIMIT_S)
        told = bench.rpc.SystemSharedMemoryStatus(messages.SystemSharedMemoryStatusRequest(), timeout=LIMIT_S).regions
        assert [(name, told[name].key, told[name].offset, told[name].byte_size) for name in told] == [("g", f"/{key}", 8, 16)]
        bench.rpc.SystemSharedMemoryUnregister(messages.SystemSharedMemoryUnregisterRequest(name="g"), timeout=LIMIT_S)
        assert not bench.rpc.SystemSharedMemoryStatus(messages.SystemSharedMemoryStatusRequest(), timeout=LIMIT_S).regions
    finally:
        os.unlink(f"/dev/shm/{key}")


@works("`CudaSharedMemoryStatus`", "`CudaSharedMemoryUnregister`")
def cuda_shared_memory(bench, name):
    if "Status" in name:
        assert not bench.rpc.CudaSharedMemoryStatus(messages.CudaSharedMemoryStatusRequest(), timeout=LIMIT_S).regions
    else:
        bench.rpc.CudaSharedMemoryUnregister(messages.CudaSharedMemoryUnregisterRequest(), timeout=LIMIT_S)


@not_offered("`CudaSharedMemoryRegister`")
def register_cuda(bench, _):
    made = messages.CudaSharedMemoryRegisterRequest(name="r", raw_handle=b"x", device_id=0, byte_size=4)
    code, text = refusal(bench.rpc.CudaSharedMemoryRegister, made)
    assert code == "INVALID_ARGUMENT" and "GPUs not supported" in text


@works("`TraceSetting`")
def trace_setting(bench, _):
    told = bench.rpc.TraceSetting(messages.TraceSettingRequest(), timeout=LIMIT_S).settings
    assert {key: list(value.value) for key, value in told.items()}["trace_level"] == ["OFF"]
    assert set(told) == set(bench.get("/v2/trace/setting"))


@works("`LogSettings`")
def log_settings(bench, _):
    told = bench.rpc.LogSettings(messages.LogSettingsRequest(), timeout=LIMIT_S).settings
    assert set(told) == set(bench.get("/v2/logging"))


@works("`grpc.health.v1.Health/Check`", "`grpc.health.v1.Health/Watch`")
def health_service(bench, name):
    serving = health_pb2.HealthCheckResponse.SERVING
    with grpc.insecure_channel(bench.server.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        if "Check" in name:
            assert stub.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_S).status == serving
        else:
            watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)
            assert next(watch).status == serving
            watch.cancel()


@works("server reflection (v1, v1alpha)")
def reflection(bench, _):
    with grpc.insecure_channel(bench.server.grpc) as channel:
        assert "inference.GRPCInferenceService" in ProtoReflectionDescriptorDatabase(channel).get_services()


@works("typed `contents`")
def typed_contents(bench, _):
    answer = bench.grpc_infer("identity_bool", [("INPUT0", "BOOL", [1, 3], [True, False, True])])
    assert answer.raw_output_contents[0] == b"\x01\x00\x01"
    answer = bench.grpc_infer("identity_bytes", [("INPUT0", "BYTES", [1, 2], [b"moon", b""])])
    assert answer.raw_output_contents[0] == b"\x04\0\0\0moon\0\0\0\0"


@works("`raw_input_contents`, `raw_output_contents`")
def raw_contents(bench, _):
    raw = struct.pack("<2f", 1.5, -2)
    answer = bench.grpc_infer("identity_fp32", [("INPUT0", "FP32", [1, 2], None)], raw=[raw])
    assert list(answer.raw_output_contents) == [raw] and not answer.outputs[0].contents.fp32_contents
    mixed = request("identity_fp32", [("INPUT0", "FP32", [1, 2], [1.5, -2])], raw=[raw])
    code, text = refusal(bench.rpc.ModelInfer, mixed)
    assert code == "INVALID_ARGUMENT"
    assert "contents field must not be specified when using raw_input_contents for 'INPUT0'" in text


@works("`InferParameter`: bool, int64, string, double", "`InferParameter`: uint64")
def parameter_kinds(bench, name):
    if "uint64" in name:
        made = request("tells", [("IN", "INT32", [1, 1], [1])])
        made.parameters["priority"].CopyFrom(messages.InferParameter(uint64_param=1))
        assert bench.rpc.ModelInfer(made, timeout=LIMIT_S).id == ""
        made.parameters["e"].CopyFrom(messages.InferParameter(uint64_param=1))
        assert refusal(bench.rpc.ModelInfer, made)[0] == "INVALID_ARGUMENT"
        return
    made = request("tells", [("IN", "INT32", [1, 1], [1])], parameters={"a": True, "b": -5, "c": "x", "d": 0.5})
    told = bench.rpc.ModelInfer(made, timeout=LIMIT_S).parameters
    told = {name: plain(value) for name, value in told.items()}
    assert (told["told_a"], told["told_b"], told["told_c"], told["told_d"]) == (True, -5, "x", 0.5)


@works("gRPC code of an error")
def codes(bench, _):
    assert refusal(bench.rpc.ModelMetadata, messages.ModelMetadataRequest(name="nope"))[0] == "NOT_FOUND"
    assert refusal(bench.rpc.ModelInfer, request("simple", SIMPLE[:1]))[0] == "INVALID_ARGUMENT"
    decoupled = [("IN", "INT32", [1], [1]), ("DELAY", "UINT32", [1], [0]), ("WAIT", "UINT32", [1], [0])]
    code, text = refusal(bench.rpc.ModelInfer, request("repeat", decoupled))
    assert (code, text) == ("UNIMPLEMENTED", "ModelInfer RPC doesn't support models with decoupled transaction policy")
    fixed = bench.stub(bench.other())
    unload = messages.RepositoryModelUnloadRequest(model_name="simple")
    assert refusal(fixed.RepositoryModelUnload, unload)[0] == "UNAVAILABLE"


@works("messages above 4 MiB")
def large_messages(bench, _):
    raw = bytes(range(256)) * (32 << 10)
    answer = bench.grpc_infer("identity_fp32", [("INPUT0", "FP32", [1, len(raw) // 4], None)], raw=[raw])
    assert answer.raw_output_contents[0] == raw


def _stream(bench, values, metadata=None, **parameters):
    inputs = [("IN", "INT32", [len(values)], values), ("DELAY", "UINT32", [len(values)], [0] * len(values))]
    made = request("repeat", [*inputs, ("WAIT", "UINT32", [1], [0])], parameters=parameters)
    return list(bench.rpc.ModelStreamInfer(iter([made]), timeout=LIMIT_S, metadata=metadata))


@works("`triton_enable_empty_final_response`")
def empty_final_response(bench, _):
    assert len(_stream(bench, [4, 2])) == 2
    last = _stream(bench, [4, 2], triton_enable_empty_final_response=True)[-1].infer_response
    assert not last.outputs and last.parameters["triton_final_response"].bool_param


@differs("`triton_final_response`")
def final_response(bench, _):
    [answer] = bench.rpc.ModelStreamInfer(iter([request("simple", SIMPLE)]), timeout=LIMIT_S)
    assert answer.infer_response.parameters["triton_final_response"] == parameter(True)
    answers = _stream(bench, [4, 2])
    assert not answers[0].infer_response.parameters["triton_final_response"].bool_param


@differs("`triton_grpc_error: true`")
def errors_as_status(bench, _):
    with pytest.raises(grpc.RpcError) as raised:
        metadata = (("triton_grpc_error", "true"),)
        list(bench.rpc.ModelStreamInfer(iter([request("nope", SIMPLE)]), timeout=LIMIT_S, metadata=metadata))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


@works("compressed messages: gzip, deflate")
def compression(bench, _):
    made = request("simple", SIMPLE)
    for algorithm in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        assert bench.rpc.ModelInfer(made, timeout=LIMIT_S, compression=algorithm).outputs


@works("cancellation, deadlines")
def cancellation(bench, _):
    inputs = [("IN", "INT32", [1], [1]), ("DELAY", "UINT32", [1], [3_600_000]), ("WAIT", "UINT32", [1], [0])]
    call = bench.rpc.ModelStreamInfer(iter([request("repeat", inputs)]), timeout=0.2)
    with pytest.raises(grpc.RpcError) as raised:
        list(call)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    slow = request("tells", [("IN", "INT32", [1, 1], [1])], parameters={"sleep_ms": 2000})
    held = [bench.rpc.ModelInfer.future(slow) for _ in range(2)]
    bench.until_waiting(1)
    waiting = bench.rpc.ModelInfer.future(request("tells", [("IN", "INT32", [1, 1], [1])]))
    bench.until_waiting(2)
    waiting.cancel()
    assert all(answer.result(LIMIT_S) for answer in held) and waiting.cancelled()
