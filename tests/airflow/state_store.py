"""A stand-in for Airflow's task state store, which only Airflow 3.3 has, so that all versions test what rests on it."""

from __future__ import annotations

import json
from types import SimpleNamespace


class FakeStore:
    """
    Keeps values in a file, which outlives a process that is killed.

    :param faults: what goes wrong at the n-th call of ``get`` or ``set``, from 1: ``{("set", 2): error}``.
    """

    def __init__(self, path, faults=None):
        self._path = path
        self.faults = faults or {}
        self.calls = []

    def get(self, key):
        self._call("get")
        return self.kept().get(key)

    def set(self, key, value, *, retention):
        self._call("set")
        # In one step, as the one who writes may be killed.
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({**self.kept(), key: value}))
        new.replace(self._path)

    def kept(self):
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def _call(self, name):
        self.calls.append(name)
        fault = self.faults.get((name, self.calls.count(name)))
        if fault is not None:
            raise fault


class SupervisorError(Exception):
    """What Airflow raises where its API server refuses: an error that holds the server's answer."""

    def __init__(self, status):
        super().__init__(f"API_SERVER_ERROR: {status}")
        self.error = SimpleNamespace(detail={"status_code": status, "message": "Task instance not found"})
