"""Airflow's simple auth manager, with one user to whom every DAG is closed but those of their own."""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class GuardedAuthManager(SimpleAuthManager):
    """Let ``stranger`` see no DAG but those whose ids begin with ``stranger``."""

    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        if user.username == "stranger" and not ((details and details.id) or "").startswith("stranger"):
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
