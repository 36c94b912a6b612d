"""KServe: its Python client over both protocols, and its document of the protocol against our answers."""

import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

import jsonschema_rs
import pytest
import yaml
from hippocamp_server import ROOT

SUM_AND_DIFFERENCE = {
    "OUTPUT0": ["INT32", [1, 16], [number + 1 for number in range(16)]],
    "OUTPUT1": ["INT32", [1, 16], [number - 1 for number in range(16)]],
}
ANSWER = {"id": "17", "model_name": "simple", "outputs": SUM_AND_DIFFERENCE}

DOCUMENT = yaml.safe_load((ROOT / "tests/data/open_inference_protocol/open_inference_rest.yaml").read_text())
MODEL = "/v2/models/${MODEL_NAME}/versions/${MODEL_VERSION}"


@pytest.fixture(scope="module")
def got(server):
    script = pathlib.Path(__file__).with_name("kserve_client.py")
    run = subprocess.run([sys.executable, script, server.http, server.grpc], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_health(got, protocol):
    assert {key: got[protocol][key] for key in ("live", "ready", "model")} == {"live": True, "ready": True, "model": True}


@pytest.mark.parametrize("protocol, form", [("rest", "json"), ("rest", "binary"), ("grpc", "contents"), ("grpc", "raw")])
def test_infer(got, protocol, form):
    assert got[protocol][form] == ANSWER


def test_refusals(got):
    text = "Request for unknown model: 'nope' is not found"
    assert got["rest"]["refusal"] == [404, text]
    assert got["grpc"]["refusal"] == ["NOT_FOUND", text]


def call(server, path, body=None):
    """Status, and the JSON of the answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{server.http}{path}", data)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def infer_body(**changes):
    inputs = [{"name": name, "shape": [1, 16], "datatype": "INT32", "data": list(range(16))} for name in ("INPUT0", "INPUT1")]
    return {"id": "42", "inputs": inputs, "outputs": [{"name": "OUTPUT0"}], **changes}


@pytest.mark.parametrize(
    "path, verb, body, status",
    [
        ("/v2/health/live", "get", None, 200),
        ("/v2/health/ready", "get", None, 200),
        ("/v2/", "get", None, 200),
        (MODEL, "get", None, 200),
        (f"{MODEL}/ready", "get", None, 200),
        (f"{MODEL}/infer", "post", infer_body(), 200),
        (f"{MODEL}/infer", "post", infer_body(outputs=[]), 200),
        (f"{MODEL}/infer", "post", infer_body(inputs=[]), 400),
    ],
)
def test_answers_fit_the_protocols_document(server, path, verb, body, status):
    responses = DOCUMENT["paths"][path][verb]["responses"]
    if body is not None:
        validate(DOCUMENT["paths"][path][verb]["requestBody"], body)
    found, answer = call(server, path.replace("${MODEL_NAME}", "simple").replace("${MODEL_VERSION}", "1"), body)
    assert found == status
    # Of health calls the document tells no body, KServe's client and page do.
    if "content" in responses[f"{status}"]:
        validate(responses[f"{status}"], answer)


def validate(described, instance):
    schema = described["content"]["application/json"]["schema"]
    jsonschema_rs.validate({**schema, "components": DOCUMENT["components"]}, instance)


def test_every_call_of_the_document_is_tested():
    """A newer document may have more."""
    assert {(path, verb) for path, item in DOCUMENT["paths"].items() for verb in item if verb != "parameters"} == {
        ("/v2/health/live", "get"),
        ("/v2/health/ready", "get"),
        ("/v2/", "get"),
        (MODEL, "get"),
        (f"{MODEL}/ready", "get"),
        (f"{MODEL}/infer", "post"),
    }
