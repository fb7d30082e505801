"""The harness itself: that a user comes in, and one who has not logged in does not."""

from __future__ import annotations

from playwright.sync_api import expect


def test_the_administrator_sees_the_connections(page, version):
    page.goto("/connection/list/" if version == "2.10" else "/connections")
    expect(page.get_by_text("Connection").first).to_be_visible()


def test_who_has_not_logged_in_is_asked_to(open_page, server, version):
    page = open_page(server, user=None)
    page.goto("/connection/list/" if version == "2.10" else "/connections")
    page.wait_for_url("**/login**")
