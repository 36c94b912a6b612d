"""The tests' browser: the system's Chromium of tests/packages.txt, driven by Playwright. Nothing is fetched."""

import os
import shutil

import pytest
from playwright.sync_api import Page, sync_playwright

LEFT_OUT = "HIPPOCAMP_WITHOUT_BROWSER"

without = pytest.mark.skipif(bool(os.environ.get(LEFT_OUT)), reason=f"{LEFT_OUT} is set")


@pytest.fixture(scope="module")
def browser():
    """A browser to open contexts in. It ends with its module: while it runs, this thread has an event loop, and asyncio's
    tests want their own."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "no browser: install the packages of tests/packages.txt"
    with sync_playwright() as playwright:
        # What the page cannot find here it would not find without a network either.
        arguments = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        running = playwright.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()


class Watch:
    """What a page complains of, and every address that it asks for."""

    def __init__(self, page: Page):
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def elsewhere(self, origin: str) -> list[str]:
        """Requests that left the origin; data and blobs are of the page itself."""
        return [url for url in self.requests if not url.startswith((f"{origin}/", "data:", f"blob:{origin}/"))]
