"""The operators whose tasks have a link to the page."""

from __future__ import annotations

from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexGetConversationOperator,
    YandexUpdateConversationOperator,
)
from airflow_provider_yandex_conv.operators.items import (
    YandexAddConversationItemsOperator,
    YandexListConversationItemsOperator,
)
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator
from airflow_provider_yandex_conv.sensors.items import YandexConversationItemSensor

LINKED: tuple[type, ...] = (
    YandexCreateConversationOperator,
    YandexGetConversationOperator,
    YandexUpdateConversationOperator,
    YandexAddConversationItemsOperator,
    YandexListConversationItemsOperator,
    YandexCreateResponseOperator,
    YandexConversationItemSensor,
)
