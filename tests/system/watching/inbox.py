"""An asset that changes whenever a person says something in a conversation."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_yandex_conv.triggers.items import YandexConversationItemTrigger

trigger = YandexConversationItemTrigger(conversation_id=os.environ["CONVERSATION_ID"], role="user", poll_interval=0.5)
inbox = Asset("inbox", watchers=[AssetWatcher(name="new items", trigger=trigger)])

with DAG("inbox", schedule=[inbox], start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False):

    @task
    def handle() -> None:
        """Do nothing: that the asset has changed is what counts."""

    handle()
