"""NVIDIA's Python backend, unmodified, serves model.py models here: both protocols, streams, calls to other models,
metrics, model control, and what goes wrong. `hippocamp backend install python` installs it, for the Python that
benches/triton has with numpy 1; no environment variable is set for it."""

import concurrent.futures
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
import python_models
import tritonclient.grpc
import tritonclient.http
from hippocamp_server import ROOT, Server, binary
from tensors import SUM_AND_DIFFERENCE, check, client, inputs_for
from tritonclient.utils import InferenceServerException
from waiting import eventually

sys.path.append(str(ROOT / "benches" / "triton"))
from peer import CACHE, INSTALL_S, Installation  # noqa: E402 - the directory is no package

# The first test installs tritonserver, too.
pytestmark = pytest.mark.timeout(INSTALL_S + 300)

WAIT_S = 30
LOAD_S = 60
SUM_AND_DIFFERENCE_OUTPUTS = {
    "OUTPUT0": SUM_AND_DIFFERENCE["INPUT0"] + SUM_AND_DIFFERENCE["INPUT1"],
    "OUTPUT1": SUM_AND_DIFFERENCE["INPUT0"] - SUM_AND_DIFFERENCE["INPUT1"],
}


def install(directory, python):
    """Runs `hippocamp backend install python` into the backend directory `directory`; what it says."""
    command = [binary(), "backend", "install", "python", f"--backend-directory={directory}", f"--python={python}"]
    done = subprocess.run(command, env=plain_environment(), capture_output=True, text=True, timeout=INSTALL_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def plain_environment():
    """This environment without what would lead to a Python or to libraries."""
    left_out = ("PYTHON", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA")
    return {key: value for key, value in os.environ.items() if not key.startswith(left_out)}


@pytest.fixture(scope="session")
def python():
    """A Python with numpy 1."""
    Installation()
    return CACHE / "venv" / "bin" / "python"


@pytest.fixture(scope="session")
def backend(python, tmp_path_factory):
    """A backend directory with the Python backend."""
    directory = tmp_path_factory.mktemp("backends")
    assert "files written: 15," in install(directory, python)
    return directory


def start(backend, repository, *arguments):
    """A server with the Python backend over `repository`."""
    return Server(repository, f"--backend-directory={backend}", *arguments, environment=plain_environment())


@pytest.fixture(scope="module")
def server(backend, tmp_path_factory):
    """A server over every model of python_models.py, in explicit mode."""
    repository = tmp_path_factory.mktemp("models")
    python_models.write(repository)
    running = start(backend, repository, "--model-control-mode=explicit", "--load-model=*")
    yield running
    assert running.stop() == 0, f"unclean end; its log:\n{running.log()}"


def number(module, value):
    """The input of the models that take one number."""
    return inputs_for(module, {"IN": np.array([value], np.int32)})


def test_add_sub(server, module):
    """Tensors go there and back, alone and in a batch."""
    asked = client(module, server)
    check(asked.infer("add_sub", inputs_for(module, SUM_AND_DIFFERENCE)), SUM_AND_DIFFERENCE_OUTPUTS)
    rows = {"INPUT0": np.arange(48, dtype=np.int32).reshape(3, 16), "INPUT1": np.full((3, 16), 7, np.int32)}
    expected = {"OUTPUT0": rows["INPUT0"] + 7, "OUTPUT1": rows["INPUT0"] - 7}
    check(asked.infer("add_sub", inputs_for(module, rows)), expected)


def test_nvidias_server_is_not_loaded(server):
    """The library that the backend was linked with is a stand-in of ours."""
    maps = pathlib.Path(f"/proc/{server.pid}/maps").read_text()
    assert "libtriton_python.so" in maps
    mapped = [line for line in maps.splitlines() if "libtritonserver" in line]
    assert mapped and all("/hippocamp-library-" in line for line in mapped), mapped


def test_no_environment_variable_is_needed(server, backend):
    """The server finds the backend's libraries beside it, and the stub finds them, its Python and its packages."""
    names = [entry.split(b"=")[0] for entry in pathlib.Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")]
    assert b"LD_LIBRARY_PATH" not in names
    stub = children(server.pid)[0][0]
    for pid, library in [(server.pid, "libarchive-"), (server.pid, "libcudart-"), (stub, "libcudart-")]:
        mapped = [line for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines() if library in line]
        assert mapped and all(f"{backend}/python/{library}" in line for line in mapped), (library, mapped)


def test_installing_again_repairs_what_was_changed(backend, python, tmp_path):
    """Nothing is written where all is right; a file that is not is taken from the wheel again."""
    copy = shutil.copytree(backend, tmp_path / "backends")
    assert "files written: 0, left as they were: 15" in install(copy, python)
    changed = copy / "python" / "triton_python_backend_utils.py"
    right = changed.read_bytes()
    changed.write_bytes(right + b"# changed")
    assert "files written: 1, left as they were: 14" in install(copy, python)
    assert changed.read_bytes() == right
    (copy / "python" / "triton_python_backend_stub").unlink()
    assert "files written: 1, left as they were: 14" in install(copy, python)
    before, after = (
        {path.name: path.read_bytes() for path in (directory / "python").iterdir() if path.is_file()}
        for directory in (backend, copy)
    )
    assert after == before


def test_strings(server, module):
    """BYTES tensors carry text."""
    texts = np.array(["hello".encode(), "Grüße 🌒".encode(), b""], dtype=np.object_)
    result = client(module, server).infer("upper", inputs_for(module, {"IN": texts}))
    assert [bytes(text) for text in result.as_numpy("OUT")] == ["HELLO".encode(), "GRÜSSE 🌒".encode(), b""]


def test_the_configuration_is_completed_by_the_model(server, module):
    """auto_complete_config tells inputs and outputs."""
    assert client(module, server).infer("completed", number(module, 5)).as_numpy("OUT") == [-5]


def test_a_decoupled_model_streams(server):
    """Every response arrives, in order, and then the end."""
    answers = queue.Queue()
    asked = client(tritonclient.grpc, server)
    asked.start_stream(lambda result, error: answers.put((result, error)))
    try:
        asked.async_stream_infer("count", number(tritonclient.grpc, 5), enable_empty_final_response=True)
        for expected in range(5):
            result, error = answers.get(timeout=WAIT_S)
            assert error is None and result.as_numpy("OUT") == [expected]
        result, error = answers.get(timeout=WAIT_S)
        assert error is None and result.get_response().parameters["triton_final_response"].bool_param
    finally:
        asked.stop_stream()


def successes(asked, model):
    """Requests of a model that were answered, by its statistics over HTTP."""
    return asked.get_inference_statistics(model)["model_stats"][0]["inference_stats"]["success"]["count"]


def test_a_model_calls_an_onnx_model(server, module):
    """The call takes the way of any request: its answer, and its error, reach the caller."""
    asked, over_http = client(module, server), client(tritonclient.http, server)
    before = successes(over_http, "simple")
    check(asked.infer("calls", inputs_for(module, SUM_AND_DIFFERENCE)), SUM_AND_DIFFERENCE_OUTPUTS)
    assert eventually(lambda: successes(over_http, "simple"), before + 1) == before + 1
    with pytest.raises(InferenceServerException, match="no_such_model"):
        asked.infer("calls", inputs_for(module, SUM_AND_DIFFERENCE), parameters={"model": "no_such_model"})
    with pytest.raises(InferenceServerException, match="upper said: .*unexpected inference"):
        asked.infer("calls", inputs_for(module, SUM_AND_DIFFERENCE), parameters={"model": "upper"})
    check(asked.infer("calls", inputs_for(module, SUM_AND_DIFFERENCE)), SUM_AND_DIFFERENCE_OUTPUTS)
    assert eventually(lambda: successes(over_http, "simple"), before + 2) == before + 2


def test_a_new_version_of_a_polled_model_is_loaded_once(backend, tmp_path):
    """What Python keeps in `__pycache__` beside model.py while it loads is no change of the model."""
    python_models.write(tmp_path / "all")
    repository = tmp_path / "models"
    repository.mkdir()
    shutil.copytree(tmp_path / "all" / "add_sub", repository / "add_sub")
    poll = ("--model-control-mode=poll", "--repository-poll-secs=1", "--repository-settle-secs=0.2")
    running = start(backend, repository, *poll)
    try:
        asked = client(tritonclient.http, running)
        sums = inputs_for(tritonclient.http, SUM_AND_DIFFERENCE)
        check(asked.infer("add_sub", sums), SUM_AND_DIFFERENCE_OUTPUTS)
        shutil.copytree(repository / "add_sub" / "1", tmp_path / "2", ignore=shutil.ignore_patterns("__pycache__"))
        source = tmp_path / "2" / "model.py"
        source.write_text(source.read_text().replace("first + second", "first + second + 1"))
        source.parent.rename(repository / "add_sub" / "2")
        assert eventually(lambda: asked.infer("add_sub", sums).as_numpy("OUTPUT0")[0, 0], 2) == 2
        assert (repository / "add_sub" / "2" / "__pycache__").is_dir(), "Python writes there"
        with urllib.request.urlopen(f"http://{running.metrics}/metrics", timeout=WAIT_S) as answer:
            told = answer.read().decode()
        loads = dict(re.findall(r'^hippocamp_model_loads_total{.*outcome="(\w+)".*} (\d+)$', told, re.MULTILINE))
    finally:
        status = running.stop()
    assert status == 0, f"unclean end; its log:\n{running.log()}"
    assert loads == {"success": "2", "failure": "0"}, running.log()


def test_calls_are_traced_below_their_model(backend, tmp_path):
    """`trace=request.trace()` makes the trace of the model that is called a child."""
    python_models.write(tmp_path / "models")
    trace = tmp_path / "trace.json"
    flags = [f"--trace-config={setting}" for setting in ("level=TIMESTAMPS", "rate=1", f"triton,file={trace}")]
    loaded = ("--model-control-mode=explicit", "--load-model=calls", "--load-model=simple")
    running = start(backend, tmp_path / "models", *loaded, *flags)
    try:
        asked = client(tritonclient.http, running)
        sums = inputs_for(tritonclient.http, SUM_AND_DIFFERENCE)
        check(asked.infer("calls", sums, request_id="asked"), SUM_AND_DIFFERENCE_OUTPUTS)
    finally:
        status = running.stop()
    assert status == 0, f"unclean end; its log:\n{running.log()}"
    entries = json.loads(trace.read_text())
    models = [(e["id"], e["model_name"], e["request_id"], e.get("parent_id")) for e in entries if "model_name" in e]
    assert models == [(1, "calls", "asked", None), (2, "simple", "from calls", 1)]
    times = {1: {}, 2: {}}
    for entry in entries:
        for point in entry.get("timestamps", []):
            times[entry["id"]][point["name"]] = point["ns"]
    caller, called = times[1], times[2]
    assert caller["COMPUTE_START"] <= called["REQUEST_START"] <= called["COMPUTE_START"] <= caller["REQUEST_END"]


HEADERS = {"x-user": "ann", "x-tenant-id": "7", "priority": "1", "triton_enable_empty_final_response": "1", "other": "no"}
RESERVED = "Header '{}' is reserved for Triton usage and cannot be forwarded."


@pytest.mark.parametrize(
    ("pattern", "sent", "reaches"),
    [
        # By default nothing; a header counts more than a parameter of its name.
        (None, HEADERS, {"x-user": "given"}),
        ("^x-", HEADERS, {"x-user": "ann", "x-tenant-id": "7"}),
        ("tenant|-us", HEADERS, {"x-user": "ann", "x-tenant-id": "7"}),
        ("pri", HEADERS, RESERVED.format("priority")),
        ("triton", HEADERS, RESERVED.format("triton_enable_empty_final_response")),
        # Only what is sent can be refused.
        ("x-|pri|triton", {"x-user": "ann"}, {"x-user": "ann"}),
    ],
)
def test_headers_reach_a_model_as_parameters(backend, tmp_path, module, pattern, sent, reaches):
    """Those of its own protocol's pattern and no others, also on a stream; reserved names are refused."""
    python_models.write(tmp_path)
    protocol, other = ("http", "grpc") if module is tritonclient.http else ("grpc", "http")
    flags = [f"--{other}-header-forward-pattern=other"]
    flags += [f"--{protocol}-header-forward-pattern={pattern}"] if pattern else []
    running = start(backend, tmp_path, "--model-control-mode=explicit", "--load-model=told", *flags)
    try:
        asked = client(module, running)
        request = {"inputs": number(module, 1), "parameters": {"x-user": "given"}}
        # A copy: the client adds headers of its own.
        sent = dict(sent)
        if isinstance(reaches, str):
            with pytest.raises(InferenceServerException) as refused:
                asked.infer("told", **request, headers=sent)
            assert refused.value.message() == reaches
            assert refused.value.status() in ("400", "StatusCode.INVALID_ARGUMENT")
        else:
            assert json.loads(asked.infer("told", **request, headers=sent).as_numpy("OUT")[0]) == reaches
        if module is tritonclient.grpc:
            answers = queue.Queue()
            asked.start_stream(lambda result, error: answers.put((result, error)), headers=sent)
            asked.async_stream_infer("told", **request)
            result, error = answers.get(timeout=WAIT_S)
            asked.stop_stream()
            told = error.message() if error else json.loads(result.as_numpy("OUT")[0])
            assert told == reaches
    finally:
        status = running.stop()
    assert status == 0, f"unclean end; its log:\n{running.log()}"


def test_a_model_calls_a_decoupled_model(server, module):
    """Two streams at once, each 0 + 1 + 2 + 3."""
    assert client(module, server).infer("sums_a_stream", number(module, 4)).as_numpy("OUT") == [12]


def test_what_execute_raises_reaches_the_client(server, module):
    """The text of the exception, or the error of the response; the model serves on."""
    asked = client(module, server)
    for _ in range(2):
        with pytest.raises(InferenceServerException, match="zero is not wanted here"):
            asked.infer("raises", number(module, 0))
        with pytest.raises(InferenceServerException, match="this one is refused") as refused:
            asked.infer("raises", number(module, 1))
        assert refused.value.status() in ("503", "StatusCode.UNAVAILABLE")


def test_metrics_of_a_model_are_shown(server):
    """A counter and a gauge made in model.py stand at the metrics endpoint, until the model lets them go."""

    def metrics():
        with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=WAIT_S) as answer:
            return answer.read().decode().splitlines()

    asked = client(tritonclient.http, server)
    assert asked.infer("counts_itself", number(tritonclient.http, 7)).as_numpy("OUT") == [1]
    assert asked.infer("counts_itself", number(tritonclient.http, 9)).as_numpy("OUT") == [2]
    lines = metrics()
    assert "# TYPE requests_seen_total counter" in lines
    assert 'requests_seen_total{model="counts_itself"} 2' in lines
    assert 'last_input{model="counts_itself"} 9' in lines
    asked.unload_model("counts_itself")
    deadline = time.monotonic() + WAIT_S
    while any(line.startswith("requests_seen_total") for line in metrics()):
        assert time.monotonic() < deadline, "the metrics of an unloaded model are still shown"
        time.sleep(0.1)


def test_a_model_controls_models(server):
    """load_model, unload_model and is_model_ready of model.py."""
    asked = client(tritonclient.http, server)
    for what, ready in [(0, 1), (-1, 0), (1, 1)]:
        assert asked.infer("controls", number(tritonclient.http, what)).as_numpy("OUT") == [ready]
        assert asked.is_model_ready("upper") == bool(ready)


def children(pid):
    """Process ids of the stubs below `pid`, with the directory of the model that each serves."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                command = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if parent == str(pid) and pathlib.Path(command[0]).name.startswith("triton_python_backend_stub"):
                found.append((int(entry.name), command))
    return found


def test_a_stub_that_is_killed_does_not_take_the_server_along(backend, tmp_path):
    """Its requests fail with the reason until its model is loaded again; every other model serves."""
    python_models.write(tmp_path)
    running = start(backend, tmp_path, "--model-control-mode=explicit", "--load-model=add_sub", "--load-model=upper")
    try:
        asked = client(tritonclient.http, running)
        sums = inputs_for(tritonclient.http, SUM_AND_DIFFERENCE)
        check(asked.infer("add_sub", sums), SUM_AND_DIFFERENCE_OUTPUTS)
        [stub] = [pid for pid, command in children(running.pid) if any("/add_sub/" in word for word in command)]
        os.kill(stub, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(InferenceServerException, match="Stub process 'add_sub_0_0' is not healthy"):
                asked.infer("add_sub", sums)
        texts = np.array([b"still here"], dtype=np.object_)
        result = asked.infer("upper", inputs_for(tritonclient.http, {"IN": texts}))
        assert [bytes(text) for text in result.as_numpy("OUT")] == [b"STILL HERE"]
        asked.unload_model("add_sub")
        asked.load_model("add_sub")
        check(asked.infer("add_sub", sums), SUM_AND_DIFFERENCE_OUTPUTS)
    finally:
        status = running.stop()
    assert status == 0, f"unclean end; its log:\n{running.log()}"


def test_a_backend_in_python_serves_its_models(backend, tmp_path, module):
    """`<backend-directory>/scaler/model.py` runs every model of backend `scaler`: each has its own configuration, and none a
    model.py. One model says so itself, with `runtime`; the settings are those of backend `python`."""
    backends, repository = tmp_path / "backends", tmp_path / "models"
    backends.mkdir()
    (backends / "python").symlink_to(backend / "python", target_is_directory=True)
    python_models.write_backend(backends, "scaler")
    for name, factor, more in [("double", 2, ""), ("triple", 3, ""), ("tenfold", 10, 'runtime: "model.py"\n')]:
        python_models.write_scaled(repository, "scaler", name, factor, more)
    python_models.write_scaled(repository, "nowhere", "unserved", 1, 'runtime: "model.py"\n')
    running = start(backends, repository, "--exit-on-error=false")
    try:
        asked = client(module, running)
        for name, factor in [("double", 2), ("triple", 3), ("tenfold", 10)]:
            rows = {"IN": np.array([[1.5, -2.0], [0.25, 8.0]], np.float32)}
            check(asked.infer(name, inputs_for(module, rows)), {"OUT": rows["IN"] * factor})
        commands = [command for _, command in children(running.pid)]
        assert len(commands) == 3 and all(f"{backends}/scaler" in command for command in commands), commands
        over_http = client(tritonclient.http, running)
        assert over_http.get_model_config("double")["runtime"] == "model.py"
        [line] = [line for line in over_http.get_model_repository_index() if line["name"] == "unserved"]
        expected = "unable to find Python backend based backend library 'model.py' for model 'unserved', searched: "
        assert line["reason"] == f"{expected}'{backends}/nowhere/model.py'"
    finally:
        status = running.stop()
    assert status == 0, f"unclean end; its log:\n{running.log()}"


def test_eight_instances_answer_for_a_minute(backend, tmp_path):
    """Sixteen clients, half of them over each protocol: every answer is the right one, nothing is left behind."""
    python_models.write(tmp_path)
    config = tmp_path / "add_sub" / "config.pbtxt"
    config.write_text(config.read_text().replace("count: 1", "count: 8"))
    running = start(backend, tmp_path, "--model-control-mode=explicit", "--load-model=add_sub")
    try:
        stubs = [pid for pid, _ in children(running.pid)]
        assert len(stubs) == 8
        end = time.monotonic() + LOAD_S
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            modules = [tritonclient.http, tritonclient.grpc] * 8
            works = [pool.submit(ask_until, end, module, running, number) for number, module in enumerate(modules)]
            answers = [work.result() for work in works]
        assert all(answers), f"a client got no answer: {answers}"
        over_http = client(tritonclient.http, running)
        assert eventually(lambda: successes(over_http, "add_sub"), sum(answers)) == sum(answers)
        statistics = over_http.get_inference_statistics("add_sub")["model_stats"][0]
        assert statistics["inference_stats"]["fail"]["count"] == 0
        print(f"{sum(answers)} answers of 8 instances in {LOAD_S} s")
    finally:
        status = running.stop()
    assert status == 0, f"unclean end; its log:\n{running.log()}"
    assert not [pid for pid in stubs if pathlib.Path(f"/proc/{pid}").exists()], "a stub was left behind"


def ask_until(end, module, server, number):
    """Asks add_sub with numbers of this client's own until the time `end`; how many right answers came."""
    asked, answers = client(module, server), 0
    while time.monotonic() < end:
        sent = {"INPUT0": np.full((1, 16), number, np.int32), "INPUT1": np.full((1, 16), answers % 1000, np.int32)}
        expected = {"OUTPUT0": sent["INPUT0"] + sent["INPUT1"], "OUTPUT1": sent["INPUT0"] - sent["INPUT1"]}
        check(asked.infer("add_sub", inputs_for(module, sent)), expected)
        answers += 1
    return answers


def test_loading_and_unloading_leaves_nothing_behind(server):
    """The stub of an unloaded model ends, and the model comes back."""
    asked = client(tritonclient.http, server)

    def stubs():
        return [pid for pid, command in children(server.pid) if any("/add_sub/" in word for word in command)]

    for _ in range(3):
        assert len(stubs()) == 1
        asked.unload_model("add_sub")
        deadline = time.monotonic() + WAIT_S
        while stubs():
            assert time.monotonic() < deadline, "the stub of an unloaded model still runs"
            time.sleep(0.1)
        asked.load_model("add_sub")
        check(asked.infer("add_sub", inputs_for(tritonclient.http, SUM_AND_DIFFERENCE)), SUM_AND_DIFFERENCE_OUTPUTS)
