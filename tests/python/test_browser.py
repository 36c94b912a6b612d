"""A headless browser opens the documentation, sends a request from the page, and the answer appears on it."""

import json
import re

import pytest
from browser import Watch, without
from hippocamp_server import Server
from playwright.sync_api import expect

PAGE_MS = 60_000

pytestmark = without

REQUEST = {
    "inputs": [
        {"name": name, "datatype": "INT32", "shape": [1, 16], "data": data}
        for name, data in (("INPUT0", list(range(16))), ("INPUT1", [1] * 16))
    ]
}


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1400, "height": 2000})
    context.set_default_timeout(PAGE_MS)
    opened = context.new_page()
    opened.watch = Watch(opened)
    yield opened
    context.close()


class Operation:
    """One call of the page, opened."""

    def __init__(self, page, identifier):
        self.block = page.locator(f"[id='{identifier}']")
        self.block.locator(".opblock-summary-control").click()
        self.block.locator(".execute").wait_for()

    def offers(self, name):
        """Waits for the page's example, in which this name is: it fills it in a moment after it has opened the call."""
        expect(self.block.locator(".body-param__text")).to_have_value(re.compile(f'"{name}"'), timeout=PAGE_MS)

    def write(self, selector, text):
        field = self.block.locator(selector)
        field.fill(text)
        expect(field).to_have_value(text, timeout=PAGE_MS)

    def execute(self):
        """Sends the request; the status, and the body, as the page shows them."""
        self.block.locator(".execute").click()
        answer = self.block.locator(".live-responses-table tbody")
        status = answer.locator(".response-col_status").inner_text()
        # Within a button to download it, and lines of the page's own.
        body = answer.locator(".response-col_description .highlight-code").first.inner_text()
        return status.split()[0], json.loads(body[body.index("{") : body.rindex("}") + 1])


def complaints(page, server):
    return page.watch.complaints + page.watch.elsewhere(f"http://{server.http}")


def test_the_page_of_all_routes(server, page):
    page.goto(f"http://{server.http}/docs")
    infer = Operation(page, "operations-Inference-post_v2_models_model_infer")
    infer.offers("INPUT0")
    infer.write("tr[data-param-name='model'] input", "simple")
    infer.write(".body-param__text", json.dumps(REQUEST))
    status, answer = infer.execute()
    assert status == "200"
    assert [output["data"] for output in answer["outputs"]] == [list(range(1, 17)), list(range(-1, 15))]
    assert complaints(page, server) == []


@pytest.mark.parametrize("route, key", [("infer", "outputs"), ("generate", "OUTPUT0")])
def test_the_page_of_one_model(server, page, route, key):
    """Its example is sent as the page offers it."""
    page.goto(f"http://{server.http}/v2/models/ensemble_simple/docs")
    call = Operation(page, f"operations-Inference-post_v2_models_model_{route}")
    call.offers("INPUT1")
    status, answer = call.execute()
    assert status == "200" and answer["model_name"] == "ensemble_simple"
    assert key in answer
    assert complaints(page, server) == []


def test_the_page_of_a_decoupled_model(page, tmp_path):
    model = tmp_path / "repeat" / "1"
    model.mkdir(parents=True)
    (model.parent / "config.pbtxt").write_text('backend: "repeat" model_transaction_policy { decoupled: true }')
    running = Server(tmp_path)
    page.goto(f"http://{running.http}/v2/models/repeat/docs")
    Operation(page, "operations-Inference-post_v2_models_model_generate_stream")
    assert page.locator("[id='operations-Inference-post_v2_models_model_infer']").count() == 0
    assert running.stop() == 0, running.log()
