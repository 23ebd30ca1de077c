"""Where tasks land, and why they do not (handbook 4)."""

from collections import Counter

import pytest
from botocore.exceptions import ClientError

from until import QUICKLY


def places(answer):
    return Counter(it["containerInstanceArn"] for it in answer["tasks"])


def zones(answer):
    return Counter(it["availabilityZone"] for it in answer["tasks"])


def spread(field):
    return {"type": "spread", "field": field}


def member_of(expression):
    return {"type": "memberOf", "expression": expression}


@pytest.fixture
def launch(ecs, cluster):
    def ask(task_definition, count=1, **settings):
        return ecs.run_task(
            cluster=cluster, taskDefinition=task_definition, count=count, **settings)
    return ask


def test_one_burst_spreads_over_zones_and_then_over_instances(launch, instances, definition):
    made = instances("aabbcc")
    answer = launch(definition(), 9, placementStrategy=[
        spread("attribute:ecs.availability-zone"), spread("instanceId")])
    assert sorted(zones(answer).values()) == [3, 3, 3]
    assert sorted(places(answer).values()) == [1, 1, 1, 2, 2, 2]
    assert set(places(answer)) == {it.arn for it in made}


def test_a_burst_without_a_strategy_still_spreads(launch, instances, definition):
    instances("abc")
    assert sorted(zones(launch(definition(), 9)).values()) == [3, 3, 3]


def test_spread_counts_the_tasks_of_its_group_alone(launch, instances, definition):
    instances("ab")
    strategy = [spread("instanceId")]
    crowd = launch(definition(), 3, group="crowd", placementStrategy=strategy)
    assert sorted(places(crowd).values()) == [1, 2]
    others = launch(definition(), 4, group="others", placementStrategy=strategy)
    assert sorted(places(others).values()) == [2, 2]


def test_spread_goes_over_any_attribute(launch, instances, definition):
    racks = {instances(attributes=[("rack", it)]).arn: it for it in ("r1", "r1", "r2")}
    answer = launch(definition(), 8, placementStrategy=[spread("attribute:rack")])
    assert Counter(racks[it["containerInstanceArn"]] for it in answer["tasks"]) == {"r1": 4, "r2": 4}


def test_spread_is_best_effort_when_one_zone_is_full(launch, instances, definition):
    small, large = instances("a", cpu=64), instances("b", cpu=4096)
    answer = launch(definition(cpu=64), 6, placementStrategy=[
        spread("attribute:ecs.availability-zone")])
    assert places(answer) == {small.arn: 1, large.arn: 5}
    assert answer["failures"] == []


@pytest.mark.parametrize("field", ["cpu", "memory"])
def test_binpack_fills_the_fullest_instance_first(launch, instances, definition, field):
    made = [instances(cpu=cpu, memory=cpu) for cpu in (1024, 256, 512)]
    answer = launch(definition(cpu=64, memory=64), 6, placementStrategy=[
        {"type": "binpack", "field": field}])
    assert places(answer) == {made[1].arn: 4, made[2].arn: 2}


def test_zones_first_and_packed_inside_each(launch, instances, definition):
    instances("aabb", cpu=1024)
    answer = launch(definition(), 6, placementStrategy=[
        spread("attribute:ecs.availability-zone"), {"type": "binpack", "field": "memory"}])
    assert sorted(places(answer).values()) == [3, 3]
    assert sorted(zones(answer).values()) == [3, 3]


def test_random_uses_every_instance_in_the_end(launch, instances, definition):
    made = instances("abc")
    task_definition = definition(cpu=1)
    seen = Counter()
    for _ in range(6):
        seen += places(launch(task_definition, 10, placementStrategy=[{"type": "random"}]))
    assert set(seen) == {it.arn for it in made}


def test_distinct_instance_takes_each_instance_once(launch, instances, definition):
    made = instances("ab")
    answer = launch(definition(), 3, placementConstraints=[{"type": "distinctInstance"}])
    assert places(answer) == {it.arn: 1 for it in made}
    assert len(answer["failures"]) == 2
    again = launch(definition(), 2, placementConstraints=[{"type": "distinctInstance"}])
    assert places(again) == {it.arn: 1 for it in made}


QUERIES = [
    ("attribute:stack == prod", "0"),
    ("attribute:stack equals prod", "0"),
    ("attribute:stack != prod", "1"),
    ("attribute:stack not_equals prod", "1"),
    ("attribute:stack exists", "01"),
    ("attribute:stack !exists", "2"),
    ("attribute:stack not_exists", "2"),
    ("attribute:stack in [prod, test]", "01"),
    ("attribute:stack not_in [prod]", "1"),
    ("attribute:stack !in [prod]", "1"),
    ("attribute:stack =~ pr.*", "0"),
    ("attribute:stack =~ pr", ""),
    ("attribute:stack !~ pr.*", "1"),
    ("attribute:ecs.availability-zone == us-east-1b", "1"),
    ("not(attribute:ecs.availability-zone == us-east-1b)", "02"),
    ("!(attribute:stack == prod) && attribute:ecs.availability-zone == us-east-1c", "2"),
    ("attribute:stack == prod || attribute:stack == test && attribute:stack == none", "0"),
    ("(attribute:stack == prod or attribute:stack == test) and attribute:stack == test", "1"),
    ("attribute:ecs.instance-type =~ test.*", "012"),
    ("attribute:ecs.instance-type == \"test.large\"", "012"),
    ("agentConnected == true", "012"),
    ("agentVersion >= 1.105.0", "012"),
    ("agentVersion < 1.9", ""),
    ("registeredAt > 2018-06-18", "012"),
    ("registeredAt < 2018-06-18T22:28:28+00:00", ""),
    ("runningTasksCount == 0", "012"),
    ("task:group == service:production", ""),
    ("not(task:group == database)", "012"),
]


@pytest.fixture(scope="module")
def asked(region):
    """A cluster of three instances to ask queries of."""
    from instance import Instance
    ecs = region.client()
    ecs.create_cluster(clusterName="queries")
    made = [Instance(region, "queries", zone="a", attributes=[("stack", "prod")]),
            Instance(region, "queries", zone="b", attributes=[("stack", "test")]),
            Instance(region, "queries", zone="c")]
    ecs.register_task_definition(family="queries", containerDefinitions=[
        {"name": "main", "image": "landfall/demo", "memory": 16}])
    yield made
    for it in made:
        it.hang_up()


@pytest.mark.parametrize("query, expected", QUERIES)
def test_the_query_language_means_what_its_pages_say(ecs, asked, query, expected):
    found = ecs.list_container_instances(cluster="queries", filter=query)["containerInstanceArns"]
    assert sorted(found) == sorted(asked[int(it)].arn for it in expected)


def test_member_of_binds_and_its_refusal_says_which_constraint(ecs, asked):
    ask = lambda query: ecs.run_task(
        cluster="queries", taskDefinition="queries", placementConstraints=[member_of(query)])
    task = ask("attribute:stack == test")["tasks"][0]
    assert task["containerInstanceArn"] == asked[1].arn
    refused = ask("attribute:stack == nobody")
    assert refused["tasks"] == []
    assert {it["arn"] for it in refused["failures"]} == {it.arn for it in asked}
    assert all(it["reason"] for it in refused["failures"])
    assert any("attribute:stack == nobody" in it["detail"] for it in refused["failures"])
    ecs.stop_task(cluster="queries", task=task["taskArn"])


def test_constraints_of_the_task_definition_bind_too(launch, instances, definition):
    instances("a")
    there = instances("b", attributes=[("stack", "prod")])
    answer = launch(definition(placementConstraints=[member_of("attribute:stack == prod")]), 3)
    assert places(answer) == {there.arn: 3}


@pytest.mark.parametrize("query", [
    "attribute:stack", "attribute:stack ==", "== prod", "nonsense == 1", "attribute:stack == a b",
    "(attribute:stack == a", "attribute:stack =~ (?=a)b", "attribute:stack in prod",
    "agentConnected == perhaps", "runningTasksCount == many", "x" * 2001,
])
def test_a_query_that_does_not_parse_is_refused(ecs, cluster, query):
    with pytest.raises(ClientError) as caught:
        ecs.list_container_instances(cluster=cluster, filter=query)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


@pytest.mark.parametrize("task, reason", [
    (dict(cpu=300), "RESOURCE:CPU"),
    (dict(memory=600), "RESOURCE:MEMORY"),
    (dict(container={"resourceRequirements": [{"type": "GPU", "value": "1"}]}), "RESOURCE:GPU"),
    (dict(container={"portMappings": [{"containerPort": 80, "hostPort": 22}]}), "RESOURCE:PORTS"),
])
def test_a_refusal_names_the_reason_of_each_instance(launch, instances, definition, task, reason):
    made = instances("ab", cpu=256, memory=512)
    answer = launch(definition(**task))
    assert answer["tasks"] == []
    assert {it["arn"] for it in answer["failures"]} == {it.arn for it in made}
    assert {it["reason"] for it in answer["failures"]} == {reason}
    assert all(it["detail"] for it in answer["failures"])


def test_the_instances_of_a_refusal_come_closest_first_and_at_most_ten(
        launch, instances, definition):
    made = [instances(cpu=100 + 10 * it) for it in range(12)]
    failures = launch(definition(cpu=1000))["failures"]
    assert [it["arn"] for it in failures] == [it.arn for it in reversed(made[2:])]


def test_a_static_port_is_held_until_its_task_stopped(ecs, cluster, launch, instances, definition):
    made = instances("ab")
    task_definition = definition(ports=[8080])
    both = launch(task_definition, 3)
    assert places(both) == {it.arn: 1 for it in made}
    assert {it["reason"] for it in both["failures"]} == {"RESOURCE:PORTS"}
    ecs.stop_task(cluster=cluster, task=both["tasks"][0]["taskArn"])
    ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=[both["tasks"][0]["taskArn"]],
                                         WaiterConfig=QUICKLY)
    assert launch(task_definition)["tasks"][0]["containerInstanceArn"] == (
        both["tasks"][0]["containerInstanceArn"])


def test_dynamic_ports_let_many_copies_share_an_instance(launch, instances, definition):
    instances("a")
    answer = launch(definition(container={"portMappings": [{"containerPort": 80}]}), 5)
    assert len(answer["tasks"]) == 5


def test_a_gpu_is_given_to_one_task(launch, instances, definition):
    instances("a", gpus=["gpu-0"])
    task_definition = definition(
        container={"resourceRequirements": [{"type": "GPU", "value": "1"}]})
    answer = launch(task_definition, 2)
    assert len(answer["tasks"]) == 1
    assert answer["tasks"][0]["containers"][0]["gpuIds"] == ["gpu-0"]
    assert [it["reason"] for it in answer["failures"]] == ["RESOURCE:GPU"]


def test_required_attributes_are_missed_by_name(launch, region, cluster, instances, definition):
    instances("a")
    answer = launch(definition(container={"logConfiguration": {
        "logDriver": "fluentd", "options": {}}}))
    assert [it["reason"] for it in answer["failures"]] == ["ATTRIBUTE"]
    assert "fluentd" in answer["failures"][0]["detail"]


def test_resources_are_never_promised_twice(ecs, cluster, launch, instances, definition):
    one = instances(cpu=1000, memory=1000)
    task_definition = definition(cpu=300, memory=100)
    answers = [launch(task_definition, 2) for _ in range(3)]
    assert sum(len(it["tasks"]) for it in answers) == 3
    left = {it["name"]: it.get("integerValue") for it in one.describe()["remainingResources"]}
    assert (left["CPU"], left["MEMORY"]) == (100, 700)
