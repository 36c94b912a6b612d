"""Servers for the tests: `server` serves the golden models, `explicit_server` has nothing loaded yet."""

import pytest
import tritonclient.grpc
import tritonclient.http
from browser import browser  # noqa: F401 - a fixture
from hippocamp_server import GOLDEN, Process, Server

# Their assertions tell what they compared, as those in the tests do.
pytest.register_assert_rewrite(
    "film_page",
    *(f"protocol_{name}" for name in ("extensions", "flags", "grpc", "http", "management"))
)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failing test shows the end of the logs of its servers and applications."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Process):
                report.sections.append((f"log of {name}", value.log()[-8000:]))


def _stop(server: Server) -> None:
    assert server.stop() == 0, f"unclean end; its log:\n{server.log()}"


@pytest.fixture(scope="session")
def server():
    """One server over the golden models for every test that changes nothing."""
    running = Server(GOLDEN / "model_repository")
    yield running
    _stop(running)


@pytest.fixture
def fresh_server():
    """A server over the golden models that has answered nothing yet."""
    running = Server(GOLDEN / "model_repository")
    yield running
    _stop(running)


@pytest.fixture
def explicit_server():
    """A server over the golden models in explicit mode, with nothing loaded."""
    running = Server(GOLDEN / "model_repository", "--model-control-mode=explicit")
    yield running
    _stop(running)


@pytest.fixture(params=["http", "grpc"])
def module(request):
    """The client's module."""
    return getattr(tritonclient, request.param)
