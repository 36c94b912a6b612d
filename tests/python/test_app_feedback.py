"""Feedback on SQLite and on PostgreSQL: what was accepted is in the database, once, whatever happened in between."""

import collections
import concurrent.futures
import json
import threading

import pytest
import requests
from app_client import PLOT, cluster, database, event, films_server, refusal, repository, start_app  # noqa: F401 - fixtures
from waiting import eventually, until

DELIVERY_S = 30


def keys(database):  # noqa: F811
    return sorted(row["event_key"] for row in database.rows())


def expected(answer, ids):
    return sorted(f"{answer['id']}/{id}" for id in ids)


@pytest.fixture
def app(start_app, database):  # noqa: F811
    """An application over the database, which takes feedback already."""
    running = start_app(f"--database-url={database.url}")
    running.client.settled(database.kind)
    return running


def test_rows_tell_what_was_recommended_by_which_models(app, database):  # noqa: F811
    answer = app.client.predict(plot=PLOT, k=3)
    shown = [event(film["id"], "shown", position) for position, film in enumerate(answer["films"])]
    accepted = app.client.feedback(answer, *shown, event(answer["films"][1]["id"], "liked", 1))
    assert (accepted.status_code, accepted.json()) == (202, {"accepted": 4})
    until(lambda: len(database.rows()) == 4, DELIVERY_S)
    rows = database.rows()
    assert sorted((row["film"], row["event"], row["position"]) for row in rows) == sorted(
        [(film["id"], "shown", at) for at, film in enumerate(answer["films"])] + [(answer["films"][1]["id"], "liked", 1)]
    )
    for row in rows:
        assert (row["recommendation"], row["kind"], row["technique"]) == (answer["id"], "plot", "bow")
        assert row["models"] == json.dumps(answer["models"], separators=(",", ":"))
        assert row["at_ms"] > 1_700_000_000_000
    assert answer["models"]["recommend_by_plot_bow"] == "1"
    app.client.settled(database.kind)


def test_an_event_that_is_sent_again_counts_once(app, database):  # noqa: F811
    answer = app.client.predict(plot=PLOT)
    film = answer["films"][0]["id"]
    for _ in range(3):
        assert app.client.feedback(answer, event(film, "liked", id="a"), event(film, "cleared", id="b")).status_code == 202
    assert eventually(lambda: keys(database), expected(answer, ["a", "b"]), DELIVERY_S) == expected(answer, ["a", "b"])
    other = app.client.predict(plot=PLOT)
    assert app.client.feedback(other, event(film, "liked", id="a")).status_code == 202
    assert eventually(lambda: len(keys(database)), 3, DELIVERY_S) == 3, "an id counts within its recommendation"
    for _ in range(2):
        assert app.client.feedback(other, event(film, "clicked")).status_code == 202
    assert eventually(lambda: len(keys(database)), 5, DELIVERY_S) == 5, "without an id each counts"


def test_what_is_refused_is_not_kept(app, database):  # noqa: F811
    answer = app.client.predict(plot=PLOT)
    film = answer["films"][0]["id"]
    nothing = app.client.feedback(answer, event(film, "liked"), event("no-such-film", "liked"))
    refusal(nothing, 400, "no film has the id 'no-such-film'", field="events.film")
    assert database.rows() == []


def test_recommendations_go_on_while_the_database_is_away(app, database):  # noqa: F811
    answer = app.client.predict(plot=PLOT)
    film = answer["films"][0]["id"]
    assert app.client.feedback(answer, event(film, "liked", id="before")).status_code == 202
    app.client.settled(database.kind)
    database.go_away()
    for number in range(20):
        assert len(app.client.predict(plot=PLOT, k=2)["films"]) == 2
        assert app.client.feedback(answer, event(film, "clicked", id=f"away-{number}")).status_code == 202

    def health():
        answer = app.client.get("/health")
        told = answer.json()
        reason = bool(told["database"].get("reason"))
        return answer.status_code, told["status"], told["database"]["status"], told["database"]["waiting"], reason

    # Films are recommended.
    degraded = (200, "degraded", "down", 20, True)
    assert eventually(health, degraded) == degraded
    database.come_back()
    ids = ["before", *(f"away-{number}" for number in range(20))]
    assert eventually(lambda: keys(database), expected(answer, ids), DELIVERY_S) == expected(answer, ids)
    app.client.settled(database.kind)
    assert app.client.feedback(answer, event(film, "liked", id="after")).status_code == 202
    ids.append("after")
    assert eventually(lambda: keys(database), expected(answer, ids), DELIVERY_S) == expected(answer, ids)


def test_a_database_that_is_locked_gets_it_later(app, database):  # noqa: F811
    answer = app.client.predict(plot=PLOT)
    film = answer["films"][0]["id"]
    assert app.client.feedback(answer, event(film, "liked", id="before")).status_code == 202
    app.client.settled(database.kind)
    with database.locked():
        for number in range(3):
            assert app.client.feedback(answer, event(film, "clicked", id=f"{number}")).status_code == 202
            assert len(app.client.predict(plot=PLOT, k=2)["films"]) == 2
    ids = ["before", "0", "1", "2"]
    assert eventually(lambda: keys(database), expected(answer, ids), DELIVERY_S) == expected(answer, ids)


def test_what_waits_survives_a_crash(start_app, database):  # noqa: F811
    app = start_app(f"--database-url={database.url}")
    answer = app.client.predict(plot=PLOT)
    film = answer["films"][0]["id"]
    assert app.client.feedback(answer, event(film, "liked", id="a")).status_code == 202
    app.client.settled(database.kind)
    with database.locked():
        assert app.client.feedback(answer, event(film, "clicked", id="b")).status_code == 202
        app.kill()
        # It starts all the same, and says so.
        again = start_app(f"--database-url={database.url}")
        told = again.client.health()
        assert (told["database"]["status"], told["database"]["waiting"]) == ("down", 1)
        assert again.client.feedback(answer, event(film, "clicked", id="c")).status_code == 202
    assert eventually(lambda: keys(database), expected(answer, "abc"), DELIVERY_S) == expected(answer, "abc")


def test_a_full_journal_refuses_and_loses_nothing(start_app, database):  # noqa: F811
    app = start_app(f"--database-url={database.url}", "--max-journal-bytes=2000")
    app.client.settled(database.kind)
    answer = app.client.predict(plot=PLOT)
    film = answer["films"][0]["id"]
    with database.locked():
        answers = {
            number: app.client.feedback(answer, event(film, "clicked", id=f"{number}")) for number in range(12)
        }
    accepted = [str(number) for number, told in answers.items() if told.status_code == 202]
    assert 0 < len(accepted) < 12
    refused = next(told for told in answers.values() if told.status_code != 202)
    refusal(refused, 503, "the database is away")
    assert eventually(lambda: keys(database), expected(answer, accepted), DELIVERY_S) == expected(answer, accepted)
    # Whoever was refused comes again: the rows are there a moment before the journal is shorter.
    app.client.settled(database.kind)
    for number in range(12):
        assert app.client.feedback(answer, event(film, "clicked", id=f"{number}")).status_code == 202
    assert eventually(lambda: len(keys(database)), 12, DELIVERY_S) == 12


def test_nothing_is_lost_and_nothing_counts_twice_under_load(app, database):  # noqa: F811
    """Sixteen people give feedback, each event twice, while the database comes and goes."""
    answer = app.client.predict(plot=PLOT)
    film = answer["films"][0]["id"]
    accepted, ended = collections.Counter(), threading.Event()

    def person(number):
        with requests.Session() as session:
            for turn in range(25):
                body = {"recommendation": answer["id"], "kind": "plot", "technique": "bow", "events": [event(film, "shown", id=f"{number}-{turn}")]}
                for _ in range(2):
                    told = session.post(f"{app.origin}/feedback", json=body, timeout=60)
                    assert told.status_code == 202, told.text
                accepted[f"{number}-{turn}"] += 1

    def come_and_go():
        until(lambda: accepted)
        while not ended.is_set():
            database.go_away()
            ended.wait(0.3)
            database.come_back()
            ended.wait(0.2)

    with concurrent.futures.ThreadPoolExecutor(17) as pool:
        weather = pool.submit(come_and_go)
        people = [pool.submit(person, number) for number in range(16)]
        try:
            for done in people:
                done.result()
        finally:
            ended.set()
            weather.result()
    assert len(accepted) == 16 * 25
    figures = dict(line.rsplit(" ", 1) for line in app.client.get("/metrics").text.splitlines() if "_stored_total{" in line)
    for how in ("direct", "journaled"):
        assert int(figures[f'hippocamp_app_feedback_stored_total{{how="{how}"}}']) > 0, "the database came and went"
    assert eventually(lambda: keys(database), expected(answer, accepted), DELIVERY_S) == expected(answer, accepted)


def test_feedback_is_counted_by_model_version(app):
    answer = app.client.predict(plot=PLOT)
    film = answer["films"][0]["id"]
    assert app.client.feedback(answer, event(film, "liked")).status_code == 202
    made_up = {**answer, "models": {"recommend_by_plot_bow": "77"}}
    assert app.client.feedback(made_up, event(film, "liked")).status_code == 202
    figures = app.client.get("/metrics").text.splitlines()
    counted = 'hippocamp_app_feedback_total{event="liked",kind="plot",technique="bow",version="%s"} 1'
    assert counted % 1 in figures and counted % "other" in figures
    # What was journaled may be delivered, too, by now.
    ways = tuple(f'hippocamp_app_feedback_stored_total{{how="{how}"}}' for how in ("direct", "journaled"))
    stored = [line for line in figures if line.startswith(ways)]
    assert sum(int(line.rsplit(" ", 1)[1]) for line in stored) == 2, "each on one of two ways, also on a slow disk"
    until(lambda: "hippocamp_app_journal_events 0" in app.client.get("/metrics").text, DELIVERY_S)


def test_it_ends_in_good_order(app, database):  # noqa: F811
    answer = app.client.predict(plot=PLOT)
    with database.locked():
        assert app.client.feedback(answer, event(answer["films"][0]["id"], "liked", id="a")).status_code == 202
    until(lambda: keys(database) == expected(answer, "a"), DELIVERY_S)
    assert app.stop() == 0, app.log()
    assert keys(database) == expected(answer, "a")
