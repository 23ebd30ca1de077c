"""Members of task definitions that change what a container is: each test fails if one were ignored."""

import json
import os
from pathlib import Path

import pytest

import image
from test_containers import SHELL, demo, ecs, messages, tasks  # noqa: F401
from until import until

pytestmark = SHELL


def test_instances_divide_the_machines_memory_and_each_offers_its_processors(whole):
    ecs = whole.client()
    arns = ecs.list_container_instances()["containerInstanceArns"]
    found = ecs.describe_container_instances(containerInstances=arns)["containerInstances"]

    def each(name):
        return [next(it["integerValue"] for it in one["registeredResources"]
                     if it["name"] == name) for one in found]

    memory = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]) // 1024
    assert set(each("CPU")) == {len(os.sched_getaffinity(0)) * 1024}
    assert memory // 2 < sum(each("MEMORY")) <= memory - 256


def test_terminals_and_open_inputs(tasks):
    def ask(seconds):
        return f"test -t 0 && echo terminal; (busybox timeout {seconds} cat; echo $?) 2>/dev/null"

    # An input at its end is read however long it takes; an open one is waited for in vain.
    assert tasks.shell(ask(60))[0] == ["0"]
    assert tasks.shell(ask(1), container={"interactive": True})[0] == ["143"]
    assert tasks.shell(ask(1), container={"pseudoTerminal": True})[0] == ["terminal", "143"]


def test_names_and_resolvers_are_as_asked(tasks):
    lines, _ = tasks.shell(
        "hostname; head -n 9 /etc/hosts | grep -c 'db.example' || true; cat /etc/resolv.conf",
        container={"hostname": "boat", "extraHosts": [
            {"hostname": "db.example", "ipAddress": "192.0.2.7"}],
            "dnsServers": ["192.0.2.53"], "dnsSearchDomains": ["corp.example"]},
        networkMode="bridge")
    assert lines[0] == "boat"
    assert lines[-2:] == ["nameserver 192.0.2.53", "search corp.example"]


def test_links_name_other_containers(tasks):
    arn = tasks.run([
        {"name": "main", "image": image.NAME, "memory": 32, "links": ["side:friend"],
         "command": ["sh", "-c", "cat /etc/hosts | busybox grep friend"],
         "dependsOn": [{"containerName": "side", "condition": "START"}]},
        # It may be told to end before it has begun to listen for that.
        demo("sleep", name="side", essential=False, stopTimeout=2)], networkMode="bridge")
    over = tasks.over(arn)
    assert {it["name"]: it.get("exitCode") for it in over["containers"]}["main"] == 0


def test_linux_parameters_are_acted_on(tasks):
    lines, _ = tasks.shell(
        "busybox df -k /dev/shm | busybox awk 'END { print $2 }'; "
        "busybox df -k /scratch | busybox awk 'END { print $2 }'; "
        "cat /proc/1/comm; ls -l /dev/looked | busybox awk '{ print $5 $6 }'; "
        "busybox grep CapBnd /proc/self/status | busybox awk '{ print $2 }'",
        container={"linuxParameters": {
            "sharedMemorySize": 8, "initProcessEnabled": True,
            "tmpfs": [{"containerPath": "/scratch", "size": 4}],
            "devices": [{"hostPath": "/dev/zero", "containerPath": "/dev/looked"}],
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}})
    assert lines == ["8192", "4096", "init", "1,5", "0000000000001000"]


def test_limits_and_kernel_parameters_are_acted_on(tasks):
    lines, _ = tasks.shell(
        "ulimit -n; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; "
        "busybox grep NoNewPrivs /proc/self/status | busybox awk '{ print $2 }'",
        container={"ulimits": [{"name": "nofile", "softLimit": 77, "hardLimit": 99}],
                   "systemControls": [{"namespace": "net.ipv4.ip_unprivileged_port_start",
                                       "value": "1234"}],
                   "dockerSecurityOptions": ["no-new-privileges"]})
    assert lines == ["77", "1234", "1"]


def test_a_privileged_container_may_everything(tasks):
    ask = "mount -t tmpfs none /tmp 2>/dev/null && echo may || echo may not"
    assert tasks.shell(ask)[0] == ["may not"]
    assert tasks.shell(ask, container={"privileged": True})[0] == ["may"]


def test_volumes_from_and_shared_processes(tasks):
    arn = tasks.run([
        {"name": "main", "image": image.NAME, "memory": 32,
         "command": ["sh", "-c", "cat /data/x && ps | busybox grep -q '[s]leep 4321'"],
         "volumesFrom": [{"sourceContainer": "side", "readOnly": True}],
         "dependsOn": [{"containerName": "side", "condition": "HEALTHY"}]},
        {"name": "side", "image": image.NAME, "memory": 32, "essential": False, "stopTimeout": 2,
         "command": ["sh", "-c", "echo y > /data/x; sleep 4321"],
         "healthCheck": {"command": ["CMD-SHELL", "test -e /data/x"], "interval": 5},
         "mountPoints": [{"sourceVolume": "v", "containerPath": "/data"}]}],
        volumes=[{"name": "v"}], pidMode="task")
    over = tasks.over(arn)
    assert {it["name"]: it.get("exitCode") for it in over["containers"]}["main"] == 0


def test_labels_are_in_the_metadata(tasks):
    lines, _ = tasks.shell("wget -qO- $ECS_CONTAINER_METADATA_URI_V4; echo",
                           container={"dockerLabels": {"colour": "blue"}})
    assert json.loads(lines[0])["Labels"]["colour"] == "blue"


def awslogs(**more):
    return {"logDriver": "awslogs", "options": {
        "awslogs-group": f"/e2e/{os.getpid()}", "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "s", "awslogs-create-group": "true", **more}}


def test_lines_that_belong_together_are_one_event(tasks, whole):
    def events(script, **options):
        arn = tasks.run([{"name": "main", "image": image.NAME, "memory": 32,
                          "command": ["sh", "-c", script], "logConfiguration": awslogs(**options)}])
        tasks.over(arn)
        stream = f"s/main/{arn.rsplit('/', 1)[1]}"
        # The last event is complete when its container has ended, and comes last.
        return until(lambda: (it := messages(whole, f"/e2e/{os.getpid()}", stream))
                     and "last" in it[-1] and it, 30, what="its log")

    assert events("echo 'INFO a'; echo 'ERROR b'; echo ' at c'; echo ' at d'; echo 'INFO last'",
                  **{"awslogs-multiline-pattern": "^[A-Z]"}) == [
        "INFO a", "ERROR b\n at c\n at d", "INFO last"]
    assert events("echo '2026-01-02 one'; echo more; echo '2026-01-03 last'; echo end",
                  **{"awslogs-datetime-format": "%Y-%m-%d"}) == [
        "2026-01-02 one\nmore", "2026-01-03 last\nend"]


def test_logs_of_another_region_are_found_under_its_name(tasks, whole):
    _, over = tasks.shell("echo hello", container={
        "logConfiguration": awslogs(**{"awslogs-region": "eu-west-1"})})
    there = whole.client("logs", region_name="eu-west-1")
    stream = f"s/main/{over['taskArn'].rsplit('/', 1)[1]}"
    found = until(lambda: there.get_log_events(
        logGroupName=f"/e2e/{os.getpid()}", logStreamName=stream)["events"], 15, what="its log")
    assert [it["message"] for it in found] [:1] == ["hello"]


@pytest.mark.parametrize("container, words", [
    ({"logConfiguration": awslogs(**{"awslogs-colour": "red"})}, "awslogs-colour"),
    ({"logConfiguration": awslogs(**{"awslogs-multiline-pattern": "("})}, "could not parse"),
    ({"logConfiguration": {"logDriver": "json-file", "options": {"max-size": "many"}}}, "max-size"),
    ({"dockerSecurityOptions": ["seccomp=/no/such/profile.json"]}, "profile.json"),
])
def test_what_nothing_acts_on_is_refused_with_a_reason(tasks, container, words):
    over = tasks.over(tasks.run([demo("sleep", **container)]))
    assert over["stopCode"] == "TaskFailedToStart"
    assert words in over["stoppedReason"] + over["containers"][0].get("reason", "")


def test_options_that_need_apparmor_find_no_instance(ecs, tasks):
    answer = ecs.run_task(taskDefinition=tasks.define([
        demo("sleep", dockerSecurityOptions=["apparmor:strict"])]))
    assert not answer["tasks"]
    assert {it["reason"] for it in answer["failures"]} == {"ATTRIBUTE"}
