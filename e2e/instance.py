"""A container instance that runs nothing: it speaks the agent's language and tells what it is told to.

It registers, keeps its ACS session, acknowledges every message, and reports tasks as its `plan` says.
"""

import json
import threading
import urllib.parse
from contextlib import suppress
from socket import SHUT_RDWR

import websocket
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from until import until

# What the genuine agent says that it can do.
CAPABILITIES = [f"com.amazonaws.ecs.capability.docker-remote-api.1.{it}" for it in range(17, 33)] + [
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.logging-driver.awslogs",
    "com.amazonaws.ecs.capability.logging-driver.none",
    "com.amazonaws.ecs.capability.privileged-container",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.ecr-auth",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.task-eni",
]

_numbers = iter(range(0x1000, 1 << 30))


class Instance:
    """One instance of a cluster. `runs` says whether it reports told tasks as running at once."""

    def __init__(self, region, cluster, zone="a", cpu=4096, memory=8192, runs=True, attributes=(),
                 connect=True, gpus=()):
        self.region = region
        self.cluster = cluster
        self.runs = runs
        self.ecs = region.client()
        self.messages = []
        self.told = {}
        number = next(_numbers)
        self.ec2_id = f"i-{number:017x}"
        resources = [
            {"name": "CPU", "type": "INTEGER", "integerValue": cpu},
            {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
            {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22", "51678"]},
            {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
        ]
        if gpus:
            resources.append({"name": "GPU", "type": "STRINGSET", "stringSetValue": list(gpus)})
        self.registration = dict(
            cluster=cluster,
            instanceIdentityDocument=json.dumps({
                "instanceId": self.ec2_id, "availabilityZone": f"us-east-1{zone}",
                "instanceType": "test.large", "region": "us-east-1",
            }),
            totalResources=resources,
            versionInfo={"agentVersion": "1.105.1", "agentHash": "a8b3e7d3",
                         "dockerVersion": "DockerVersion: 20.10.24"},
            attributes=[{"name": name, **({"value": value} if value is not None else {})}
                        for name, value in [(it, None) for it in CAPABILITIES] + list(attributes)],
        )
        self.arn = self.ecs.register_container_instance(**self.registration)[
            "containerInstance"]["containerInstanceArn"]
        self.socket = None
        if connect:
            self.connect()

    def describe(self):
        return self.ecs.describe_container_instances(
            cluster=self.cluster, containerInstances=[self.arn])["containerInstances"][0]

    # The session.

    def connect(self):
        """Opens the session and waits until the region counts it as connected."""
        endpoint = self.ecs.discover_poll_endpoint(
            cluster=self.cluster, containerInstance=self.arn)["endpoint"]
        query = urllib.parse.urlencode({
            "agentHash": "a8b3e7d3", "agentVersion": "1.105.1", "clusterArn": self.cluster,
            "containerInstanceArn": self.arn, "dockerVersion": "20.10.24",
            "protocolVersion": "2", "seqNum": "1", "sendCredentials": "true",
        })
        url = f"{endpoint}ws?{query}"
        request = AWSRequest(method="GET", url=url)
        key = self.region.environment
        SigV4Auth(Credentials(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"]),
                  "ecs", "us-east-1").add_auth(request)
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        self.socket = websocket.create_connection(
            url.replace("http://", "ws://"), header=headers, timeout=60)
        self.socket.settimeout(None)
        self.listener = threading.Thread(target=self._listen, args=(self.socket,), daemon=True)
        self.listener.start()
        until(lambda: self.describe()["agentConnected"], 10, what="the session stands")
        return self

    def hang_up(self):
        socket, self.socket = self.socket, None
        if socket is not None:
            # Wakes the listener, which closing alone would not. The region may have been first.
            with suppress(OSError, AttributeError):
                socket.sock.shutdown(SHUT_RDWR)
            self.listener.join(5)
            socket.shutdown()

    def _listen(self, socket):
        while True:
            try:
                text = socket.recv()
            except (websocket.WebSocketException, OSError):
                return
            if not text:
                return
            frame = json.loads(text)
            self.messages.append(frame)
            self._answer(socket, frame["type"], frame["message"])

    def _answer(self, socket, kind, message):
        replies = {"PayloadMessage": "AckRequest", "HeartbeatMessage": "HeartbeatAckRequest"}
        if kind not in replies:
            return
        reply = {"type": replies[kind], "message": {"messageId": message["messageId"]}}
        try:
            socket.send(json.dumps(reply))
        except (websocket.WebSocketException, OSError):
            return
        for task in message.get("tasks") or []:
            arn, desired = task["arn"], task["desiredStatus"]
            self.told[arn] = desired
            try:
                if desired == "STOPPED":
                    self.report(arn, "STOPPED")
                elif self.runs:
                    self.report(arn, "RUNNING")
            except Exception as error:  # The region may be gone by now; the test sees it elsewhere.
                self.messages.append({"type": "error", "message": str(error)})

    # Reports.

    def report(self, task, status, exit_code=None, reason=None):
        """Says how far a task and all its containers have come."""
        found = self.ecs.describe_tasks(cluster=self.cluster, tasks=[task])["tasks"]
        containers = [
            {"containerName": it["name"], "status": status, "runtimeId": "0" * 64,
             **({"exitCode": exit_code} if exit_code is not None else {})}
            for it in (found[0]["containers"] if found else [])
        ]
        return self.ecs.submit_task_state_change(
            cluster=self.cluster, task=task, status=status, containers=containers,
            **({"reason": reason} if reason else {}))
