"""tritonclient over HTTP, synchronous and asyncio, against the golden models."""

import json
import urllib.request

import numpy as np
import pytest
import tritonclient.http as httpclient
import tritonclient.http.aio as aioclient
from hippocamp_server import GOLDEN
from tensors import CASES, IDS, SUM_AND_DIFFERENCE, check, inputs_for
from waiting import eventually
from tritonclient.utils import InferenceServerException

SIMPLE_OUTPUTS = CASES[0][2]


@pytest.fixture
def client(server):
    with httpclient.InferenceServerClient(server.http, concurrency=8) as client:
        yield client


@pytest.fixture
async def aio(server):
    async with aioclient.InferenceServerClient(server.http) as client:
        yield client


@pytest.fixture
def explicit(explicit_server):
    with httpclient.InferenceServerClient(explicit_server.http) as client:
        yield client


@pytest.mark.parametrize("binary_out", [False, True], ids=["json-out", "binary-out"])
@pytest.mark.parametrize("binary_in", [False, True], ids=["json-in", "binary-in"])
@pytest.mark.parametrize("model, arrays, expected", CASES, ids=IDS)
def test_infer(client, model, arrays, expected, binary_in, binary_out):
    if "FP16" in model.upper() and not (binary_in and binary_out):
        # tritonclient itself refuses FP16 in JSON.
        binary_in = binary_out = True
    outputs = [httpclient.InferRequestedOutput(name, binary_data=binary_out) for name in expected]
    result = client.infer(model, inputs_for(httpclient, arrays, binary_data=binary_in), outputs=outputs, request_id="17")
    check(result, expected)
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == (model, "1", "17")


@pytest.mark.parametrize("model, arrays, expected", CASES, ids=IDS)
async def test_infer_asyncio(aio, model, arrays, expected):
    check(await aio.infer(model, inputs_for(aioclient, arrays)), expected)


def test_infer_without_output_names(client):
    result = client.infer("simple", inputs_for(httpclient, SUM_AND_DIFFERENCE))
    check(result, SIMPLE_OUTPUTS)


def test_infer_only_the_outputs_asked_for(client):
    outputs = [httpclient.InferRequestedOutput("OUTPUT1")]
    result = client.infer("simple", inputs_for(httpclient, SUM_AND_DIFFERENCE), outputs=outputs)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["OUTPUT1"]
    check(result, {"OUTPUT1": SIMPLE_OUTPUTS["OUTPUT1"]})


def test_async_infer(client):
    inputs = inputs_for(httpclient, SUM_AND_DIFFERENCE)
    requests = [client.async_infer("simple_dyn", inputs) for _ in range(32)]
    for request in requests:
        check(request.get_result(timeout=30), SIMPLE_OUTPUTS)


@pytest.mark.parametrize("binary", [False, True])
def test_classification(client, binary):
    outputs = [httpclient.InferRequestedOutput("OUTPUT0", binary_data=binary, class_count=2)]
    result = client.infer("simple", inputs_for(httpclient, SUM_AND_DIFFERENCE), outputs=outputs)
    values = [v.decode() if isinstance(v, bytes) else v for v in result.as_numpy("OUTPUT0").ravel()]
    assert values == ["16:15", "15:14"]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways(client, algorithm):
    result = client.infer(
        "simple",
        inputs_for(httpclient, SUM_AND_DIFFERENCE),
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    check(result, SIMPLE_OUTPUTS)


async def test_compression_asyncio(aio):
    result = await aio.infer(
        "simple",
        inputs_for(aioclient, SUM_AND_DIFFERENCE),
        request_compression_algorithm="gzip",
        response_compression_algorithm="gzip",
    )
    check(result, SIMPLE_OUTPUTS)


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("simple")
    assert client.is_model_ready("simple", "1")
    assert not client.is_model_ready("nope")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("simple")
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}
    config = client.get_model_config("simple")
    assert config["max_batch_size"] == 8
    assert [tensor["name"] for tensor in config["output"]] == ["OUTPUT0", "OUTPUT1"]


async def test_health_and_metadata_asyncio(aio):
    assert await aio.is_server_live() and await aio.is_server_ready() and await aio.is_model_ready("simple")
    assert (await aio.get_server_metadata())["name"]
    assert (await aio.get_model_metadata("identity_bytes"))["inputs"][0]["datatype"] == "BYTES"
    assert (await aio.get_model_config("ensemble_simple"))["ensemble_scheduling"]["step"]
    assert {"name": "simple", "version": "1", "state": "READY"} in await aio.get_model_repository_index()


def test_statistics_count_inferences_and_executions(client):
    def counts():
        [model] = client.get_inference_statistics("identity_int64", "1")["model_stats"]
        return model["inference_count"], model["execution_count"], model["inference_stats"]["success"]["count"]

    before = counts()
    batch = {"INPUT0": np.zeros((4, 3), np.int64)}
    client.infer("identity_int64", inputs_for(httpclient, batch))
    expected = [4, 1, 1]
    assert eventually(lambda: [after - b for after, b in zip(counts(), before)], expected) == expected
    assert len(client.get_inference_statistics()["model_stats"]) == len(IDS)


def test_index(client):
    index = client.get_model_repository_index()
    assert {model["name"] for model in index} == set(IDS)
    assert all(model["state"] == "READY" for model in index)


@pytest.mark.parametrize(
    "model, arrays, status, text",
    [
        ("nope", SUM_AND_DIFFERENCE, "404", "'nope' is not found"),
        ("simple", {"INPUT0": SUM_AND_DIFFERENCE["INPUT0"]}, "400", "expected 2 inputs but got 1"),
        ("simple", {**SUM_AND_DIFFERENCE, "INPUT1": np.ones((1, 8), np.int32)}, "400", "Expected [-1,16], got [1,8]"),
        ("simple", {**SUM_AND_DIFFERENCE, "INPUT1": np.ones((1, 16), np.float32)}, "400", "data-type"),
        ("simple", {"INPUT0": np.ones((9, 16), np.int32), "INPUT1": np.ones((9, 16), np.int32)}, "400", "batch"),
    ],
    ids=["unknown-model", "missing-input", "wrong-shape", "wrong-datatype", "batch-too-large"],
)
def test_errors(client, model, arrays, status, text):
    with pytest.raises(InferenceServerException) as raised:
        client.infer(model, inputs_for(httpclient, arrays))
    assert raised.value.status() == status
    assert text in raised.value.message()


async def test_errors_asyncio(aio):
    with pytest.raises(InferenceServerException) as raised:
        await aio.infer("nope", inputs_for(aioclient, SUM_AND_DIFFERENCE))
    assert raised.value.status() == "404"


def test_load_and_unload(explicit):
    assert explicit.is_server_ready() and not explicit.is_model_ready("simple")
    explicit.load_model("simple")
    check(explicit.infer("simple", inputs_for(httpclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)
    explicit.unload_model("simple")
    with pytest.raises(InferenceServerException):
        explicit.infer("simple", inputs_for(httpclient, SUM_AND_DIFFERENCE))
    with pytest.raises(InferenceServerException, match="nope"):
        explicit.load_model("nope")


def test_load_an_ensemble_and_unload_its_dependents(explicit):
    explicit.load_model("ensemble_simple")
    assert explicit.is_model_ready("simple"), "a step is loaded with its ensemble"
    explicit.unload_model("ensemble_simple", unload_dependents=True)
    assert not explicit.is_model_ready("ensemble_simple")


def test_load_with_config_override(explicit):
    explicit.load_model("simple")
    config = explicit.get_model_config("simple")
    explicit.load_model("simple", config=json.dumps({**config, "max_batch_size": 2}))
    assert explicit.get_model_config("simple")["max_batch_size"] == 2
    explicit.load_model("simple")
    check(explicit.infer("simple", inputs_for(httpclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)


def test_load_with_file_override(explicit):
    onnx = (GOLDEN / "model_repository/simple/1/model.onnx").read_bytes()
    config = json.dumps({"backend": "onnxruntime", "max_batch_size": 8})
    explicit.load_model("from_the_client", config=config, files={"file:3/model.onnx": onnx})
    assert explicit.get_model_metadata("from_the_client")["versions"] == ["3"]
    check(explicit.infer("from_the_client", inputs_for(httpclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)


def test_a_failed_load_changes_nothing_that_serves(explicit):
    explicit.load_model("simple")
    with pytest.raises(InferenceServerException):
        explicit.load_model(
            "simple",
            config=json.dumps({"backend": "onnxruntime", "max_batch_size": 8}),
            files={"file:1/model.onnx": b"this is no ONNX file"},
        )
    check(explicit.infer("simple", inputs_for(httpclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)


def test_plain_json_of_the_readme(server):
    """What curl sends; answered in JSON."""
    body = {
        "inputs": [
            {"name": name, "shape": [1, 16], "datatype": "INT32", "data": array.ravel().tolist()}
            for name, array in SUM_AND_DIFFERENCE.items()
        ]
    }
    request = urllib.request.Request(f"http://{server.http}/v2/models/simple/infer", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    assert {output["name"]: output["data"] for output in answer["outputs"]} == {
        name: array.ravel().tolist() for name, array in SIMPLE_OUTPUTS.items()
    }


async def test_load_and_unload_asyncio(explicit_server):
    # Files cannot be sent by this client: it passes bytes to a JSON encoder that takes none.
    async with aioclient.InferenceServerClient(explicit_server.http) as client:
        await client.load_model("simple")
        config = {**await client.get_model_config("simple"), "max_batch_size": 2}
        await client.load_model("simple", config=json.dumps(config))
        assert (await client.get_model_config("simple"))["max_batch_size"] == 2
        check(await client.infer("simple", inputs_for(aioclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)
        await client.unload_model("simple")
        assert not await client.is_model_ready("simple")
