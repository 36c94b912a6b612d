"""schemathesis: generated requests for every route of the OpenAPI documents; each answer has to be one that they tell.

Of the server's own document, of one model's, and of the Open Inference Protocol's. The number of requests is bounded.
"""

import collections
import http.client
import json
import urllib.request

import hypothesis
import pytest
import schemathesis
import yaml
from hippocamp_server import GOLDEN, ROOT, Server
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
EXAMPLES = hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
# Names that lead somewhere are rarely generated.
MODELS = ["simple", "identity_bytes", "ensemble_simple", "no_such_model"]


@pytest.fixture(scope="module")
def server():
    running = Server(GOLDEN / "model_repository", "--allow-client-shm=true")
    yield running
    assert running.stop() == 0, running.log()


def document(server, path):
    with urllib.request.urlopen(f"http://{server.http}{path}") as answer:
        return json.load(answer)


def loaded(server, text):
    schema = schemathesis.openapi.from_dict(text)
    schema.config.update(base_url=f"http://{server.http}")
    return schema


@pytest.fixture(scope="module")
def whole(server):
    text = document(server, "/openapi.json")
    for item in text["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "model":
                    parameter["schema"] = {"enum": MODELS}
                if parameter["name"] == "version":
                    parameter["schema"] = {"enum": ["1", "2", "18446744073709551616"]}
    return loaded(server, text)


@pytest.fixture(scope="module")
def of_one_model(server):
    return loaded(server, document(server, "/v2/models/simple/openapi.json"))


@pytest.fixture(scope="module")
def of_the_protocol(server):
    text = (ROOT / "tests/data/open_inference_protocol/open_inference_rest.yaml").read_text()
    # `/v2/models/${MODEL_NAME}` is no template of OpenAPI: the dollar would be sent.
    text = yaml.safe_load(text.replace("/${", "/{"))
    for item in text["paths"].values():
        for parameter in item.get("parameters", []):
            parameter["schema"] = {"type": "string", "enum": ["simple"] if parameter["name"] == "MODEL_NAME" else ["1"]}
    return loaded(server, text)


def _told(fault):
    return "\n".join(f"{each!r} {each}" for each in getattr(fault, "exceptions", [fault]))


def drive(schema, capsys, checks=CHECKS, server_errors=(501, 503), good=None):
    """Sends what fits the document and what does not, to each operation; every answer is to be one that the document tells, and no
    server error but `server_errors`. What `good` has for an operation is to be answered with 200."""
    faults, statuses = {}, collections.Counter()
    good = dict(good or {})
    for operation in (result.ok() for result in schema.get_all_operations()):
        if operation.label in good:
            case = operation.Case(**good.pop(operation.label), media_type="application/json")
            response = case.call_and_validate(timeout=30, checks=checks)
            statuses[response.status_code] += 1
            assert response.status_code == 200, response.text
        for mode in GenerationMode:

            @EXAMPLES
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def send(case):
                response = case.call(timeout=30)
                statuses[response.status_code] += 1
                assert response.status_code < 500 or response.status_code in server_errors, response.text
                case.validate_response(response, checks=checks)

            try:
                send()
            except hypothesis.errors.Unsatisfiable:
                # There is nothing that does not fit: no parameters, no body.
                assert mode is GenerationMode.NEGATIVE, operation.label
            except (Exception, BaseExceptionGroup) as fault:  # schemathesis groups what it finds
                faults[f"{operation.label}, {mode.value}"] = fault
    assert not good, f"no such operations: {list(good)}"
    with capsys.disabled():
        counts = ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
        print(f"\nschemathesis: {statuses.total()} requests: {counts}", flush=True)
    text = "\n\n".join(f"{operation}:\n{_told(fault)}" for operation, fault in faults.items())
    assert not faults, f"{len(faults)} operations answer otherwise:\n{text}"
    return statuses


def test_every_route(whole, capsys):
    statuses = drive(whole, capsys)
    assert statuses.total() > 1000 and statuses[200] > 100


def test_every_route_of_one_model(of_one_model, capsys):
    good = {}
    for path, item in of_one_model.raw_schema["paths"].items():
        example = item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        if "INPUT0" in json.dumps(example):
            good[f"POST {path}"] = {"body": example}
    assert len(good) == 3
    assert drive(of_one_model, capsys, good=good)[200] > 20


def test_the_open_inference_protocol(of_the_protocol, capsys):
    # It tells of no 404, and of 400 in some places only.
    checks = [check for check in CHECKS if check is not status_code_conformance]
    inputs = [{"name": name, "shape": [1, 16], "datatype": "INT32", "data": list(range(16))} for name in ("INPUT0", "INPUT1")]
    case = {"path_parameters": {"MODEL_NAME": "simple", "MODEL_VERSION": "1"}, "body": {"inputs": inputs}}
    good = {"POST /v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}/infer": case}
    statuses = drive(of_the_protocol, capsys, checks, server_errors=(), good=good)
    assert set(statuses) == {200, 400, 404} and statuses[400] > 10


def test_unknown_verbs_are_refused(server):
    """Every path answers 405 to a verb that the document does not tell of, and says which one it takes."""
    for path, item in document(server, "/openapi.json")["paths"].items():
        path = path.replace("{version}", "1").replace("{", "").replace("}", "")
        for verb in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {verb.upper() for verb in item}:
            connection = http.client.HTTPConnection(server.http)
            connection.request(verb, path)
            answer = connection.getresponse()
            assert answer.status == 405, f"{verb} {path}: {answer.status}"
            assert answer.headers["Allow"].lower() in item, f"{verb} {path}: {answer.headers['Allow']}"
            connection.close()
