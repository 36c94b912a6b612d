"""Our example backends under the real tritonserver: `repeat` and `square`, which are decoupled, and `scale` of docs/backends.md.

`make build` makes the libraries, `cargo test` that of `scale`; they complete the configurations.
"""

import queue
import re

import numpy as np
import peer
import pytest
import tritonclient.grpc

# The first test also fetches tritonserver.
pytestmark = pytest.mark.timeout(900)

BUILT = peer.ROOT / "target" / "release"
BACKENDS = {
    "repeat": BUILT / "libtriton_repeat.so",
    "square": BUILT / "libtriton_square.so",
    "scale": BUILT / "examples" / "libscale.so",
}
FACTOR = 'parameters { key: "factor" value { string_value: "0.5" } }'
LIMIT_S = 30


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    models, backends = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("backends")
    for name, library in BACKENDS.items():
        (models / name / "1").mkdir(parents=True)
        config = f'backend: "{name}" instance_group {{ count: 1 kind: KIND_CPU }}\n'
        (models / name / "config.pbtxt").write_text(config + (FACTOR if name == "scale" else ""))
        peer.library_backend(backends, name, library)
    installation = peer.Installation()
    flag, environment = f"--backend-directory={backends}", installation.environment()
    with peer.Server(installation.binary, models, flag, environment=environment) as server:
        yield server
        status, log = server.stop()
    assert status == 0, log
    for name in BACKENDS:
        assert f"successfully unloaded '{name}' version 1" in log, log
    # Without a GPU, tritonserver complains of that at every start.
    errors = [line for line in log.splitlines() if re.match(r"E\d{4} ", line) and "CudaDriver" not in line]
    assert not errors, log


@pytest.fixture
def stream(triton):
    """A client with an open stream, and the queue of its answers.

    The stream is closed, not cancelled: where it is cancelled while one of its requests ends, tritonserver 2.51 can keep
    that request, with it the model, and does not end by itself.
    """
    answers = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(triton.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        yield client, answers
        client.stop_stream()


def ask(client, model, request_id, **inputs):
    tensors = []
    for name, values in inputs.items():
        tensor = tritonclient.grpc.InferInput(name, [len(values)], "INT32" if name == "IN" else "UINT32")
        tensor.set_data_from_numpy(np.array(values, np.int32 if name == "IN" else np.uint32))
        tensors.append(tensor)
    client.async_stream_infer(model, tensors, request_id=request_id)


def next_answer(answers):
    """Id and outputs of the next answer, which is no error."""
    result, error = answers.get(timeout=LIMIT_S)
    assert error is None, error
    response = result.get_response()
    return response.id, {output.name: result.as_numpy(output.name).tolist() for output in response.outputs}


def test_responses_as_they_come(stream):
    client, answers = stream
    ask(client, "repeat", "r", IN=[4, 2, 0], DELAY=[1, 2, 0], WAIT=[0])
    for index, value in enumerate([4, 2, 0]):
        assert next_answer(answers) == ("r", {"OUT": [value], "IDX": [index]})
    ask(client, "square", "s", IN=[3])
    for _ in range(3):
        assert next_answer(answers) == ("s", {"OUT": [3]})


def test_a_slow_request_holds_up_no_other(stream):
    """The model has one instance."""
    client, answers = stream
    ask(client, "repeat", "slow", IN=[1, 2], DELAY=[0, 10_000], WAIT=[0])
    ask(client, "repeat", "quick", IN=[3], DELAY=[0], WAIT=[0])
    assert sorted(next_answer(answers)[0] for _ in range(2)) == ["quick", "slow"]
    assert next_answer(answers) == ("slow", {"OUT": [2], "IDX": [1]})


def test_a_bad_request_is_one_answer(stream):
    client, answers = stream
    ask(client, "repeat", "bad", IN=[1, 2], DELAY=[0], WAIT=[0])
    result, error = answers.get(timeout=LIMIT_S)
    assert result is None and "expected IN and DELAY shape to match" in error.message()
    ask(client, "repeat", "good", IN=[5], DELAY=[0], WAIT=[0])
    assert next_answer(answers) == ("good", {"OUT": [5], "IDX": [0]})


@pytest.mark.parametrize("rows", [1, 3])
def test_scale(triton, rows):
    values = np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)
    tensor = tritonclient.grpc.InferInput("INPUT", values.shape, "FP32")
    tensor.set_data_from_numpy(values)
    with tritonclient.grpc.InferenceServerClient(triton.grpc) as client:
        np.testing.assert_array_equal(client.infer("scale", [tensor]).as_numpy("OUTPUT"), values / 2)
