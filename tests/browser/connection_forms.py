"""The form of a connection, as a person uses it: in the dialog of Airflow 3, and on the page of Airflow 2."""

from __future__ import annotations

import re

from playwright.sync_api import expect

#: Labels of the fields that every connection has; in Airflow 3 they are in another part of the form than the extras.
STANDARD = ("Base URL", "API key", "Port")


class Form3:
    """
    The dialog of Airflow 3.

    :param page: of a user who has logged in.
    """

    def __init__(self, page):
        self.page = page
        self.dialog = page.get_by_role("dialog")

    def add(self, conn_id):
        """Open an empty form."""
        self.page.goto("/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        self.dialog.get_by_label("Connection ID").fill(conn_id)
        self.dialog.get_by_role("combobox").click()
        self.page.get_by_role("option", name="Yandex AI Studio").click()
        expect(self.dialog.get_by_text("Base URL")).to_be_visible()

    def edit(self, conn_id):
        """Open the form of a connection that is stored."""
        self._row(conn_id).get_by_role("button", name="Edit Connection").click()
        expect(self.dialog.get_by_text("Base URL")).to_be_visible()

    def field(self, label):
        """Return the control of a field, after opening the part of the form that it is in."""
        part = self.dialog.get_by_role(
            "button", name="Standard Fields" if label in STANDARD else "Extra Fields", exact=True
        )
        if part.get_attribute("aria-expanded") != "true":
            part.click()
        group = self._group(label)
        return group.get_by_role("combobox").or_(group.locator("input:not([type=hidden]), textarea")).first

    def help(self, label):
        """Return the help text of an extra."""
        self.field(label)
        return self._group(label).locator("[data-part=helper-text]").inner_text()

    def fill(self, label, text):
        field = self.field(label)
        if field.get_attribute("role") == "combobox":
            field.click()
            self.page.get_by_role("option", name=text, exact=True).click()
        else:
            field.fill(text)
            field.blur()

    def shown(self, label):
        """Return what a field shows."""
        field = self.field(label)
        if field.get_attribute("role") == "combobox":
            return self._group(label).inner_text().splitlines()[1]
        return field.input_value()

    def choices(self, label):
        """Return what a field offers to choose from."""
        self.field(label).click()
        options = self.page.get_by_role("option").all_inner_texts()
        self.dialog.get_by_role("heading").first.click()  # Escape would close the whole dialog
        expect(self.page.get_by_role("option")).to_have_count(0)
        return options

    def save(self):
        """Press Save and wait until the dialog has gone."""
        self.dialog.get_by_role("button", name="Save").click()
        expect(self.dialog).to_be_hidden()

    def test(self, conn_id):
        """Press the button of a stored connection that tests it; return all that the toast says."""
        self._row(conn_id).get_by_role("button", name="Test Connection").click()
        toast = self.page.locator("[data-scope=toast][data-part=root]").filter(has_text="Test Connection").first
        expect(toast).to_be_visible()
        return toast.inner_text()

    def _group(self, label):
        exact = self.page.locator("label").filter(has_text=re.compile(rf"^{re.escape(label)}\s*$"))
        return self.dialog.get_by_role("group").filter(has=exact)

    def _row(self, conn_id):
        self.page.goto("/connections")
        return self.page.get_by_role("row").filter(has=self.page.get_by_text(conn_id, exact=True))


class Form2:
    """
    The page of Airflow 2.

    :param page: of a user who has logged in.
    """

    def __init__(self, page):
        self.page = page

    def add(self, conn_id):
        """Open an empty form."""
        self.page.goto("/connection/add")
        self.page.locator("#conn_id").fill(conn_id)
        self.page.select_option("#conn_type", "yandex_ai_studio")
        expect(self.page.get_by_text("Base URL")).to_be_visible()

    def edit(self, conn_id):
        """Open the form of a connection that is stored."""
        self.page.goto("/connection/list/")
        self.page.get_by_role("row").filter(has=self.page.get_by_text(conn_id, exact=True)).locator(
            "a[href*='/connection/edit/']"
        ).click()
        expect(self.page.get_by_text("Base URL")).to_be_visible()

    def field(self, label):
        """Return the control of a field."""
        return self._row(label).locator("input, textarea").first

    def help(self, label):
        """Return the help text of an extra."""
        return self._row(label).locator(".help-block").inner_text()

    def fill(self, label, text):
        self.field(label).fill(text)

    def shown(self, label):
        """Return what a field shows."""
        return self.field(label).input_value()

    def save(self):
        """Press Save and wait for the next page."""
        self.page.locator("form button[type=submit]").last.click()
        self.page.wait_for_url(lambda url: "/connection/add" not in url and "/connection/edit" not in url)

    def test(self, conn_id):
        """Press Test in the form that is open; return what the page says."""
        self.page.locator("#test-connection").click()
        said = self.page.locator(".alert").first
        expect(said).to_be_visible()
        return said.inner_text()

    def _row(self, label):
        exact = self.page.locator("label").filter(has_text=re.compile(rf"^\s*{re.escape(label)}\s*$"))
        return self.page.locator("form tr").filter(has=exact)
