"""Several balancers of one region: they share the work, and one may go."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from region import BINARY
from until import until
from web import Load, Web, balancers, serving

# An address of this machine that is nobody's.
ADDRESS = "127.0.77.1"


@pytest.fixture(scope="module")
def shared():
    yield from serving("--balancers", "2")


@pytest.fixture
def web(shared, name):
    it = Web(shared, name)
    it.listen().register().wait_healthy()
    yield it
    it.end()


def connected(region):
    """How many balancers have a session, as a newcomer sees it."""
    return region.landfall("balancer", "status").stdout.count("CONNECTED")


def test_one_of_two_ends_under_load_and_no_request_fails(shared, web):
    until(lambda: connected(shared) == 2, 30, what="two balancers")
    with Load(web) as load:
        for _ in range(3):
            before = balancers(shared)
            assert len(before) == 2
            leaving = min(before)
            os.kill(leaving, signal.SIGTERM)
            until(lambda: not Path(f"/proc/{leaving}").exists(), 60, what="it has ended")
            load.more(100)
            until(lambda: len(balancers(shared) - before) == 1, 30, what="another one")
            until(lambda: connected(shared) == 2, 30, what="two balancers")
            load.more(100)
    assert load.failed == []


def test_one_of_two_is_killed_and_fails_only_what_it_had(shared, web):
    until(lambda: connected(shared) == 2, 30, what="two balancers")
    with Load(web) as load:
        before = balancers(shared)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        # Gone is gone: nothing of it takes a connection in any more.
        until(lambda: not Path(f"/proc/{killed}").exists(), 60, what="it is gone")
        gone = time.time()
        load.more(200)
        until(lambda: len(balancers(shared) - before) == 1, 30, what="another one")
        until(lambda: connected(shared) == 2, 30, what="two balancers")
        load.more(100)
    assert [it for it in load.failed if it[0] > gone] == []


def test_a_balancer_with_addresses_of_a_machine_serves_there_too(shared, web):
    with tempfile.TemporaryDirectory(prefix="landfall-e2e-balancer-") as folder:
        extra = subprocess.Popen(
            [BINARY, "balancer", "--endpoint", shared.endpoint, "--name", "extra", "--data", folder,
             "--address", ADDRESS],
            env={**os.environ, **shared.environment}, stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            until(lambda: reached(web), 30, what="it serves at the machine's address")
            assert web.get(address=ADDRESS)[0] == 200
            assert ADDRESS in shared.landfall("balancer", "status").stdout
            # What is told there shows there.
            web.elbv2.create_rule(
                ListenerArn=web.listener, Priority=1,
                Conditions=[{"Field": "path-pattern", "Values": ["/new"]}],
                Actions=[{"Type": "fixed-response", "FixedResponseConfig": {
                    "StatusCode": "418", "ContentType": "text/plain", "MessageBody": "new"}}])
            until(lambda: web.get(path="/new", address=ADDRESS)[0] == 418, 30, what="the rule")
        finally:
            extra.terminate()
            assert extra.wait(60) == 0
        with pytest.raises(OSError):
            web.get(address=ADDRESS)
    # Its row tells that it is gone, below those that are there; they go on.
    status = lambda: shared.landfall("balancer", "status").stdout
    until(lambda: "GONE" in status(), 30, what="it is gone")
    assert status().splitlines()[-1].split()[:2] == ["extra", "GONE"]
    assert web.get()[0] == 200


def reached(web):
    try:
        return web.get(address=ADDRESS)[0] == 200
    except OSError:
        return False
