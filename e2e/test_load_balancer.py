"""Load balancers that carry real traffic to real containers, through everything that goes wrong."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from region import free_port
from until import QUICKLY, until
from web import PORT, Load, Web, balancers, serving


@pytest.fixture(scope="module")
def balanced():
    """A region of its own: these tests kill parts of it."""
    yield from serving()


@pytest.fixture
def web(balanced, name):
    """The usual one: two web servers that are healthy, on port 80."""
    it = Web(balanced, name)
    it.listen().register().wait_healthy()
    yield it
    it.end()


def test_a_request_reaches_a_container_through_the_load_balancer(web):
    status, body = web.get()
    assert status == 200 and body
    lb = web.elbv2.describe_load_balancers(LoadBalancerArns=[web.arn])["LoadBalancers"][0]
    assert lb["State"]["Code"] == "active"
    status = lambda: web.region.landfall("balancer", "status").stdout
    until(lambda: "CONNECTED" in (shown := status()) and "2 of 2" in shown, 10, what="its status")


def test_health_is_found_by_the_balancer_and_told(web):
    # Nobody listens there: it never becomes healthy, and gets no requests.
    nobody = "172.31.255.254" if web.node().startswith("172.31.") else web.node()
    web.register([nobody])
    until(lambda: web.health()[nobody] == "unhealthy", 40, what="an unhealthy target")
    assert {web.get()[0] for _ in range(20)} == {200}
    web.ecs.stop_task(task=web.tasks[0])
    until(lambda: "unhealthy" in {web.health()[it] for it in web.addresses}, 40,
          what="the target of a stopped task is unhealthy")
    assert {web.get()[0] for _ in range(20)} == {200}


def test_a_target_that_nobody_is_busy_with_drains_at_once(web):
    leaving, staying = web.addresses
    web.deregister(leaving)
    until(lambda: leaving not in web.health(), 5, what="the idle target is gone")
    assert web.health() == {staying: "healthy"}
    assert {web.get()[0] for _ in range(10)} == {200}


def test_waiters_know_when_targets_are_in_service_and_when_they_have_left(balanced, web):
    """As boto3 and the command line wait, over all targets and over those that are named."""
    named = [f"Id={it},Port={PORT}" for it in web.addresses]
    balanced.aws(f"aws elbv2 wait target-in-service --target-group-arn {web.group}")
    balanced.aws(f"aws elbv2 wait target-in-service --target-group-arn {web.group} --targets {named[0]}")
    leaving = [{"Id": web.addresses[0], "Port": PORT}]
    web.elbv2.get_waiter("target_in_service").wait(TargetGroupArn=web.group, Targets=leaving)
    web.deregister(web.addresses[0])
    web.elbv2.get_waiter("target_deregistered").wait(
        TargetGroupArn=web.group, Targets=leaving, WaiterConfig=QUICKLY)
    balanced.aws("aws elbv2 wait target-deregistered --target-group-arn "
                 f"{web.group} --targets {named[0]}")
    # What is not registered is deregistered again without a complaint.
    web.deregister(web.addresses[0])
    assert list(web.health()) == [web.addresses[1]]


def test_changes_under_load_fail_no_request(web):
    with Load(web) as load:
        for round in range(5):
            rule = web.elbv2.create_rule(
                ListenerArn=web.listener, Priority=round + 1,
                Conditions=[{"Field": "path-pattern", "Values": [f"/other/{round}/*"]}],
                Actions=[{"Type": "fixed-response", "FixedResponseConfig": {
                    "StatusCode": "418", "ContentType": "text/plain", "MessageBody": "teapot"}}],
            )["Rules"][0]["RuleArn"]
            until(lambda: web.get(path=f"/other/{round}/x")[0] == 418, 5, what="the rule serves")
            web.elbv2.delete_rule(RuleArn=rule)
            web.deregister(web.addresses[round % 2])
            load.more(100)
            web.register().wait_healthy()
    assert load.failed == []


def test_traffic_goes_on_while_the_control_plane_is_dead(balanced, web):
    with Load(web) as load:
        balanced.kill()
        load.more(200)
        balanced.start(within=120)
        until(lambda: balanced.connected() == 3, 60, what="three instances")
        until(lambda: "CONNECTED" in balanced.landfall("balancer", "status").stdout, 20,
              what="the balancer is back")
        load.more(100)
        web.wait_healthy()
    assert load.failed == []
    until(lambda: len(balancers(balanced)) == 1, 30, what="the older one has left")


def test_a_killed_balancer_is_started_again_and_serves_what_it_has_kept(balanced, web):
    before = balancers(balanced)
    for it in before:
        os.kill(it, signal.SIGKILL)
    until(lambda: balancers(balanced) - before, 10, what="a new balancer")

    until(web.serves, 10, what="it serves")
    web.wait_healthy()


def test_a_balancer_that_takes_the_place_of_another_refuses_nobody(balanced, web):
    until(lambda: len(balancers(balanced)) == 1, 30, what="one is left")
    with Load(web) as load:
        for _ in range(3):
            before = balancers(balanced)
            process = before.copy().pop()
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[:-1]
            environment = dict(it.split(b"=", 1) for it in
                               Path(f"/proc/{process}/environ").read_bytes().split(b"\0") if b"=" in it)
            fresh = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            until(lambda: process not in balancers(balanced), 20, what="the older one ends")
            load.more(100)
            # `up` keeps one of its own, which takes the place of this one.
            until(lambda: fresh.poll() is not None, 30, what="the one of `up` has come back")
            until(lambda: len(balancers(balanced)) == 1, 30, what="one is left")
    assert load.failed == []


def test_a_port_in_use_is_an_error_of_the_request(balanced, web):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("0.0.0.0", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ClientError) as refused:
            web.listen(port)
        error = refused.value.response["Error"]
        assert error["Code"] == "InvalidConfigurationRequest"
        assert str(port) in error["Message"] and "in use" in error["Message"]
    assert len(web.elbv2.describe_listeners(LoadBalancerArn=web.arn)["Listeners"]) == 1
    web.listen(port)
    until(lambda: web.serves(port), 5, what="it serves once it is free")


def test_bytes_go_through_a_network_load_balancer(balanced, name):
    web = Web(balanced, name, kind="network", Protocol="TCP")
    try:
        web.listen(protocol="TCP").register().wait_healthy()
        assert {web.get()[0] for _ in range(20)} == {200}
        web.deregister(web.addresses[0])
        until(lambda: web.addresses[0] not in web.health(), 5, what="the idle target is gone")
        assert {web.get()[0] for _ in range(10)} == {200}
    finally:
        web.end()
