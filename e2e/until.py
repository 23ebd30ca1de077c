"""Waiting for a condition, with a deadline: the only way these tests wait."""

import time

# A deadline says how long a machine may take that has nothing else to do; a busy one gets so many
# times as long. Only tests that fail wait for it.
BUSY = 6
# How waiters of boto3 ask: often, and as good as for ever.
QUICKLY = {"Delay": 1, "MaxAttempts": 300}


def until(condition, within=30.0, every=0.05, what="the condition"):
    """Gives the first true value of `condition`; fails after `within` seconds of a machine at rest."""
    deadline = time.monotonic() + within * BUSY
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {within * BUSY} s; last: {value!r}")
        time.sleep(every)
