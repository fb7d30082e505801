"""Waiting that ends in time, or at once when the alarm rings."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from airflow_provider_yandex_conv.alarm import Alarm


def test_it_waits_no_longer_than_it_is_told():
    alarm = Alarm()
    began = time.monotonic()
    alarm.wait(0.05)
    assert time.monotonic() - began >= 0.05


def test_a_wait_whose_time_is_up_before_it_begins_ends():
    """In a process of its own, as a wait that does not end cannot be ended; some of so many meet the moment."""
    script = f"from {Alarm.__module__} import Alarm\nfor _ in range(50_000): Alarm().wait(1e-7)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_ringing_ends_the_waiting_of_all_threads_now_and_later():
    alarm = Alarm()
    threads = [threading.Thread(target=alarm.wait, args=[3600]) for _ in range(3)]
    for thread in threads:
        thread.start()
    alarm.ring()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    alarm.wait(3600)
