"""Deployments under CloudWatch alarms: a metric over its threshold puts the last version back."""

import pytest

from until import QUICKLY, until


@pytest.fixture
def cloudwatch(region):
    return region.client("cloudwatch")


def test_an_alarm_that_goes_off_rolls_a_deployment_back_and_one_that_did_before_does_not(
        ecs, cloudwatch, cluster, name, instances, definition):
    instances()
    good, bad = definition(), definition()
    ecs.create_service(cluster=cluster, serviceName="web", desiredCount=1, taskDefinition=good)

    def service():
        return ecs.describe_services(cluster=cluster, services=["web"])["services"][0]

    def deployment():
        arn = service()["currentServiceDeployment"]
        found = ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        return found["serviceDeployments"][0]

    def is_complete():
        return service()["deployments"][0]["rolloutState"] == "COMPLETED"

    until(is_complete, what="the first version is there")
    assert deployment()["alarms"] == {"status": "DISABLED"}

    # Long enough to be ended in its midst, however slow the machine.
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace=name, MetricName="Errors", Statistic="Sum", Period=10,
        EvaluationPeriods=60, DatapointsToAlarm=1, Threshold=5,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching")
    cloudwatch.get_waiter("alarm_exists").wait(AlarmNames=[name], WaiterConfig=QUICKLY)
    alarms = {"alarmNames": [name], "enable": True, "rollback": True}
    update = {"cluster": cluster, "service": "web", "taskDefinition": bad,
              "deploymentConfiguration": {"alarms": alarms}}
    shown = ecs.update_service(**update)["service"]["deploymentConfiguration"]["alarms"]
    assert shown == alarms
    until(lambda: deployment()["status"] == "IN_PROGRESS", what="it has begun")
    assert deployment()["alarms"] == {"alarmNames": [name], "status": "MONITORING"}
    until(lambda: any("is in its bake time of 600 seconds." in it["message"]
                      for it in service()["events"]), what="all tasks are replaced")
    assert service()["deployments"][0]["rolloutState"] == "IN_PROGRESS"

    cloudwatch.put_metric_data(Namespace=name, MetricData=[
        {"MetricName": "Errors", "Value": 3, "StorageResolution": 1},
        {"MetricName": "Errors", "Value": 9, "StorageResolution": 1}])
    until(lambda: deployment()["status"] == "ROLLBACK_SUCCESSFUL", 60, what="it went back")
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm["StateValue"] == "ALARM"
    assert alarm["StateReason"].startswith("Threshold Crossed: 1 out of the last 60 datapoints [")
    ended = deployment()
    assert ended["alarms"] == {
        "alarmNames": [name], "status": "TRIGGERED", "triggeredAlarmNames": [name]}
    assert name in ended["rollback"]["reason"]
    now = service()
    assert now["taskDefinition"].endswith(good)
    said = [it["message"] for it in now["events"]]
    assert any(f"deployment failed: alarm detected. (alarms: {name})" in it for it in said), said
    assert any("rolling back to deployment ecs-svc/" in it for it in said), said

    # The alarm sounds still: what mends it must not be put back for that.
    ecs.update_service(**update)
    until(is_complete, what="it is complete, without a bake time")
    ended = deployment()
    assert (ended["status"], ended["alarms"]["status"]) == ("SUCCESSFUL", "DISABLED")
    assert service()["taskDefinition"].endswith(bad)

    cloudwatch.delete_alarms(AlarmNames=[name])
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []
    ecs.delete_service(cluster=cluster, service="web", force=True)
