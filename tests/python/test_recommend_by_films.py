"""Films by films, and what of a text made its vector: ensembles of model_repository, asked through tritonclient."""

import os

import numpy as np
import pytest
from hippocamp_server import ROOT, Server
from tensors import client, inputs_for
from tritonclient.utils import InferenceServerException

LOVED = ["the-godfather-1972", "goodfellas-1990"]
PARTS = ["score_plot", "score_genres", "score_people", "score_year"]
TEXT = "  An ageing boss, Vito's father, hands é the family to Michael"

pytestmark = pytest.mark.skipif(
    "HIPPOCAMP_WITHOUT_MINILM" in os.environ, reason="the encoder of recommend_by_plot could not be fetched"
)


@pytest.fixture(scope="module")
def films():
    """A server over model_repository."""
    running = Server(ROOT / "model_repository")
    yield running
    running.stop()


def row(given):
    """One row: of texts, whole numbers or numbers."""
    if isinstance(given[0], str):
        return np.array([[text.encode() for text in given]], dtype=np.object_)
    return np.array([given], dtype=np.int32 if isinstance(given[0], int) else np.float32)


def ask(films, module, model, **values):
    """What one row of inputs is answered, by output."""
    result = client(module, films).infer(model, inputs_for(module, {name: row(given) for name, given in values.items()}))
    return lambda name: result.as_numpy(name)[0]


@pytest.mark.parametrize("model", ["recommend_by_films", "recommend_by_films_bow"])
def test_what_is_loved_finds_its_like_and_is_left_out(films, module, model):
    """The second Godfather is near to the first by everything that counts."""
    found = ask(films, module, model, LIKED=LOVED, K=[8])
    ids = [name.decode() for name in found("id")]
    assert len(ids) == 8 and not set(ids) & set(LOVED)
    assert "the-godfather-part-ii-1974" in ids[:2]
    total = sum(found(part) for part in PARTS)
    np.testing.assert_allclose(total, found("score"), atol=1e-5)
    assert (found("score_people")[ids.index("the-godfather-part-ii-1974")]) > 0
    assert (found("score_year") <= 0).all()


def test_what_is_disliked_goes_down(films, module):
    """A film that is like both loses by the one that is not wanted."""
    plain = ask(films, module, "recommend_by_films", LIKED=LOVED[:1], K=[100])
    ids = [name.decode() for name in plain("id")]
    disliked = ids[1]
    less = ask(films, module, "recommend_by_films", LIKED=LOVED[:1], DISLIKED=[disliked], K=[100])
    left = [name.decode() for name in less("id")]
    assert disliked not in left
    before, after = (dict(zip(names, found("score"))) for names, found in ((ids, plain), (left, less)))
    assert after[ids[0]] < before[ids[0]]


def test_weights_and_filters_and_diversity(films, module):
    """Each changes the answer in the way it says."""

    def years(**values):
        return ask(films, module, "recommend_by_films", LIKED=LOVED, K=[10], **values)("year")

    assert set(years(WEIGHTS=[0.0, 0.0, 0.0, 1.0])) <= set(range(1972, 1991)), "years between both are equally near"
    assert (years(FILTER=["year >= 2000"]) >= 2000).all()
    genres = ask(films, module, "recommend_by_films", LIKED=LOVED, K=[10], WEIGHTS=[0.0, 1.0, 0.0, 0.0])("genres")
    assert {*genres} <= {b"Crime, Drama", b"Drama, Crime"}
    best = ask(films, module, "recommend_by_films", LIKED=LOVED, K=[10])
    varied = ask(films, module, "recommend_by_films", LIKED=LOVED, K=[10], DIVERSITY=[0.7])
    assert varied("score").sum() < best("score").sum() and varied("id")[0] == best("id")[0]


def test_a_plot_may_have_weights_and_diversity(films, module):
    """The parts that a bare text has not are zero."""
    found = ask(films, module, "recommend_by_plot", PLOT=["two killers talk about food"], K=[5], DIVERSITY=[0.2])
    assert (found("score_people") == 0).all()
    doubled = ask(films, module, "recommend_by_plot", PLOT=["two killers talk about food"], WEIGHTS=[2.0, 0.0, 0.0, 0.0])
    plain = ask(films, module, "recommend_by_plot", PLOT=["two killers talk about food"], WEIGHTS=[1.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(doubled("score"), 2 * plain("score"), rtol=1e-5)


def test_what_is_wrong_is_told(films, module):
    """The error names the input, what came, and what was expected."""
    for values, expect in [
        ({"LIKED": ["nope"]}, "LIKED: no item has the id 'nope'"),
        ({"LIKED": LOVED, "DISLIKED": ["x", "y", "z"]}, "DISLIKED: no item has the id 'x', nor 2 others"),
        ({"LIKED": LOVED * 150}, "LIKED has 300 ids: expected at most 256"),
        ({"LIKED": [""]}, "nothing to go by"),
        ({"LIKED": LOVED, "DIVERSITY": [1.5]}, "DIVERSITY is 1.5: expected 0"),
        ({"LIKED": LOVED, "WEIGHTS": [1.0, -1.0, 0.0, 0.0]}, "WEIGHTS has -1"),
        ({"LIKED": LOVED, "WEIGHTS": [float("nan"), 1.0, 0.0, 0.0]}, "WEIGHTS has an element NaN"),
        ({"LIKED": LOVED, "K": [0]}, "K is 0: expected 1 to 1000"),
    ]:
        with pytest.raises(InferenceServerException, match=expect):
            ask(films, module, "recommend_by_films", **values)


@pytest.mark.parametrize("suffix", ["", "_bow"])
def test_a_vector_is_the_sum_of_its_tokens(films, module, suffix):
    """And each token knows the bytes it stands for."""
    found = ask(films, module, f"explain_plot{suffix}", PLOT=[TEXT])
    tokens, whole = found("token_embeddings"), found("sentence_embedding")
    total = tokens.sum(axis=0)
    np.testing.assert_allclose(total / np.linalg.norm(total), whole, atol=1e-6)
    places = [TEXT.encode()[start:end].decode() for start, end in found("offsets") if end]
    assert "".join(places) == TEXT.replace(" ", "")
    plain = ask(films, module, f"embed_plot{suffix}", TEXT=[TEXT])
    np.testing.assert_allclose(plain("embedding"), whole, atol=1e-6)
