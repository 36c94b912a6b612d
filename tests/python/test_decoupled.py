"""Decoupled models (`repeat`, `square`) through tritonclient's streams, synchronous and asyncio."""

import asyncio
import queue

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
from hippocamp_server import Server

AN_HOUR_MS = 3_600_000
LIMIT_S = 30


@pytest.fixture(scope="module")
def decoupled(tmp_path_factory):
    """A server with both models; the backends complete their configurations."""
    repository = tmp_path_factory.mktemp("models")
    for name in ("repeat", "square"):
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "config.pbtxt").write_text(
            f'backend: "{name}" instance_group {{ count: 1 kind: KIND_CPU }}'
        )
    running = Server(repository)
    yield running
    assert running.stop() == 0, running.log()


def tensor(module, name, datatype, values):
    array = np.array(values, {"INT32": np.int32, "UINT32": np.uint32}[datatype])
    made = module.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def repeat(module, values, delays, wait=0):
    """Inputs of a request to `repeat`."""
    return [
        tensor(module, "IN", "INT32", values),
        tensor(module, "DELAY", "UINT32", delays),
        tensor(module, "WAIT", "UINT32", [wait]),
    ]


def pair(result):
    """OUT and IDX of a response."""
    return int(result.as_numpy("OUT")[0]), int(result.as_numpy("IDX")[0])


@pytest.fixture
def stream(decoupled):
    """A client with an open stream, and the queue of its answers."""
    answers = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(decoupled.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        yield client, answers
        client.stop_stream(cancel_requests=True)


def test_responses_as_they_come(stream):
    client, answers = stream
    client.async_stream_infer("repeat", repeat(tritonclient.grpc, [4, 2, 0, 1], [1, 2, 0, 1]))
    for expected in [(4, 0), (2, 1), (0, 2), (1, 3)]:
        result, error = answers.get(timeout=LIMIT_S)
        assert error is None and pair(result) == expected
    client.async_stream_infer("square", [tensor(tritonclient.grpc, "IN", "INT32", [3])])
    for _ in range(3):
        result, error = answers.get(timeout=LIMIT_S)
        assert error is None and result.as_numpy("OUT").tolist() == [3]


def test_the_end_without_a_response(stream):
    client, answers = stream
    empty = repeat(tritonclient.grpc, np.empty(0), np.empty(0))
    client.async_stream_infer("repeat", empty, request_id="e", enable_empty_final_response=True)
    result, error = answers.get(timeout=LIMIT_S)
    response = result.get_response()
    assert error is None and response.id == "e" and not response.outputs
    assert response.parameters["triton_final_response"].bool_param


def test_requests_overtake_each_other(stream):
    client, answers = stream
    client.async_stream_infer("repeat", repeat(tritonclient.grpc, [1, 2], [0, AN_HOUR_MS]), request_id="slow")
    client.async_stream_infer("repeat", repeat(tritonclient.grpc, [3], [0]), request_id="quick")
    found = [answers.get(timeout=LIMIT_S) for _ in range(2)]
    assert {(result.get_response().id, pair(result)) for result, _ in found} == {("slow", (1, 0)), ("quick", (3, 0))}


def test_a_bad_request_is_one_answer(stream):
    client, answers = stream
    client.async_stream_infer("repeat", repeat(tritonclient.grpc, [1, 2], [0]))
    result, error = answers.get(timeout=LIMIT_S)
    assert result is None and "expected IN and DELAY shape to match" in error.message()
    client.async_stream_infer("repeat", repeat(tritonclient.grpc, [5], [0]))
    result, error = answers.get(timeout=LIMIT_S)
    assert error is None and pair(result) == (5, 0)


async def test_asyncio(decoupled):
    async def requests():
        for number in range(4):
            inputs = repeat(tritonclient.grpc.aio, list(range(number)), [0] * number)
            yield {"model_name": "repeat", "inputs": inputs, "request_id": str(number)}

    found = {}
    async with tritonclient.grpc.aio.InferenceServerClient(decoupled.grpc) as client:
        async with asyncio.timeout(LIMIT_S):
            async for result, error in client.stream_infer(requests()):
                assert error is None
                found.setdefault(result.get_response().id, []).append(pair(result))
    assert found == {str(number): [(index, index) for index in range(number)] for number in range(1, 4)}
