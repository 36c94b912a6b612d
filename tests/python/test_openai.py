"""The encoders of model_repository through OpenAI's own package, and texts ranked by them: values are those that the same
models give through tritonclient. The encoder all-MiniLM-L6-v2 is left out where it could not be fetched."""

import base64
import json
import os
import subprocess
import urllib.error
import urllib.request

import numpy as np
import openai
import pytest
import tritonclient.grpc
from hippocamp_server import GOLDEN, ROOT, Server, binary

WAIT_S = 30
TOLERANCE = 1e-6
TEXTS = [
    "an ageing mafia boss hands the family business to his reluctant youngest son",
    "two strangers meet on a train",
    "a shark",
    "Grüße vom Mond 🌒: a film about the sea, told by those who stayed at home and waited for the ships to come back",
]
# An ensemble, the encoder in it with the tensors it takes, and the size of its vectors.
BOW = ("embed_plot_bow", "text_tokenizer_bow", "plot_encoder_bow", ["input_ids", "attention_mask"], 1536)
MINILM = ("embed_plot", "text_tokenizer", "plot_encoder", ["input_ids", "attention_mask", "token_type_ids"], 384)
ENCODERS = [BOW] if "HIPPOCAMP_WITHOUT_MINILM" in os.environ else [BOW, MINILM]


def serve(repository, encoders, *arguments):
    """A server over these encoders and `simple`, which is none; the models are those of model_repository."""
    models = [ROOT / "model_repository" / name for encoder in encoders for name in encoder[:3]]
    for model in [*models, GOLDEN / "model_repository" / "simple"]:
        (repository / model.name).symlink_to(model, target_is_directory=True)
    return Server(repository, "--allow-external-links", *arguments)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server over the encoders."""
    running = serve(tmp_path_factory.mktemp("models"), ENCODERS)
    yield running
    assert running.stop() == 0, f"unclean end; its log:\n{running.log()}"


@pytest.fixture(scope="module")
def client(server):
    """OpenAI's client; the server asks for no key."""
    with openai.OpenAI(base_url=f"http://{server.http}/v1", api_key="none", timeout=WAIT_S, max_retries=0) as made:
        yield made


def vectors_and_tokens(server, encoder, texts):
    """What tokenizer and encoder give for each text alone, through tritonclient."""
    _, tokenizer, model, names, _ = encoder
    asked = tritonclient.grpc.InferenceServerClient(server.grpc)
    vectors, tokens = [], 0
    for text in texts:
        tensor = tritonclient.grpc.InferInput("TEXT", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()]], dtype=np.object_))
        made = asked.infer(tokenizer, [tensor])
        inputs = []
        for name in names:
            values = made.as_numpy(name)
            inputs.append(tritonclient.grpc.InferInput(name, list(values.shape), "INT64"))
            inputs[-1].set_data_from_numpy(values)
        vectors.append(asked.infer(model, inputs).as_numpy("sentence_embedding")[0])
        tokens += int(made.as_numpy("attention_mask").sum())
    return np.stack(vectors), tokens


def of(response):
    """The vectors of a response, which stand in the order of the texts."""
    assert [item.index for item in response.data] == list(range(len(response.data)))
    return np.array([item.embedding for item in response.data], dtype=np.float64)


@pytest.mark.parametrize("encoder", ENCODERS, ids=[encoder[0] for encoder in ENCODERS])
def test_vectors_are_those_of_the_encoder(server, client, encoder):
    """As lists and in base64, which the package asks for by itself; one text or several, with their tokens."""
    expected, tokens = vectors_and_tokens(server, encoder, TEXTS)
    assert expected.shape == (len(TEXTS), encoder[4])
    for more in [{"encoding_format": "float"}, {"encoding_format": "base64"}, {}]:
        response = client.embeddings.create(model=encoder[0], input=TEXTS, **more)
        made = of_base64(response) if more.get("encoding_format") == "base64" else of(response)
        np.testing.assert_allclose(made, expected, atol=TOLERANCE, rtol=0)
        assert (response.object, response.model) == ("list", encoder[0])
        assert (response.usage.prompt_tokens, response.usage.total_tokens) == (tokens, tokens)
    one = client.embeddings.create(model=encoder[0], input=TEXTS[1])
    np.testing.assert_allclose(of(one), expected[1:2], atol=TOLERANCE, rtol=0)


def of_base64(response):
    """The same where the package leaves base64 as it came, since it was asked for."""
    return np.stack([np.frombuffer(base64.b64decode(item.embedding), "<f4") for item in response.data])


@pytest.mark.parametrize("encoder", ENCODERS, ids=[encoder[0] for encoder in ENCODERS])
def test_more_texts_than_a_batch_keep_their_order(server, client, encoder):
    """Seventy texts are three requests to a model that takes thirty-two rows."""
    texts = [f"{number} {TEXTS[number % len(TEXTS)]}" for number in range(70)]
    expected, tokens = vectors_and_tokens(server, encoder, texts)
    response = client.embeddings.create(model=encoder[0], input=texts)
    np.testing.assert_allclose(of(response), expected, atol=TOLERANCE, rtol=0)
    assert response.usage.prompt_tokens == tokens


@pytest.mark.parametrize("encoder", ENCODERS, ids=[encoder[0] for encoder in ENCODERS])
def test_dimensions_shorten_vectors(server, client, encoder):
    """The first elements, at length 1 again; all of them change nothing but the length."""
    expected, _ = vectors_and_tokens(server, encoder, TEXTS)
    for dimensions in [1, 64, encoder[4]]:
        kept = expected[:, :dimensions]
        kept = kept / np.linalg.norm(kept, axis=1, keepdims=True)
        made = of(client.embeddings.create(model=encoder[0], input=TEXTS, dimensions=dimensions))
        np.testing.assert_allclose(made, kept, atol=TOLERANCE, rtol=0)


def test_encoders_are_listed(client):
    """And nothing that is none."""
    listed = {model.id: model for model in client.models.list()}
    assert sorted(listed) == sorted(encoder[0] for encoder in ENCODERS)
    for name, _, _, _, size in ENCODERS:
        found = client.models.retrieve(name)
        assert found == listed[name]
        assert (found.object, found.owned_by, found.dimensions) == ("model", "hippocamp", size)
        assert found.created > 1_700_000_000


def refused(error, call):
    """The error that a call ends with, as the package reads it."""
    with pytest.raises(error) as caught:
        call()
    return caught.value


def test_errors_are_openais(client):
    """Each names the field at fault, and says what was expected and what came."""
    name, size = BOW[0], BOW[4]
    unknown = refused(openai.NotFoundError, lambda: client.embeddings.create(model="nope", input="a"))
    assert (unknown.type, unknown.param, unknown.code) == ("invalid_request_error", "model", "model_not_found")
    assert unknown.body["message"].startswith("The model 'nope' does not exist; the encoders are ")
    assert refused(openai.NotFoundError, lambda: client.models.retrieve("nope")).code == "model_not_found"
    none = refused(openai.BadRequestError, lambda: client.embeddings.create(model="simple", input="a"))
    assert none.param == "model" and "'simple' is no encoder: its one required input is not one text" in none.body["message"]
    assert refused(openai.BadRequestError, lambda: client.models.retrieve("simple")).param == "model"
    for wrong, expected in [
        ({"input": ""}, ("input", "'input' has an empty text at 0")),
        ({"input": []}, ("input", "'input' should have at least one text")),
        ({"input": ["a"] * 2049}, ("input", "'input' should have at most 2048 texts, got 2049")),
        ({"input": ["a", 3]}, ("input", "'input' should have texts, got a number at 1: token ids are not taken")),
        ({"input": [[15496, 995]]}, ("input", "'input' should have texts, got a list at 0: token ids are not taken")),
        ({"input": {"text": "a"}}, ("input", "'input' should be a text or a list of texts, got an object")),
        ({"dimensions": size + 1}, ("dimensions", f"'dimensions' should be at most {size}, the size of the vectors")),
        ({"dimensions": 0}, ("dimensions", "'dimensions' should be an integer of at least 1, got 0")),
        ({"encoding_format": "int8"}, ("encoding_format", "'encoding_format' should be 'float' or 'base64', got 'int8'")),
    ]:
        asked = {"model": name, "input": "a", **wrong}
        error = refused(openai.BadRequestError, lambda asked=asked: client.embeddings.create(**asked))
        assert (error.param, error.type) == (expected[0], "invalid_request_error")
        assert error.body["message"].startswith(expected[1]), error.body
    # The largest call there may be.
    assert len(client.embeddings.create(model=name, input=["the sea"] * 2048).data) == 2048
    # An error of the model tells which of its rows is at fault, so the call tells which texts were those rows.
    texts = ["the sea"] * 40 + ["\u2603"]
    error = refused(openai.BadRequestError, lambda: client.embeddings.create(model=name, input=texts))
    assert "text 8 has no word" in error.body["message"] and error.body["message"].startswith("texts 32 to 40: ")


def post(server, path, body):
    """Status and JSON of a POST."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{server.http}{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_bodies_that_are_no_json_are_refused(server):
    """In the shape of each path."""
    status, error = post(server, "/v1/embeddings", b"{")
    assert status == 400 and error["error"]["type"] == "invalid_request_error" and error["error"]["param"] is None
    status, error = post(server, "/rerank", b"[]")
    assert (status, error) == (400, {"error": "expected a JSON object, got a list"})


@pytest.mark.parametrize("encoder", ENCODERS, ids=[encoder[0] for encoder in ENCODERS])
def test_texts_are_ranked_by_their_cosine(server, encoder):
    """Raw scores are the cosines of the vectors, others lie between 0 and 1 in the same order."""
    query, texts = "a mafia family", TEXTS
    vectors, tokens = vectors_and_tokens(server, encoder, [query, *texts])
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors[1:] @ vectors[0] / lengths[1:] / lengths[0]
    order = [int(index) for index in np.argsort(-cosines, kind="stable")]
    asked = {"model": encoder[0], "query": query, "texts": texts}
    status, ranks = post(server, "/rerank", {**asked, "raw_scores": True, "truncate": True})
    assert status == 200 and [rank["index"] for rank in ranks] == order
    np.testing.assert_allclose([rank["score"] for rank in ranks], cosines[order], atol=TOLERANCE, rtol=0)
    assert order[0] == 0 and all(set(rank) == {"index", "score"} for rank in ranks)
    _, ranks = post(server, "/rerank", {**asked, "return_text": True})
    np.testing.assert_allclose([rank["score"] for rank in ranks], (1 + cosines[order]) / 2, atol=TOLERANCE, rtol=0)
    assert [rank["text"] for rank in ranks] == [texts[index] for index in order]
    documents = [texts[0], {"text": texts[1]}, *texts[2:]]
    asked = {"model": encoder[0], "query": query, "documents": documents, "top_n": 2, "return_documents": True}
    _, answer = post(server, "/v1/rerank", asked)
    assert [result["index"] for result in answer["results"]] == order[:2]
    assert [result["document"]["text"] for result in answer["results"]] == [texts[index] for index in order[:2]]
    scores = [result["relevance_score"] for result in answer["results"]]
    np.testing.assert_allclose(scores, (1 + cosines[order[:2]]) / 2, atol=TOLERANCE, rtol=0)
    assert answer["usage"]["total_tokens"] == tokens


def test_ranking_needs_no_model_where_there_is_one_encoder(tmp_path):
    """Clients of a server with one model name none; where there are several or none, they are told."""
    asked = {"query": "the sea", "texts": ["a ship", "a desert"]}
    one, none = tmp_path / "one", tmp_path / "none"
    one.mkdir()
    none.mkdir()
    running = serve(one, [BOW])
    try:
        status, ranks = post(running, "/rerank", asked)
        assert status == 200 and len(ranks) == 2
        status, error = post(running, "/rerank", {"query": "the sea", "texts": []})
        assert (status, error) == (400, {"error": "'texts' should have at least one text"})
    finally:
        assert running.stop() == 0
    running = serve(none, [])
    try:
        status, error = post(running, "/rerank", asked)
        assert (status, error) == (400, {"error": "'model' is missing; no model of this server is an encoder"})
        status, error = post(running, "/v1/rerank", {"query": "q", "documents": ["a"], "model": "simple"})
        assert status == 400 and error["error"]["param"] == "model"
    finally:
        assert running.stop() == 0


@pytest.mark.skipif(len(ENCODERS) < 2, reason="the other encoder could not be fetched")
def test_ranking_asks_for_a_model_where_there_are_several(server):
    """The encoders are named."""
    status, error = post(server, "/rerank", {"query": "the sea", "texts": ["a ship"]})
    expected = "'model' is missing; the encoders are 'embed_plot', 'embed_plot_bow'"
    assert (status, error) == (400, {"error": expected})


def test_api_keys_are_those_of_the_server(tmp_path):
    keys = {}
    for name, model in (("bow", "embed_plot_bow"), ("simple", "simple")):
        command = [binary(), "key", "new", name, "--category=inference", f"--model={model}"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        keys[name] = next(line for line in told.splitlines() if line.startswith("hippocamp_"))
        with open(tmp_path / "keys.toml", "a") as file:
            file.write(told[told.index("[[key]]") :])
    (tmp_path / "models").mkdir()
    server = serve(tmp_path / "models", [BOW], f"--api-keys={tmp_path / 'keys.toml'}")
    try:

        def client(key):
            return openai.OpenAI(base_url=f"http://{server.http}/v1", api_key=key, timeout=WAIT_S, max_retries=0)

        with client(keys["bow"]) as allowed:
            assert len(allowed.embeddings.create(model=BOW[0], input="a shark").data) == 1
            assert [model.id for model in allowed.models.list()] == [BOW[0]]
        with client(keys["simple"]) as other:
            assert [model.id for model in other.models.list()] == []
            with pytest.raises(openai.PermissionDeniedError, match="does not permit model 'embed_plot_bow'"):
                other.embeddings.create(model=BOW[0], input="a shark")
        with client("unknown") as stranger, pytest.raises(openai.AuthenticationError):
            stranger.embeddings.create(model=BOW[0], input="a shark")
    finally:
        assert server.stop() == 0


def traced(file):
    """The traces of a file by id: model, whether it has a parent, and the names of its points."""
    traces = {}
    for entry in json.loads(file.read_text()):
        model, parent, points = traces.setdefault(entry["id"], [None, None, set()])
        if "model_name" in entry:
            traces[entry["id"]][:2] = entry["model_name"], entry.get("parent_id")
        points.update(point["name"] for point in entry.get("timestamps", []))
    return traces


def test_calls_are_traced_as_other_requests(tmp_path):
    """One call is one sampled request, however many requests to the encoder it takes; steps are below those."""
    (tmp_path / "models").mkdir()
    file = tmp_path / "trace.json"
    flags = ["level=TIMESTAMPS", "rate=2", f"triton,file={file}"]
    server = serve(tmp_path / "models", [BOW], *[f"--trace-config={flag}" for flag in flags])
    asked = {"model": BOW[0], "input": ["the sea"] * 70}
    rank = {"query": "the sea", "texts": ["a ship", "a desert"]}
    fails = {"model": BOW[0], "input": ["the sea"] * 32 + ["\u2603"]}
    try:
        # Every second call is traced, and those of these two that are none do not count.
        for path, body, status in [
            ("/v1/embeddings", asked, 200),
            ("/v1/embeddings", asked, 200),
            ("/v1/embeddings", {**asked, "model": "nope"}, 404),
            ("/rerank", {**rank, "texts": []}, 400),
            ("/rerank", rank, 200),
            ("/rerank", rank, 200),
            ("/v1/embeddings", fails, 400),
            ("/v1/embeddings", fails, 400),
        ]:
            assert post(server, path, body)[0] == status
    finally:
        assert server.stop() == 0
    traces = traced(file)
    fronts = {"HTTP_RECV_START", "HTTP_RECV_END", "HTTP_SEND_START", "HTTP_SEND_END"}
    of_calls = [points for _, _, points in traces.values() if fronts <= points]
    assert len(of_calls) == 3, traces
    assert ["INFER_RESPONSE_COMPLETE" in points for points in of_calls] == [True, True, False]
    # Seventy texts are three requests, three texts are one, thirty-three are two of which one fails.
    whole = [points for model, parent, points in traces.values() if model == BOW[0] and parent is None]
    assert len(whole) == 3 + 1 + 2 and all({"REQUEST_START", "REQUEST_END"} <= points for points in whole)
    steps = [model for model, parent, _ in traces.values() if parent is not None]
    assert (steps.count(BOW[1]), steps.count(BOW[2])) == (6, 5), traces
    assert len(traces) == len(whole) + len(steps)
