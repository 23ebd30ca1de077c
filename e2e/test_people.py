"""What people ask of a region, through the commands: what a failure would take, and failures that are made."""

import json
import os
import pty
import select
import subprocess
from pathlib import Path

import pytest

from conftest import runs_containers
from region import BINARY, Region
from until import QUICKLY, until


def report(region, *words):
    return json.loads(region.landfall("report", "availability", "--json", *words).stdout)["clusters"]


def run(ecs, cluster, definition, count):
    """Tasks placed one after the other; RunTask starts ten at most."""
    answer = ecs.run_task(cluster=cluster, taskDefinition=definition, count=count)
    assert answer["failures"] == []
    return answer["tasks"]


def test_the_unbalanced_cluster_of_the_article_is_reported_with_measured_numbers(
        region, ecs, cluster, instances, definition):
    instances("aabccccc", cpu=1024, memory=1024)
    run(ecs, cluster, definition(cpu=100, memory=100), 9)
    [found] = report(region, "--cluster", cluster)
    [group] = found["groups"]
    assert [it["tasks"] for it in group["zones"]] == [3, 3, 3]
    # The second zone's only instance is as bad to lose as the zone.
    assert (group["worstInstance"]["lost"], group["worstInstance"]["placed"]) == (3, 3)
    assert [it["lost"] for it in found["zoneLosses"]] == [3, 3, 3]
    assert [it["instances"] for it in found["zoneLosses"]] == [2, 1, 5]
    assert [it["code"] for it in found["findings"]] == ["UNBALANCED", "ZONE_OF_ONE_INSTANCE"]
    text = region.landfall("report", "availability", "--cluster", cluster).stdout
    assert "5 of 8 (62.5 %)" in text


def test_head_room_is_worked_out_as_the_article_does(region, cluster, instances):
    instances("abc")
    [found] = report(region, "--cluster", cluster, "--load", "60")
    assert [it["instances"] for it in found["headroom"]] == [120, 90, 80, 75, 72]
    [found] = report(region, "--cluster", cluster, "--load", "61")
    assert found["headroom"][1]["instances"] == 93
    refused = region.landfall("report", "availability", "--load", "0", check=False)
    assert refused.returncode == 1 and "InvalidParameterException" in refused.stderr


def test_what_is_reported_of_a_failure_is_what_comes_of_it(region, ecs, cluster, instances, definition):
    first, second = instances("ab", cpu=1024, memory=1024)
    wanted = definition(cpu=300, memory=100)
    run(ecs, cluster, wanted, 5)
    [found] = report(region, "--cluster", cluster)
    losses = {it["containerInstanceArn"]: it for it in found["instanceLosses"]}
    told = losses[first.arn]
    first.hang_up()

    def away():
        [it] = ecs.describe_container_instances(
            cluster=cluster, containerInstances=[first.arn])["containerInstances"]
        return not it["agentConnected"]

    until(away, what="the instance is disconnected")
    again = ecs.run_task(cluster=cluster, taskDefinition=wanted, count=told["lost"])
    assert len(again["tasks"]) == told["placed"] < told["lost"]


@pytest.fixture(scope="module")
def faulty():
    """`landfall up`, whose tasks are never given up: what stops, stops because it is known to be over."""
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    it = Region("--give-up-after", "0", "--lost-after", "2", "--instance-memory", "256", command="up")
    try:
        it.start(within=90)
        until(lambda: it.connected() == 3, 60, what="three instances")
        yield it
        assert "panicked" not in it.tail()
    finally:
        it.down()


def members(region):
    """The instances of a region of `up` by the names that people give them."""
    ecs = region.client()
    arns = ecs.list_container_instances()["containerInstanceArns"]
    found = ecs.describe_container_instances(containerInstances=arns)["containerInstances"]
    named = {}
    for it in found:
        attributes = {each["name"]: each.get("value") for each in it["attributes"]}
        named[attributes["landfall.name"]] = it
    return named


def sleeper(region, where):
    """A task on that instance that runs until it is stopped."""
    ecs = region.client()
    definition = ecs.register_task_definition(family="sleeper", containerDefinitions=[
        {"name": "main", "image": "landfall/demo", "command": ["sleep", "100000"], "memory": 32}])
    started = ecs.start_task(
        taskDefinition=definition["taskDefinition"]["taskDefinitionArn"],
        containerInstances=[members(region)[where]["containerInstanceArn"]])
    assert started["failures"] == []
    arn = started["tasks"][0]["taskArn"]
    until(lambda: status(region, arn) == "RUNNING", what="the task runs")
    return arn


def status(region, task):
    return region.client().describe_tasks(tasks=[task])["tasks"][0]["lastStatus"]


def fault(region, *words):
    done = region.landfall("fault", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def connected(region, name):
    return members(region)[name]["agentConnected"]


def group(region, name):
    """Where the control group of version 2 of an instance is."""
    roots = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
    return next(it for it in roots if (it / "cgroup.procs").exists()) / "landfall" / region.tag() / name


def left_of(region, name):
    run = f"/run/landfall/{region.tag()}/{name}"
    return {it for it in region.left() if run in it} | ({run} if Path(run).exists() else set())


def test_a_killed_instance_is_as_a_machine_that_lost_its_power_until_it_is_healed(faulty):
    task = sleeper(faulty, "a1")
    said = fault(faulty, "kill-instance", "a1")
    assert said.startswith("a1 in us-east-1a is dead, with 1 tasks.\n")
    assert "landfall fault heal a1" in said
    assert left_of(faulty, "a1") == set() and not group(faulty, "a1").exists()
    until(lambda: not connected(faulty, "a1"), what="the region misses it")
    assert status(faulty, task) == "RUNNING", "nobody knows better"
    assert fault(faulty, "heal", "a1") == "a1 in us-east-1a starts again.\n"
    until(lambda: connected(faulty, "a1"), what="it is back")
    until(lambda: status(faulty, task) == "STOPPED", what="its task is known to be over")
    faulty.client().stop_task(task=sleeper(faulty, "a1"))


def test_a_paused_instance_goes_on_where_it_was(faulty):
    task = sleeper(faulty, "b1")
    fault(faulty, "pause", "b1")
    events = group(faulty, "b1") / "cgroup.events"
    assert "frozen 1" in events.read_text().splitlines()
    until(lambda: not connected(faulty, "b1"), what="the region misses it")
    assert fault(faulty, "resume", "b1") == "b1 in us-east-1b goes on.\n"
    until(lambda: "frozen 0" in events.read_text().splitlines(), what="its containers go on")
    until(lambda: connected(faulty, "b1"), what="it is back")
    assert status(faulty, task) == "RUNNING"
    faulty.client().stop_task(task=task)
    until(lambda: status(faulty, task) == "STOPPED", what="its task can be stopped")
    again = faulty.landfall("fault", "resume", "b1", check=False)
    assert again.returncode == 1 and "NotPaused" in again.stderr


def test_a_killed_zone_heals_by_itself_in_its_time(faulty):
    task = sleeper(faulty, "c1")
    said = fault(faulty, "kill-zone", "c", "--for", "1s")
    assert "It heals by itself after 1 s." in said
    # Only an instance that was dead and has come back says so.
    until(lambda: status(faulty, task) == "STOPPED", what="its task is known to be over")
    until(lambda: connected(faulty, "c1"), what="it is back")
    assert "dead" not in fault(faulty, "list")


def test_faults_outlast_the_region_s_process(faulty):
    # A region without tasks gives its network back, which others may take meanwhile.
    task = sleeper(faulty, "b1")
    fault(faulty, "kill-instance", "c1")
    assert faulty.stop() == 0
    faulty.start(within=90)
    shown = {"a1": True, "b1": True, "c1": False}
    until(lambda: {name: it["agentConnected"] for name, it in members(faulty).items()} == shown,
          60, what="the other two instances are there, and not this one")
    assert [it.split()[2] for it in fault(faulty, "list").splitlines()] == ["FAULT", "-", "-", "dead"]
    assert fault(faulty, "heal") == "c1 in us-east-1c starts again.\n"
    until(lambda: connected(faulty, "c1"), what="it is back")
    assert status(faulty, task) == "RUNNING"
    faulty.client().stop_task(task=task)


def test_a_zone_is_drained_and_takes_tasks_again(faulty):
    fault(faulty, "drain", "us-east-1a")
    assert members(faulty)["a1"]["status"] == "DRAINING"
    assert fault(faulty, "heal", "a") == "a1 in us-east-1a takes tasks again.\n"
    assert members(faulty)["a1"]["status"] == "ACTIVE"
    unknown = faulty.landfall("fault", "drain", "x", check=False)
    assert unknown.returncode == 1 and "UnknownInstance" in unknown.stderr
    for words in (["kill-instance", "b"], ["kill-zone", "b1"]):
        other = faulty.landfall("fault", *words, check=False)
        right = "kill-zone b" if words[1] == "b" else "kill-instance b1"
        assert other.returncode == 1 and f"`landfall fault {right}`" in other.stderr
    assert {it["fault"] for it in json.loads(fault(faulty, "list", "--json"))} == {None}


def test_a_region_with_faults_is_taken_down_whole():
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    it = Region("--give-up-after", "0", "--instances", "2", "--instance-memory", "256", command="up")
    try:
        it.start(within=90)
        until(lambda: it.connected() == 2, 60, what="two instances")
        sleeper(it, "a1")
        fault(it, "pause", "a1")
        fault(it, "kill-zone", "b")
        it.kill()
    finally:
        # Looks for what is left.
        it.down()


def test_faults_are_refused_where_the_region_is_none_of_up(region):
    refused = region.landfall("fault", "kill-instance", "a1", check=False)
    assert refused.returncode == 1 and "NotARegionOfUp" in refused.stderr


def task_file(folder, name, command, **container):
    """A task definition as `aws ecs register-task-definition --cli-input-json` takes it."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"family": name, "containerDefinitions": [{
        "name": "app", "image": "landfall/demo", "command": command, "memory": 32, **container,
        "logConfiguration": {"logDriver": "awslogs", "options": {
            "awslogs-group": f"/{name}", "awslogs-region": "us-east-1",
            "awslogs-stream-prefix": "p", "awslogs-create-group": "true"}}}]}))
    return str(path)


@pytest.fixture
def service(faulty, name, tmp_path):
    """A service of one task, made by a file."""
    ecs = faulty.client()
    definition = json.loads(Path(task_file(tmp_path, name, ["sleep", "100000"])).read_text())
    ecs.register_task_definition(**definition)
    path = tmp_path / "service.json"
    path.write_text(json.dumps({
        "serviceName": name, "taskDefinition": name, "desiredCount": 1, "launchType": "EC2",
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}}))
    done = faulty.landfall("deploy", str(path))
    assert done.stdout == f"{name} runs {name}:1.\n"
    yield name
    ecs.delete_service(service=name, force=True)
    until(lambda: not ecs.list_tasks(serviceName=name)["taskArns"], what="its tasks are gone")


def test_a_deployment_is_followed_to_its_end(faulty, service, tmp_path):
    path = task_file(tmp_path, service, ["sleep", "200000"])
    done = faulty.landfall("deploy", path, "--service", service, "--json")
    told = json.loads(done.stdout)
    assert (told["outcome"], told["status"], told["runningCount"]) == ("DONE", "SUCCESSFUL", 1)
    assert told["taskDefinition"].endswith(f"{service}:2")
    assert f"{service}: " in done.stderr, "its progress, in plain lines"
    scaled = tmp_path / "scaled.json"
    scaled.write_text(json.dumps({"service": service, "desiredCount": 2}))
    assert faulty.landfall("deploy", str(scaled)).returncode == 0
    [found] = faulty.client().describe_services(services=[service])["services"]
    assert (found["runningCount"], found["taskDefinition"]) == (2, told["taskDefinition"])


def test_a_deployment_that_fails_says_why_with_the_last_lines_of_its_task(faulty, service, tmp_path):
    # Never healthy: otherwise a task that is slow to end has run for long enough to be taken for good.
    never = {"command": ["CMD", "/none"], "interval": 300, "startPeriod": 300}
    path = task_file(tmp_path, service, ["log", "3", "700"], healthCheck=never)
    done = faulty.landfall("deploy", path, "--service", service, check=False)
    assert done.returncode == 1, done.stderr
    first, task, *lines = done.stdout.splitlines()
    assert first.startswith(f"{service} does not run {service}:2: it was rolled back: ")
    assert "Essential container in task exited" in task
    assert "  app | line 1" in lines
    image = faulty.landfall("deploy", service, "--image", "landfall/nothing", check=False)
    assert image.returncode == 1 and "CannotPullContainerError" in image.stdout


def test_a_deployment_that_cannot_begin_ends_with_two(faulty, name, tmp_path):
    for words, why in [
        (["no-such-file"], "no-such-file cannot be read as a file"),
        ([name, "--image", "web"], f"there is no service {name}"),
        ([task_file(tmp_path, name, ["sleep", "1"])], "--service"),
        (["web", "--image"], "--image"),
    ]:
        done = faulty.landfall("deploy", *words, check=False)
        assert done.returncode == 2 and why in done.stderr, done.stderr


def plan(region, *words):
    return json.loads(region.landfall("plan", *words, "--json").stdout)["plans"]


def test_a_plan_says_what_the_service_then_does(faulty, service):
    [told] = plan(faulty, "scale", service, "4")
    assert told["fits"] and told["peakTasks"] == 4 and told["fewestTasks"] == 1
    assert [it["action"] for it in told["moves"]] == ["START"] * 3
    ecs = faulty.client()
    before = ecs.describe_services(services=[service])["services"][0]
    assert (before["desiredCount"], len(before["deployments"])) == (1, 1), "nothing was changed"

    ecs.update_service(service=service, desiredCount=4)
    ecs.get_waiter("services_stable").wait(services=[service], WaiterConfig=QUICKLY)
    after = ecs.describe_services(services=[service])["services"][0]
    assert (after["runningCount"], len(after["deployments"])) == (4, 1)

    [update] = plan(faulty, "update", service, "--force")
    assert update["peakTasks"] == 8 and update["fewestTasks"] == 4
    moves = [it["action"] for it in update["moves"]]
    assert (moves.count("START"), moves.count("STOP")) == (4, 4)
    [much] = plan(faulty, "scale", service, "1000")
    assert not much["fits"] and "insufficient memory" in much["reason"]


def test_draining_is_planned_for_the_services_that_have_tasks_there(faulty, service):
    ecs = faulty.client()
    [task] = ecs.describe_tasks(tasks=ecs.list_tasks(serviceName=service)["taskArns"])["tasks"]
    where = {it["containerInstanceArn"]: name for name, it in members(faulty).items()}
    name = where.pop(task["containerInstanceArn"])
    [told] = plan(faulty, "drain", name)
    start, stop = told["moves"]
    assert start["action"] == "START" and start["containerInstanceArn"] in where
    assert (stop["action"], stop["taskArn"]) == ("STOP", task["taskArn"])
    assert plan(faulty, "drain", *where.values()) == []
    assert members(faulty)[name]["status"] == "ACTIVE", "nothing was changed"
    refused = faulty.landfall("plan", "drain", "no-such", check=False)
    assert refused.returncode == 1 and "InvalidParameterException" in refused.stderr


def test_a_daemon_is_planned_to_leave_a_drained_instance_after_the_others(faulty, service):
    ecs, daemon = faulty.client(), f"a-{service}"
    ecs.create_service(serviceName=daemon, taskDefinition=service, schedulingStrategy="DAEMON")
    try:
        ecs.get_waiter("services_stable").wait(services=[daemon], WaiterConfig=QUICKLY)
        [task] = ecs.describe_tasks(tasks=ecs.list_tasks(serviceName=service)["taskArns"])["tasks"]
        where = {it["containerInstanceArn"]: name for name, it in members(faulty).items()}
        plans = plan(faulty, "drain", where[task["containerInstanceArn"]])
        assert [it["serviceArn"].rsplit("/", 1)[1] for it in plans] == [service, daemon]
        assert [it["fits"] for it in plans] == [True, True], plans
        assert [it["action"] for it in plans[1]["moves"]] == ["STOP"]
    finally:
        ecs.delete_service(service=daemon, force=True)
        until(lambda: not ecs.list_tasks(serviceName=daemon)["taskArns"], what="its tasks are gone")


def test_top_shows_clusters_services_deployments_and_events(faulty, service):
    told = faulty.landfall("top").stdout
    assert f"(service {service}) has reached a steady state." in told
    [row] = [it.split() for it in told.splitlines() if it.startswith(service)]
    assert row[1:] == ["default", "ACTIVE", "1", "of", "1", "0", f"{service}:1", "COMPLETED"]


def test_top_is_drawn_in_a_terminal_until_q(faulty, service):
    keys, terminal = pty.openpty()
    words = [BINARY, "top", "--data", faulty.data]
    shown = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    text = b""
    while b"CLUSTER" not in text:
        text += os.read(keys, 4096)
    os.write(keys, b"q")
    while shown.poll() is None:
        # What it still draws has to go somewhere.
        if select.select([keys], [], [], 0.1)[0]:
            try:
                text += os.read(keys, 4096)
            except OSError:
                break
    assert shown.wait(60) == 0
    os.close(keys)
    assert text.startswith(b"\x1b[?1049h")


def test_a_service_is_explained(faulty, service):
    told = faulty.landfall("why", service).stdout.splitlines()
    assert told[0] == f"Service {service} is ACTIVE: 1 of 1 tasks run, 0 start."
    assert told[1].startswith(f"PRIMARY deployment of {service}:1 is COMPLETED: ")
    assert any("has reached a steady state." in it for it in told)
    unknown = faulty.landfall("why", "no-such-service", check=False)
    assert unknown.returncode == 1 and "there is no service no-such-service" in unknown.stderr
