"""The models of test_python_backend.py: model.py files as users of Triton write them. Used by its fixture."""

import pathlib
import shutil

from hippocamp_server import GOLDEN

HEADER = "import numpy as np\nimport triton_python_backend_utils as pb_utils\n\n\n"

SUMS = """
input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] }, { name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] }, { name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] } ]
"""
NUMBER = """
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
"""
TEXT = """
input [ { name: "IN" data_type: TYPE_STRING dims: [ -1 ] } ]
output [ { name: "OUT" data_type: TYPE_STRING dims: [ -1 ] } ]
"""
BATCHED = "max_batch_size: 8\n"
DECOUPLED = "model_transaction_policy { decoupled: true }\n"

# Name: what config.pbtxt says beside name and backend, and model.py without its imports.
MODELS = {
    "add_sub": (
        BATCHED + SUMS,
        '''
class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            first, second = (pb_utils.get_input_tensor_by_name(request, f"INPUT{n}").as_numpy() for n in (0, 1))
            tensors = [pb_utils.Tensor("OUTPUT0", first + second), pb_utils.Tensor("OUTPUT1", first - second)]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return responses
''',
    ),
    "upper": (
        TEXT,
        '''
class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            texts = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            upper = np.array([text.decode().upper().encode() for text in texts], dtype=np.object_)
            responses.append(pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("OUT", upper)]))
        return responses
''',
    ),
    # Tells inputs and outputs itself.
    "completed": (
        "",
        '''
class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "IN", "data_type": "TYPE_INT32", "dims": [1]})
        config.add_output({"name": "OUT", "data_type": "TYPE_INT32", "dims": [1]})
        config.set_max_batch_size(0)
        return config

    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "IN").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", -tensor)]) for tensor in tensors]
''',
    ),
    # Answers 0, 1, ... below IN, and then ends.
    "count": (
        DECOUPLED + NUMBER,
        '''
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for number in range(pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()[0]):
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.array([number], np.int32))]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
''',
    ),
    # Asks the ONNX model "simple"; parameter "model" names another one.
    "calls": (
        BATCHED + SUMS + 'parameters { key: "FORCE_CPU_ONLY_INPUT_TENSORS" value: { string_value: "yes" } }\n',
        '''
import json


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            model = json.loads(request.parameters() or "{}").get("model", "simple")
            asked = pb_utils.InferenceRequest(
                model_name=model,
                request_id="from calls",
                requested_output_names=["OUTPUT1", "OUTPUT0"],
                inputs=request.inputs(),
                trace=request.trace(),
            )
            answer = asked.exec()
            if answer.has_error():
                error = pb_utils.TritonError(f"{model} said: {answer.error().message()}")
                responses.append(pb_utils.InferenceResponse(output_tensors=[], error=error))
            else:
                responses.append(pb_utils.InferenceResponse(output_tensors=answer.output_tensors()))
        return responses
''',
    ),
    # The sum of what "count" answers, and several requests at once.
    "sums_a_stream": (
        NUMBER,
        '''
import asyncio


class TritonPythonModel:
    async def execute(self, requests):
        responses = []
        for request in requests:
            number = pb_utils.get_input_tensor_by_name(request, "IN")
            count = {"model_name": "count", "requested_output_names": ["OUT"], "inputs": [number]}
            asked = [pb_utils.InferenceRequest(**count).async_exec(decoupled=True) for _ in range(2)]
            streams = await asyncio.gather(*asked)
            total = 0
            for stream in streams:
                for answer in stream:
                    if answer.has_error():
                        raise pb_utils.TritonModelException(answer.error().message())
                    if len(answer.output_tensors()) > 0:
                        total += pb_utils.get_output_tensor_by_name(answer, "OUT").as_numpy()[0]
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.array([total], np.int32))]))
        return responses
''',
    ),
    # Answers its request's parameters, which are JSON.
    "told": (
        NUMBER.replace('name: "OUT" data_type: TYPE_INT32', 'name: "OUT" data_type: TYPE_STRING'),
        '''
class TritonPythonModel:
    def execute(self, requests):
        told = [np.array([(request.parameters() or "{}").encode()], dtype=np.object_) for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", text)]) for text in told]
''',
    ),
    "raises": (
        NUMBER,
        '''
class TritonPythonModel:
    def execute(self, requests):
        if pb_utils.get_input_tensor_by_name(requests[0], "IN").as_numpy()[0] == 0:
            raise ValueError("zero is not wanted here")
        error = pb_utils.TritonError("this one is refused", pb_utils.TritonError.UNAVAILABLE)
        return [pb_utils.InferenceResponse(output_tensors=[], error=error) for _ in requests]
''',
    ),
    "counts_itself": (
        NUMBER,
        '''
class TritonPythonModel:
    def initialize(self, args):
        self.families = [
            pb_utils.MetricFamily("requests_seen_total", "Requests seen", pb_utils.MetricFamily.COUNTER),
            pb_utils.MetricFamily("last_input", "The last input", pb_utils.MetricFamily.GAUGE),
        ]
        self.seen, self.last = (family.Metric(labels={"model": "counts_itself"}) for family in self.families)

    def execute(self, requests):
        responses = []
        for request in requests:
            number = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            self.seen.increment(1)
            self.last.set(float(number[0]))
            seen = np.array([self.seen.value()], np.int32)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", seen)]))
        return responses

    def finalize(self):
        del self.seen, self.last, self.families
''',
    ),
    # Loads (1), unloads (-1) or asks after (0) the model "upper"; answers whether it is ready.
    "controls": (
        NUMBER,
        '''
class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            what = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()[0]
            if what > 0:
                pb_utils.load_model(model_name="upper")
            if what < 0:
                pb_utils.unload_model(model_name="upper")
            ready = np.array([pb_utils.is_model_ready(model_name="upper")], np.int32)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", ready)]))
        return responses
''',
    ),
}


def write(repository: pathlib.Path) -> None:
    """Puts the models, and the ONNX model that one of them asks, into a new model repository."""
    for name, (config, source) in MODELS.items():
        version = repository / name / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(HEADER + source.lstrip("\n"))
        group = "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
        (repository / name / "config.pbtxt").write_text(f'name: "{name}"\nbackend: "python"\n{group}{config}')
    shutil.copytree(GOLDEN / "model_repository" / "simple", repository / "simple")


# A backend in Python: OUT is IN times the model's parameter "factor". It completes the configurations of its models.
SCALER = '''
import json


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.set_max_batch_size(8)
        config.add_input({"name": "IN", "data_type": "TYPE_FP32", "dims": [2]})
        config.add_output({"name": "OUT", "data_type": "TYPE_FP32", "dims": [2]})
        return config

    def initialize(self, args):
        self.factor = np.float32(json.loads(args["model_config"])["parameters"]["factor"]["string_value"])

    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "IN").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", tensor * self.factor)]) for tensor in tensors]
'''


def write_backend(backends: pathlib.Path, name: str) -> None:
    """Puts the backend in Python into a backend directory."""
    (backends / name).mkdir()
    (backends / name / "model.py").write_text(HEADER + SCALER.lstrip("\n"))


def write_scaled(repository: pathlib.Path, backend: str, name: str, factor: int, more: str) -> None:
    """Puts a model of it into a repository: a configuration, and no file."""
    (repository / name / "1").mkdir(parents=True)
    group = "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
    parameter = f'parameters {{ key: "factor" value {{ string_value: "{factor}" }} }}\n'
    (repository / name / "config.pbtxt").write_text(f'name: "{name}"\nbackend: "{backend}"\n{group}{parameter}{more}')
