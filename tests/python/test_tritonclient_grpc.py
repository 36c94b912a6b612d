"""tritonclient over gRPC, synchronous and asyncio, streaming included, against the golden models."""

import json
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as aioclient
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hippocamp_server import GOLDEN
from tensors import CASES, IDS, SUM_AND_DIFFERENCE, check, inputs_for
from waiting import eventually
from tritonclient.utils import InferenceServerException

SIMPLE_OUTPUTS = CASES[0][2]


@pytest.fixture
def client(server):
    with grpcclient.InferenceServerClient(server.grpc) as client:
        yield client


@pytest.fixture
async def aio(server):
    async with aioclient.InferenceServerClient(server.grpc) as client:
        yield client


@pytest.fixture
def explicit(explicit_server):
    with grpcclient.InferenceServerClient(explicit_server.grpc) as client:
        yield client


@pytest.mark.parametrize("model, arrays, expected", CASES, ids=IDS)
def test_infer(client, model, arrays, expected):
    outputs = [grpcclient.InferRequestedOutput(name) for name in expected]
    result = client.infer(model, inputs_for(grpcclient, arrays), outputs=outputs, request_id="17")
    check(result, expected)
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == (model, "1", "17")


@pytest.mark.parametrize("model, arrays, expected", CASES, ids=IDS)
async def test_infer_asyncio(aio, model, arrays, expected):
    check(await aio.infer(model, inputs_for(aioclient, arrays)), expected)


def test_infer_only_the_outputs_asked_for(client):
    outputs = [grpcclient.InferRequestedOutput("OUTPUT1")]
    result = client.infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE), outputs=outputs)
    assert [output.name for output in result.get_response().outputs] == ["OUTPUT1"]


def test_async_infer(client):
    inputs = inputs_for(grpcclient, SUM_AND_DIFFERENCE)
    answers = queue.Queue()
    for _ in range(32):
        client.async_infer("simple_dyn", inputs, lambda result, error: answers.put((result, error)))
    for _ in range(32):
        result, error = answers.get(timeout=30)
        assert error is None
        check(result, SIMPLE_OUTPUTS)


def test_stream(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(16):
        client.async_stream_infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE), request_id=f"{i}")
    ids = set()
    for _ in range(16):
        result, error = answers.get(timeout=30)
        assert error is None
        check(result, SIMPLE_OUTPUTS)
        ids.add(result.get_response().id)
    assert ids == {f"{i}" for i in range(16)}
    # An error is an answer; the stream goes on after it.
    client.async_stream_infer("nope", inputs_for(grpcclient, SUM_AND_DIFFERENCE))
    result, error = answers.get(timeout=30)
    assert result is None and "'nope' is not found" in error.message()
    client.async_stream_infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE))
    result, error = answers.get(timeout=30)
    assert error is None
    client.stop_stream()


async def test_stream_asyncio(aio):
    async def requests():
        for i in range(8):
            yield {"model_name": "simple", "inputs": inputs_for(aioclient, SUM_AND_DIFFERENCE), "request_id": f"{i}"}

    ids = set()
    async for result, error in aio.stream_infer(requests(), stream_timeout=30):
        assert error is None
        check(result, SIMPLE_OUTPUTS)
        ids.add(result.get_response().id)
    assert ids == {f"{i}" for i in range(8)}


def test_classification(client):
    outputs = [grpcclient.InferRequestedOutput("OUTPUT0", class_count=2)]
    result = client.infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE), outputs=outputs)
    assert result.as_numpy("OUTPUT0").ravel().tolist() == [b"16:15", b"15:14"]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression(client, algorithm):
    result = client.infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE), compression_algorithm=algorithm)
    check(result, SIMPLE_OUTPUTS)


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("simple", "1")
    assert not client.is_model_ready("nope")
    assert "binary_tensor_data" in client.get_server_metadata().extensions
    metadata = client.get_model_metadata("simple")
    assert list(metadata.versions) == ["1"]
    assert list(metadata.inputs[0].shape) == [-1, 16]
    config = client.get_model_config("simple").config
    assert config.max_batch_size == 8
    assert [tensor.name for tensor in config.output] == ["OUTPUT0", "OUTPUT1"]


async def test_health_and_metadata_asyncio(aio):
    assert await aio.is_server_live() and await aio.is_server_ready() and await aio.is_model_ready("simple")
    assert (await aio.get_server_metadata()).name
    assert (await aio.get_model_metadata("identity_bytes")).inputs[0].datatype == "BYTES"
    assert len((await aio.get_model_config("ensemble_simple")).config.ensemble_scheduling.step) == 2
    assert {model.name for model in (await aio.get_model_repository_index()).models} == set(IDS)


def test_health_service_and_reflection(server):
    with grpc.insecure_channel(server.grpc) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert "inference.GRPCInferenceService" in ProtoReflectionDescriptorDatabase(channel).get_services()


def test_statistics_count_inferences_and_executions(client):
    def counts():
        [model] = client.get_inference_statistics("identity_fp32", "1").model_stats
        return model.inference_count, model.execution_count, model.inference_stats.success.count

    before = counts()
    client.infer("identity_fp32", inputs_for(grpcclient, {"INPUT0": np.zeros((4, 3), np.float32)}))
    expected = [4, 1, 1]
    assert eventually(lambda: [after - b for after, b in zip(counts(), before)], expected) == expected


async def test_statistics_asyncio(aio):
    assert len((await aio.get_inference_statistics()).model_stats) == len(IDS)


def test_index(client):
    index = client.get_model_repository_index().models
    assert {(model.name, model.state) for model in index} == {(name, "READY") for name in IDS}


@pytest.mark.parametrize(
    "model, arrays, code, text",
    [
        ("nope", SUM_AND_DIFFERENCE, "NOT_FOUND", "'nope' is not found"),
        ("simple", {"INPUT0": SUM_AND_DIFFERENCE["INPUT0"]}, "INVALID_ARGUMENT", "expected 2 inputs but got 1"),
        ("simple", {**SUM_AND_DIFFERENCE, "INPUT1": np.ones((1, 8), np.int32)}, "INVALID_ARGUMENT", "got [1,8]"),
        ("simple", {name: np.ones((9, 16), np.int32) for name in SUM_AND_DIFFERENCE}, "INVALID_ARGUMENT", "batch"),
    ],
    ids=["unknown-model", "missing-input", "wrong-shape", "batch-too-large"],
)
def test_errors(client, model, arrays, code, text):
    with pytest.raises(InferenceServerException) as raised:
        client.infer(model, inputs_for(grpcclient, arrays))
    assert raised.value.status() == f"StatusCode.{code}"
    assert text in raised.value.message()


async def test_errors_asyncio(aio):
    with pytest.raises(InferenceServerException) as raised:
        await aio.infer("nope", inputs_for(aioclient, SUM_AND_DIFFERENCE))
    assert raised.value.status() == "StatusCode.NOT_FOUND"


def test_model_control_is_refused_without_explicit_mode(client):
    with pytest.raises(InferenceServerException) as raised:
        client.unload_model("simple")
    assert raised.value.status() == "StatusCode.UNAVAILABLE"


def test_load_and_unload(explicit):
    assert not explicit.is_model_ready("simple")
    explicit.load_model("simple")
    check(explicit.infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)
    explicit.unload_model("simple")
    assert not explicit.is_model_ready("simple")
    explicit.load_model("ensemble_simple")
    assert explicit.is_model_ready("simple"), "a step is loaded with its ensemble"
    explicit.unload_model("ensemble_simple", unload_dependents=True)
    assert not explicit.is_model_ready("ensemble_simple")


def test_load_with_config_and_file_override(explicit):
    onnx = (GOLDEN / "model_repository/simple/1/model.onnx").read_bytes()
    config = json.dumps({"backend": "onnxruntime", "max_batch_size": 4})
    explicit.load_model("from_the_client", config=config, files={"file:2/model.onnx": onnx})
    assert list(explicit.get_model_metadata("from_the_client").versions) == ["2"]
    assert explicit.get_model_config("from_the_client").config.max_batch_size == 4
    check(explicit.infer("from_the_client", inputs_for(grpcclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)


async def test_load_and_unload_asyncio(explicit_server):
    onnx = (GOLDEN / "model_repository/simple/1/model.onnx").read_bytes()
    async with aioclient.InferenceServerClient(explicit_server.grpc) as client:
        config = json.dumps({"backend": "onnxruntime", "max_batch_size": 4})
        await client.load_model("copy", config=config, files={"file:1/model.onnx": onnx})
        check(await client.infer("copy", inputs_for(aioclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)
        await client.unload_model("copy")
        assert not await client.is_model_ready("copy")
