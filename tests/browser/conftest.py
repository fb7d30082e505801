"""Chromium, and Airflow's web servers of several versions, with an administrator and a stranger in each."""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from airflow_provider_yandex_conv.emulator.server import Emulator
from web_servers import Airflow2, Airflow3

ROOT = Path(__file__).parents[2]
#: Where the pictures go.
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / ".cache" / "screenshots"))
#: The Airflow of each version, and the folder of its environment below the checkout.
VERSIONS = {"3.3": (Airflow3, ".venv-3.3-browser"), "3.1": (Airflow3, ".venv-3.1"), "2.10": (Airflow2, ".venv-2.10")}
#: Milliseconds for anything that the browser waits for.
PATIENCE = 30_000


def pytest_generate_tests(metafunc):
    """Run what takes a ``version`` on each, unless it names its own."""
    named = [mark for mark in metafunc.definition.iter_markers("parametrize") if "version" in str(mark.args[0])]
    if "version" in metafunc.fixturenames and not named:
        metafunc.parametrize("version", VERSIONS, scope="session")


@pytest.fixture(scope="session")
def _emulator():
    with Emulator(api_key="AQVN-browser-key", folder_id="b1g-browser") as server:
        yield server


@pytest.fixture
def emulator(_emulator):
    """An emulator that has forgotten all, and takes one key and one folder."""
    _emulator.reset()
    yield _emulator
    _emulator.release()


@pytest.fixture(scope="session")
def _servers(request, _emulator, tmp_path_factory):
    """The servers of all versions that the chosen tests ask for, started beside each other."""
    wanted = {item.callspec.params["version"] for item in request.session.items if "version" in _parameters(item)}
    servers = {}
    for version in sorted(wanted):
        kind, environment = VERSIONS[version]
        python = ROOT / environment / "bin" / "python"
        assert python.exists(), f"no Airflow {version}: run make install AIRFLOW={version}"
        servers[version] = kind(tmp_path_factory.mktemp(f"airflow-{version}"), _emulator, python=python)
    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(_start, servers.values()))
        yield servers
    finally:
        for server in servers.values():
            server.stop()


def _parameters(item):
    return item.callspec.params if hasattr(item, "callspec") else {}


def _start(server):
    server.start_web()
    server.wait_for_web()


@pytest.fixture
def server(_servers, version):
    """The web server of a version."""
    return _servers[version]


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium")
    assert program, "no chromium: install the Debian package chromium"
    flags = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=flags, chromium_sandbox=os.geteuid() != 0, timeout=PATIENCE
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def _sessions():
    """The cookies of those who have logged in, by server and user: each does so once."""
    return {}


@pytest.fixture
def open_page(chromium, request, _sessions):
    """
    Return a function that opens a page of a server for a user (None: who has not logged in).

    Each is a browser of its own, with its own cookies. A picture of each is kept where the test fails.
    """
    contexts = []

    def opened(server, user="admin", **options):
        if user is not None and (server, user) not in _sessions:
            page = opened(server, user=None)
            server.log_in(page, user)
            _sessions[server, user] = page.context.storage_state()
        context = chromium.new_context(
            base_url=server.url,
            viewport={"width": 1280, "height": 900},
            locale="en-GB",
            storage_state=_sessions.get((server, user)),
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        return context.new_page()

    yield opened
    if getattr(request.node, "failed", False):
        for number, page in enumerate(page for context in contexts for page in context.pages):
            page.screenshot(path=SCREENSHOTS / "failures" / f"{_file_name(request.node.name)}-{number}.png")
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page, server):
    """A page of the server, for the administrator."""
    return open_page(server)


@pytest.fixture
def picture():
    """Return a function that keeps a picture of a page, or of a part of one, under a name."""

    def keep(shown, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        shown.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")

    return keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.failed = True
    return report


def _file_name(text):
    return re.sub(r"[^\w.-]+", "-", text).strip("-")
