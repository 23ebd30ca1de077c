"""What hostile or broken programs ask at 169.254.170.2 from within their tasks."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from test_containers import demo, ecs, processes, tasks  # noqa: F401 (fixtures)
from until import QUICKLY, until

# Run in a task's network: sends each request over a connection of its own.
ASK = """
import base64, json, socket, sys
for one in json.load(sys.stdin):
    with socket.create_connection(("169.254.170.2", 80), 20) as to:
        answer = b""
        try:
            said = base64.b64decode(one)
            to.sendall(said)
            if not said.endswith(b"\\r\\n\\r\\n"):
                to.shutdown(socket.SHUT_WR)
            while part := to.recv(65536):
                answer += part
        except ConnectionError:
            pass
    print(base64.b64encode(answer).decode())
"""


class Inside:
    """A task of `landfall/demo`, and what can be asked from within its network."""

    def __init__(self, arn):
        task = arn.rsplit("/", 1)[1].encode()
        self.pid = until(lambda: self.find(task), 20, what="its process")
        words = (Path("/proc") / self.pid / "environ").read_bytes().decode().split("\0")
        variables = dict(it.split("=", 1) for it in words if "=" in it)
        self.metadata = variables["ECS_CONTAINER_METADATA_URI_V4"].removeprefix("http://169.254.170.2")
        self.agent = variables["ECS_AGENT_URI"].removeprefix("http://169.254.170.2")
        self.credentials = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")

    @staticmethod
    def find(task):
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and task in (folder / "cgroup").read_bytes():
                    if b"ECS_CONTAINER_METADATA" in (folder / "environ").read_bytes():
                        return folder.name
            except OSError:
                pass
        return None

    def ask(self, *requests):
        """Status and body of each answer; no status where the connection was only closed."""
        said = json.dumps([base64.b64encode(it).decode() for it in requests])
        done = subprocess.run(["nsenter", f"--net=/proc/{self.pid}/ns/net", sys.executable, "-c", ASK],
                              input=said, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            head, _, body = base64.b64decode(line).partition(b"\r\n\r\n")
            status = re.match(rb"HTTP/1\.[01] (\d+)", head)
            yield int(status[1]) if status else None, body


def get(path, method="GET", version="1.1", lines="Host: x\r\nConnection: close\r\n"):
    return f"{method} {path} HTTP/{version}\r\n{lines}\r\n".encode("latin-1")


def put(path, **body):
    said = json.dumps(body) + "\r\n\r\n"
    return (f"PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Length: {len(said)}\r\n\r\n{said}").encode()


@pytest.mark.parametrize("mode", ["bridge", "awsvpc"])
def test_a_task_is_told_its_own_and_refused_everything_else(tasks, whole, mode):  # noqa: F811
    launch = {}
    if mode == "awsvpc":
        subnets = [it["SubnetId"] for it in whole.client("ec2").describe_subnets()["Subnets"]]
        launch = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}}}
    arns = [tasks.run([demo("sleep")], launch, networkMode=mode,
                      taskRoleArn="arn:aws:iam::123456789012:role/app") for _ in range(4)]
    for arn in arns:
        tasks.running(arn)
    # Four tasks on three instances: two of them are on the same one.
    homes = {}
    for arn in arns:
        homes.setdefault(tasks.look(arn)["containerInstanceArn"], []).append(arn)
    mine, theirs = next(it[:2] for it in homes.values() if len(it) > 1)
    me, them = Inside(mine), Inside(theirs)
    agents = processes(whole.data, "agent")

    own = f"{me.metadata}/task"
    shown = list(me.ask(get(own), get(me.credentials), get(own, version="1.0", lines=""),
                        get(own, lines=f"Host: x\r\nConnection: close\r\nX-Forwarded-For: {'9' * 999}\r\n")))
    assert [it for it, _ in shown] == [200] * 4
    assert json.loads(shown[0][1])["TaskARN"] == mine
    assert json.loads(shown[1][1])["RoleArn"].endswith("role/app")

    wrong = [
        (404, get(f"{them.metadata}/task")), (404, get(them.metadata)), (400, get(them.credentials)),
        (404, get(f"{me.metadata}/../{them.metadata.rsplit('/', 1)[1]}/task")),
        (400, get("/v2/credentials/..")), (400, get("/v2/credentials/" + "0" * 64)),
        (400, get("/v2/credentials")), (400, get("/v2/credentials/%2e%2e%2f")),
        (404, get("/")), (404, get("/v4")), (404, get("/v4/../../etc/passwd")), (404, get("/v9/x")),
        (404, get(f"{me.metadata}/nonsense")), (404, get("/" + "x" * 8000)),
        (405, get(own, "POST")), (405, get(own, "DELETE")), (405, get(me.credentials, "PUT")),
        (405, get("/", "BREW")),
    ]
    for (status, request), (got, body) in zip(wrong, me.ask(*(it for _, it in wrong))):
        assert got == status, (request[:90], got, body)
        assert json.loads(body)["message"], request[:90]
        assert b"SecretAccessKey" not in body
    broken = [b"GET\r\n\r\n", b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", get("/" + "x" * 40_000),
              get(own, lines="Host: x\r\nno colon\r\n"), get(own, lines="Host: x\r\n\xff\xfe: \r\n"),
              get(own, lines="Host: x\r\n" + "a: b\r\n" * 5000), b"", b"GET /v4 HTTP/1.1\r\nHost"]
    for request, (got, body) in zip(broken, me.ask(*broken)):
        assert got is None or 400 <= got < 500, (request[:90], got, body)
        assert b"SecretAccessKey" not in body

    # Nothing came of it: the same agents answer each task, and both tasks run on.
    assert [status for status, _ in them.ask(get(f"{them.metadata}/task"))] == [200]
    assert sorted(processes(whole.data, "agent")) == sorted(agents)
    for arn in (mine, theirs):
        assert tasks.look(arn)["lastStatus"] == "RUNNING"


def test_a_task_of_a_service_protects_itself(tasks, ecs, whole):  # noqa: F811
    role = {"taskRoleArn": "arn:aws:iam::123456789012:role/app"}
    name = f"guarded-{os.getpid()}"
    ecs.create_service(serviceName=name, desiredCount=1,
                       taskDefinition=tasks.define([demo("sleep")], **role))
    ecs.get_waiter("services_stable").wait(services=[name], WaiterConfig=QUICKLY)
    [arn] = ecs.list_tasks(serviceName=name)["taskArns"]
    inside = Inside(arn)
    state = f"{inside.agent}/task-protection/v1/state"
    off = {"protection": {"ProtectionEnabled": False, "TaskArn": arn}}

    def ask(request, who=inside):
        [(status, body)] = who.ask(request)
        return status, json.loads(body)

    assert ask(get(state)) == (200, off)
    status, said = ask(put(state, ProtectionEnabled=True, ExpiresInMinutes=60))
    assert (status, said["protection"]["ProtectionEnabled"]) == (200, True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", said["protection"]["ExpirationDate"])
    assert ask(get(state)) == (200, said)
    shown = ecs.get_task_protection(cluster="default", tasks=[arn])["protectedTasks"]
    assert [it["protectionEnabled"] for it in shown] == [True]
    for status, request in [(400, put(state)), (400, put(state, ProtectionEnabled="yes")),
                            (400, put(state, ProtectionEnabled=True, ExpiresInMinutes=0)),
                            (405, get(state, "DELETE"))]:
        assert ask(request)[0] == status, request
    assert ask(put(state, ProtectionEnabled=False)) == (200, off)

    alone = tasks.run([demo("sleep")], **role)
    tasks.running(alone)
    other = Inside(alone)
    said = ask(get(f"{other.agent}/task-protection/v1/state"), other)
    assert said[0] == 200 and said[1]["failure"]["Reason"] == "TASK_NOT_VALID"
    assert ask(get(state), other)[0] == 404, "that is another task's"
    plain = tasks.run([demo("sleep")])
    tasks.running(plain)
    bare = Inside(plain)
    status, said = ask(get(f"{bare.agent}/task-protection/v1/state"), bare)
    assert (status, said["error"]["Code"]) == (403, "AccessDeniedException")

    ecs.delete_service(service=name, force=True)
    tasks.over(arn)
    ecs.get_waiter("services_inactive").wait(services=[name], WaiterConfig=QUICKLY)
