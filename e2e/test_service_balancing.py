"""Services behind load balancers: replaced, scaled, killed and drained while clients never pause."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import image
from balanced import Service, address, fall_ill, gated, kill
from until import until
from web import Load, balancers, serving


@pytest.fixture(scope="module")
def balanced(tmp_path_factory):
    """A region of its own: these tests kill parts of it."""
    for it in serving():
        if image.busybox():
            it.landfall("image", "load", str(image.archive(
                tmp_path_factory.mktemp("image") / "busybox.tar")))
        yield it


@pytest.fixture
def service(balanced, name):
    made = []

    def make(**settings):
        made.append(Service(balanced, name, **settings))
        return made[0]

    yield make
    for it in made:
        it.end()


@pytest.mark.parametrize("network, kind", [
    ("awsvpc", "application"), ("bridge", "application"), ("awsvpc", "network")])
def test_a_rolling_update_fails_no_request(service, network, kind):
    service = service(network=network, kind=kind)
    before = {it["taskArn"] for it in service.tasks()}
    with Load(service.web) as load:
        service.update(taskDefinition=service.define(memory=72))
        service.wait()
        load.more(100)
    assert load.failed == []
    after = {it["taskArn"]: it for it in service.tasks()}
    assert len(after) == 3 and not before & set(after)
    service.until_healthy(3)
    assert service.said("registered ") == 6 and service.said("deregistered ") == 3
    assert service.said("has begun draining connections on ") == 3
    service.assert_never_less_or_more(3, 6)


def test_scaling_in_and_out_fails_no_request(service):
    service = service(network="bridge")
    with Load(service.web) as load:
        for count in [1, 4]:
            service.update(desiredCount=count)
            service.wait()
            service.until_healthy(count)
            load.more(50)
    assert load.failed == []


def test_a_stopped_task_leaves_its_target_group_first_and_is_replaced(service):
    service = service()
    stopped = service.tasks()[0]["taskArn"]
    with Load(service.web) as load:
        answer = service.ecs.stop_task(task=stopped)["task"]
        assert (answer["desiredStatus"], answer["lastStatus"]) == ("STOPPED", "DEACTIVATING")
        over = service.until_over(stopped)
        assert over["stopCode"] == "UserInitiated"
        service.wait()
        service.until_healthy(3)
        load.more(50)
    assert load.failed == []


def test_a_task_that_ends_by_itself_is_no_target_from_then_on_and_is_replaced(service):
    # One of three ends; nobody else is touched.
    service = service()
    victim = service.tasks()[0]
    before = {it["taskArn"] for it in service.tasks()}
    until(lambda: kill(victim), 30, what="its process was killed")
    over = service.until_over(victim["taskArn"])
    assert over["stopCode"] == "EssentialContainerExited"
    until(lambda: address(victim) not in service.addresses(), 60, what="its target is gone")
    service.wait()
    service.until_healthy(3)
    assert len(before & {it["taskArn"] for it in service.tasks()}) == 2


def test_an_instance_is_drained_without_a_failed_request(service):
    service = service()
    instance = service.tasks()[0]["containerInstanceArn"]
    status = lambda it: service.ecs.update_container_instances_state(
        containerInstances=[instance], status=it)
    with Load(service.web) as load:
        status("DRAINING")
        try:
            until(lambda: all(it["containerInstanceArn"] != instance for it in service.tasks()), 120,
                  what="nothing of the service is to run there")
            service.wait()
            service.until_healthy(3)
            load.more(50)
        finally:
            status("ACTIVE")
    assert load.failed == []
    service.assert_never_less_or_more(3, 6)


def test_the_only_balancer_is_replaced_without_a_failed_request_and_killed_it_fails_only_what_it_had(
        balanced, service):
    service = service(count=2)
    with Load(service.web) as load:
        end_one(balanced, signal.SIGTERM)
        load.more(100)
        assert load.failed == []
        gone = end_one(balanced, signal.SIGKILL)
        load.more(100)
        until(lambda: "CONNECTED" in balanced.landfall("balancer", "status").stdout, 60,
              what="the next one is there")
    assert [it for it in load.failed if it[0] > gone] == []


def end_one(region, how):
    """Ends its only balancer; gives when it was gone."""
    before = balancers(region)
    assert len(before) == 1
    os.kill(*before, how)
    until(lambda: not Path(f"/proc/{min(before)}").exists(), 60, what="it is gone")
    gone = time.time()
    until(lambda: len(balancers(region) - before) == 1, 60, what="another one")
    return gone


@pytest.fixture
def site(service, tmp_path):
    """A service of tasks that serve the site, with a folder as their gate."""
    if not image.busybox():
        pytest.skip("needs a static busybox")
    return lambda **settings: service(**settings, **gated(tmp_path))


def test_what_a_task_has_under_way_ends_before_the_task_even_if_the_control_plane_dies(
        balanced, site, tmp_path):
    service = site(count=1, delay=3600)
    task = service.tasks()[0]["taskArn"]
    answers = []
    client = threading.Thread(
        target=lambda: answers.append(service.web.get(path="/cgi-bin/slow", timeout=300)))
    client.start()
    try:
        until((tmp_path / "asked").exists, 60, what="the request has arrived")
        service.ecs.stop_task(task=task)
        until(lambda: "draining" in service.targets(), 30, what="its target drains")
        # What comes meanwhile goes to its replacement.
        until(lambda: "healthy" in service.targets(), 60, what="another one serves")
        assert service.web.get() == (200, b"up\n")
        assert service.task(task)["lastStatus"] == "DEACTIVATING" and answers == []
        restart(balanced)
        assert service.task(task)["lastStatus"] == "DEACTIVATING" and answers == []
    finally:
        (tmp_path / "go").touch()
        client.join()
    assert answers == [(200, b"done")]
    service.until_over(task)


def test_a_deployment_goes_on_within_its_percentages_when_the_control_plane_dies_in_its_midst(
        balanced, service):
    service = service(count=2)
    before = {it["taskArn"] for it in service.tasks()}
    deployment = service.update(taskDefinition=service.define(memory=72))["deployments"][0]["id"]
    restart(balanced)
    until(lambda: any(it["lastStatus"] == "RUNNING" and it["taskArn"] not in before
                      for it in service.tasks()), 60, what="a new task runs")
    restart(balanced)
    until(lambda: [(it["id"], it["rolloutState"]) for it in service.describe()["deployments"]]
          == [(deployment, "COMPLETED")], 60, what="the deployment is done")
    service.until_healthy(2)
    assert service.web.get()[0] == 200
    assert not before & {it["taskArn"] for it in service.tasks()}
    service.assert_never_less_or_more(2, 4)


def test_a_task_that_is_ill_in_one_of_two_target_groups_is_replaced_first_and_leaves_both(site):
    beside = {"name": "door", "image": "landfall/demo", "command": ["web", "9090"], "memory": 64,
              "portMappings": [{"containerPort": 9090}]}
    service = site(count=2, path="/health", beside=beside)
    ill, well = service.tasks()
    both = {address(ill), address(well)}
    assert service.addresses(0) == service.addresses(1) == both
    assert {service.web.get(port=81)[0] for _ in range(10)} == {200}
    with Load(service.web) as load:
        fall_ill(ill)
        over = service.until_over(ill["taskArn"])
        service.wait()
        service.until_healthy(2)
        load.more(50)
    # Its page was there all the time: only its health was not.
    assert load.failed == []
    fresh = next(it for it in service.tasks() if it["taskArn"] != well["taskArn"])
    assert fresh["startedAt"] < over["stoppingAt"]
    assert service.addresses(0) == service.addresses(1) == {address(well), address(fresh)}
    why = (f"(port 8080) is unhealthy in (target-group {service.groups[0]}) due to "
           "(reason Health checks failed with these codes: [404])")
    assert over["stoppedReason"] == f"Task failed ELB health checks in (target-group {service.groups[0]})"
    assert (f"(task {ill['taskArn'].rsplit('/', 1)[1]}) {why}. "
            "Amazon ECS replaced 1 tasks due to an unhealthy status.") in service.events()
    service.assert_never_less_or_more(2, 4)


def restart(region):
    """Kills the control plane and starts it; what it does not carry itself goes on meanwhile."""
    region.kill()
    region.start(within=120)
    until(lambda: region.connected() == 3, 60, what="three instances")
    until(lambda: "CONNECTED" in region.landfall("balancer", "status").stdout, 60,
          what="the balancer is back")
