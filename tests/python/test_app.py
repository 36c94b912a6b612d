"""The application over a real server: films and reasons, explanations, the catalogue, and every kind of bad input."""

import concurrent.futures
import itertools
import json
import struct
import time
import types
import zlib

import pytest
import requests
from app_client import (  # noqa: F401 - fixtures among them
    PLOT,
    Client,
    api,
    event,
    films_server,
    picture,
    refusal,
    repository,
    start_app,
    without_posters,
)
from hippocamp_server import Reserved, Server
from test_openapi import drive, loaded
from waiting import until

FILM = {"id", "title", "year", "genres", "directors", "cast", "languages", "countries", "runtime", "synopsis"}
PARTS = {"plot", "genres", "people", "year"}


def test_films_like_a_plot(api):  # noqa: F811
    answer = api.predict(plot=PLOT, k=7)
    assert set(answer) == {"id", "kind", "technique", "models", "query", "films", "milliseconds"}
    assert (answer["kind"], answer["technique"], len(answer["films"])) == ("plot", "bow", 7)
    assert answer["models"]["recommend_by_plot_bow"] == answer["models"]["film_index_bow"] == "1"
    assert "the-godfather-1972" in [film["id"] for film in answer["films"]]
    for film in answer["films"]:
        assert set(film) == FILM | {"score", "parts", "because"}
        assert set(film["parts"]) == PARTS
        assert sum(film["parts"].values()) == pytest.approx(film["score"], abs=1e-5)
        assert film["because"].endswith(".") and film["because"].count(".") >= 1
    scores = [film["score"] for film in answer["films"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["query"]["warnings"] == []


def test_films_like_films(api):  # noqa: F811
    liked, disliked = ["the-godfather-1972", "goodfellas-1990"], ["the-kid-1921"]
    answer = api.predict(films={"liked": liked, "disliked": disliked}, k=20)
    ids = [film["id"] for film in answer["films"]]
    assert len(ids) == 20 and not set(ids) & {*liked, *disliked}
    genres = {genre["genre"]: genre["probability"] for genre in answer["query"]["genres"]}
    assert genres["Crime"] == 1
    assert any("like The Godfather" in film["because"] or "like Goodfellas" in film["because"] for film in answer["films"])


@pytest.mark.parametrize(
    "wanted, fits",
    [
        ({"genres": ["Horror", "War"]}, lambda film: {"Horror", "War"} & set(film["genres"])),
        ({"years": [1930, 1949]}, lambda film: 1930 <= film["year"] <= 1949),
        ({"years": [None, 1930]}, lambda film: film["year"] <= 1930),
        ({"languages": ["fr", "DE"]}, lambda film: {"fr", "de"} & set(film["languages"])),
        ({"countries": ["jp"]}, lambda film: "JP" in film["countries"]),
        ({"runtime": [150, None]}, lambda film: film["runtime"] >= 150),
        (
            {"genres": ["Comedy"], "years": [1950, 1999], "languages": ["en"], "countries": ["US", "GB"], "runtime": [80, 120]},
            lambda film: "Comedy" in film["genres"] and 1950 <= film["year"] <= 1999 and 80 <= film["runtime"] <= 120,
        ),
    ],
)
def test_filters(api, wanted, fits):  # noqa: F811
    for question in ({"plot": PLOT}, {"films": {"liked": ["the-godfather-1972"]}}):
        films = api.predict(**question, filter=wanted, k=15)["films"]
        assert films and all(fits(film) for film in films)


def test_nothing_that_passes_is_told(api):  # noqa: F811
    answer = api.predict(plot=PLOT, filter={"genres": ["Western"], "languages": ["bo"]})
    assert answer["films"] == [] and answer["query"]["warnings"] == ["no film passes the filter"]


def test_weights_and_diversity_change_the_list(api):  # noqa: F811
    def ids(**options):
        return [film["id"] for film in api.predict(films={"liked": ["the-godfather-1972"]}, **options)["films"]]

    own = api.get("/facets").json()["weights"]["bow"]
    assert set(own) == PARTS
    assert ids(weights=own) == ids(), "the default weights are those of the index"
    by_people = api.predict(films={"liked": ["the-godfather-1972"]}, weights={"plot": 0, "genres": 0, "people": 1, "year": 0})["films"]
    assert {name for film in by_people[:3] for name in film["directors"] + film["cast"]} & {"Francis Ford Coppola", "Al Pacino", "Marlon Brando"}
    assert by_people[0]["parts"]["plot"] == 0
    assert ids(diversity=0) == ids() != ids(diversity=1)


WRONG = [
    ({}, 400, "plot", ["got neither"]),
    ({"plot": "x", "films": {"liked": ["the-kid-1921"]}}, 400, "plot", ["got both"]),
    ({"plot": ""}, 400, "plot", ["got nothing"]),
    ({"plot": " \n "}, 400, "plot", ["got nothing"]),
    ({"plot": "?! 🎬"}, 400, "plot", ["only signs"]),
    ({"plot": 5}, 400, "plot", ["expected text"]),
    ({"plot": "word " * 100_000}, 413, "plot", ["at most 65536 bytes", "500000"]),
    ({"films": {"liked": []}}, 400, "films.liked", ["at least one"]),
    ({"films": {"liked": ["the-kid-1921"] * 10_000}}, 400, "films.liked", ["at most 200, got 10000"]),
    ({"films": {"liked": ["the-kid-1921"], "disliked": ["nope-1", "nope-2"]}}, 400, "films.disliked", ["'nope-1', 'nope-2'"]),
    ({"films": {"liked": [f"nope-{n}" for n in range(8)]}}, 400, "films.liked", ["'nope-4' and 3 more"]),
    ({"films": ["the-kid-1921"]}, 400, "films", ["expected an object"]),
    ({"plot": "a heist", "k": 0}, 400, "k", ["1 to 50, got 0"]),
    ({"plot": "a heist", "k": 2.5}, 400, "k", ["whole number"]),
    ({"plot": "a heist", "technique": "magic"}, 400, "technique", ["'minilm' or 'bow'"]),
    ({"plot": "a heist", "diversity": 2}, 400, "diversity", ["0 to 1"]),
    ({"plot": "a heist", "weights": {"look": 1}}, 400, "weights.look", ["no such field"]),
    ({"plot": "a heist", "weights": {"plot": -1}}, 400, "weights.plot", ["0 to 10"]),
    ({"plot": "a heist", "filter": {"genres": ["Horror' or 1=1"]}}, 400, "filter.genres", ["no film has"]),
    ({"plot": "a heist", "filter": {"years": [2000, 1990]}}, 400, "filter.years", ["not above"]),
    ({"plot": "a heist", "kk": 3}, 400, "kk", ["no such field"]),
]


@pytest.mark.parametrize("body, status, field, words", WRONG)
def test_wrong_wishes_are_told(api, body, status, field, words):  # noqa: F811
    refusal(api.post("/predict", body), status, *words, field=field)


@pytest.mark.parametrize(
    "content_type, body, status, words",
    [
        ("application/json", b"{", 400, ["expected JSON"]),
        ("application/json", b"\xff\xfe", 400, ["expected JSON"]),
        ("application/json", b"[1]", 400, ["expected a JSON object"]),
        ("application/json", b"[" * 100_000, 400, ["expected JSON"]),
        ("application/json", b" " * (2 << 20), 413, ["at most 1048576 bytes"]),
        ("text/plain", b"a heist", 415, ["application/json or multipart/form-data", "text/plain"]),
        ("multipart/form-data", b"x", 400, ["multipart/form-data"]),
        ("multipart/form-data; boundary=b", b"--b\r\n", 400, ["cannot be read"]),
    ],
)
def test_wrong_bodies_are_told(api, content_type, body, status, words):  # noqa: F811
    field = {413: "body", 415: "content-type"}.get(status)
    refusal(api.post("/predict", data=body, headers={"content-type": content_type}), status, *words, field=field)


def test_what_is_odd_is_answered_with_a_warning(api):  # noqa: F811
    def warnings(plot):
        return " ".join(api.predict(plot=plot)["query"]["warnings"])

    assert "has 2000 words; about the first 510 count" in warnings("a heist goes wrong " * 500)
    assert "known English ones" in warnings("Ein alternder Mafiaboss übergibt das Geschäft seinem jüngsten Sohn, der es nicht haben will, in Chicago")
    markup = "<p>An ageing <b>mafia</b> boss 🎬 hands the family <script>alert(1)</script> business to his son</p>"
    assert warnings(markup) == ""
    # Of other writing the encoder of words knows nothing; that is told, too.
    other = api.post("/predict", {"plot": "七人の侍が村を守る", "technique": "bow"})
    assert other.status_code in (200, 422), other.text
    assert "Latin" in other.text if other.status_code == 200 else "plot" in refusal(other, 422, field="plot")["field"]


def test_a_long_plot_within_the_limit_is_answered(api):  # noqa: F811
    assert len(api.predict(plot="heist " * 10_900)["films"]) == 10


def png(width, height) -> bytes:
    """A grey PNG of any size, of a few kilobytes: all of its pixels are alike."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + width)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "file, status, words",
    [
        (b"", 400, ["empty"]),
        (b"%PDF-1.7\n" + b"x" * 500, 415, ["a PDF document, 509 bytes"]),
        (b"GIF89a" + b"x" * 50, 415, ["a GIF"]),
        (b"hello", 415, ["JPEG, PNG or WebP"]),
        (png(1, 1), 422, ["at least 32x32 pixels, got 1x1"]),
        (b"\xff\xd8\xff\xe0" + b"\0" * (11 << 20), 413, ["10 MB"]),
    ],
)
def test_files_that_are_no_pictures(api, file, status, words):  # noqa: F811
    """Told without asking the server."""
    for path in ("/predict", "/explain"):
        refusal(api.poster(path, file), status, *words, field="poster")


@without_posters
class TestPosters:

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
    def test_films_like_a_poster(self, api, format):  # noqa: F811
        answer = api.poster("/predict", picture(format), name="any name", anyway=True, k=4, filter={"years": [1960, None]})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["kind"], len(told["films"])) == ("poster", 4)
        assert 1880 < told["query"]["year"] < 2100 and 0 <= told["query"]["is_poster"] <= 1
        assert len(told["query"]["genres"]) == 5
        assert all(film["year"] >= 1960 for film in told["films"])
        assert "poster_encoder" in told["models"]

    def test_what_is_no_poster_is_refused_unless_one_insists(self, api):  # noqa: F811
        answer = api.poster("/predict", picture())
        told = refusal(answer, 422, "does not look like a film poster", '"anyway": true', field="poster")
        assert 0 <= told["is_poster"] < 0.5
        assert api.poster("/predict", picture(), anyway=True).status_code == 200

    @pytest.mark.parametrize(
        "file, status, words",
        [
            (png(10_000, 10_000), 413, ["100000000", "at most"]),
            (png(60_000, 600)[:2000], 400, ["damaged"]),
            (picture()[:500], 400, ["damaged JPEG"]),
        ],
    )
    def test_pictures_that_the_server_refuses(self, api, file, status, words):  # noqa: F811
        for path in ("/predict", "/explain"):
            refusal(api.poster(path, file), status, *words, field="poster")

    def test_a_heat_map_is_the_same_each_time(self, api):  # noqa: F811
        file = picture()
        first, again = (api.poster("/explain", file, masks=64).json() for _ in range(2))
        grid = first["grid"]
        assert (grid["columns"], grid["rows"], len(grid["values"])) == (16, 24, 384)
        assert min(grid["values"]) == 0 and max(grid["values"]) == 1
        assert first["batches"] == {"32": 2} and first["masks"] == 64
        assert first["grid"] == again["grid"] and first["target"] == again["target"]
        horror = api.poster("/explain", file, masks=40, genre="Horror").json()
        assert horror["target"]["genre"] == "Horror" and horror["batches"] == {"32": 1, "8": 1}

    def test_explanations_are_bounded(self, start_app):  # noqa: F811
        app = start_app("--max-explanations=1")
        file = picture()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: Client(app.origin).poster("/explain", file, masks=480), range(4)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses[0] == 200 and statuses[-1] == 503
        refusal(next(answer for answer in answers if answer.status_code == 503), 503, "--max-explanations")

    @pytest.mark.parametrize("options, field", [({"masks": 5}, "masks"), ({"genre": "Scary"}, "genre"), ({"x": 1}, "x")])
    def test_wrong_options(self, api, options, field):  # noqa: F811
        refusal(api.poster("/explain", picture(), **options), 400, field=field)


def test_the_words_of_a_plot_sum_to_the_similarity(api):  # noqa: F811
    plot = "  An ageing mafia boss 🎬 hands\nthe family business to his <b>reluctant</b> son. "
    answer = api.post("/explain", {"plot": plot, "film": "the-godfather-1972", "technique": "bow"}).json()
    assert "".join(segment["text"] for segment in answer["segments"]) == plot
    weights = [segment["weight"] for segment in answer["segments"] if segment["weight"] is not None]
    assert sum(weights) == pytest.approx(answer["similarity"], abs=1e-5)
    assert len(weights) > 8 and 0 < answer["similarity"] < 1
    assert all(segment["weight"] is None for segment in answer["segments"] if not segment["text"].strip())


@pytest.mark.parametrize(
    "body, status, field",
    [
        ({"plot": "a heist", "film": "nope"}, 404, None),
        ({"plot": "a heist"}, 400, "film"),
        ({"film": "the-kid-1921"}, 400, "plot"),
        ({"plot": "a heist", "film": "the-kid-1921", "technique": "x"}, 400, "technique"),
    ],
)
def test_wrong_explanations_are_told(api, body, status, field):  # noqa: F811
    refusal(api.post("/explain", body), status, field=field)


def test_the_catalogue(api):  # noqa: F811
    first = api.get("/films", params={"limit": 50, "sort": "year"}).json()
    assert first["total"] == 1100 and len(first["films"]) == 50
    assert set(first["films"][0]) == FILM
    pages = (api.get("/films", params={"limit": 100, "offset": at, "sort": "title"}).json()["films"] for at in range(0, 1100, 100))
    assert len({film["id"] for film in itertools.chain(*pages)}) == 1100
    horror = api.get("/films", params={"genre": "Horror", "from": 1970, "to": 1979, "limit": 100, "sort": "-year"}).json()
    assert horror["total"] == len(horror["films"]) > 3
    assert all("Horror" in film["genres"] and 1970 <= film["year"] <= 1979 for film in horror["films"])
    assert api.get("/films", params={"offset": 5000}).json()["films"] == []
    assert api.get("/films/haxan-1922").json()["title"] == "Häxan"
    refusal(api.get("/films/nope"), 404, "no film has the id 'nope'")
    for wrong, field in [({"limit": 0}, "limit"), ({"limit": 101}, "limit"), ({"genre": "Scary"}, "genre"), ({"sort": "x"}, "sort")]:
        refusal(api.get("/films", params=wrong), 400, field=field)
    for wrong in ({"offset": -1}, {"from": "x"}, {"colour": "red"}):
        refusal(api.get("/films", params=wrong), 400, "query:")


def test_search(api):  # noqa: F811
    def found(text, **more):
        return [film["title"] for film in api.get("/search", params={"q": text, **more}).json()["films"]]

    assert found("godfahter")[0] == found("GODF")[0] == "The Godfather"
    assert found("amelie") == ["Amélie"]
    assert len(found("the", limit=3)) == 3
    assert found("") == found("qqqzzz") == []
    refusal(api.get("/search"), 400, "q")
    refusal(api.get("/search", params={"q": "x", "limit": 51}), 400, field="limit")


def test_facets(api):  # noqa: F811
    facets = api.get("/facets").json()
    assert len(facets["genres"]) == 21 and len(facets["labels"]) == 22
    assert facets["languages"][0] == {"code": "en", "name": "English", "films": 724}
    assert facets["years"] == [1920, 2024]
    assert {technique["name"]: technique["ready"] for technique in facets["techniques"]}["bow"]


def test_routes_verbs_and_headers(api):  # noqa: F811
    refusal(api.get("/nope"), 404, "GET /docs")
    wrong = api.get("/predict")
    refusal(wrong, 405, "does not take GET")
    assert wrong.headers["allow"] == "POST"
    page = api.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for answer in (page, wrong, api.get("/live"), api.get("/docs/")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert answer.headers["x-request-id"]
    assert api.get("/live", headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"
    assert api.get("/", headers={"if-none-match": page.headers["etag"]}).status_code == 304
    foreign = api.post("/feedback", {}, headers={"sec-fetch-site": "cross-site"})
    refusal(foreign, 422, "another site", field="sec-fetch-site")
    for path in ("/assets/../Cargo.toml", "/assets/%2e%2e/index.html", "/assets/nope.js"):
        assert api.get(path).status_code == 404
    assert "swagger" in api.get("/docs").text.lower()
    paths = api.get("/openapi.json").json()["paths"]
    assert {"/predict", "/explain", "/films", "/films/{id}", "/search", "/facets", "/feedback", "/health", "/metrics"} <= set(paths)


def test_every_answer_is_one_that_the_document_tells(api, capsys):  # noqa: F811
    """schemathesis, as for the server's own document."""
    schema = loaded(types.SimpleNamespace(http=api.origin.removeprefix("http://")), api.get("/openapi.json").json())
    events = [event("the-kid-1921", "liked", id="a")]
    good = {
        "POST /predict": {"body": {"plot": PLOT, "technique": "bow", "k": 3}},
        "POST /explain": {"body": {"plot": PLOT, "film": "the-kid-1921", "technique": "bow"}},
        "GET /films/{id}": {"path_parameters": {"id": "haxan-1922"}},
        "GET /search": {"query": {"q": "kid"}},
    }
    statuses = drive(schema, capsys, server_errors=(503,), good=good)
    assert statuses.total() > 200 and statuses[200] > 15
    accepted = api.post("/feedback", {"recommendation": "r", "kind": "plot", "events": events})
    assert (accepted.status_code, accepted.json()) == (202, {"accepted": 1})


@pytest.fixture
def port():
    """One that nobody else has, whether a server listens on it or not."""
    with Reserved() as reserved:
        yield reserved


def test_a_server_that_restarts(repository, start_app, port):  # noqa: F811
    """Without it requests are refused at once and say when to come again; with it they go on."""
    there = (f"--http-port={port}", "--reuse-http-port=true")
    server = Server(repository, *there)
    app = start_app(server=server.http)
    assert app.client.predict(plot=PLOT)["films"]
    server.kill()
    started = time.monotonic()
    refusal(app.client.post("/predict", {"plot": PLOT, "technique": "bow"}), 503, "inference server")
    assert time.monotonic() - started < 5
    down = app.client.get("/health")
    assert down.status_code == 503
    told = down.json()
    assert (told["status"], told["server"]["status"]) == ("down", "down") and told["server"]["reason"]
    answer = app.client.post("/feedback", {"recommendation": "r", "kind": "plot", "events": [event("the-kid-1921", "liked")]})
    assert answer.status_code == 202, "feedback is taken all the same"
    assert app.client.get("/search", params={"q": "godf"}).status_code == 200
    again = Server(repository, *there)
    try:
        until(lambda: app.client.post("/predict", {"plot": PLOT, "technique": "bow"}).status_code == 200, 20)
        until(lambda: app.client.health()["server"]["status"] == "ok")
        # A server that ends in good order while connections are open, and is back before the next request.
        assert again.stop() == 0
        again = Server(repository, *there)
        assert app.client.post("/predict", {"plot": PLOT, "technique": "bow"}).status_code == 200
    finally:
        again.stop()


def test_an_application_before_its_server(start_app, port):  # noqa: F811
    app = start_app(server=f"127.0.0.1:{port}")
    told = app.client.health()
    assert told["status"] == "down" and told["models"]["recommend_by_plot"]
    refusal(app.client.post("/predict", {"plot": PLOT}), 503)
    assert app.client.get("/").status_code == 200


def test_health_names_what_is_missing(api):  # noqa: F811
    told = {}

    def up():
        told.update(api.health())
        return told["server"]["status"] == "ok"

    # A single look has three seconds, which a busy machine may need.
    until(up)
    assert told["models"]["recommend_by_plot_bow"] == "ready"
    assert told["status"] == "ok" if all(state == "ready" for state in told["models"].values()) else "degraded"
    assert (told["server"]["status"], told["app"]["films"]) == ("ok", 1100)


def test_calls_are_logged(start_app, tmp_path):  # noqa: F811
    log = tmp_path / "access.log"
    app = start_app(f"--access-log={log}")
    app.client.predict(plot=PLOT)
    app.client.get("/films/nope", headers={"x-request-id": "mine"})
    assert app.stop() == 0, app.log()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [("POST", "/predict", 200), ("GET", "/films/nope", 404)]
    assert lines[1]["id"] == "mine" and lines[0]["duration_us"] > 0
    assert PLOT not in log.read_text()


def test_requests_under_way_are_answered_before_the_end(start_app):  # noqa: F811
    app = start_app()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(requests.post, f"{app.origin}/predict", json={"plot": PLOT, "technique": "bow"}, timeout=60) for _ in range(32)]
        asked[0].result()
        status = app.stop()
        answered = 0
        for request in asked:
            try:
                answered += request.result().status_code == 200
            except requests.ConnectionError:
                pass  # it came after the end
    assert status == 0 and answered >= 1, app.log()
