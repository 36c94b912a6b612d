"""The recommendation ensembles under the real tritonserver, with our three libraries, and under Hippocamp: the same films.

`make build` makes the libraries, `make models` the files of the models. tritonserver is given nothing else to serve
them with, and `backend: "onnxruntime"` is answered by tract under the name that Triton looks for.
"""

import concurrent.futures
import json
import os
import pathlib
import re

import numpy as np
import peer
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

# The first test also fetches tritonserver.
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        "HIPPOCAMP_WITHOUT_MINILM" in os.environ, reason="the encoder of recommend_by_plot could not be fetched"
    ),
]

BUILT = peer.ROOT / "target" / "release"
LIBRARIES = {"tokenizer": "tokenizer", "onnxruntime": "tract", "usearch": "usearch"}
STEPS = ["text_tokenizer", "plot_encoder", "plot_genres", "film_index"]
BY_FILMS = ["recommend_by_films", "recommend_by_films_bow"]
SUFFIX = {"recommend_by_plot": "", "recommend_by_plot_bow": "_bow"}
MODELS = [step + suffix for suffix in SUFFIX.values() for step in [*STEPS, "recommend_by_plot", "recommend_by_films"]]
COLUMNS = ["id", "title", "year", "genres", "synopsis"]
PROBES = 10


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The recommendation models of model_repository, and no others."""
    directory = tmp_path_factory.mktemp("models")
    for name in MODELS:
        (directory / name).symlink_to(peer.ROOT / "model_repository" / name)
    for suffix in SUFFIX.values():
        index = directory / f"film_index{suffix}" / "1" / "index.usearch"
        assert index.exists(), f"{index.resolve()} is missing: run `make models` first"
    return directory


@pytest.fixture(scope="module")
def backends(tmp_path_factory):
    """A backend directory with nothing but our libraries."""
    directory = tmp_path_factory.mktemp("backends")
    for backend, library in LIBRARIES.items():
        peer.library_backend(directory, backend, BUILT / f"libtriton_{library}.so")
    return directory


def start(models, backends, *arguments):
    """A tritonserver."""
    installation = peer.Installation()
    flag, environment = f"--backend-directory={backends}", installation.environment()
    return peer.Server(installation.binary, models, flag, *arguments, environment=environment)


@pytest.fixture(scope="module")
def triton(repository, backends):
    """tritonserver, which nothing changes."""
    with start(repository, backends) as server:
        yield server
        status, log = server.stop()
    assert status == 0, log
    for name in MODELS:
        assert f"successfully unloaded '{name}' version 1" in log, log
    # Without a GPU, tritonserver complains of that at every start, and once for each ensemble.
    errors = [line for line in log.splitlines() if re.match(r"E\d{4} (?!.*(CudaDriver|CUDA driver))", line)]
    assert not errors, log


@pytest.fixture(scope="module")
def hippocamp(repository):
    """Hippocamp, over the same models."""
    binary = BUILT / "hippocamp"
    assert binary.exists(), f"{binary} is missing: run `make build` first"
    with peer.Server(binary, repository, "--allow-external-links") as server:
        yield server
        status, log = server.stop()
    assert status == 0, log


@pytest.fixture(scope="module")
def probes():
    """Plots in people's own words."""
    lines = (peer.ROOT / "catalogue" / "probes.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines[:PROBES]]


def ask(server, protocol, model, texts, k=None, filters=None):
    """The answer to so many texts in one request, column by column."""
    client = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
    inputs = []
    for name, datatype, values in [("PLOT", "BYTES", texts), ("K", "INT32", k), ("FILTER", "BYTES", filters)]:
        if values is not None:
            values = [value.encode() for value in values] if datatype == "BYTES" else values
            tensor = client.InferInput(name, [len(texts), 1], datatype)
            tensor.set_data_from_numpy(np.array(values, np.object_ if datatype == "BYTES" else np.int32).reshape(-1, 1))
            inputs.append(tensor)
    with client.InferenceServerClient(getattr(server, protocol)) as connection:
        result = connection.infer(model, inputs)
    return {column: result.as_numpy(column) for column in [*COLUMNS, "score"]}


def check_same(actual, expected, items):
    """The same items in the same order, their scores but for rounding, their columns to the letter."""
    assert actual["id"].shape[1] == items
    for column in COLUMNS:
        np.testing.assert_array_equal(actual[column], expected[column], column)
    assert actual["score"].dtype == np.float32
    np.testing.assert_allclose(actual["score"], expected["score"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("model", SUFFIX)
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_same_ten_films(triton, hippocamp, probes, protocol, model):
    """Each probe alone, K and FILTER left out."""
    for text in probes:
        actual, expected = (ask(server, protocol, model, [text]) for server in (triton, hippocamp))
        check_same(actual, expected, 10)


@pytest.mark.parametrize("model", SUFFIX)
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_same_films_of_a_batch(triton, hippocamp, probes, protocol, model):
    """All probes in one request, each with a K and a filter of its own."""
    k = [1 + number % 7 for number in range(PROBES)]
    filters = ["", "year >= 1990", "genre = 'Horror'", "not genre = 'Drama' and year < 1980", "title like 'The %'"] * 2
    actual, expected = (ask(server, protocol, model, probes, k, filters) for server in (triton, hippocamp))
    check_same(actual, expected, 7)
    for row, filled in enumerate(k):
        assert [bool(title) for title in actual["title"][row]] == [True] * filled + [False] * (7 - filled)
    assert (actual["year"][1][: k[1]] >= 1990).all()


def test_the_same_films_at_once(triton, hippocamp, probes):
    """Requests at the same time, which Triton's dynamic batcher may put together."""
    expected = [ask(hippocamp, "grpc", "recommend_by_plot", [text]) for text in probes]
    with concurrent.futures.ThreadPoolExecutor(PROBES) as threads:
        answers = list(threads.map(lambda text: ask(triton, "grpc", "recommend_by_plot", [text]), probes * 2))
    for actual, wanted in zip(answers, expected * 2, strict=True):
        check_same(actual, wanted, 10)


@pytest.mark.parametrize("model", BY_FILMS)
def test_the_same_films_by_films(triton, hippocamp, model):
    """With what is disliked, other weights and diversity; what is unknown is refused in the same words."""

    def ask_by_films(server, liked):
        values = {"LIKED": liked, "DISLIKED": ["casino-1995"], "WEIGHTS": [1, 0.5, 0.2, 0.05], "DIVERSITY": [0.3]}
        inputs = []
        for name, value in values.items():
            texts = isinstance(value[0], str)
            array = np.array([[v.encode() for v in value]], np.object_) if texts else np.array([value], np.float32)
            tensor = tritonclient.grpc.InferInput(name, array.shape, "BYTES" if texts else "FP32")
            tensor.set_data_from_numpy(array)
            inputs.append(tensor)
        with tritonclient.grpc.InferenceServerClient(server.grpc) as connection:
            result = connection.infer(model, inputs)
        return {column: result.as_numpy(column) for column in [*COLUMNS, "score", "score_genres", "score_year"]}

    actual, expected = (ask_by_films(server, ["goodfellas-1990", "jaws-1975"]) for server in (triton, hippocamp))
    check_same(actual, expected, 10)
    for part in ("score_genres", "score_year"):
        np.testing.assert_allclose(actual[part], expected[part], rtol=0, atol=1e-5)
    messages = []
    for server in (triton, hippocamp):
        with pytest.raises(InferenceServerException, match="LIKED: no item has the id 'nope'") as refused:
            ask_by_films(server, ["nope"])
        messages.append(refused.value.message())
    assert messages[0] == messages[1]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_same_refusals(triton, hippocamp, protocol):
    """What is no question is refused in the same words, and the next one is answered."""
    good = "a shark scares a seaside town"
    for question, says in [
        (([""],), "text 0 is empty"),
        (([good], [0]), "K is 0: expected 1 to 1000"),
        (([good], None, ["genre ="]), "column"),
    ]:
        messages = []
        for server in (triton, hippocamp):
            with pytest.raises(InferenceServerException, match=says) as refused:
                ask(server, protocol, "recommend_by_plot", *question)
            messages.append(refused.value.message())
        assert messages[0] == messages[1]
    actual, expected = (ask(server, protocol, "recommend_by_plot", [good]) for server in (triton, hippocamp))
    check_same(actual, expected, 10)


def test_an_encoder_and_an_index_of_another_do_not_load(repository, backends, tmp_path):
    """The configurations name the encoder, for Triton's ensembles do not compare it."""
    for name in ("plot_encoder_bow", "film_index_bow"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1").symlink_to(repository / name / "1")
        space = 'parameters { key: "embedding_space" value { string_value: "another" } }'
        config = (repository / name / "config.pbtxt").read_text()
        (tmp_path / name / "config.pbtxt").write_text(f"{config}\n{space}\n")
    with start(tmp_path, backends, "--model-control-mode=explicit") as server:
        for name in ("plot_encoder_bow", "film_index_bow"):
            status, answer = server.request("POST", f"/v2/repository/models/{name}/load", {})
            assert status == 400 and "'another'" in answer["error"], answer


def test_serves_from_our_libraries(triton):
    mapped = pathlib.Path(f"/proc/{triton.pid}/maps").read_text()
    for library in LIBRARIES.values():
        assert str((BUILT / f"libtriton_{library}.so").resolve()) in mapped
    assert "libonnxruntime" not in mapped


def test_each_step_counts(triton, probes):
    """Every backend reports its statistics to the server that drives it."""
    ask(triton, "grpc", "recommend_by_plot_bow", probes)
    for step in STEPS:
        status, answer = triton.request("GET", f"/v2/models/{step}_bow/stats")
        [counted] = answer["model_stats"]
        assert status == 200 and counted["inference_count"] >= PROBES, answer
        assert counted["inference_stats"]["compute_infer"]["count"] >= 1, answer
