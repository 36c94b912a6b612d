"""The recommender's page in a browser, as a person uses it: fixtures and steps of test_page.py and test_page_faults.py."""

import io
import json
import pathlib
import random
import time

import axe_playwright_python
import pytest
from app_client import Client
from browser import Watch
from hippocamp_app import App
from hippocamp_server import ROOT, Server
from PIL import Image, ImageDraw
from playwright.sync_api import expect

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SCHEMES = ("light", "dark")
SCREENSHOTS = ROOT / "target" / "page-screenshots"
AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PLOT = "an ageing mafia boss hands the family business to his reluctant youngest son"
PATIENCE_MS = 30_000
# As the page's own, of an explanation.
EXPLAIN_PATIENCE_MS = 180_000


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """An application over a server of model_repository."""
    server = Server(ROOT / "model_repository")
    running = App(server.http, tmp_path_factory.mktemp("app"))
    running.server, running.client = server, Client(running.origin)
    running.client.settled("sqlite")
    yield running
    assert running.stop() == 0, running.log()
    assert server.stop() == 0, server.log()


@pytest.fixture
def open_page(app, browser):
    """Opens pages; at the end, none of them has asked for anything elsewhere, and none has complained."""
    opened = []

    def make(path="/", size="desktop", scheme="light", faults=False, **options):
        width, height = SIZES[size] if isinstance(size, str) else size
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            has_touch=size == "phone",
            is_mobile=size == "phone",
            **options,
        )
        context.set_default_timeout(PATIENCE_MS)
        page = FilmPage(context.new_page(), app.origin, f"{size}-{scheme}", faults)
        opened.append(page)
        page.raw.goto(app.origin + path)
        return page

    yield make
    for page in opened:
        assert page.watch.requests and page.watch.elsewhere(app.origin) == []
        assert page.faults or page.watch.complaints == []
        page.raw.context.close()


class FilmPage:
    """One page; `raw` is Playwright's. `faults`: whether failed requests are expected of it."""

    def __init__(self, page, origin, name, faults):
        self.raw = page
        self.origin = origin
        self.name = name
        self.faults = faults
        self.watch = Watch(page)
        self.phone = name.startswith("phone")

    @property
    def films(self):
        """The cards."""
        return self.raw.locator(".films > .film:visible")

    def ids(self):
        """The films' ids, best first."""
        return [film.get_attribute("data-film") for film in self.films.all()]

    def button(self, name, exact=True):
        return self.raw.get_by_role("button", name=name, exact=exact)

    def tab(self, name):
        return self.raw.get_by_role("tab", name=name)

    def settled(self):
        """Waits for the films of the last question."""
        self.raw.locator("#results:not([aria-busy]) .films, #results:not([aria-busy]) .notice").first.wait_for()

    def until(self, holds, limit_s=30):
        """Waits until `holds()` is true, while the page goes on."""
        end = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < end, f"not so within {limit_s} s"
            self.raw.wait_for_timeout(20)

    def shows(self, count):
        """Waits until it shows so many films."""
        expect(self.films).to_have_count(count, timeout=PATIENCE_MS)

    def columns(self, count):
        """Waits until the films of so many techniques are side by side."""
        expect(self.raw.locator("#results:not([aria-busy]) .column")).to_have_count(count, timeout=PATIENCE_MS)

    def asked(self, action, status=200):
        """Does something that asks for films; the question and the answer."""
        with self.raw.expect_response("**/predict") as arriving:
            action()
        response = arriving.value
        assert response.status == status, response.text()
        self.settled()
        return json.loads(response.request.post_data or "null") if not _multipart(response) else None, response.json()

    def show_poster(self, file):
        """Takes a picture, and sends it anyway if it is found to be no poster."""
        with self.raw.expect_response("**/predict") as arriving:
            self.raw.locator("#file").set_input_files(file)
        if arriving.value.status == 422:
            self.raw.locator(".notice[data-status='422']").wait_for()
            self.look("9-is-it-a-poster")
            self.asked(lambda: self.button("Send anyway").click())
        self.shows(10)

    def tell(self, plot):
        """Types a plot and presses Enter."""
        self.raw.get_by_label("A plot, half remembered").fill(plot)
        return self.asked(lambda: self.raw.keyboard.press("Enter"))

    def tune(self):
        """On a phone the mix and the filters are behind a button."""
        toggle = self.button("Mix and filters", exact=False)
        if toggle.is_visible() and toggle.get_attribute("aria-expanded") == "false":
            toggle.click()

    def choose(self, label, text, option):
        """Writes into a combobox and takes an option with the keyboard."""
        field = self.raw.get_by_role("combobox", name=label, exact=True)
        # All at once: the only list is that of the whole text, and none takes its place while it is walked.
        field.fill(text)
        self.raw.get_by_role("option", name=option).first.wait_for()
        for _ in range(9):
            if option in self.raw.locator("#" + (field.get_attribute("aria-activedescendant") or "question")).inner_text():
                break
            field.press("ArrowDown")
        field.press("Enter")

    def type_title(self, text, first):
        """Types into the field that has the focus, until the list is that of the whole text, which has this title first."""
        with self.raw.expect_response(lambda response: response.url.endswith(f"/search?q={text}&limit=8")):
            self.raw.keyboard.type(text)
        expect(self.raw.get_by_role("option").first).to_contain_text(first, timeout=PATIENCE_MS)

    def look(self, state):
        """Makes a screenshot, and lets axe-core find what keeps people out."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        dialog = self.raw.locator("dialog[open]").count() > 0
        self.raw.screenshot(path=SCREENSHOTS / f"{state}-{self.name}.png", full_page=not dialog, animations="disabled")
        assert self.violations() == [], state
        assert self.overflow() <= 0, f"{state} is wider than its window"

    def violations(self):
        """What axe-core calls serious or critical."""
        self.raw.evaluate(AXE)
        found = self.raw.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [
            f"{violation['id']} ({violation['impact']}): {node['html'][:160]} {node.get('failureSummary', '')}"
            for violation in found
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]

    def overflow(self):
        """Pixels that the page is wider than its window."""
        return self.raw.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def _multipart(response):
    return (response.request.headers.get("content-type") or "").startswith("multipart/")


def drawn_poster():
    """A JPEG that looks a little like a poster: a field of colour, a figure, lines of words."""
    picture = Image.new("RGB", (400, 600), (38, 12, 18))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((90, 120, 310, 340), fill=(206, 48, 40))
    draw.polygon([(200, 190), (120, 470), (280, 470)], fill=(12, 8, 10))
    for line, width in enumerate((280, 220, 150)):
        draw.rectangle((200 - width // 2, 490 + line * 32, 200 + width // 2, 508 + line * 32), fill=(235, 228, 214))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return {"name": "poster.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}


def noise(width=120, height=180):
    """A PNG that is certainly no poster."""
    file = io.BytesIO()
    Image.frombytes("RGB", (width, height), random.Random(6).randbytes(width * height * 3)).save(file, "PNG")
    return {"name": "noise.png", "mimeType": "image/png", "buffer": file.getvalue()}
