"""A plot to its genres: the heads of models/genres behind their encoders, with names."""

import os

import numpy as np
import pytest
from hippocamp_server import ROOT, Server
from tensors import client, inputs_for

LABELS = (ROOT / "model_repository" / "plot_genres" / "labels.txt").read_text().splitlines()
PLOTS = {
    "a gunslinger returns to the frontier town that hanged his brother": "Western",
    "aboard a spaceship a crew finds an alien egg, and something hunts them one by one": "Science Fiction",
    "the dead rise from the cemetery and a haunted house swallows its visitors": "Horror",
}


@pytest.fixture(scope="module")
def films():
    """A server over model_repository; models whose files are made by a download may be missing."""
    running = Server(ROOT / "model_repository", "--exit-on-error=false", "--strict-readiness=false")
    yield running
    running.stop()


def genres(films, module, model, plots):
    """Probabilities [plots, 22]."""
    rows = np.array([[plot.encode()] for plot in plots], dtype=np.object_)
    return client(module, films).infer(model, inputs_for(module, {"PLOT": rows})).as_numpy("genres")


@pytest.mark.parametrize("model", ["genres_of_plot", "genres_of_plot_bow"])
def test_a_plot_has_the_genre_it_tells(films, module, model):
    """Probabilities, one by one and in a batch, and the obvious genre on top."""
    if model == "genres_of_plot" and "HIPPOCAMP_WITHOUT_MINILM" in os.environ:
        pytest.skip("the encoder could not be fetched")
    together = genres(films, module, model, list(PLOTS))
    assert together.shape == (3, 22) and (together > 0).all() and (together < 1).all()
    assert [LABELS[best] for best in together.argmax(1)] == list(PLOTS.values())
    alone = np.concatenate([genres(films, module, model, [plot]) for plot in PLOTS])
    np.testing.assert_allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize("model", ["plot_genres", "plot_genres_bow", "genres_of_plot", "genres_of_plot_bow"])
def test_labels_are_the_same_everywhere(model):
    """One order of genres, that of the index's facet."""
    assert (ROOT / "model_repository" / model / "labels.txt").read_text().splitlines() == LABELS
    index = (ROOT / "model_repository" / "film_index" / "config.pbtxt").read_text()
    assert ", ".join(f'\\"{label}\\"' for label in LABELS) in index
