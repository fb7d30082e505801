"""The page that shows a conversation is tested where Airflow has it: 3.1 and later."""

from __future__ import annotations

import airflow
import pytest
from sqlalchemy import insert

from airflow_provider_yandex_conv.emulator.server import Emulator

if tuple(int(part) for part in airflow.__version__.split(".")[:2]) < (3, 1):
    collect_ignore_glob = ["test_*.py"]
else:
    import api_server
    from api_server import Page


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The emulator that the connection leads to, and the environment of the API server."""
    folder = tmp_path_factory.mktemp("api-server")
    with pytest.MonkeyPatch.context() as patch, Emulator(api_key="hush-hush-key", folder_id="b1gemulator") as emulator:
        patch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection())
        for name, value in api_server.settings(folder).items():
            patch.setenv(name, value)
        yield emulator


@pytest.fixture(scope="module")
def server(served, _database):
    return api_server.ApiServer()


@pytest.fixture(scope="module")
def run(served, _database, parsed_dags):
    """Return a function that gives the one run of a DAG."""
    outcomes = {}

    def run(dag_id):
        if dag_id not in outcomes:
            outcomes[dag_id] = parsed_dags(dag_id)
        return outcomes[dag_id]

    return run


@pytest.fixture
def talk(served, run):
    """The conversation of the DAG ``conversing``, as it was after the run."""
    outcome = run("conversing")
    conversation = served._service.state.conversations[outcome.xcom("create")]
    before = list(conversation.items)
    yield conversation
    conversation.items[:] = before
    served._service.state.conversations[conversation.id] = conversation
    served._service.faults.reset()


@pytest.fixture
def read(server, run, talk):
    """Return a function that reads the page of a task of that DAG."""

    def read(task_id="create", query="", user="reader"):
        return server.get(api_server.path(run("conversing"), task_id) + query, user=user)

    return read


@pytest.fixture
def say(talk, read):
    """Return a function that lets somebody say something and nothing else, and returns the page."""

    def say(*items):
        talk.items[:] = [{"id": f"msg_{number}", "type": "message", **item} for number, item in enumerate(items)]
        answer = read()
        assert answer.status_code == 200, answer.text
        return Page(answer.text)

    return say


@pytest.fixture
def forget():
    """Return a function that drops what was rendered for a task, as Airflow does for all but the newest runs."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session

    dropped = []

    def forget(outcome, task_id):
        with create_session() as session:
            rendered = session.query(RenderedTaskInstanceFields).filter_by(
                dag_id=outcome.dag_id, run_id=outcome.run_id, task_id=task_id
            )
            names = ("dag_id", "run_id", "task_id", "map_index", "rendered_fields")
            dropped.extend({name: getattr(row, name) for name in names} for row in rendered)
            rendered.delete()

    yield forget
    with create_session() as session:
        session.execute(insert(RenderedTaskInstanceFields), dropped)
