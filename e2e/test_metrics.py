"""CloudWatch metrics: put, listed and asked for, over every protocol of the model."""

import datetime
import gzip
import json
import urllib.request
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from conftest import runs_containers
from region import Region, free_port
from until import until

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def cloudwatch(region):
    return region.client("cloudwatch")


def now():
    """The beginning of this minute."""
    return datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)


def pair(name, value):
    return {"Name": name, "Value": value}


def statistics(client, namespace, metric, dimensions=(), period=60, **more):
    return client.get_metric_statistics(
        Namespace=namespace, MetricName=metric, Dimensions=list(dimensions), Period=period,
        StartTime=now() - HOUR, EndTime=now() + HOUR,
        Statistics=["Sum", "SampleCount", "Average", "Minimum", "Maximum"], **more)["Datapoints"]


def refused(call, **ask):
    with pytest.raises(ClientError) as error:
        call(**ask)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_what_was_put_is_told(cloudwatch, name):
    at = now() - datetime.timedelta(minutes=3)
    cloudwatch.put_metric_data(Namespace=name, MetricData=[
        {"MetricName": "orders", "Value": 3, "Unit": "Count", "Timestamp": at},
        {"MetricName": "orders", "Values": [1, 5], "Counts": [2, 1], "Unit": "Count", "Timestamp": at},
        {"MetricName": "orders", "Unit": "Count", "Timestamp": at + datetime.timedelta(minutes=1),
         "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 0.5, "Maximum": 6}},
    ])
    found = sorted(statistics(cloudwatch, name, "orders"), key=lambda it: it["Timestamp"])
    values = [(it["Timestamp"], it["SampleCount"], it["Sum"], it["Minimum"], it["Maximum"],
               it["Average"], it["Unit"]) for it in found]
    assert values == [
        (at, 4, 10, 1, 5, 2.5, "Count"),
        (at + datetime.timedelta(minutes=1), 4, 10, 0.5, 6, 2.5, "Count"),
    ]
    assert statistics(cloudwatch, name, "returns") == []
    assert statistics(cloudwatch, name, "orders", Unit="Bytes") == []


def test_metrics_are_listed_by_their_dimensions_in_pages(cloudwatch, name):
    cloudwatch.put_metric_data(Namespace=name, MetricData=[
        {"MetricName": "m", "Value": 1, "Dimensions": [pair("n", f"{it:03}"), pair("x", str(it % 2))]}
        for it in range(600)])
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace=name)
    found = [it for page in pages for it in page["Metrics"]]
    assert [it["Dimensions"][0]["Value"] for it in found] == [f"{it:03}" for it in range(600)]
    odd = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=name, MetricName="m", Dimensions=[pair("x", "1")], RecentlyActive="PT3H")
    assert sum(len(page["Metrics"]) for page in odd) == 300
    assert cloudwatch.list_metrics(Namespace=name, Dimensions=[{"Name": "y"}])["Metrics"] == []


def test_many_metrics_come_in_one_answer(cloudwatch, name):
    at = now()
    for number in range(3):
        cloudwatch.put_metric_data(Namespace=name, MetricData=[
            {"MetricName": "m", "Value": number, "StorageResolution": 1,
             "Timestamp": at - datetime.timedelta(minutes=number)}])

    def query(id, stat, **more):
        return {"Id": id, "MetricStat": {
            "Metric": {"Namespace": name, "MetricName": "m"}, "Period": 60, "Stat": stat}, **more}

    ask = {"StartTime": now() - HOUR, "EndTime": now() + HOUR}
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[query("a", "Sum"), query("b", "SampleCount", Label="how many")], **ask)
    first, second = answer["MetricDataResults"]
    assert (first["Values"], first["StatusCode"], first["Label"]) == ([0, 1, 2], "Complete", "m")
    assert (second["Values"], second["Label"]) == ([1, 1, 1], "how many")
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query("a", "Sum")], ScanBy="TimestampAscending",
        PaginationConfig={"PageSize": 2}, **ask)
    assert [it for page in pages for it in page["MetricDataResults"][0]["Values"]] == [2, 1, 0]
    code, message = refused(cloudwatch.get_metric_data, MetricDataQueries=[
        query("a", "Sum"), {"Id": "e", "Expression": "a * 2"}], **ask)
    assert code == "ValidationError" and "Expression" in message, message


def test_mistakes_are_refused_with_awss_codes(cloudwatch, name):
    put = cloudwatch.put_metric_data
    assert refused(put, Namespace="AWS/ECS", MetricData=[{"MetricName": "m", "Value": 1}]) == (
        "InvalidParameterValue", "The value AWS/ECS for parameter Namespace is invalid.")
    assert refused(put, Namespace=name, MetricData=[{"MetricName": "m"}])[0] == (
        "InvalidParameterCombination")
    assert refused(put, Namespace=name, MetricData=[{"MetricName": "m", "Value": float("nan")}])[0] == (
        "InvalidParameterValue")
    assert refused(put, Namespace=name, MetricData=[
        {"MetricName": "m", "Value": 1, "Timestamp": now() - 24 * 15 * HOUR}])[0] == (
        "InvalidParameterValue")
    end = now()
    ask = {"Namespace": name, "MetricName": "m", "Period": 1, "Statistics": ["Sum"],
           "StartTime": end - HOUR, "EndTime": end}
    assert refused(cloudwatch.get_metric_statistics, **ask) == (
        "InvalidParameterCombination",
        "You have requested up to 3,600 datapoints, which exceeds the limit of 1,440. You may "
        "reduce the datapoints requested by increasing Period, or decreasing the time range.")
    assert refused(cloudwatch.describe_alarm_history)[0] == "UnsupportedOperationException"


def query(region, form):
    """One request of the Query protocol; status and body of the answer."""
    request = AWSRequest("POST", f"{region.endpoint}/", data=form.encode(), headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
    key = Credentials(region.environment["AWS_ACCESS_KEY_ID"],
                      region.environment["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(key, "monitoring", "us-east-1").add_auth(request)
    status, _, body = region.send(dict(request.headers), form.encode())
    return status, body


def test_every_protocol_of_the_model_says_the_same(region, cloudwatch, name):
    cloudwatch.put_metric_data(Namespace=name, MetricData=[{"MetricName": "m", "Value": 7}])
    status, _, body = region.request(
        "GraniteServiceVersion20100801.ListMetrics", json.dumps({"Namespace": name}), "monitoring",
        headers=[("Content-Type", "application/x-amz-json-1.0")])
    assert status == 200 and json.loads(body)["Metrics"][0]["MetricName"] == "m", body
    status, body = query(region, f"Action=ListMetrics&Version=2010-08-01&Namespace={name}")
    assert status == 200 and b"<MetricName>m</MetricName>" in body, body
    status, body = query(region, "Action=PutMetricData&Version=2010-08-01")
    assert status == 400 and b"<Code>MissingParameter</Code>" in body, body


def test_the_command_line_puts_and_reads(region, name):
    region.aws(f"aws cloudwatch put-metric-data --namespace {name} --metric-name m --value 4 --unit Count")
    found = region.aws(
        f"aws cloudwatch get-metric-statistics --namespace {name} --metric-name m --period 60 "
        f"--start-time {(now() - HOUR).isoformat()} --end-time {(now() + HOUR).isoformat()} "
        "--statistics Sum")
    assert [it["Sum"] for it in json.loads(found.stdout)["Datapoints"]] == [4.0]


def test_metrics_survive_a_kill(name):
    it = Region().start()
    try:
        it.client("cloudwatch").put_metric_data(
            Namespace=name, MetricData=[{"MetricName": "m", "Value": 9}])
        it.kill()
        it.start()
        found = statistics(it.client("cloudwatch"), name, "m")
        assert [point["Sum"] for point in found] == [9]
    finally:
        it.down()


def test_what_tasks_use_is_told_by_cluster(whole):
    ecs, cloudwatch = whole.client(), whole.client("cloudwatch")
    ecs.register_task_definition(family="metrics", containerDefinitions=[
        {"name": "main", "image": "landfall/demo", "cpu": 64, "memory": 32}])
    task = ecs.run_task(taskDefinition="metrics")["tasks"][0]["taskArn"]
    try:
        dimensions = [pair("ClusterName", "default")]

        def told():
            return [it["Maximum"] for metric in ["CPUUtilization", "MemoryUtilization"]
                    for it in statistics(cloudwatch, "AWS/ECS", metric, dimensions)]

        until(lambda: len(told()) >= 2, 60, what="metrics of the cluster")
        assert all(0 <= it <= 400 for it in told()), told()
    finally:
        ecs.stop_task(task=task)


@pytest.fixture
def balanced():
    """A region whose load balancers are served on loopback."""
    if not runs_containers():
        pytest.skip("balancers of a region need root")
    it = Region("--instances", "1", "--balancer-address", "127.0.0.1", command="up")
    try:
        yield it.start(within=90)
    finally:
        it.down()


def test_what_load_balancers_carry_is_counted_and_logged(balanced):
    ec2, elb = balanced.client("ec2"), balanced.client("elbv2")
    cloudwatch, port = balanced.client("cloudwatch"), free_port()
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]][:2]
    arn = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
        {"Key": "access_logs.s3.enabled", "Value": "true"},
        {"Key": "access_logs.s3.bucket", "Value": "e2e-logs"},
        {"Key": "access_logs.s3.prefix", "Value": "web"}])
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=port, DefaultActions=[
        {"Type": "fixed-response", "FixedResponseConfig": {
            "StatusCode": "200", "ContentType": "text/plain", "MessageBody": "here"}}])

    def answers():
        # Patient: what is given up here may be answered, and counted, none the less.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/a", timeout=300) as answer:
            return answer.read() == b"here"

    def tries():
        try:
            return answers()
        except OSError:
            return False

    until(tries, 20, what="the listener serves")
    assert all(answers() for _ in range(9))
    dimensions = [pair("LoadBalancer", arn.split("loadbalancer/")[1])]

    def requests(metric):
        return sum(it["Sum"] for it in statistics(
            cloudwatch, "AWS/ApplicationELB", metric, dimensions))

    until(lambda: requests("HTTP_Fixed_Response_Count") >= 10, 40, what="counted requests")
    assert requests("HTTP_Fixed_Response_Count") == 10
    # As with AWS, requests for which no target is chosen are none of these.
    assert requests("RequestCount") == requests("HTTPCode_ELB_5XX_Count") == 0
    balanced.stop()
    files = list(Path(balanced.data, "buckets/e2e-logs/web/AWSLogs").rglob("*.log.gz"))
    lines = [line for it in files for line in gzip.decompress(it.read_bytes()).decode().splitlines()]
    assert len(lines) == 10, (files, lines)
    assert all(line.startswith("http 20") and f":{port}/a HTTP/1.1" in line for line in lines), lines
