"""
Leave a run of the DAG ``waits`` in Airflow's database as workers would leave it that had deferred each of its tasks.

Run in Airflow's environment. A thousand tasks on workers would take most of an hour to come to this.
"""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone
from pathlib import Path

from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

from airflow_provider_yandex_conv.triggers.responses import YandexResponseTrigger

response_ids = json.loads(Path(os.environ["RESPONSE_IDS"]).read_text())
now = datetime.now(timezone.utc)
with create_session() as session:
    dag = SerializedDagModel.get_dag("waits", session=session)
    run = dag.create_dagrun(
        run_id="waiting",
        run_after=now,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.RUNNING,
        session=session,
    )
    for ti in run.get_task_instances(session=session):
        trigger = Trigger.from_object(
            YandexResponseTrigger(response_id=response_ids[ti.map_index], deadline=time.time() + 3600)
        )
        session.add(trigger)
        session.flush()
        ti.state = TaskInstanceState.DEFERRED
        ti.start_date = now
        ti.try_number = 1
        ti.trigger_id = trigger.id
        ti.next_method = "execute_complete"
