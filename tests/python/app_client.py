"""Requests to the application, and the servers and databases behind it: what test_app*.py share."""

import io
import json
import os
import shutil

import pytest
import requests
from databases import Cluster, Postgres, Sqlite, without_postgres
from hippocamp_app import App
from hippocamp_server import ROOT, Server
from PIL import Image
from waiting import eventually

PLOT = "an ageing mafia boss hands the family business to his reluctant youngest son"
PATIENCE_S = 60

# What needs nothing but the repository.
BOW = ["text_tokenizer_bow", "plot_encoder_bow", "plot_genres_bow", "film_index_bow", "recommend_by_plot_bow",
       "recommend_by_films_bow", "embed_plot_bow", "explain_plot_bow", "genres_of_plot_bow"]
POSTERS = ["poster_pixels", "poster_encoder", "film_index", "recommend_by_poster"]
MODELS = ROOT / "model_repository"

without_posters = pytest.mark.skipif(
    "HIPPOCAMP_WITHOUT_MINILM" in os.environ, reason="posters are looked up among vectors of the encoder that could not be fetched"
)


class Client:
    """Requests to one application."""

    def __init__(self, origin: str):
        self.origin = origin
        self.session = requests.Session()

    def get(self, path: str, **parameters) -> requests.Response:
        return self.session.get(self.origin + path, timeout=PATIENCE_S, **parameters)

    def post(self, path: str, body=None, **parameters) -> requests.Response:
        if body is not None:
            parameters["json"] = body
        return self.session.post(self.origin + path, timeout=PATIENCE_S, **parameters)

    def predict(self, **wish) -> dict:
        """An answer of POST /predict, by words unless told otherwise."""
        answer = self.post("/predict", {"technique": "bow", **wish})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def poster(self, path: str, picture: bytes, name="poster.jpg", **options) -> requests.Response:
        return self.post(path, files={"poster": (name, picture), "options": (None, json.dumps(options))})

    def feedback(self, answer: dict, *events: dict) -> requests.Response:
        context = {key: answer[key] for key in ("kind", "technique", "models")}
        return self.post("/feedback", {"recommendation": answer["id"], **context, "events": list(events)})

    def health(self) -> dict:
        return self.get("/health").json()

    def settled(self, kind: str) -> None:
        """Waits until the database of this kind takes feedback, which may be after the app is ready, and has all of it."""
        healthy = {"kind": kind, "status": "ok", "waiting": 0}
        assert eventually(lambda: self.health()["database"], healthy) == healthy


def refusal(answer: requests.Response, status: int, *words: str, field: str | None = None) -> dict:
    """An error of this status that says these words, about this field."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert all(word in body["error"] for word in words), body
    assert body.get("field") == field, body
    if status == 503:
        assert int(answer.headers["retry-after"]) > 0
    return body


def event(film: str, name: str, position: int = 0, **more) -> dict:
    return {"film": film, "event": name, "position": position, **more}


def picture(format="JPEG", size=(200, 300), **options) -> bytes:
    """A picture in colours that change."""
    image = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGB", (image, image.rotate(90).resize(size), image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)))
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A repository of what the application asks, as far as it serves without a download."""
    directory = tmp_path_factory.mktemp("films")
    names = BOW + ([] if "HIPPOCAMP_WITHOUT_MINILM" in os.environ else POSTERS)
    for name in names:
        if (MODELS / name).exists():  # plot_genres may still be made
            shutil.copytree(MODELS / name, directory / name)
    return directory


@pytest.fixture(scope="session")
def films_server(repository):
    """A server over it that every test may ask and none may stop."""
    running = Server(repository)
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture(scope="session")
def cluster():
    """A PostgreSQL."""
    running = Cluster()
    yield running
    running.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=without_postgres)])
def database(request, tmp_path):
    """Each of the databases, with nothing in it."""
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    number = request.session.__dict__.setdefault("databases_made", 0)
    request.session.databases_made += 1
    return Postgres(request.getfixturevalue("cluster"), f"films_{number}")


@pytest.fixture
def start_app(tmp_path, films_server):
    """Starts applications over the server; they are asked to end after the test."""
    started = []

    def start(*arguments, server=films_server.http, **options):
        running = App(server, tmp_path / "data", *arguments, **options)
        running.client = Client(running.origin)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.is_running():
            assert running.stop() == 0, running.log()


@pytest.fixture(scope="module")
def api(films_server, tmp_path_factory):
    """A client of one application, for tests that change nothing."""
    running = App(films_server.http, tmp_path_factory.mktemp("app"))
    yield Client(running.origin)
    assert running.stop() == 0, running.log()
