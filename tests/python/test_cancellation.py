"""Whoever goes away takes the work with it that has not started: `waits` waits eight seconds for company, and what is cancelled
by then is never executed."""

import json
import queue
import re
import shutil
import socket
import urllib.request

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from hippocamp_server import GOLDEN, Server
from tensors import inputs_for
from waiting import until

INPUTS = {"INPUT0": np.zeros((1, 16), np.int32), "INPUT1": np.zeros((1, 16), np.int32)}


def sum_of(server, metric, label=""):
    """The sum of a metric over the series of `waits`, and of those with `label`."""
    text = urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=10).read().decode()
    series = re.findall(rf"^{metric}{{(.*)}} (\S+)$", text, re.MULTILINE)
    return sum(float(value) for labels, value in series if 'model="waits"' in labels and label in labels)


def hang_up(server):
    """Sends a request over HTTP, and closes the connection while it is queued: before that nothing is cancelled nor counted."""
    host, port = server.http.split(":")
    body = json.dumps(
        {
            "inputs": [
                {"name": name, "shape": [1, 16], "datatype": "INT32", "data": array.ravel().tolist()}
                for name, array in INPUTS.items()
            ]
        }
    )
    head = f"POST /v2/models/waits/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall((head + body).encode())
        until(lambda: sum_of(server, "nv_inference_pending_request_count") > 0)


def miss_deadline(server):
    """A gRPC call whose deadline is over before its batch is."""
    with grpcclient.InferenceServerClient(server.grpc) as client:
        # Connected before the time begins.
        assert client.is_server_live()
        answers = queue.Queue()
        client.async_infer(
            "waits", inputs_for(grpcclient, INPUTS), lambda result, error: answers.put((result, error)), client_timeout=3.0
        )
        until(lambda: sum_of(server, "nv_inference_pending_request_count") > 0)
        result, error = answers.get(timeout=30)
        # The client's own clock, or the server's which was told of the deadline: whichever is first.
        assert result is None and error.status() in ("StatusCode.DEADLINE_EXCEEDED", "StatusCode.CANCELLED"), error


def cancel_call(server):
    """A gRPC call that its client cancels."""
    with grpcclient.InferenceServerClient(server.grpc) as client:
        call = client.async_infer("waits", inputs_for(grpcclient, INPUTS), lambda result, error: None)
        until(lambda: sum_of(server, "nv_inference_pending_request_count") > 0)
        call.cancel()


@pytest.fixture
def server(tmp_path):
    """A server whose one model waits for a full batch."""
    model = tmp_path / "waits"
    shutil.copytree(GOLDEN / "model_repository" / "simple_dyn", model)
    config = (model / "config.pbtxt").read_text()
    batching = "dynamic_batching { preferred_batch_size: 8 max_queue_delay_microseconds: 8000000 }"
    config = re.sub(r"dynamic_batching\s*{[^{}]*}", batching, config).replace("simple_dyn", "waits")
    assert batching in config
    (model / "config.pbtxt").write_text(config)
    running = Server(tmp_path)
    yield running
    assert running.stop() == 0, running.log()


@pytest.mark.parametrize("go_away", [hang_up, miss_deadline, cancel_call])
def test_work_that_has_not_started_is_dropped(server, go_away):
    go_away(server)
    until(lambda: sum_of(server, "nv_inference_request_failure", 'reason="CANCELED"') == 1)
    assert sum_of(server, "nv_inference_exec_count") == 0
