"""The recommendation ensembles of model_repository, asked through tritonclient. Needs the files of `make models`."""

import asyncio
import json
import os

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from hippocamp_server import ROOT, Server
from tensors import client
from tritonclient.utils import InferenceServerException

QUESTION = "an ageing mafia boss hands the family business to his reluctant youngest son"
COLUMNS = ["id", "title", "year", "genres", "synopsis", "score"]
ENSEMBLES = ["recommend_by_plot", "recommend_by_plot_bow"]


pytestmark = pytest.mark.skipif(
    "HIPPOCAMP_WITHOUT_MINILM" in os.environ, reason="the encoder of recommend_by_plot could not be fetched"
)


@pytest.fixture(scope="module")
def films():
    """A server over model_repository."""
    running = Server(ROOT / "model_repository")
    yield running
    running.stop()


def inputs(module, texts, k=None, filters=None):
    """PLOT and, where given, K and FILTER, of one row for each text."""
    rows = len(texts)

    def tensor(name, datatype, values):
        made = module.InferInput(name, [rows, 1], datatype)
        made.set_data_from_numpy(values.reshape(rows, 1))
        return made

    made = [tensor("PLOT", "BYTES", np.array([text.encode() for text in texts], dtype=np.object_))]
    if k is not None:
        made.append(tensor("K", "INT32", np.array(k, dtype=np.int32)))
    if filters is not None:
        made.append(tensor("FILTER", "BYTES", np.array([text.encode() for text in filters], dtype=np.object_)))
    return made


@pytest.mark.parametrize("model", ENSEMBLES)
def test_a_sentence_finds_its_film(films, module, model):
    """Every column has K values, best first."""
    result = client(module, films).infer(model, inputs(module, [QUESTION], k=[5]))
    for column in COLUMNS:
        assert result.as_numpy(column).shape == (1, 5), column
    assert b"the-godfather-1972" in result.as_numpy("id")[0]
    scores = result.as_numpy("score")[0]
    assert scores.dtype == np.float32 and (np.diff(scores) <= 0).all()
    [year] = result.as_numpy("year")[0][result.as_numpy("id")[0] == b"the-godfather-1972"]
    assert year == 1972


@pytest.mark.parametrize("model", ENSEMBLES)
def test_rows_of_a_batch_are_what_each_is_alone(films, module, model):
    """Padding and batching change no ranking."""
    probes = [json.loads(line)["text"] for line in (ROOT / "catalogue" / "probes.jsonl").open(encoding="utf-8")][:8]
    asked = client(module, films)
    together = asked.infer(model, inputs(module, probes, k=[3] * 8))
    for row, text in enumerate(probes):
        alone = asked.infer(model, inputs(module, [text], k=[3]))
        assert list(alone.as_numpy("id")[0]) == list(together.as_numpy("id")[row]), text
        np.testing.assert_allclose(alone.as_numpy("score")[0], together.as_numpy("score")[row], atol=1e-5)


def test_filters_narrow_each_row(films, module):
    """A filter per row; an empty one is none; what is missing is filled up."""
    result = client(module, films).infer(
        "recommend_by_plot",
        inputs(module, [QUESTION] * 3, k=[3] * 3, filters=["", "genre = 'Horror' and year >= 1990", "year = 1896"]),
    )
    ids, years, genres = (result.as_numpy(column) for column in ("id", "year", "genres"))
    assert b"the-godfather-1972" in ids[0]
    assert (years[1] >= 1990).all() and all(b"Horror" in each for each in genres[1])
    assert list(ids[2]) == [b"", b"", b""] and (result.as_numpy("score")[2] == 0).all()


def test_what_is_wrong_is_told(films, module):
    """The error reaches the client whole."""
    asked = client(module, films)
    for bad, expect in [
        (inputs(module, [""]), "text 0 is empty: expected at least one word"),
        (inputs(module, [QUESTION, " "]), "text 1 is empty"),
        (inputs(module, [QUESTION], k=[0]), "K is 0: expected 1 to 1000"),
        (inputs(module, [QUESTION] * 2, k=[1, -1]), "row 1: K is -1"),
        (inputs(module, [QUESTION], filters=["genre ="]), "column"),
    ]:
        with pytest.raises(InferenceServerException, match=expect):
            asked.infer("recommend_by_plot", bad)


def test_many_at_once(films):
    """Answers under load are those of an idle server, over both asyncio clients."""

    async def ask(module, address):
        async with module.InferenceServerClient(address) as asked:
            texts = [QUESTION, "a shark scares a seaside town that lives on its visitors"]
            expect = [b"the-godfather-1972", b"jaws-1975"]
            answers = await asyncio.gather(
                *(asked.infer("recommend_by_plot", inputs(module, [texts[n % 2]], k=[5])) for n in range(32))
            )
            for number, answer in enumerate(answers):
                assert expect[number % 2] in answer.as_numpy("id")[0]

    asyncio.run(ask(tritonclient.http.aio, films.http))
    asyncio.run(ask(tritonclient.grpc.aio, films.grpc))
