"""Who comes in and who does not: that the other browser tests look at pages of a user, and not at the log-in form."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

LISTS = {"2.10": "/connection/list/"}


@pytest.fixture
def path(version):
    """The path of the list of connections."""
    return LISTS.get(version, "/connections")


def test_the_administrator_sees_the_connections(page, path):
    page.goto(path)
    expect(page.locator("button:has-text('Add Connection'), a[href='/connection/add']").first).to_be_visible()
    assert page.url.endswith(path)


def test_who_has_not_logged_in_is_asked_to(open_page, server, path):
    page = open_page(server, user=None)
    page.goto(path)
    page.wait_for_url("**/login**")
