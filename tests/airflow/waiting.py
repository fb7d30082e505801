"""Running a sensor to its end without a whole Airflow."""

from __future__ import annotations

import asyncio

from airflow_provider_yandex_conv._compat import TaskDeferred


def run(sensor, context):
    """Run a sensor, in the triggerer where it wants to, and return what it gives to XCom."""
    try:
        return sensor.execute(context)
    except TaskDeferred as deferred:
        event = asyncio.run(first_event(deferred.trigger))
        return sensor.resume_execution(deferred.method_name, {"event": event}, context)


async def first_event(trigger):
    return (await trigger.run().__anext__()).payload
