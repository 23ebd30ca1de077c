"""Waiting for a condition, with a deadline: the only way these tests wait."""

import time


def until(condition, within=30.0, every=0.05, what="the condition"):
    """Gives the first true value of `condition`; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {within} s; last: {value!r}")
        time.sleep(every)
