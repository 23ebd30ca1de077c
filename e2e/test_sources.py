"""What the documents about launches, placement and idempotency show, typed in as a reader would."""

import json

import pytest

from until import until

# It prints `arn:aws:iam::xxx`, which AWS takes for no role either.
ROLE = "arn:aws:iam::123456789012:role/socket"
# The task definition that an article about Socket.io servers on ECS prints, member by member.
SOCKET_IO = {
    "family": "Socket",
    "containerDefinitions": [{
        "name": "socket-container-service", "image": "xxx.eu-west-2.amazonaws.com/xxx", "cpu": 512,
        "memoryReservation": 512,
        "portMappings": [{"containerPort": 3000, "hostPort": 3000, "protocol": "tcp"}],
        "essential": True,
        "environment": [
            {"name": "REDIS_ENDPOINT", "value": "redis://red-xxx.cache.amazonaws.com:6379"}],
        "mountPoints": [], "volumesFrom": [], "dockerLabels": {},
        "logConfiguration": {"logDriver": "awslogs", "options": {
            "awslogs-group": "production-service-Socket", "awslogs-region": "eu-west-2",
            "awslogs-stream-prefix": "Socket"}},
    }],
    "taskRoleArn": ROLE, "executionRoleArn": ROLE,
    "networkMode": "awsvpc", "requiresCompatibilities": ["EC2"],
}
# The same where the instance chooses the port: `hostPort` left out or 0, as its text says.
EPHEMERAL = {
    **SOCKET_IO, "networkMode": "bridge",
    "containerDefinitions": [{
        **SOCKET_IO["containerDefinitions"][0], "cpu": 128, "memoryReservation": 64,
        "portMappings": [{"containerPort": 3000, "hostPort": 0, "protocol": "tcp"}]}],
}


@pytest.fixture
def file(tmp_path):
    def write(name, value):
        (tmp_path / name).write_text(json.dumps(value))
        return f"file://{tmp_path / name}"
    return write


@pytest.fixture
def aws(region, cluster, name, file):
    """Types a command; gives what it printed, or what it complained of."""
    region.aws(f"aws ecs register-task-definition --cli-input-json "
               f"{file('socket.json', {**EPHEMERAL, 'family': name})}")

    def type_in(words):
        found = region.aws(words.format(cluster=cluster, family=name), check=False)
        return json.loads(found.stdout) if found.returncode == 0 else found.stderr
    return type_in


def test_the_printed_task_definition_registers_and_runs(aws, region, instances, file, name):
    instances()
    made = aws(f"aws ecs register-task-definition --cli-input-json {file('s.json', SOCKET_IO)}")
    assert made["taskDefinition"]["family"] == "Socket"
    printed = SOCKET_IO["containerDefinitions"][0]
    shown = made["taskDefinition"]["containerDefinitions"][0]
    assert {key: it for key, it in shown.items() if key in printed and key != "dockerLabels"} == {
        key: it for key, it in printed.items() if key != "dockerLabels"}
    subnet = region.client("ec2").describe_subnets(
        Filters=[{"Name": "availability-zone", "Values": ["us-east-1a"]}])["Subnets"][0]["SubnetId"]
    ran = aws("aws ecs run-task --cluster {cluster} --task-definition Socket --network-configuration "
              f"'awsvpcConfiguration={{{{subnets=[{subnet}]}}}}'")
    assert len(ran["tasks"]) == 1, ran


def test_several_copies_share_an_instance_by_ephemeral_ports(aws, instances):
    instances()
    made = aws("aws ecs run-task --cluster {cluster} --task-definition {family} --count 3")
    assert len(made["tasks"]) == 3 and not made["failures"]
    assert len({it["containerInstanceArn"] for it in made["tasks"]}) == 1


def test_the_printed_spread_over_zones_spreads(aws, instances, file):
    """`placementStrategy` with `attribute:ecs.availability-zone`, as the page on availability has it."""
    instances("abc")
    strategy = file("spread.json", [{"type": "spread", "field": "attribute:ecs.availability-zone"}])
    made = aws("aws ecs run-task --cluster {cluster} --task-definition {family} --count 9 "
               f"--placement-strategy {strategy}")
    zones = [it["availabilityZone"] for it in made["tasks"]]
    assert sorted(zones.count(it) for it in set(zones)) == [3, 3, 3]


def test_an_unbalanced_cluster_still_spreads_over_zones_first(aws, instances):
    """Zones of two, one and five instances: each zone gets the same share, so one instance gets more."""
    instances("aabccccc")
    made = aws("aws ecs run-task --cluster {cluster} --task-definition {family} --count 9 --placement-strategy "
               "type=spread,field=attribute:ecs.availability-zone type=spread,field=instanceId")
    zones = [it["availabilityZone"] for it in made["tasks"]]
    assert sorted(zones.count(it) for it in set(zones)) == [3, 3, 3]
    of_b = {it["containerInstanceArn"] for it in made["tasks"] if it["availabilityZone"] == "us-east-1b"}
    assert len(of_b) == 1


def test_spread_prefers_a_launch_in_fewer_zones_to_none(aws, instances):
    """Best efforts: where two of three zones have no room, everything goes to the third."""
    small = instances("ab", cpu=64)
    large = instances("c")
    made = aws("aws ecs run-task --cluster {cluster} --task-definition {family} --count 5 --placement-strategy "
               "type=spread,field=attribute:ecs.availability-zone")
    assert {it["containerInstanceArn"] for it in made["tasks"]} == {large.arn}
    assert len(made["tasks"]) == 5 and len(small) == 2


def test_a_client_token_makes_a_launch_idempotent(aws, instances):
    instances()
    command = "aws ecs run-task --cluster {cluster} --task-definition {family} --client-token order-42"
    first, second = aws(command), aws(command)
    assert [it["taskArn"] for it in first["tasks"]] == [it["taskArn"] for it in second["tasks"]]
    assert len(aws("aws ecs list-tasks --cluster {cluster}")["taskArns"]) == 1


def test_a_late_retry_after_the_workload_ended_is_answered_the_same_and_starts_nothing(aws, instances):
    """The second actor stops what the first one made before the first one's retry comes in."""
    instances()
    command = "aws ecs run-task --cluster {cluster} --task-definition {family} --client-token late-1"
    task = aws(command)["tasks"][0]["taskArn"]
    assert aws(f"aws ecs stop-task --cluster {{cluster}} --task {task}")["task"]["desiredStatus"] == "STOPPED"
    until(lambda: aws("aws ecs list-tasks --cluster {cluster} --desired-status STOPPED")["taskArns"], 20)
    again = aws(command)["tasks"]
    assert [it["taskArn"] for it in again] == [task]
    assert aws("aws ecs list-tasks --cluster {cluster}")["taskArns"] == []


def test_the_same_token_with_other_parameters_is_a_mismatch(aws, instances):
    instances()
    command = "aws ecs run-task --cluster {cluster} --task-definition {family} --client-token same"
    task = aws(command)["tasks"][0]["taskArn"]
    complaint = aws(f"{command} --count 2")
    assert "(ConflictException)" in complaint
    assert len(aws("aws ecs list-tasks --cluster {cluster}")["taskArns"]) == 1
    assert task in aws("aws ecs list-tasks --cluster {cluster}")["taskArns"]


def test_the_token_stands_in_the_audit_trail(aws, region, instances):
    """Auditable, as the article on retries asks: which request made this task?"""
    instances()
    task = aws("aws ecs run-task --cluster {cluster} --task-definition {family} --client-token who-1")
    arn = task["tasks"][0]["taskArn"]
    found = region.landfall("audit", "--task", arn, check=False)
    if found.returncode != 0:
        found = region.landfall("audit")
    assert "who-1" in found.stdout


def test_a_draining_instance_takes_no_new_tasks(aws, instances):
    """What happens to an instance whose Spot interruption was announced."""
    one, other = instances("ab")
    aws(f"aws ecs update-container-instances-state --cluster {{cluster}} --status DRAINING "
        f"--container-instances {one.arn}")
    made = aws("aws ecs run-task --cluster {cluster} --task-definition {family} --count 4")
    assert {it["containerInstanceArn"] for it in made["tasks"]} == {other.arn}


@pytest.mark.parametrize("command", [
    "aws lambda update-function-code --function-name myfunction --s3-bucket code --s3-key myfunction.zip",
    "aws lambda publish-version --function-name myfunction",
    "aws lambda update-alias --function-name myfunction --name myalias "
    "--routing-config '{{\"AdditionalVersionWeights\" : {{\"2\" : 0.05}} }}'",
    "aws lambda update-alias --function-name myfunction --name myalias --function-version 2 "
    "--routing-config '{{}}'",
    "aws ec2 run-instances --image-id ami-04fcd96153cb57194 --instance-type t2.micro",
    "aws ec2 terminate-instances --instance-ids i-04fcd96153cb57194",
])
def test_what_other_documents_show_is_refused_by_name_until_it_is_built(aws, command):
    assert "(UnsupportedOperationException)" in aws(command)
