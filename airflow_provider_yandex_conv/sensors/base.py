"""What all sensors share: looking from the task or from the triggerer, and an end as Airflow's sensors have it."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_yandex_conv._compat import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    conf,
)
from airflow_provider_yandex_conv.exceptions import ResponseError, YandexAIStudioError
from airflow_provider_yandex_conv.operators.base import YandexAIStudioOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.triggers.base import BaseTrigger

#: Seconds after the sensor's own timeout when Airflow ends the deferral, as no triggerer has.
_GRACE = 60.0


class YandexAIStudioSensor(YandexAIStudioOperator, BaseSensorOperator):
    """
    Base of the sensors.

    :param deferrable: whether to wait in the triggerer, which takes no worker. The first look is at once, in the task.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    @property
    def trigger_interval(self) -> float:
        """Seconds between two looks in the triggerer, where 0 would leave no time to others."""
        return float(self.poke_interval) or 1.0

    @abstractmethod
    def look(self) -> Any:
        """Look once; return what goes to XCom when it has come about, else None."""

    @abstractmethod
    def trigger(self, deadline: float) -> BaseTrigger:
        """
        Return what waits in the triggerer.

        :param deadline: Unix seconds, when it is waited for no longer.
        """

    @abstractmethod
    def found(self, event: Mapping[str, Any]) -> Any:
        """Return what goes to XCom when the trigger says that it has come about, or None if it does not say so."""

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """
        Look once, and go on in the triggerer if that is wanted.

        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        with self.outcome(ResponseError):
            found = self.look()
        if found is not None:
            return PokeReturnValue(is_done=True, xcom_value=found)
        if self.deferrable:
            self._defer()
        return False

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """
        End when the trigger has fired.

        :param event: of the trigger.
        :raises AirflowSensorTimeout: it did not come about in time.
        :raises AirflowSkipException: something went wrong, and ``never_fail`` is set.
        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        try:
            with self.outcome(ResponseError):
                found = self.found(event)
                if found is None:
                    self._end_in_vain(event)
                return found
        except (AirflowException, YandexAIStudioError) as error:
            # Airflow 2 does not do so after a deferral, and Airflow 3 for its own exceptions only.
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    def _defer(self) -> NoReturn:
        self.defer(
            trigger=self.trigger(time.time() + self.timeout),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + _GRACE),
        )

    def _end_in_vain(self, event: Mapping[str, Any]) -> NoReturn:
        if event.get("timed_out"):
            raise AirflowSensorTimeout(
                f"Sensor has timed out; it exceeds the specified timeout of {self.timeout:g} s. {event['error']}"
            )
        raise YandexAIStudioError(f"waiting in the triggerer ended: {event.get('error')}")
