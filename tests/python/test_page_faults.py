"""What the recommender's page does when things go wrong, and that what people said of films arrives all the same."""

import json
import os
import re
import sqlite3

import pytest
from browser import without
from film_page import EXPLAIN_PATIENCE_MS, PLOT, SCHEMES, SIZES, app, noise, open_page  # noqa: F401 - fixtures

pytestmark = [
    without,
    pytest.mark.skipif("HIPPOCAMP_WITHOUT_MINILM" in os.environ, reason="the encoder of recommend_by_plot could not be fetched"),
]

QUEUE = "JSON.parse(localStorage.getItem('hippocamp.feedback') ?? '[]')"


def refuse(page, status, error, times=1, headers=None):
    """The next answers of POST /predict are an error."""
    answer = {"status": status, "headers": headers or {}, "content_type": "application/json", "body": json.dumps(error)}
    page.raw.route("**/predict", lambda route: route.fulfill(**answer), times=times)


def ask(page, plot=PLOT):
    page.raw.get_by_label("A plot, half remembered").fill(plot)
    page.raw.keyboard.press("Enter")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_not_ready_comes_back_by_itself(open_page, size, scheme):  # noqa: F811
    page = open_page("/", size, scheme, faults=True)
    refuse(page, 503, {"error": "'recommend_by_plot' is loading; try again in 8 s"}, headers={"retry-after": "8"})
    ask(page)
    notice = page.raw.get_by_role("alert")
    notice.get_by_text(re.compile(r"Trying again in \d+ s")).wait_for()
    assert "Not ready yet" in notice.inner_text() and "'recommend_by_plot' is loading" in notice.inner_text()
    page.look("12-not-ready")
    page.shows(10)


def test_a_failure_can_be_tried_again(open_page):  # noqa: F811
    page = open_page("/", faults=True)
    refuse(page, 500, {"error": "the application failed; its log says why"})
    ask(page)
    page.raw.get_by_role("alert").get_by_text("The application failed; its log says why.").wait_for()
    page.look("13-failed")
    page.asked(lambda: page.button("Try again").click())
    assert page.films.count() == 10


def test_what_the_service_refuses_is_said(open_page):  # noqa: F811
    """By the application itself."""
    page = open_page("/?by=films&liked=no-such-film-1900", faults=True)
    page.settled()
    assert "no-such-film-1900" in page.raw.get_by_role("alert").inner_text()
    assert page.button("Try again").count() == 0, "the same question would be refused again"

    page = open_page("/", faults=True)
    page.tell(PLOT)
    page.raw.get_by_label("First shown, from year").fill("1990")
    page.settled()
    page.raw.get_by_label("First shown, to year").fill("1980")
    page.raw.get_by_role("alert").get_by_text("1980").wait_for()

    page = open_page("/?by=poster", faults=True)
    page.raw.locator("#file").set_input_files({"name": "poster.jpg", "mimeType": "image/jpeg", "buffer": b"%PDF-1.7 no picture"})
    assert "a PDF document" in page.raw.get_by_role("alert").inner_text()


def test_a_picture_that_is_too_large_is_not_sent(open_page):  # noqa: F811
    page = open_page("/?by=poster")
    page.raw.locator("#file").set_input_files({"name": "poster.png", "mimeType": "image/png", "buffer": bytes(11 << 20)})
    page.raw.get_by_role("alert").get_by_text("at most 10.0\N{NO-BREAK SPACE}MB, got 11.0\N{NO-BREAK SPACE}MB").wait_for()
    assert not any(url.endswith("/predict") for url in page.watch.requests)


def test_no_poster_can_be_sent_anyway(open_page):  # noqa: F811
    page = open_page("/?by=poster", faults=True)
    page.asked(lambda: page.raw.locator("#file").set_input_files(noise()), status=422)
    assert re.search(r"Is this a film poster\?\s+.* finds it \d+\N{NO-BREAK SPACE}% likely", page.raw.get_by_role("alert").inner_text())
    page.asked(lambda: page.button("Send anyway").click())
    page.shows(10)


def test_the_map_lies_on_what_was_read(open_page):  # noqa: F811
    """The encoder reads the middle of a wide picture, two wide to three high."""
    page = open_page("/?by=poster", faults=True)
    page.show_poster(noise(300, 180))
    page.raw.locator(".reading").first.click()
    shares = page.raw.locator(".poster-picture canvas").evaluate(
        """map => { const [over, under] = [map.getBoundingClientRect(), map.parentElement.getBoundingClientRect()];
        return [(over.left - under.left) / under.width, over.width / under.width, over.height / under.height]; }""",
        timeout=EXPLAIN_PATIENCE_MS,
    )
    assert shares == pytest.approx([0.3, 0.4, 1.0], abs=0.01)


def test_warnings_are_shown(open_page):  # noqa: F811
    page = open_page("/")
    _, answer = page.tell(" ".join(["a shark scares a seaside town"] * 200))
    assert answer["query"]["warnings"]
    shown = page.raw.locator(".warning").all_inner_texts()
    assert [text.rstrip(".").lower() for text in shown] == [text.rstrip(".").lower() for text in answer["query"]["warnings"]]


def test_offline_and_back(open_page):  # noqa: F811
    page = open_page("/", faults=True)
    _, answer = page.tell(PLOT)
    page.raw.context.set_offline(True)
    ask(page, "a shark scares a seaside town")
    page.raw.get_by_role("alert").get_by_text("This device is offline.").wait_for()
    page.look("14-offline")
    with page.raw.expect_request("**/predict") as asked:
        page.raw.context.set_offline(False)
    # By itself, and only once: the page may hear of it before its requests have a way.
    if asked.value.response() is None:
        page.button("Try again").click()
    page.shows(10)
    assert page.ids() != [film["id"] for film in answer["films"]]


def stored(app, event):  # noqa: F811
    """Films of which the database has this event."""
    with sqlite3.connect(f"file:{app.database}?mode=ro", uri=True) as database:
        return [row[0] for row in database.execute("select film from feedback where event = ? order by film", [event])]


def test_feedback_arrives(app, open_page):  # noqa: F811
    page = open_page("/")
    _, answer = page.tell(PLOT)
    first, second, third = answer["films"][:3]
    with page.raw.expect_request(lambda request: "liked" in (request.post_data or "")) as sent:
        page.button(f"Like: {first['title']}").click()
    body = json.loads(sent.value.post_data)
    assert (body["recommendation"], body["models"], body["kind"]) == (answer["id"], answer["models"], "plot")
    wanted = {"film": first["id"], "event": "liked", "position": 0}
    assert any(wanted.items() <= event.items() for event in body["events"])
    page.button(f"Dislike: {second['title']}").click()
    page.button(f"Like: {third['title']}").click()
    page.button(f"Like: {third['title']}").click()
    page.films.first.locator(".title").click()
    page.raw.keyboard.press("Escape")
    page.until(lambda: page.raw.evaluate(QUEUE) == [])
    page.until(lambda: first["id"] in stored(app, "liked"))
    page.until(lambda: second["id"] in stored(app, "disliked"))
    page.until(lambda: third["id"] in stored(app, "cleared"))
    page.until(lambda: first["id"] in stored(app, "clicked"))
    page.until(lambda: first["id"] in stored(app, "shown"))
    page.raw.reload()
    page.settled()
    assert page.button(f"Like: {first['title']}").get_attribute("aria-pressed") == "true", "it is remembered here"
    assert page.button(f"Like: {third['title']}").get_attribute("aria-pressed") == "false"


def test_feedback_waits_offline_and_counts_once(app, open_page):  # noqa: F811
    page = open_page("/?plot=a+shark+scares+a+seaside+town", faults=True)
    page.settled()
    film = page.ids()[0]
    before = stored(app, "liked").count(film)
    page.until(lambda: page.raw.evaluate(QUEUE) == [] and film in stored(app, "shown"))
    page.raw.context.set_offline(True)
    page.films.first.locator(".act[title=Like]").click()
    page.raw.wait_for_timeout(1000)
    assert [entry["event"]["film"] for entry in page.raw.evaluate(QUEUE) if entry["event"]["event"] == "liked"] == [film]

    # The service hears it, and its answer is lost.
    sent = []

    def lose(route):
        sent.append(json.loads(route.request.post_data))
        route.fetch()
        route.abort()

    page.raw.route("**/feedback", lose, times=1)
    page.raw.context.set_offline(False)
    page.until(lambda: len(sent) == 1)
    with page.raw.expect_request("**/feedback") as again:
        page.raw.evaluate("window.dispatchEvent(new Event('online'))")
    events = json.loads(again.value.post_data)["events"]
    # What was seen since then may come behind them.
    first = [event["id"] for event in sent[0]["events"]]
    assert [event["id"] for event in events][: len(first)] == first
    page.until(lambda: page.raw.evaluate(QUEUE) == [])
    app.client.settled("sqlite")
    assert stored(app, "liked").count(film) == before + 1
