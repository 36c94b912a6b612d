"""Trace settings by tritonclient over both protocols, and the trace files as tools of Triton read them."""

import json

import pytest
import tritonclient.grpc
import tritonclient.http
from hippocamp_server import GOLDEN, Server
from tensors import SUM_AND_DIFFERENCE, client, inputs_for
from tritonclient.utils import InferenceServerException


@pytest.fixture
def directory(tmp_path):
    """Where traces go."""
    return tmp_path


@pytest.fixture
def server(directory):
    """A server that traces nothing until it is told to."""
    running = Server(GOLDEN / "model_repository", f"--trace-config=triton,file={directory}/trace.json")
    yield running
    assert running.stop() == 0, f"unclean end; its log:\n{running.log()}"


def settings_of(module, answer):
    """Settings by name, single values bare, whatever the protocol."""
    if module is tritonclient.http:
        return answer
    values = {name: list(setting.value) for name, setting in answer.settings.items()}
    return {name: value if name == "trace_level" else value[0] for name, value in values.items()}


def test_settings(server, module, directory):
    """Read, changed, cleared; of the server and of a model."""
    asked = client(module, server)
    begun = {
        "trace_level": ["OFF"],
        "trace_rate": "1000",
        "trace_count": "-1",
        "log_frequency": "0",
        "trace_file": f"{directory}/trace.json",
        "trace_mode": "triton",
    }
    assert settings_of(module, asked.get_trace_settings()) == begun
    changes = {"trace_level": ["TIMESTAMPS", "TENSORS"], "trace_rate": "2", "trace_count": "10", "log_frequency": "3"}
    changed = settings_of(module, asked.update_trace_settings(model_name="simple", settings=changes))
    assert changed == begun | changes
    assert settings_of(module, asked.get_trace_settings(model_name="simple")) == changed
    assert settings_of(module, asked.get_trace_settings(model_name="simple_dyn")) == begun
    # What the server is told, a model follows where it has nothing of its own.
    asked.update_trace_settings(settings={"trace_rate": "7", "trace_level": "TIMESTAMPS"} if module is tritonclient.grpc
                                else {"trace_rate": "7", "trace_level": ["TIMESTAMPS"]})
    of_model = settings_of(module, asked.get_trace_settings(model_name="simple_dyn"))
    assert of_model == begun | {"trace_rate": "7", "trace_level": ["TIMESTAMPS"]}
    assert settings_of(module, asked.get_trace_settings(model_name="simple")) == changed
    cleared = dict.fromkeys(changes)
    asked.update_trace_settings(model_name="simple", settings=cleared)
    assert settings_of(module, asked.get_trace_settings(model_name="simple")) == of_model
    assert settings_of(module, asked.update_trace_settings(settings=cleared)) == begun


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"trace_file": "x"}, "trace file location can not be updated through network protocol"),
        ({"trace_rate": "x"}, "Unable to parse 'trace_rate', got: x"),
        ({"trace_count": "99999999999"}, "Unable to parse 'trace_count', value is out of range [ -1, 2147483647 ]"),
        ({"trace_level": ["OFF", "TENSORS"]}, "Expect only one trace level 'OFF' is specified"),
        ({"trace_level": ["TENSORS"], "trace_rate": "0"}, "Attempting to set invalid trace setting :sample rate"),
    ],
)
def test_what_is_refused(server, module, settings, says):
    """In Triton's words, and nothing is changed."""
    asked = client(module, server)
    before = settings_of(module, asked.get_trace_settings())
    with pytest.raises(InferenceServerException) as raised:
        asked.update_trace_settings(settings=settings)
    assert says in str(raised.value)
    assert settings_of(module, asked.get_trace_settings()) == before
    with pytest.raises(InferenceServerException, match="Request for unknown model : nope"):
        asked.get_trace_settings(model_name="nope")


def summary(path):
    """Mean microseconds between points, by model, as Triton's own summary of a trace file adds them up."""
    timestamps, models = {}, {}
    for entry in json.loads(path.read_text()):
        if "model_name" in entry:
            models[entry["id"]] = (entry["model_name"], entry["model_version"], entry.get("parent_id"))
        for point in entry.get("timestamps", []):
            timestamps.setdefault(entry["id"], {})[point["name"]] = point["ns"]
    spans = {
        "request": ("REQUEST_START", "REQUEST_END"),
        "queue": ("QUEUE_START", "COMPUTE_START"),
        "compute": ("COMPUTE_START", "COMPUTE_END"),
        "input": ("COMPUTE_START", "COMPUTE_INPUT_END"),
        "infer": ("COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START"),
        "output": ("COMPUTE_OUTPUT_START", "COMPUTE_END"),
        "receive": ("HTTP_RECV_START", "HTTP_RECV_END"),
        "send": ("HTTP_SEND_START", "HTTP_SEND_END"),
        "grpc": ("GRPC_WAITREAD_END", "GRPC_SEND_END"),
    }
    rows = {}
    for trace, points in timestamps.items():
        row = rows.setdefault(models[trace], [])
        row.append({
            name: (points[end] - points[start]) / 1000
            for name, (start, end) in spans.items()
            if start in points and end in points
        })
    return rows


def test_summary_of_a_file(server, module, directory):
    """What a summary needs is there, and its times add up."""
    asked = client(module, server)
    asked.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    for _ in range(3):
        asked.infer("simple", inputs_for(module, SUM_AND_DIFFERENCE))
    asked.infer("ensemble_simple", inputs_for(module, SUM_AND_DIFFERENCE))
    # Replaced settings write what they had; the file is a whole document at any time.
    asked.close()
    assert server.stop() == 0
    rows = summary(directory / "trace.json")
    front = {"receive", "send"} if module is tritonclient.http else {"grpc"}
    of_model = {"request", "queue", "compute", "input", "infer", "output"}
    alone = rows["simple", 1, None]
    assert len(alone) == 3
    for row in alone:
        assert set(row) == of_model | front
        assert all(time >= 0 for time in row.values()), row
        assert row["queue"] + row["compute"] <= row["request"]
        parts = row["input"] + row["infer"] + row["output"]
        assert parts == pytest.approx(row["compute"], abs=0.01)
    [whole] = rows["ensemble_simple", 1, None]
    assert set(whole) == {"request"} | front
    steps = [row for (model, _, parent), found in rows.items() if parent is not None for row in found]
    assert steps and all(set(row) == of_model for row in steps)
    assert sum(row["compute"] for row in steps) <= whole["request"]
