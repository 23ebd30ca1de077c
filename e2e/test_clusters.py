"""Clusters, account settings, tags, attributes and pages of lists."""

import uuid

import pytest
from botocore.exceptions import ClientError

from instance import Instance
from region import Region
from until import QUICKLY


def code(caught):
    return caught.value.response["Error"]["Code"]


def test_a_fresh_region_has_the_cluster_default(ecs):
    found = ecs.describe_clusters()
    assert [it["clusterName"] for it in found["clusters"]] == ["default"]
    assert found["clusters"][0]["status"] == "ACTIVE"
    assert found["failures"] == []


def test_a_cluster_is_created_described_listed_and_deleted(ecs, name):
    made = ecs.create_cluster(
        clusterName=name, tags=[{"key": "team", "value": "blue"}],
        settings=[{"name": "containerInsights", "value": "enabled"}])["cluster"]
    assert made["clusterArn"] == f"arn:aws:ecs:us-east-1:123456789012:cluster/{name}"
    assert made["status"] == "ACTIVE"
    assert made["clusterArn"] in ecs.list_clusters()["clusterArns"]

    found = ecs.describe_clusters(clusters=[name], include=["TAGS", "SETTINGS"])["clusters"][0]
    assert found["tags"] == [{"key": "team", "value": "blue"}]
    assert found["settings"] == [{"name": "containerInsights", "value": "enabled"}]
    assert ecs.describe_clusters(clusters=[made["clusterArn"]])["clusters"][0]["clusterName"] == name

    gone = ecs.delete_cluster(cluster=name)["cluster"]
    assert gone["status"] == "INACTIVE"
    assert made["clusterArn"] not in ecs.list_clusters()["clusterArns"]


def test_creating_a_cluster_again_answers_with_the_one_there_is(ecs, cluster):
    again = ecs.create_cluster(clusterName=cluster)["cluster"]
    assert again["clusterName"] == cluster
    assert again["status"] == "ACTIVE"


def test_an_unknown_cluster_is_missing_in_describe_and_an_error_elsewhere(ecs, name):
    found = ecs.describe_clusters(clusters=[name])
    assert found["clusters"] == []
    assert found["failures"][0]["reason"] == "MISSING"
    for ask in (ecs.list_tasks, ecs.list_container_instances, ecs.delete_cluster):
        with pytest.raises(ecs.exceptions.ClusterNotFoundException) as caught:
            ask(cluster=name)
        assert caught.value.response["Error"]["Message"] == "Cluster not found."
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_cluster_with_instances_or_tasks_is_not_deleted(ecs, cluster, instances, definition):
    one = instances()
    with pytest.raises(ecs.exceptions.ClusterContainsContainerInstancesException):
        ecs.delete_cluster(cluster=cluster)
    task = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    with pytest.raises(ClientError) as caught:
        ecs.delete_cluster(cluster=cluster)
    assert code(caught) in (
        "ClusterContainsContainerInstancesException", "ClusterContainsTasksException")
    ecs.stop_task(cluster=cluster, task=task)
    ecs.get_waiter("tasks_stopped").wait(
        cluster=cluster, tasks=[task], WaiterConfig=QUICKLY)
    ecs.deregister_container_instance(cluster=cluster, containerInstance=one.arn)
    assert ecs.delete_cluster(cluster=cluster)["cluster"]["status"] == "INACTIVE"


def test_cluster_settings_are_updated(ecs, cluster):
    ecs.update_cluster_settings(
        cluster=cluster, settings=[{"name": "containerInsights", "value": "enhanced"}])
    found = ecs.describe_clusters(clusters=[cluster], include=["SETTINGS"])["clusters"][0]
    assert {"name": "containerInsights", "value": "enhanced"} in found["settings"]


def test_clusters_are_listed_page_by_page_without_repetition(ecs, name):
    made = {ecs.create_cluster(clusterName=f"{name}-{it}")["cluster"]["clusterArn"] for it in range(7)}
    pages = list(ecs.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 3}))
    listed = [arn for page in pages for arn in page["clusterArns"]]
    assert len(listed) == len(set(listed))
    assert made <= set(listed)
    assert all(len(page["clusterArns"]) <= 3 for page in pages)
    for arn in made:
        ecs.delete_cluster(cluster=arn)


def test_a_page_token_stays_good_while_things_come_and_go(ecs, name):
    made = sorted(ecs.create_cluster(clusterName=f"{name}-{it}")["cluster"]["clusterArn"]
                  for it in range(6))
    first = ecs.list_clusters(maxResults=3)
    for arn in first["clusterArns"]:
        if arn in made:
            ecs.delete_cluster(cluster=arn)
    ecs.create_cluster(clusterName=f"{name}-0-later")
    rest, token = [], first["nextToken"]
    while token:
        page = ecs.list_clusters(maxResults=3, nextToken=token)
        rest += page["clusterArns"]
        token = page.get("nextToken")
    seen = first["clusterArns"] + rest
    assert set(made) <= set(seen)
    assert len(seen) == len(set(seen))
    for arn in rest:
        if name in arn:
            ecs.delete_cluster(cluster=arn)


def test_a_made_up_page_token_is_refused(ecs):
    with pytest.raises(ClientError) as caught:
        ecs.list_clusters(nextToken="not-a-token")
    assert code(caught) == "InvalidParameterException"


def test_tags_are_put_listed_and_taken_away(ecs, cluster, instances, definition):
    instance = instances()
    task_definition = ecs.describe_task_definition(taskDefinition=definition())[
        "taskDefinition"]["taskDefinitionArn"]
    task = ecs.run_task(cluster=cluster, taskDefinition=task_definition)["tasks"][0]["taskArn"]
    arn = ecs.describe_clusters(clusters=[cluster])["clusters"][0]["clusterArn"]
    for resource in (arn, instance.arn, task_definition, task):
        ecs.tag_resource(resourceArn=resource, tags=[
            {"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
        ecs.tag_resource(resourceArn=resource, tags=[{"key": "a", "value": "3"}])
        found = ecs.list_tags_for_resource(resourceArn=resource)["tags"]
        assert {it["key"]: it["value"] for it in found} == {"a": "3", "b": "2"}
        ecs.untag_resource(resourceArn=resource, tagKeys=["a", "absent"])
        assert ecs.list_tags_for_resource(resourceArn=resource)["tags"] == [
            {"key": "b", "value": "2"}]
    for tags in ([{"key": "aws:x", "value": "1"}], [{"key": "k" * 129, "value": "1"}],
                 [{"key": str(it), "value": "1"} for it in range(51)]):
        with pytest.raises(ClientError) as caught:
            ecs.tag_resource(resourceArn=arn, tags=tags)
        assert code(caught) == "InvalidParameterException", tags[:1]
    with pytest.raises(ClientError):
        ecs.list_tags_for_resource(
            resourceArn=f"arn:aws:ecs:us-east-1:123456789012:cluster/{uuid.uuid4()}")


def test_tasks_take_the_tags_they_are_told_to(ecs, cluster, instances, definition):
    instances()
    task = ecs.run_task(
        cluster=cluster, propagateTags="TASK_DEFINITION", tags=[{"key": "own", "value": "1"}],
        taskDefinition=definition(tags=[{"key": "inherited", "value": "2"}]),
        enableECSManagedTags=True)["tasks"][0]
    found = ecs.describe_tasks(
        cluster=cluster, tasks=[task["taskArn"]], include=["TAGS"])["tasks"][0]["tags"]
    tags = {it["key"]: it["value"] for it in found}
    assert tags["own"] == "1"
    assert tags["inherited"] == "2"
    assert tags["aws:ecs:clusterName"] == cluster


def test_account_settings_are_put_listed_and_deleted(ecs):
    put = ecs.put_account_setting(name="containerInsights", value="enabled")["setting"]
    assert (put["name"], put["value"]) == ("containerInsights", "enabled")
    assert put["principalArn"].startswith("arn:aws:iam::123456789012:")
    found = ecs.list_account_settings(name="containerInsights")["settings"]
    assert [it["value"] for it in found] == ["enabled"]
    ecs.delete_account_setting(name="containerInsights")
    pages = ecs.get_paginator("list_account_settings").paginate(effectiveSettings=True)
    effective = {it["name"]: it["value"] for page in pages for it in page["settings"]}
    assert effective["taskLongArnFormat"] == "enabled"
    ecs.put_account_setting_default(name="containerInsights", value="disabled")
    with pytest.raises(ClientError) as caught:
        ecs.put_account_setting(name="noSuchSetting", value="x")
    assert code(caught) == "InvalidParameterException"


def test_attributes_are_put_listed_overwritten_and_deleted(ecs, cluster, instances):
    one, two = instances("ab")
    for value in ("old", "new"):
        ecs.put_attributes(cluster=cluster, attributes=[
            {"name": "stack", "value": value, "targetType": "container-instance",
             "targetId": one.arn}])
    ecs.put_attributes(cluster=cluster, attributes=[{"name": "flag", "targetId": two.arn}])
    found = ecs.list_attributes(
        cluster=cluster, targetType="container-instance", attributeName="stack")["attributes"]
    assert [(it["value"], it["targetId"]) for it in found] == [("new", one.arn)]
    assert {"name": "stack", "value": "new"} in [
        {key: it[key] for key in ("name", "value") if key in it}
        for it in one.describe()["attributes"]]
    ecs.delete_attributes(cluster=cluster, attributes=[
        {"name": "stack", "targetType": "container-instance", "targetId": one.arn}])
    assert ecs.list_attributes(cluster=cluster, targetType="container-instance",
                               attributeName="stack")["attributes"] == []


def test_more_than_ten_attributes_of_ones_own_are_too_many(ecs, cluster, instances):
    one = instances()
    put = lambda numbers: ecs.put_attributes(cluster=cluster, attributes=[
        {"name": f"a{it}", "targetId": one.arn} for it in numbers])
    put(range(10))
    with pytest.raises(ecs.exceptions.AttributeLimitExceededException):
        put([10])


def test_attributes_of_an_unknown_instance_have_no_target(ecs, cluster):
    with pytest.raises(ecs.exceptions.TargetNotFoundException):
        ecs.put_attributes(cluster=cluster, attributes=[
            {"name": "a", "targetType": "container-instance", "targetId": "0" * 32}])


def test_every_region_name_that_a_client_signs_with_is_served(region):
    for other in ("eu-west-1", "ap-southeast-2"):
        assert region.client(region_name=other).list_clusters()["clusterArns"]


def test_a_region_that_serves_one_name_only_refuses_others():
    it = Region("--region", "eu-central-1", "--only-region", "--account", "210987654321")
    try:
        it.start()
        found = it.client(region_name="eu-central-1").describe_clusters()["clusters"][0]
        assert found["clusterArn"] == "arn:aws:ecs:eu-central-1:210987654321:cluster/default"
        with pytest.raises(ClientError) as caught:
            it.client(region_name="us-east-1").list_clusters()
        assert code(caught) == "InvalidSignatureException"
    finally:
        it.down()


def test_the_caller_and_the_region_s_network_are_described(region):
    who = region.client("sts").get_caller_identity()
    assert who["Account"] == "123456789012"
    ec2 = region.client("ec2")
    zones = [it["ZoneName"] for it in ec2.describe_availability_zones()["AvailabilityZones"]]
    assert zones == ["us-east-1a", "us-east-1b", "us-east-1c"]
    vpc = ec2.describe_vpcs()["Vpcs"][0]
    assert vpc["IsDefault"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert sorted(it["AvailabilityZone"] for it in subnets) == zones
    groups = ec2.describe_security_groups()["SecurityGroups"]
    assert [it["GroupName"] for it in groups] == ["default"]
    assert "us-east-1" in [it["RegionName"] for it in ec2.describe_regions()["Regions"]]
