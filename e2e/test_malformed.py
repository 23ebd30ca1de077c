"""Requests that break the models, generated from them: refused clearly, nothing changed, still there."""

import http.client
import json
import random
import re
from pathlib import Path

import pytest
from botocore.model import ServiceModel

from instance import Instance
from region import Region
from until import BUSY, until

MODELS = Path(__file__).parent.parent / "models"
# One run takes so many of all the wrong requests; which ones is the same every time.
SAMPLE, SEED = 80, 20260101
FOREIGN = ["arn:aws:ecs:us-east-1:999999999999:cluster/default", "arn:aws:ecs:::", ":::::::", "arn:",
           "arn:aws:ecs:us-east-1:123456789012:task/default/", "a/b/c/d"]
TEXTS = ["", "a" * 300, "a" * 70_000, "\u0000", "🚀" * 40, "ünïcode", " ", "a\nb", "%00", "\u202e", "x:-1",
         "x:99999999999999999999", *FOREIGN]
NUMBERS = ["99999999999999999999999", "1e400", "NaN", "Infinity", "1.5", "-1", "2147483648", "0x10",
           "1" * 400, '"5"']
WRONG = {
    "string": ["5", "true", '{"a":1}', '["x"]', '"\\ud800"', '"\\x"', '"\xff"'],
    "integer": ['"x"', "{}", "[1]", "true"], "long": ['"x"', "{}", "[1]", "true"],
    "double": ['"x"', "{}"], "float": ['"x"', "{}"], "boolean": ['"true"', "1", "{}"],
    "structure": ['"x"', "5", "[]"], "list": ['"x"', "5", "{}"], "map": ['"x"', "5", "[]"],
    "timestamp": ["{}", "[]", '"yesterday"'], "blob": ["5", "{}"],
}


def model(service):
    return ServiceModel(json.loads((MODELS / f"{service}.json").read_text()), service)


def least(shape):
    """The least that has all required members."""
    kind = shape.type_name
    if kind == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [least(shape.member)]
    if kind == "string":
        return shape.enum[0] if shape.enum else "nobody"
    return {"boolean": True, "timestamp": 1.5, "map": {}}.get(kind, 5)


def most(shape, depth=0):
    """Every member, down to some depth."""
    kind = shape.type_name
    if kind == "structure":
        return {name: most(it, depth + 1) for name, it in shape.members.items()} if depth < 6 else {}
    if kind == "list":
        return [most(shape.member, depth + 1)] if depth < 6 else []
    if kind == "map":
        return {"key": most(shape.value, depth + 1)}
    return least(shape)


def wrong(shape):
    """What a value of this shape must not be, as JSON, each with whether the model alone says so."""
    kind, limits = shape.type_name, shape.metadata
    yield from ((it, True) for it in WRONG[kind])
    if kind in ("integer", "long"):
        yield from ((it, it not in ("-1", "2147483648")) for it in NUMBERS)
        yield from ((str(int(limits[end]) + step), True)
                    for end, step in (("min", -1), ("max", 1)) if end in limits)
    if kind == "string":
        yield from ((json.dumps(it), False) for it in TEXTS)
        if "max" in limits:
            yield json.dumps("a" * (int(limits["max"]) + 1)), True
        if limits.get("min"):
            yield json.dumps("a" * (int(limits["min"]) - 1)), True
    if kind == "list":
        yield "[null]", True
        if "max" in limits:
            yield json.dumps([least(shape.member)] * (int(limits["max"]) + 1)), True


def places(shape, value, path=()):
    if path:
        yield path, shape
    if shape.type_name == "structure" and isinstance(value, dict):
        for name in value:
            yield from places(shape.members[name], value[name], (*path, name))
    elif shape.type_name == "list" and value:
        yield from places(shape.member, value[0], (*path, 0))
    elif shape.type_name == "map" and value:
        yield from places(shape.value, value["key"], (*path, "key"))


def replaced(value, path, mark):
    value = json.loads(json.dumps(value))
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = mark
    return value


def requests(shape, dice):
    """Bodies with one thing wrong each."""
    bodies = [b"{", b"[]", b'"x"', b"1", b"\xff\xfe", b'{"a":' * 5000, b"[" * 5000, b'{"a":1}{"b":2}']
    found = [(it, True) for it in bodies]
    for base in (least(shape), most(shape)):
        for path, there in places(shape, base):
            for text, always in wrong(there):
                body = json.dumps(replaced(base, path, "@@")).replace('"@@"', text)
                found.append((body.encode("latin1" if "\xff" in text else "utf-8"), always))
    return found if len(found) <= SAMPLE else dice.sample(found, SAMPLE)


@pytest.fixture(scope="module")
def world():
    """A region of its own: what is in it must be the same afterwards, row by row."""
    region = Region("--auth", "off").start()
    one = Instance(region, "default")
    ecs = region.client()
    ecs.register_task_definition(
        family="unchanged", containerDefinitions=[{"name": "main", "image": "landfall/demo", "memory": 16}])
    tasks = [it["taskArn"] for it in ecs.run_task(taskDefinition="unchanged", count=2)["tasks"]]
    # What the instance tells of them must not come between two looks.
    until(lambda: {it["lastStatus"] for it in ecs.describe_tasks(tasks=tasks)["tasks"]} == {"RUNNING"},
          30, what="both tasks run")
    region.connection = http.client.HTTPConnection("127.0.0.1", region.port, timeout=30 * BUSY)
    yield region
    assert region.process.poll() is None
    assert "panicked" not in Path(region.log.name).read_text(errors="replace")
    region.connection.close()
    one.hang_up()
    region.down()


def rows(region):
    """Everything that the journal holds but the audit trail, row by row, as it is now."""
    # A connection that waits meanwhile may be closed for it; the next request opens another.
    region.connection.close()
    held = {}
    for line in region.landfall("journal", "dump", "--json").stdout.splitlines():
        record = json.loads(line)
        for change in record.get("changes", [record]):
            place = (change.get("table"), change.get("key"))
            if change["what"] == "put" and place[0] != "Audit":
                # The trail's own counter.
                held[place] = re.sub(r"audited: \d+", "", change["record"])
            else:
                held.pop(place, None)
    assert any(table == "Task" for table, _ in held), "a dump shows what is there"
    return held


def send(region, prefix, operation, body):
    region.connection.request("POST", "/", body, {
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{prefix}.{operation}"})
    answer = region.connection.getresponse()
    return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize("service", ["acm", "ecs", "logs", "landfall"])
def test_what_breaks_the_model_is_refused_and_changes_nothing(world, service):
    dice, described = random.Random(SEED), model(service)
    for operation in sorted(described.operation_names):
        shape = described.operation_model(operation).input_shape
        if shape is None:
            continue
        known = {it.name for it in described.operation_model(operation).error_shapes} | {
            "SerializationException", "UnsupportedFeatureException", "UnsupportedOperationException",
            "InvalidParameterException", "ClusterNotFoundException", "ValidationException"}
        before, accepted = rows(world), False
        for body, always in requests(shape, dice):
            status, headers, said = send(world, described.metadata["targetPrefix"], operation, body)
            about = (operation, body[:300], said[:300])
            assert status in (200, 400), about
            assert headers["x-amzn-RequestId"], about
            if status == 200:
                assert not always, about
                accepted = True
                continue
            refusal = json.loads(said)
            assert refusal["__type"] in known, about
            assert refusal.get("message") or refusal.get("Message"), about
        if not accepted:
            assert rows(world) == before, operation


def test_no_override_makes_a_task_that_takes_less_than_nothing(world):
    for wrong_size in ({"cpu": -1}, {"memory": -2147483648}, {"memory": 0}, {"memoryReservation": -5},
                       {"environment": [{"name": "", "value": "x"}]}):
        before = rows(world)
        status, _, said = send(world, "AmazonEC2ContainerServiceV20141113", "RunTask", json.dumps({
            "taskDefinition": "unchanged",
            "overrides": {"containerOverrides": [{"name": "main", **wrong_size}]}}))
        assert (status, json.loads(said)["__type"]) == (400, "ClientException"), (wrong_size, said)
        assert rows(world) == before


def test_a_body_that_is_too_large_is_refused_in_the_words_of_its_protocol(world):
    status, headers, said = world.request(
        "AmazonEC2ContainerServiceV20141113.DescribeClusters", b'{"x":"' + b"a" * (5 << 20) + b'"}')
    assert status == 413
    assert headers["x-amzn-RequestId"]
    assert json.loads(said)["__type"] == "RequestEntityTooLargeException"
    query = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, said = world.send(query, b"Action=DescribeVpcs&Version=2016-11-15&x=" + b"a" * (5 << 20))
    assert status == 413
    assert b"<Code>RequestEntityTooLargeException</Code>" in said


def test_unbuilt_operations_are_refused_by_name_in_every_protocol(world):
    """One operation that nothing answers of a service of each protocol that has one, asked as botocore asks."""
    from botocore.exceptions import ClientError
    for service, operation, ask, protocol in (
        ("secretsmanager", "list_secrets", {}, "json 1.1"),
        ("iam", "list_users", {}, "query"),
        ("ec2", "run_instances", {"MinCount": 1, "MaxCount": 1, "ImageId": "ami-1"}, "ec2"),
        ("lambda", "list_functions", {}, "rest-json"),
        ("cloudwatch", "describe_alarm_history", {}, "cbor or query"),
        ("sqs", "list_queues", {}, "json 1.0"),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(world.client(service), operation)(**ask)
        error = caught.value.response
        name = caught.value.operation_name
        assert error["Error"]["Code"] == "UnsupportedOperationException", (protocol, error)
        assert name in error["Error"]["Message"], (protocol, error)
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400, (protocol, error)


@pytest.mark.parametrize("ask", [
    "Action=DescribeVpcs&Version=2016-11-15&MaxResults=x",
    "Action=DescribeVpcs&Version=2016-11-15&MaxResults=1",
    "Action=DescribeVpcs&Version=2016-11-15&MaxResults=99999999999999999999",
    "Action=DescribeVpcs&Version=2016-11-15&DryRun=perhaps",
    "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-nobody",
    "Action=DescribeSubnets&Version=2016-11-15&SubnetId.1=%00",
    "Action=DescribeSubnets&Version=2016-11-15&Filter.1.Name=no-such-filter&Filter.1.Value.1=x",
    "Action=DescribeSecurityGroups&Version=2016-11-15&GroupId.1=sg-nobody",
    "Action=DescribeVpcs&Version=2016-11-15&NextToken=made-up",
    "Action=NoSuchAction&Version=2016-11-15", "Action=DescribeVpcs&Version=1999-01-01", "Version=2016-11-15",
    "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=%ff", "Action=GetCallerIdentity&Version=1999-01-01",
    "&".join(["Action=DescribeVpcs&Version=2016-11-15"] + [f"VpcId.{it}=x" for it in range(20_000)]),
])
def test_a_malformed_query_gets_an_error_in_xml(world, ask):
    import xml.etree.ElementTree as xml
    status, headers, said = world.send({"Content-Type": "application/x-www-form-urlencoded"}, ask.encode())
    assert status == 400, said
    assert headers["x-amzn-RequestId"]
    tree = xml.fromstring(said)
    error = next(it for it in tree.iter() if it.tag.endswith("Error"))
    words = {it.tag.rsplit("}", 1)[-1]: it.text for it in error}
    assert words["Code"] and words["Message"], said
