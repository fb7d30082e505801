"""Airflow's own API server in this process, with users, DAG runs and an emulator whose conversations can be filled."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from urllib.parse import quote

from airflow.api_fastapi.app import create_app, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from fastapi.testclient import TestClient

SECRET_DAG = "conversing_in_secret"
PASSWORDS = {"reader": "r", "outsider": "o", "nosy": "n"}


class SelectiveAuthManager(SimpleAuthManager):
    """Lets not everybody read everything, as others than Airflow's simplest do."""

    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        if user.get_id() == "outsider" and (details is None or details.id in {None, SECRET_DAG}):
            return False
        if user.get_id() == "nosy" and str(getattr(access_entity, "value", access_entity)) == "XCOM":
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)


def settings(folder):
    """Return the environment of the server."""
    passwords = folder / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS))
    return {
        "AIRFLOW__CORE__AUTH_MANAGER": f"{__name__}.SelectiveAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:viewer" for name in PASSWORDS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API_AUTH__JWT_SECRET": "loopback" * 8,
        "AIRFLOW__API__SECRET_KEY": "loopback" * 8,
        "_AIRFLOW_PROCESS_CONTEXT": "server",
    }


def path(outcome, task_id, map_index=-1):
    """Return the address of the page of a task, as the extra link has it."""
    names = (outcome.dag_id, outcome.run_id, task_id, str(map_index))
    return "/".join(("/yandex-ai-studio/conversation", *(quote(name, safe="") for name in names)))


class ApiServer:
    """The server, and who asks it."""

    def __init__(self):
        purge_cached_app()
        self.client = TestClient(create_app(apps="core"), follow_redirects=False)
        self._tokens = {}

    def get(self, address, user="reader", **options):
        headers = {"Authorization": f"Bearer {self._token(user)}"} if user else {}
        return self.client.get(address, headers=headers, **options)

    def links(self, outcome, task_id, map_index=-1):
        """Return the extra links of a task as Airflow's API tells them to its UI."""
        names = [quote(name, safe="") for name in (outcome.dag_id, outcome.run_id, task_id)]
        address = "/api/v2/dags/{}/dagRuns/{}/taskInstances/{}/links".format(*names)
        return self.get(address, params={"map_index": map_index}).json()["extra_links"]

    def _token(self, user):
        if user not in self._tokens:
            asked = self.client.post("/auth/token", json={"username": user, "password": PASSWORDS[user]})
            self._tokens[user] = asked.json()["access_token"]
        return self._tokens[user]


class Page(HTMLParser):
    """The elements of a page, each with its attributes, and the text between."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def message(text, role="assistant", **more):
    return {"role": role, "content": [{"type": "output_text", "text": text}], **more}
