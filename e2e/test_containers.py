"""Real containers on the three instances of `landfall up`."""

import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest

import image
from until import until

SHELL = pytest.mark.skipif(not image.busybox(), reason="no busybox on this machine")


@pytest.fixture
def ecs(whole):
    return whole.client()


@pytest.fixture
def tasks(ecs, whole):
    """Runs tasks; whatever still runs at the end is stopped."""
    started = []

    class Tasks:
        def define(self, containers, **settings):
            found = ecs.register_task_definition(
                family=f"f{os.getpid()}", containerDefinitions=containers, **settings)
            return found["taskDefinition"]["taskDefinitionArn"]

        def run(self, containers, launch=None, **settings):
            answer = ecs.run_task(taskDefinition=self.define(containers, **settings),
                                  **(launch or {}))
            assert not answer["failures"], answer["failures"]
            started.append(answer["tasks"][0]["taskArn"])
            return started[-1]

        def look(self, arn):
            return ecs.describe_tasks(tasks=[arn])["tasks"][0]

        def running(self, arn):
            def there():
                found = self.look(arn)
                assert found["lastStatus"] != "STOPPED", json.dumps(found, default=str, indent=1)
                return found["lastStatus"] == "RUNNING" and found
            return until(there, 40, what="RUNNING")

        def over(self, arn, within=60):
            return until(lambda: (it := self.look(arn))["lastStatus"] == "STOPPED" and it, within,
                         what="STOPPED")

        def address(self, arn):
            found = ecs.describe_container_instances(
                containerInstances=[self.look(arn)["containerInstanceArn"]])
            attributes = found["containerInstances"][0]["attributes"]
            return next(it["value"] for it in attributes if it["name"] == "landfall.address")

        def shell(self, script, launch=None, container=None, **settings):
            """Runs a script; gives its lines and the task, which is over."""
            group, end = f"/e2e/{os.getpid()}", "-- the end --"
            script = f"({script}); code=$?; echo '{end}'; exit $code"
            arn = self.run([{
                "name": "main", "image": image.NAME, "memory": 64, "command": ["sh", "-c", script],
                "logConfiguration": {"logDriver": "awslogs", "options": {
                    "awslogs-group": group, "awslogs-region": "us-east-1",
                    "awslogs-stream-prefix": "s", "awslogs-create-group": "true"}},
                **(container or {})}], launch, **settings)
            over = self.over(arn)
            stream = f"s/main/{arn.rsplit('/', 1)[1]}"
            until(lambda: end in messages(whole, group, stream), 30, what="the end of its log")
            return [it for it in messages(whole, group, stream) if it != end], over

    yield Tasks()
    for arn in started:
        ecs.stop_task(task=arn)
    for arn in started:
        Tasks().over(arn)


def messages(region, group, stream):
    """The lines of a log stream; they may come a little after the task's end is known."""
    found = region.client("logs").get_log_events(
        logGroupName=group, logStreamName=stream, startFromHead=True)
    return [it["message"] for it in found["events"]]


def demo(*command, name="main", **settings):
    return {"name": name, "image": "landfall/demo", "command": list(command), "memory": 64,
            **settings}


def fetch(url, timeout=3):
    def get():
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                return answer.read()
        except OSError:
            return None
    return until(get, 10, what=f"an answer at {url}")


@pytest.mark.parametrize("code", [0, 7, 255])
def test_the_exit_code_of_a_container_is_told(tasks, code):
    over = tasks.over(tasks.run([demo("exit", str(code))]))
    assert over["containers"][0]["exitCode"] == code
    assert over["stopCode"] == "EssentialContainerExited"
    assert over["stoppedReason"] == "Essential container in task exited"


@SHELL
def test_when_an_essential_container_ends_the_others_are_stopped(tasks):
    # The first process of a container misses signals that come before it listens for them; from its
    # first answer on it does.
    heard = "until wget -qO- http://127.0.0.1:18282/health; do sleep 1; done"
    over = tasks.over(tasks.run([
        {"name": "main", "image": image.NAME, "memory": 32, "command": ["sh", "-c", heard]},
        demo("web", "18282", name="side", essential=False)], networkMode="host"))
    codes = {it["name"]: it.get("exitCode") for it in over["containers"]}
    assert codes == {"main": 0, "side": 143}


def test_a_container_that_is_not_essential_may_end(tasks):
    arn = tasks.run([demo("sleep"), demo("exit", "3", name="side", essential=False)])
    until(lambda: {it["name"]: it["lastStatus"] for it in tasks.look(arn)["containers"]}["side"]
          == "STOPPED", what="the side container ends")
    assert tasks.look(arn)["lastStatus"] == "RUNNING"


def test_stop_sends_sigterm_and_then_kills_after_the_stop_timeout(tasks, ecs):
    kind = tasks.run([demo("web", "8080", portMappings=[{"containerPort": 8080}])],
                     networkMode="bridge")
    port = tasks.running(kind)["containers"][0]["networkBindings"][0]["hostPort"]
    # From its first answer on it hears the signal.
    assert fetch(f"http://{tasks.address(kind)}:{port}/health") == b"ok\n"
    ecs.stop_task(task=kind)
    assert tasks.over(kind)["containers"][0]["exitCode"] == 143
    if not image.busybox():
        return
    stubborn = tasks.run([{"name": "main", "image": image.NAME, "memory": 64, "stopTimeout": 2,
                           "command": ["sh", "-c", "trap '' TERM; while true; do sleep 1; done"]}])
    tasks.running(stubborn)
    ecs.stop_task(task=stubborn)
    over = tasks.over(stubborn, 30)
    assert over["containers"][0]["exitCode"] == 137
    assert (over["stoppedAt"] - over["stoppingAt"]).total_seconds() >= 1.5


def test_an_image_that_cannot_be_had_and_a_missing_command_fail_to_start(tasks):
    over = tasks.over(tasks.run([{"name": "main", "image": "127.0.0.1:1/nobody/nothing:1",
                                  "memory": 32}]))
    assert over["stopCode"] == "TaskFailedToStart"
    assert "CannotPull" in over["stoppedReason"]
    if image.busybox():
        over = tasks.over(tasks.run([{"name": "main", "image": image.NAME, "memory": 32,
                                      "command": ["/no/such/program"]}]))
        assert over["stopCode"] == "TaskFailedToStart"
        assert "exitCode" not in over["containers"][0] or over["containers"][0]["exitCode"] != 0


def test_dependencies_order_the_start_and_a_failed_one_fails_the_task(tasks):
    arn = tasks.run([
        demo("sleep", dependsOn=[{"containerName": "first", "condition": "SUCCESS"}]),
        demo("exit", "0", "1", name="first", essential=False)])
    tasks.running(arn)
    failed = tasks.over(tasks.run([
        demo("sleep", dependsOn=[{"containerName": "first", "condition": "SUCCESS"}]),
        demo("exit", "1", name="first", essential=False)]))
    assert failed["stopCode"] == "TaskFailedToStart"


@SHELL
def test_health_checks_make_a_task_healthy_and_unhealthy(tasks):
    check = lambda word: {"command": ["CMD-SHELL", word], "interval": 5, "timeout": 2, "retries": 1}
    shell = {"name": "main", "image": image.NAME, "memory": 64, "command": ["sleep", "1000"],
             "stopTimeout": 2}
    good = tasks.run([{**shell, "healthCheck": check("true")}])
    bad = tasks.run([{**shell, "healthCheck": check("false")}])
    until(lambda: tasks.look(good)["healthStatus"] == "HEALTHY", 30, what="HEALTHY")
    until(lambda: tasks.look(bad)["healthStatus"] == "UNHEALTHY", 30, what="UNHEALTHY")
    assert tasks.look(bad)["lastStatus"] == "RUNNING"


@SHELL
def test_environment_command_user_and_working_directory_are_as_asked(tasks):
    lines, over = tasks.shell(
        "echo $COLOUR $SIZE $FROM_IMAGE; id -u; echo $PWD; touch /x 2>/dev/null && echo writable; true",
        launch={"overrides": {"containerOverrides": [
            {"name": "main", "environment": [{"name": "COLOUR", "value": "blue"}]}]}},
        container={"environment": [{"name": "COLOUR", "value": "red"}, {"name": "SIZE", "value": "1"}],
                   "user": "1000", "workingDirectory": "/etc", "readonlyRootFilesystem": True})
    assert over["containers"][0]["exitCode"] == 0
    assert lines == ["blue 1 yes", "1000", "/etc"]


def test_memory_beyond_the_limit_is_told_as_such(tasks):
    over = tasks.over(tasks.run([demo("fill-memory", memory=32)]))
    assert over["containers"][0]["exitCode"] == 137
    assert "OutOfMemoryError" in over["containers"][0]["reason"]


def test_logs_are_read_through_the_logs_api(tasks, whole):
    arn = tasks.run([demo("log", "5", "10", logConfiguration={"logDriver": "awslogs", "options": {
        "awslogs-group": "/e2e/log", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "s",
        "awslogs-create-group": "true"}})])
    tasks.over(arn)
    stream = f"s/main/{arn.rsplit('/', 1)[1]}"
    until(lambda: messages(whole, "/e2e/log", stream) == [f"line {it}" for it in range(1, 6)], 15,
          what="five lines")
    found = whole.client("logs").filter_log_events(logGroupName="/e2e/log", filterPattern='"line 3"')["events"]
    assert [it["message"] for it in found if it["logStreamName"] == stream] == ["line 3"]


def test_a_missing_log_group_fails_the_start(tasks):
    over = tasks.over(tasks.run([demo("sleep", logConfiguration={
        "logDriver": "awslogs", "options": {
            "awslogs-group": "/e2e/nobody-made-this", "awslogs-region": "us-east-1",
            "awslogs-stream-prefix": "s"}})]))
    assert over["stopCode"] == "TaskFailedToStart"
    assert "ResourceInitializationError" in over["stoppedReason"] or (
        "log group" in over["stoppedReason"].lower())


@pytest.mark.parametrize("host_port", [0, 18080])
def test_bridge_ports_answer_at_the_address_of_the_instance(tasks, host_port):
    arn = tasks.run([demo("web", "8080", portMappings=[
        {"containerPort": 8080, "hostPort": host_port}])], networkMode="bridge")
    binding = tasks.running(arn)["containers"][0]["networkBindings"][0]
    assert binding["containerPort"] == 8080
    assert host_port in (0, binding["hostPort"])
    shown = json.loads(fetch(f"http://{tasks.address(arn)}:{binding['hostPort']}/"))
    assert shown["TaskARN"] == arn


def test_an_awsvpc_task_answers_at_an_address_of_its_own(tasks, whole):
    subnets = [it["SubnetId"] for it in whole.client("ec2").describe_subnets()["Subnets"]]
    arn = tasks.run([demo("web", "8080", portMappings=[{"containerPort": 8080}])],
                    {"networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}}},
                    networkMode="awsvpc")
    found = tasks.running(arn)
    address = found["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    details = {it["name"]: it["value"] for it in found["attachments"][0]["details"]}
    assert details["privateIPv4Address"] == address
    assert json.loads(fetch(f"http://{address}:8080/"))["TaskARN"] == arn


def test_a_host_task_listens_at_the_instance_itself(tasks):
    arn = tasks.run([demo("web", "18181", portMappings=[{"containerPort": 18181}])],
                    networkMode="host")
    tasks.running(arn)
    assert fetch(f"http://{tasks.address(arn)}:18181/health") == b"ok\n"


@SHELL
def test_a_task_without_network_has_only_its_loopback(tasks):
    lines, _ = tasks.shell("ls /sys/class/net | cat", networkMode="none")
    assert lines == ["lo"]


@SHELL
def test_a_task_sees_its_own_metadata_and_credentials_and_nobody_else_s(tasks):
    lines, over = tasks.shell(
        "wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task; echo; "
        "wget -qO- http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; echo; "
        "wget -qO- http://169.254.170.2/v2/credentials/00000000-0000-0000-0000-000000000000 "
        "|| echo refused",
        taskRoleArn="arn:aws:iam::123456789012:role/app")
    shown = [json.loads(it) for it in lines if it.startswith("{")]
    assert shown[0]["TaskARN"] == over["taskArn"]
    assert shown[1]["RoleArn"] == "arn:aws:iam::123456789012:role/app"
    assert shown[1]["SecretAccessKey"]
    assert "refused" in lines


def test_a_restart_policy_starts_a_container_again(tasks):
    arn = tasks.run([demo("sleep"), demo("exit", "1", "1", name="side", essential=False,
                    restartPolicy={"enabled": True, "restartAttemptPeriod": 60})])
    tasks.running(arn)
    assert tasks.look(arn)["lastStatus"] == "RUNNING"


def processes(data, role):
    """Processes of a role whose command line names this region's folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if len(words) > 1 and words[1] == role and any(it.startswith(data) for it in words):
                found.append(int(folder.name))
    return found


def test_killed_agents_come_back_and_their_containers_never_notice(tasks, whole):
    arn = tasks.run([demo("web", "8080", portMappings=[{"containerPort": 8080}])],
                    networkMode="bridge")
    found = tasks.running(arn)
    before = found["containers"][0]
    url = f"http://{tasks.address(arn)}:{before['networkBindings'][0]['hostPort']}/health"
    assert fetch(url) == b"ok\n"
    agents = processes(whole.data, "agent")
    assert len(agents) == 3
    for it in agents:
        os.kill(it, signal.SIGKILL)
    assert fetch(url) == b"ok\n"
    until(lambda: len(set(processes(whole.data, "agent")) - set(agents)) == 3, 20,
          what="agents are started again")
    until(lambda: whole.connected() == 3, 30, what="they are connected")
    assert tasks.look(arn)["containers"][0]["runtimeId"] == before["runtimeId"]
    late = tasks.over(tasks.run([demo("exit", "4")]))
    assert late["containers"][0]["exitCode"] == 4
    assert tasks.look(arn)["lastStatus"] == "RUNNING"


def test_a_frozen_agent_is_noticed_and_its_tasks_are_given_up(tasks, whole, ecs):
    arn = tasks.run([demo("sleep")])
    instance = tasks.running(arn)["containerInstanceArn"]
    look = lambda: ecs.describe_container_instances(
        containerInstances=[instance])["containerInstances"][0]
    name = next(it["value"] for it in look()["attributes"] if it["name"] == "landfall.name")
    frozen = [it for it in processes(whole.data, "agent")
              if f"landfall.name={name}".encode() in Path(f"/proc/{it}/cmdline").read_bytes()]
    assert len(frozen) == 1
    os.kill(frozen[0], signal.SIGSTOP)
    try:
        until(lambda: not look()["agentConnected"], 20, what="the silence is noticed")
        over = tasks.over(arn, 30)
        assert instance.rsplit("/", 1)[1] in over["stoppedReason"]
    finally:
        os.kill(frozen[0], signal.SIGCONT)
    until(lambda: look()["agentConnected"], 30, what="the agent is back")
    until(lambda: look()["runningTasksCount"] == 0, 30, what="its container is stopped")
    assert tasks.look(arn)["lastStatus"] == "STOPPED"


def test_a_killed_region_adopts_what_runs(tasks, whole):
    arn = tasks.run([demo("web", "8080", portMappings=[{"containerPort": 8080}])],
                    networkMode="bridge")
    before = tasks.running(arn)["containers"][0]
    url = f"http://{tasks.address(arn)}:{before['networkBindings'][0]['hostPort']}/health"
    whole.kill()
    assert fetch(url) == b"ok\n"
    whole.start(within=60)
    assert fetch(url) == b"ok\n"
    after = tasks.look(arn)
    assert after["lastStatus"] == "RUNNING"
    assert after["containers"][0]["runtimeId"] == before["runtimeId"]
    assert tasks.over(tasks.run([demo("exit", "5")]))["containers"][0]["exitCode"] == 5


def test_a_dead_shim_is_told_and_never_as_success(tasks, whole):
    arn = tasks.run([demo("sleep")])
    tasks.running(arn)
    task = arn.rsplit("/", 1)[1]
    shims = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"\0shim\0" in words and task.encode() in words:
            shims.append(int(folder.name))
    assert len(shims) == 1
    os.kill(shims[0], signal.SIGKILL)
    over = tasks.over(arn, 40)
    assert over["stoppedReason"]
    assert over["containers"][0].get("exitCode") != 0
