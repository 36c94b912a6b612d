"""A headless browser opens the documentation, sends a request from the page, and the answer appears on it.

The browser is the system's: chromium and chromium-driver of tests/packages.txt. Nothing is fetched.
"""

import json
import os
import shutil

import pytest
from hippocamp_server import Server
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
LEFT_OUT = "HIPPOCAMP_WITHOUT_BROWSER"
PAGE_S = 60

pytestmark = pytest.mark.skipif(bool(os.environ.get(LEFT_OUT)), reason=f"{LEFT_OUT} is set")

REQUEST = {
    "inputs": [
        {"name": name, "datatype": "INT32", "shape": [1, 16], "data": data}
        for name, data in (("INPUT0", list(range(16))), ("INPUT1", [1] * 16))
    ]
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    assert BROWSER and DRIVER, "no browser: install the packages of tests/packages.txt"
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    # What the page cannot find here it would not find without a network either.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_window_size(1400, 2000)
    yield driver
    driver.quit()


class Operation:
    """One call of the page, opened."""

    def __init__(self, browser, identifier):
        self.browser = browser
        self.identifier = identifier
        browser.execute_script("arguments[0].scrollIntoView()", self.find())
        self.find(".opblock-summary-control").click()
        self.find(".execute")

    def find(self, selector=""):
        """The element, once it is there."""
        wanted = (By.CSS_SELECTOR, f"[id='{self.identifier}'] {selector}")
        return WebDriverWait(self.browser, PAGE_S).until(lambda browser: browser.find_element(*wanted))

    def write(self, selector, text):
        element = self.find(selector)
        element.send_keys(Keys.CONTROL, "a")
        element.send_keys(text)

    def execute(self):
        """Sends the request; the status, and the body, as the page shows them."""
        self.find(".execute").click()
        status = self.find(".live-responses-table tbody .response-col_status").text
        # Within a button to download it, and lines of the page's own.
        body = self.find(".live-responses-table tbody .response-col_description .highlight-code").text
        return status.split()[0], json.loads(body[body.index("{") : body.rindex("}") + 1])


def messages(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_the_page_of_all_routes(server, browser):
    browser.get(f"http://{server.http}/docs")
    infer = Operation(browser, "operations-Inference-post_v2_models_model_infer")
    infer.write("tr[data-param-name='model'] input", "simple")
    infer.write(".body-param__text", json.dumps(REQUEST))
    status, answer = infer.execute()
    assert status == "200"
    assert [output["data"] for output in answer["outputs"]] == [list(range(1, 17)), list(range(-1, 15))]
    assert messages(browser) == []


@pytest.mark.parametrize("route, key", [("infer", "outputs"), ("generate", "OUTPUT0")])
def test_the_page_of_one_model(server, browser, route, key):
    """Its example is sent as the page offers it."""
    browser.get(f"http://{server.http}/v2/models/ensemble_simple/docs")
    call = Operation(browser, f"operations-Inference-post_v2_models_model_{route}")
    assert '"INPUT1"' in browser.page_source
    status, answer = call.execute()
    assert status == "200" and answer["model_name"] == "ensemble_simple"
    assert key in answer
    assert messages(browser) == []


def test_the_page_of_a_decoupled_model(browser, tmp_path):
    model = tmp_path / "repeat" / "1"
    model.mkdir(parents=True)
    (model.parent / "config.pbtxt").write_text('backend: "repeat" model_transaction_policy { decoupled: true }')
    running = Server(tmp_path)
    browser.get(f"http://{running.http}/v2/models/repeat/docs")
    Operation(browser, "operations-Inference-post_v2_models_model_generate_stream")
    assert not browser.find_elements(By.ID, "operations-Inference-post_v2_models_model_infer")
    assert running.stop() == 0, running.log()
