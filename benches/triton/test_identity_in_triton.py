"""The real tritonserver loads our backends from their shared libraries, serves, and unloads them.

`make build` makes the libraries. The models are golden ones with the backend named in their configurations; that Triton
has nothing else to serve them with is what makes an answer a proof.
"""

import pathlib
import re
import shutil
import time

import numpy as np
import peer
import pytest
import tritonclient.grpc
import tritonclient.http

# The first test also fetches tritonserver.
pytestmark = pytest.mark.timeout(900)

GOLDEN = peer.ROOT / "tests" / "golden" / "model_repository"
BUILT = peer.ROOT / "target" / "release"
MODELS = {"identity_bytes": "identity", "identity_fp32": "identity", "simple": "tract"}
BATCHES = [1, 3]
LIMIT_S = 30


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """The model repository and the backend directory."""
    models, backends = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("backends")
    for name, backend in MODELS.items():
        shutil.copytree(GOLDEN / name, models / name)
        config = models / name / "config.pbtxt"
        text, changes = re.subn(r"^(platform|backend): .*$", f'backend: "{backend}"', config.read_text(), flags=re.M)
        assert changes == 1, f"{config} names no backend"
        config.write_text(text)
    for backend in set(MODELS.values()):
        peer.library_backend(backends, backend, BUILT / f"libtriton_{backend}.so")
    return models, backends


def start(repositories, *arguments):
    models, backends = repositories
    installation = peer.Installation()
    return peer.Server(
        installation.binary,
        models,
        f"--backend-directory={backends}",
        *arguments,
        environment=installation.environment(),
    )


@pytest.fixture(scope="module")
def triton(repositories):
    """A tritonserver with all models, which nothing changes."""
    with start(repositories) as server:
        yield server
        check_end(server)


def check_end(server):
    """The server ends without an error, all models unloaded."""
    status, log = server.stop()
    assert status == 0, log
    for name in MODELS:
        assert f"successfully unloaded '{name}' version 1" in log, log
    # Without a GPU, tritonserver complains of that at every start.
    errors = [line for line in log.splitlines() if re.match(r"E\d{4} ", line) and "CudaDriver" not in line]
    assert not errors, log


def tensors(model, batch):
    """Inputs of a request to the model, and the outputs expected."""
    if model == "simple":
        a = np.arange(batch * 16, dtype=np.int32).reshape(batch, 16)
        b = np.full_like(a, 7) * np.arange(1, batch + 1, dtype=np.int32).reshape(batch, 1)
        return {"INPUT0": a, "INPUT1": b}, {"OUTPUT0": a + b, "OUTPUT1": a - b}
    if model == "identity_bytes":
        row = np.array([b"", "Grüße 🌒".encode(), b"two words"], object)
        array = np.stack([row + b"%d" % number for number in range(batch)])
    else:
        array = np.array([[0.5, -1.25, 3e38, np.finfo(np.float32).tiny]], np.float32) / np.arange(1, batch + 1)[:, None]
        array = array.astype(np.float32)
    return {"INPUT0": array}, {"OUTPUT0": array}


def infer(server, protocol, model, inputs, **options):
    """The answer to one request; `options` go to set_data_from_numpy."""
    client = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
    wanted = []
    for name, array in inputs.items():
        datatype = {np.dtype(np.int32): "INT32", np.dtype(np.float32): "FP32", np.dtype(object): "BYTES"}[array.dtype]
        tensor = client.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, **options)
        wanted.append(tensor)
    with client.InferenceServerClient(getattr(server, protocol)) as connection:
        return connection.infer(model, wanted)


def check(server, protocol, model, batch, **options):
    """The server answers right."""
    inputs, expected = tensors(model, batch)
    result = infer(server, protocol, model, inputs, **options)
    for name, array in expected.items():
        actual = result.as_numpy(name)
        if array.dtype == object:
            # JSON carries text, binary tensors carry bytes.
            encode = np.vectorize(lambda item: item.encode() if isinstance(item, str) else item, otypes=[object])
            actual = encode(actual)
        assert actual.dtype == array.dtype
        np.testing.assert_array_equal(actual, array)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_answers(triton, protocol, model, batch):
    check(triton, protocol, model, batch)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("model", MODELS)
def test_answers_json(triton, model, batch):
    check(triton, "http", model, batch, binary_data=False)


def test_counts_what_it_answers(triton):
    """The backend reports its statistics to the server that drives it."""
    for model in MODELS:

        def counts():
            _, answer = triton.request("GET", f"/v2/models/{model}/stats")
            [counted] = answer["model_stats"]
            return counted["inference_count"], counted["execution_count"], counted["inference_stats"]["success"]["count"]

        before = counts()
        check(triton, "grpc", model, 3)
        expected = tuple(count + more for count, more in zip(before, (3, 1, 1)))
        # They are reported a moment after the response.
        end = time.monotonic() + LIMIT_S
        while counts() != expected and time.monotonic() < end:
            time.sleep(0.002)
        assert counts() == expected


def test_refuses_what_does_not_fit_and_goes_on(triton):
    """A request the server or the backend refuses leaves the next one alone."""
    inputs, _ = tensors("simple", 1)
    inputs["INPUT1"] = inputs["INPUT1"][:, :3]
    with pytest.raises(tritonclient.grpc.InferenceServerException):
        infer(triton, "grpc", "simple", inputs)
    check(triton, "grpc", "simple", 3)


def test_serves_from_our_libraries(triton):
    mapped = pathlib.Path(f"/proc/{triton.pid}/maps").read_text()
    for backend in set(MODELS.values()):
        assert str((BUILT / f"libtriton_{backend}.so").resolve()) in mapped


def test_loads_and_unloads(repositories):
    """Each model goes and comes back, library and all, and no backend is left at the end."""
    with start(repositories, "--model-control-mode=explicit") as server:
        for _ in range(2):
            for model in MODELS:
                assert server.request("POST", f"/v2/repository/models/{model}/load", {}) == (200, None)
                check(server, "http", model, 3)
            for model in MODELS:
                assert server.request("POST", f"/v2/repository/models/{model}/unload", {}) == (200, None)
            # The answer to an unload does not wait for its end.
            peer.wait_until(lambda: states(server) == {"UNAVAILABLE"}, LIMIT_S, "every model to be unloaded")
        check_end(server)


def states(server):
    """The states of the models, each once."""
    status, index = server.request("POST", "/v2/repository/index", {})
    assert status == 200 and len(index) == len(MODELS), index
    return {model["state"] for model in index}
