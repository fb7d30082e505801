"""What answers a browser, of Airflow 3 and of Airflow 2, and how one logs in there."""

from __future__ import annotations

import json
from pathlib import Path

import requests
from conditions import wait_until

from connection_forms import Form2, Form3
from installation import Installation

#: Users, and roles of Airflow 3; the password is the name. The last one may not read any DAG, see guarded_access.py.
USERS = {"admin": "admin", "viewer": "viewer", "stranger": "viewer"}


class Airflow3(Installation):
    """
    An Airflow 3 with users; ``start_web`` and ``wait_for_web`` for its API server alone, ``start`` for all of it.

    Its connection ``yandex_ai_studio_default`` leads to the emulator.
    """

    form = Form3

    def __init__(self, home, emulator, **options):
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in USERS}))
        users = ",".join(f"{name}:{role}" for name, role in USERS.items())
        super().__init__(
            home,
            emulator,
            AIRFLOW__CORE__AUTH_MANAGER="guarded_access.GuardedAuthManager",
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="False",
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(passwords),
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=users,
            AIRFLOW__CORE__TEST_CONNECTION="Enabled",
            AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT=emulator.connection(),  # with the folder that it takes
            PYTHONPATH=str(Path(__file__).parent / "auth"),
            **options,
        )

    def log_in(self, page, user):
        """Fill in the log-in form."""
        page.goto("/auth/login")
        page.get_by_label("Username").fill(user)
        page.get_by_label("Password").fill(user)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/auth/login" not in url)

    def _token(self):
        answer = self._session.post(
            f"{self.url}/auth/token", json={"username": "admin", "password": "admin"}, timeout=30
        )
        return answer.json()["access_token"]


class Airflow2(Installation):
    """The web server of an Airflow 2, with the administrator."""

    form = Form2

    def __init__(self, home, emulator, **options):
        super().__init__(
            home,
            emulator,
            AIRFLOW__CORE__EXECUTOR="SequentialExecutor",  # the others refuse SQLite
            AIRFLOW__CORE__TEST_CONNECTION="Enabled",
            AIRFLOW__WEBSERVER__SECRET_KEY="secret",
            **options,
        )

    def start_web(self):
        self.processes.run_to_end("migrate", *self.airflow("db", "migrate"), env=self.environment)
        names = [
            "--username",
            "admin",
            "--password",
            "admin",
            "--firstname",
            "A",
            "--lastname",
            "B",
            "--email",
            "a@b.c",
        ]
        self.processes.run_to_end(
            "user", *self.airflow("users", "create", "--role", "Admin", *names), env=self.environment
        )
        # What Airflow's command starts, without the monitor, whose signals stop a server that is slow to start.
        options = [
            "--threads",
            "4",
            "--bind",
            f"127.0.0.1:{self.port}",
            "--config",
            "python:airflow.www.gunicorn_config",
        ]
        command = [self._python, "-m", "gunicorn", *options, "airflow.www.app:cached_app()"]
        self.processes.start("webserver", *command, env=self.environment)

    def wait_for_web(self):
        wait_until(self._is_up, "the web server answers", meanwhile=self.processes.check)

    def log_in(self, page, user):
        """Fill in the log-in form."""
        page.goto("/login/")
        page.locator("#username").fill(user)
        page.locator("#password").fill(user)
        page.locator("[type=submit]").click()
        page.wait_for_url(lambda url: "/login" not in url)

    def _is_up(self):
        try:
            return self._session.get(f"{self.url}/health", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False
