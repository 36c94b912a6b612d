"""What the probes of the protocol table look at: servers over models that show what they were asked, and calls over both
protocols. Made by test_protocol_table.py."""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
from typing import NamedTuple

import grpc
from hippocamp_server import GOLDEN, ROOT, Server
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc
from waiting import steady

LIMIT_S = 30
TELLS = """
backend: "tells"
max_batch_size: 1
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
dynamic_batching { priority_levels: 2 default_priority_level: 2 default_queue_policy { allow_timeout_override: true } }
instance_group [ { count: 1 kind: KIND_CPU } ]
"""


class Answer(NamedTuple):
    """An answer over HTTP; header names are in small letters."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The text of an error, whose body is that of every error."""
        assert self.headers["content-type"] == "application/json", self
        return self.json["error"]


def call(address, method, path, body=None, headers=None) -> Answer:
    """One request over HTTP; a body that is neither bytes nor None is sent as JSON."""
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=LIMIT_S)
    with contextlib.closing(connection):
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, sent, headers or {})
        got = connection.getresponse()
        return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())


class Bench:
    """A server in explicit mode over every kind of model, its clients, and servers of other settings when asked."""

    def __init__(self, directory):
        self.directory = directory
        self._stack = contextlib.ExitStack()
        self._others = {}
        self.repository = directory / "models"
        _models(self.repository)
        self.server = self.other(
            "--model-control-mode=explicit",
            "--load-model=*",
            "--allow-client-shm",
            "--http-header-forward-pattern=x-.*",
            "--grpc-header-forward-pattern=x-.*",
        )
        self.rpc = self.stub(self.server)

    def close(self):
        """Ends every server, each of which has to end well."""
        self._stack.close()

    def other(self, *arguments, repository=None):
        """A server with these arguments, over the same models if no other are named; made once."""
        key = (arguments, repository)
        if key not in self._others:
            server = Server(repository or self.repository, "--allow-external-links", *arguments)
            self._stack.callback(self._stop, server)
            self._others[key] = server
        return self._others[key]

    @staticmethod
    def _stop(server):
        assert server.stop() == 0, f"unclean end; its log:\n{server.log()}"

    def stub(self, server):
        """Triton's own service over gRPC."""
        limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        channel = self._stack.enter_context(grpc.insecure_channel(server.grpc, options=limits))
        return service_pb2_grpc.GRPCInferenceServiceStub(channel)

    def call(self, method, path, body=None, headers=None) -> Answer:
        """One request over HTTP to the server."""
        return call(self.server.http, method, path, body, headers)

    def get(self, path):
        """The JSON of a GET that is answered with 200."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def metric(self, name, model):
        """The value of a metric of version 1 of a model."""
        text = call(self.server.metrics, "GET", "/metrics").body.decode()
        [value] = re.findall(rf'^{name}{{model="{model}",version="1"}} (\S+)$', text, re.MULTILINE)
        return float(value)

    def until_waiting(self, count):
        """Waits until so many requests to `tells` wait while another is executed: each counts until an instance has taken it."""
        steady(lambda: self.metric("nv_inference_pending_request_count", "tells"), count)

    def infer(self, model, inputs, headers=None, **more) -> Answer:
        """An inference over HTTP; `inputs` are (name, datatype, shape, data), `more` goes into the request."""
        request = {"inputs": [dict(zip(("name", "datatype", "shape", "data"), one)) for one in inputs], **more}
        return self.call("POST", f"/v2/models/{model}/infer", request, headers)

    def grpc_infer(self, model, inputs, metadata=None, **more):
        """The same over gRPC, with typed contents; parameters are given as plain values."""
        return self.rpc.ModelInfer(request(model, inputs, **more), timeout=LIMIT_S, metadata=metadata)

    def tells(self, **parameters):
        """What the backend was told over (HTTP, gRPC)."""
        tensor = [("IN", "INT32", [1, 1], [1])]
        answer = self.infer("tells", tensor, parameters=parameters, id="q", headers={"x-head": "er", "y-head": "no"})
        assert answer.status == 200, answer
        over_grpc = self.grpc_infer("tells", tensor, (("x-head", "er"), ("y-head", "no")), id="q", parameters=parameters)
        return answer.json["parameters"], {name: plain(value) for name, value in over_grpc.parameters.items()}

    @contextlib.contextmanager
    def loaded(self, name, config, version="1"):
        """A model of this configuration for a while, made of nothing but it."""
        body = {"parameters": {"config": json.dumps(config)}}
        (self.repository / name / version).mkdir(parents=True, exist_ok=True)
        answer = self.call("POST", f"/v2/repository/models/{name}/load", body)
        assert answer.status == 200, answer
        try:
            yield
        finally:
            assert self.call("POST", f"/v2/repository/models/{name}/unload").status == 200
            shutil.rmtree(self.repository / name)


def plain(value):
    """The value of an InferParameter."""
    return getattr(value, value.WhichOneof("parameter_choice"))


def parameter(value):
    """An InferParameter of a plain value."""
    kinds = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
    return messages.InferParameter(**{kinds[type(value)]: value})


CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def request(model, inputs, outputs=(), parameters=None, raw=None, **more):
    """A ModelInferRequest; `inputs` as in Bench.infer, data None where `raw` has them."""
    made = messages.ModelInferRequest(model_name=model, raw_input_contents=raw or [], **more)
    for name, datatype, shape, data in inputs:
        tensor = made.inputs.add(name=name, datatype=datatype, shape=shape)
        if data is not None:
            getattr(tensor.contents, CONTENTS[datatype]).extend(data)
    for name, own in outputs:
        output = made.outputs.add(name=name)
        for key, value in own.items():
            output.parameters[key].CopyFrom(parameter(value))
    for key, value in (parameters or {}).items():
        made.parameters[key].CopyFrom(parameter(value))
    return made


def refusal(function, *arguments, **options):
    """(code, text) of a call over gRPC that fails."""
    try:
        answer = function(*arguments, timeout=LIMIT_S, **options)
        if hasattr(answer, "__next__"):
            answer = list(answer)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError(f"expected an error, got {answer}")


def copy_model(repository, source, name, change=lambda config: config):
    """A model like `source` of the golden models under another name, with its configuration changed."""
    shutil.copytree(GOLDEN / "model_repository" / source, repository / name)
    config = repository / name / "config.pbtxt"
    config.write_text(change(config.read_text().replace(f'"{source}"', f'"{name}"')))


def _models(repository):
    shutil.copytree(GOLDEN / "model_repository", repository)
    labels = 'dims: [ -1 ] label_filename: "labels.txt" }'
    copy_model(repository, "identity_fp32", "labelled", lambda text: re.sub(r"(OUTPUT0.*)dims: \[ -1 \] }", rf"\1{labels}", text))
    (repository / "labelled" / "labels.txt").write_text("cat\ndog\nfish\n")
    for name in ("repeat", "square"):
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "config.pbtxt").write_text(f'backend: "{name}" instance_group {{ count: 1 kind: KIND_CPU }}')
    encoder = ("embed_plot_bow", "text_tokenizer_bow", "plot_encoder_bow")
    for name in encoder:
        (repository / name).symlink_to(ROOT / "model_repository" / name, target_is_directory=True)
    (repository / "tells" / "1").mkdir(parents=True)
    (repository / "tells" / "config.pbtxt").write_text(TELLS)
    compiler = [os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared"]
    library = repository / "tells" / "libtriton_tells.so"
    subprocess.run([*compiler, "-o", library, ROOT / "tests" / "data" / "telling_backend.c"], check=True)
