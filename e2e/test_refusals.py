"""Malformed requests at every operation of the ECS model: a clear answer, nothing changed, still there."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from botocore.model import ServiceModel

from until import QUICKLY

MODEL = ServiceModel(
    json.loads((Path(__file__).parent.parent / "models/ecs.json").read_text()), "ecs")
PREFIX = MODEL.metadata["targetPrefix"]
OPERATIONS = sorted(MODEL.operation_names)
# Codes that say "your request is wrong", as clients match on them.
WRONG = {"InvalidParameterException", "ClientException", "SerializationException"}


def wrong_value(shape):
    """A JSON value of another type than the member's."""
    if shape.type_name in ("string", "timestamp"):
        return {"an": "object"}
    return "text" if shape.type_name != "boolean" else {"an": "object"}


def value(shape, depth=0):
    """A value that has the member's type and no other merit."""
    kind = shape.type_name
    if kind == "structure":
        if depth > 3:
            return {}
        return {name: value(shape.members[name], depth + 1) for name in shape.required_members}
    if kind == "list":
        return [] if depth > 3 else [value(shape.member, depth + 1)]
    if kind == "map":
        return {}
    if kind == "string":
        return shape.enum[0] if shape.enum else "nobody"
    return {"boolean": True, "timestamp": 1.5}.get(kind, 1)


def refusal(answer, status=400):
    """Checks the form of an error; gives its code and message."""
    got, headers, body = answer
    assert got == status, (got, body)
    assert headers["x-amzn-RequestId"], dict(headers)
    assert headers["Content-Type"].startswith("application/x-amz-json-1.1")
    said = json.loads(body)
    code = said["__type"].rsplit("#", 1)[-1]
    return code, said.get("message") or said.get("Message") or ""


@pytest.fixture(scope="module")
def world(region):
    """Things that could be changed, and a look at all of them."""
    from instance import Instance
    ecs = region.client()
    ecs.create_cluster(clusterName="unchanged", tags=[{"key": "a", "value": "b"}])
    one = Instance(region, "unchanged")
    for cluster in ("unchanged",):
        ecs.register_task_definition(family="unchanged", containerDefinitions=[
            {"name": "main", "image": "landfall/demo", "memory": 16}])
        ecs.run_task(cluster=cluster, taskDefinition="unchanged", count=2)
        ecs.get_waiter("tasks_running").wait(
            cluster=cluster, tasks=ecs.list_tasks(cluster=cluster)["taskArns"],
            WaiterConfig=QUICKLY)

    def look():
        clusters = sorted(
            arn for page in ecs.get_paginator("list_clusters").paginate() for arn in page["clusterArns"])
        definitions = sorted(
            arn for page in ecs.get_paginator("list_task_definitions").paginate()
            for arn in page["taskDefinitionArns"])
        tasks = sorted(ecs.list_tasks(cluster="unchanged")["taskArns"])
        plain = lambda answer: {key: it for key, it in answer.items() if key != "ResponseMetadata"}
        return (
            definitions, tasks,
            # Of other tests' clusters only the names: their lost instances are given up meanwhile.
            clusters,
            plain(ecs.describe_clusters(clusters=["unchanged"], include=["TAGS", "SETTINGS"])),
            plain(ecs.describe_tasks(cluster="unchanged", tasks=tasks, include=["TAGS"])),
            plain(ecs.describe_container_instances(
                cluster="unchanged", containerInstances=[one.arn], include=["TAGS"])),
            plain(ecs.list_account_settings(maxResults=100)),
            plain(ecs.list_attributes(cluster="unchanged", targetType="container-instance")),
        )

    before = look()
    yield region
    assert look() == before
    one.hang_up()


@pytest.fixture
def ask(world):
    def send(operation, body, **how):
        return world.request(f"{PREFIX}.{operation}", body, **how)
    return send


BROKEN = [b"", b"{", b"not json", b'{"cluster": }', b'{"cluster": "a"', b"[]", b'"text"',
          b"1", b"\xff\xfe", b'{"cluster": "\xff"}', b'{"a": 1}{"b": 2}', b"[" * 5000,
          b'{"a":' * 5000]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_body_that_is_no_json_object_is_refused(ask, operation):
    # An empty body is what some clients send for no parameters; it is not malformed.
    for body in BROKEN[1:]:
        code, message = refusal(ask(operation, body))
        assert code in ("SerializationException", "UnsupportedFeatureException"), (body[:20], code)
        assert message or code == "SerializationException"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_member_of_the_wrong_type_is_refused(ask, operation):
    shape = MODEL.operation_model(operation).input_shape
    for name, member in shape.members.items() if shape else []:
        body = json.dumps({name: wrong_value(member)})
        code, _ = refusal(ask(operation, body))
        assert code in ("SerializationException", "UnsupportedFeatureException"), (name, code)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_missing_required_member_is_refused_by_name_or_by_rule(ask, operation):
    shape = MODEL.operation_model(operation).input_shape
    required = list(shape.required_members) if shape else []
    for absent in required:
        body = {name: value(shape.members[name]) for name in required if name != absent}
        code, message = refusal(ask(operation, json.dumps(body)))
        assert code in WRONG | {
            "UnsupportedFeatureException", "ClusterNotFoundException",
            "ResourceNotFoundException", "TargetNotFoundException"}, (absent, code)
        assert message


@pytest.mark.parametrize("operation", OPERATIONS)
def test_unknown_members_are_ignored(ask, operation):
    """With a cluster that is not there every operation fails in its own words, not for the member."""
    shape = MODEL.operation_model(operation).input_shape
    body = {name: value(shape.members[name]) for name in (shape.required_members if shape else [])}
    if shape and "cluster" in shape.members:
        body["cluster"] = "nobody-s-cluster"
    elif not body and operation.startswith(("Create", "Put", "Register", "Update", "Delete")):
        pytest.skip("would do something")
    if operation in ("CreateCluster", "RegisterTaskDefinition", "CreateCapacityProvider",
                     "PutAccountSetting", "PutAccountSettingDefault"):
        pytest.skip("would do something")
    plain = ask(operation, json.dumps(body))
    more = ask(operation, json.dumps({
        **body, "noSuchMember": {"deep": [1, None, {"er": "x"}]}, "": 1, "Cluster": 5}))
    same = lambda it: (it[0], json.loads(it[2] or b"{}"))
    assert same(more) == same(plain)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_answers_what_it_does_not_know_with_a_client_error(ask, operation):
    """Random words in every text, as many as fit the types: never a 5xx, never silence."""
    shape = MODEL.operation_model(operation).input_shape
    if operation in ("CreateCluster", "RegisterTaskDefinition"):
        pytest.skip("would do something")
    body = {name: value(member) for name, member in (shape.members if shape else {}).items()}
    if "cluster" in body:
        body["cluster"] = "nobody-s-cluster"
    for text in ("../../etc/passwd", "\u0000", "🚀" * 50, "a" * 100_000, "arn:aws:ecs:::", "%00"):
        tried = {name: (text if isinstance(it, str) else it) for name, it in body.items()}
        status, headers, said = ask(operation, json.dumps(tried))
        assert status in (200, 400), (text[:20], status, said[:200])
        assert headers["x-amzn-RequestId"]
        json.loads(said)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_numbers_out_of_range_are_refused_or_harmless(ask, operation):
    shape = MODEL.operation_model(operation).input_shape
    numbers = [name for name, it in (shape.members if shape else {}).items()
               if it.type_name in ("integer", "long", "double", "float")]
    for name in numbers:
        for number in ("-1", "99999999999999999999", "1e400", "1.5", "-0", "NaN", "Infinity"):
            body = {key: value(shape.members[key]) for key in shape.required_members}
            if "cluster" in shape.members:
                body["cluster"] = "nobody-s-cluster"
            text = json.dumps({**body, name: "@"}).replace('"@"', number)
            status, _, said = ask(operation, text)
            assert status in (200, 400), (name, number, said[:200])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_request_without_or_with_a_wrong_signature_is_refused(world, ask, operation):
    code, _ = refusal(ask(operation, "{}", sign=False))
    assert code == "MissingAuthenticationTokenException"
    code, _ = refusal(ask(operation, "{}", secret="wrong"))
    assert code == "InvalidSignatureException"
    code, _ = refusal(ask(operation, "{}", key="AKIANOBODY"))
    assert code == "UnrecognizedClientException"


def test_a_body_of_more_than_four_mebibytes_is_refused(ask, world):
    status, _, _ = ask("DescribeClusters", b'{"x":"' + b"a" * (5 << 20) + b'"}')
    assert status in (400, 413)


@pytest.mark.parametrize("target", [
    "AmazonEC2ContainerServiceV20141113.NoSuchOperation", "AmazonEC2ContainerServiceV20141113.",
    "AmazonEC2ContainerServiceV20141113", "Nobody.RunTask", "", ".", "a" * 8000,
    "AmazonEC2ContainerServiceV20141113.runtask"])
def test_an_unknown_operation_is_said_to_be_unknown(world, target):
    status, headers, body = world.request(target, "{}")
    assert status in (400, 403, 404), body
    assert headers["x-amzn-RequestId"]
    if target:
        assert json.loads(body)["__type"].endswith("UnknownOperationException")


def test_what_is_not_http_ends_the_connection_and_nothing_else(world):
    import socket
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n",
                 b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 500 + b"\r\n"):
        with (socket.create_connection(("127.0.0.1", world.port), timeout=60) as it,
              suppress(ConnectionError)):
            it.sendall(junk)
            it.shutdown(socket.SHUT_WR)
            while it.recv(65536):
                pass
    assert world.ready()


def test_operations_that_are_not_built_say_so(ask):
    built = {}
    for operation in OPERATIONS:
        status, _, body = ask(operation, "{}")
        if status == 400 and json.loads(body)["__type"] == "UnsupportedFeatureException":
            assert operation in json.loads(body)["message"]
        built[operation] = status
    for needed in ("RunTask", "StartTask", "StopTask", "DescribeTasks", "ListTasks",
                   "RegisterTaskDefinition", "RegisterContainerInstance"):
        _, _, body = ask(needed, json.dumps({"cluster": "nobody-s-cluster"}))
        assert "UnsupportedFeatureException" not in body.decode()
