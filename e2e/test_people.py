"""What people ask of a region, through the commands: what a failure would take, and failures that are made."""

import json

from until import until


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
