"""Services behind Classic Load Balancers: one port of each instance, and no task is stopped before its
instance is out."""

import datetime
import http.client
import json
import ssl
import urllib.request

import pytest

import image
from balanced import SITE, SLOW, fall_ill
from until import QUICKLY, until
from web import PORT, Load, Web, serving

FAILED = "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."


@pytest.fixture(scope="module")
def classic(tmp_path_factory):
    """A region of its own: as many load balancers as these tests like have port 80 of their addresses."""
    for it in serving():
        if image.busybox():
            it.landfall("image", "load", str(image.archive(
                tmp_path_factory.mktemp("image") / "busybox.tar")))
        yield it


class Classic(Web):
    """A Classic Load Balancer: requests at port 80, connections at 81; both lead to one port of its
    instances, on two of three of which a service has a task."""

    def __init__(self, region, name, path="/", **container):
        self.region, self.name = region, name
        self.elb, self.ecs = region.client("elb"), region.client()
        subnets = region.client("ec2").describe_subnets()["Subnets"]
        listeners = [{"Protocol": protocol, "LoadBalancerPort": port, "InstancePort": PORT}
                     for protocol, port in [("HTTP", 80), ("TCP", 81)]]
        made = self.elb.create_load_balancer(
            LoadBalancerName=name, Listeners=listeners, Subnets=[it["SubnetId"] for it in subnets])
        self.elb.configure_health_check(LoadBalancerName=name, HealthCheck={
            "Target": f"HTTP:{PORT}{path}", "Interval": 5, "Timeout": 4, "UnhealthyThreshold": 2,
            "HealthyThreshold": 2})
        self.elb.modify_load_balancer_attributes(LoadBalancerName=name, LoadBalancerAttributes={
            "ConnectionDraining": {"Enabled": True, "Timeout": 60},
            "CrossZoneLoadBalancing": {"Enabled": True}})
        self.nodes = until(lambda: self.settled(made["DNSName"], len(subnets)), 10,
                           what="its addresses are known by name and on the machine")
        self.container = {
            "name": "web", "image": "landfall/demo", "cpu": 64, "memory": 64, "command": ["web", str(PORT)],
            "portMappings": [{"containerPort": PORT, "hostPort": PORT}], **container}
        self.ecs.create_service(
            serviceName=name, taskDefinition=self.define(), desiredCount=2,
            deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 100},
            loadBalancers=[{"loadBalancerName": name, "containerName": "web", "containerPort": PORT}])
        self.wait()

    def define(self, **changes):
        """Registers the next revision; gives its ARN."""
        self.container |= changes
        return self.ecs.register_task_definition(
            family=self.name, containerDefinitions=[self.container])["taskDefinition"]["taskDefinitionArn"]

    def wait(self):
        self.ecs.get_waiter("services_stable").wait(services=[self.name], WaiterConfig=QUICKLY)
        self.elb.get_waiter("instance_in_service").wait(
            LoadBalancerName=self.name, Instances=self.of_tasks(), WaiterConfig=QUICKLY)

    def describe(self):
        return self.ecs.describe_services(services=[self.name])["services"][0]

    def events(self):
        return [it["message"].removeprefix(f"(service {self.name}) ") for it in self.describe()["events"]]

    def tasks(self):
        arns = self.ecs.list_tasks(serviceName=self.name)["taskArns"]
        return self.ecs.describe_tasks(tasks=arns)["tasks"]

    def instances(self):
        """EC2 ids of all instances, by their ARNs."""
        arns = self.ecs.list_container_instances()["containerInstanceArns"]
        found = self.ecs.describe_container_instances(containerInstances=arns)["containerInstances"]
        return {it["containerInstanceArn"]: it["ec2InstanceId"] for it in found}

    def of_tasks(self):
        known = self.instances()
        return [{"InstanceId": known[it["containerInstanceArn"]]} for it in self.tasks()]

    def standing(self, instance):
        return self.elb.describe_instance_health(
            LoadBalancerName=self.name, Instances=[{"InstanceId": instance}])["InstanceStates"][0]

    def registered(self):
        found = self.elb.describe_load_balancers(LoadBalancerNames=[self.name])
        return found["LoadBalancerDescriptions"][0]["Instances"]

    def end(self):
        self.ecs.delete_service(service=self.name, force=True)
        self.ecs.get_waiter("services_inactive").wait(services=[self.name], WaiterConfig=QUICKLY)
        self.elb.delete_load_balancer(LoadBalancerName=self.name)


@pytest.fixture
def balancer(classic, name):
    made = []

    def make(**settings):
        made.append(Classic(classic, name, **settings))
        return made[0]

    yield make
    for it in made:
        it.end()


def test_an_update_behind_a_classic_load_balancer_fails_no_request(balancer):
    classic = balancer()
    classic.elb.get_waiter("any_instance_in_service").wait(
        LoadBalancerName=classic.name, WaiterConfig=QUICKLY)
    before = {it["taskArn"] for it in classic.tasks()}
    assert len({it["containerInstanceArn"] for it in classic.tasks()}) == 2
    assert sorted(it["InstanceId"] for it in classic.registered()) == sorted(
        it["InstanceId"] for it in classic.of_tasks())
    assert classic.get(80)[0] == classic.get(81)[0] == 200
    deployment = classic.describe()["deployments"][0]
    assert deployment["status"] == "PRIMARY" and "rolloutState" not in deployment

    # An instance that nothing runs on is out of service, and hurts nobody.
    idle = (set(classic.instances().values()) - {it["InstanceId"] for it in classic.of_tasks()}).pop()
    classic.elb.register_instances_with_load_balancer(
        LoadBalancerName=classic.name, Instances=[{"InstanceId": idle}])
    until(lambda: classic.standing(idle)["Description"] == FAILED, 30, what="it is out of service")
    assert classic.standing(idle)["State"] == "OutOfService"
    assert classic.standing(idle)["ReasonCode"] == "Instance"
    classic.elb.deregister_instances_from_load_balancer(
        LoadBalancerName=classic.name, Instances=[{"InstanceId": idle}])

    with Load(classic) as load:
        classic.ecs.update_service(service=classic.name, taskDefinition=classic.define(memory=72))
        classic.wait()
        load.more(50)
    assert load.failed == []
    assert not before & {it["taskArn"] for it in classic.tasks()}
    said = classic.events()
    assert f"deregistered 1 instances in (elb {classic.name})" in said
    assert f"registered 1 instances in (elb {classic.name})" in said


HOST = "shop.example.com"


def ask(classic, port, context=None, cookie=None):
    """Which task answers a request, and with which cookies."""
    connection = http.client.HTTPConnection(classic.node(), port, timeout=60)
    try:
        connection.connect()
        if context:
            connection.sock = context.wrap_socket(connection.sock, server_hostname=HOST)
        connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        return json.loads(answer.read())["TaskARN"], answer.headers.get_all("Set-Cookie", [])
    finally:
        connection.close()


def summed(classic, metric):
    """The greatest sum of a minute of this hour; 0 if there is none."""
    now, hour = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(hours=1)
    found = classic.region.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ELB", MetricName=metric, Period=60, StartTime=now - hour, EndTime=now + hour,
        Statistics=["Sum"], Dimensions=[{"Name": "LoadBalancerName", "Value": classic.name}])
    return max((it["Sum"] for it in found["Datapoints"]), default=0)


def test_a_classic_load_balancer_ends_tls_knows_its_clients_and_is_measured(balancer):
    web = balancer()
    named = {"LoadBalancerName": web.name}
    arn = web.region.client("acm").request_certificate(DomainName=HOST)["CertificateArn"]
    web.elb.create_load_balancer_listeners(**named, Listeners=[
        {"Protocol": protocol, "LoadBalancerPort": port, "InstancePort": PORT, "SSLCertificateId": arn}
        for protocol, port in [("HTTPS", 443), ("SSL", 444)]])
    web.elb.create_lb_cookie_stickiness_policy(**named, PolicyName="sticky", CookieExpirationPeriod=60)
    web.elb.set_load_balancer_policies_of_listener(
        **named, LoadBalancerPort=443, PolicyNames=["sticky", "ELBSecurityPolicy-2016-08"])
    with urllib.request.urlopen(f"{web.region.endpoint}/_landfall/ca.pem") as answer:
        context = ssl.create_default_context(cadata=answer.read().decode())

    def bound():
        try:
            task, cookies = ask(web, 443, context)
            return cookies and (task, cookies)
        except OSError:
            return None

    task, cookies = until(bound, 30, what="the listeners are served, with their policies")
    own, other = (it.split(";", 1) for it in cookies)
    assert own[0].startswith("AWSELB=") and own[1] == "PATH=/;MAX-AGE=60"
    assert other[0].startswith("AWSELBCORS=") and other[1] == "PATH=/;MAX-AGE=60;SECURE;SAMESITE=None"
    until(lambda: all(ask(web, 443, context, cookie=own[0]) == (task, []) for _ in range(4)), 30,
          what="it is known wherever it comes in")
    assert ask(web, 444, context, cookie=own[0])[1] == [], "bytes are carried as they come"
    free, all_tasks = set(), {it["taskArn"] for it in web.tasks()}
    until(lambda: free.add(ask(web, 80)[0]) or free == all_tasks, 30, what="others are asked in turn")

    for metric in ["RequestCount", "Latency", "HTTPCode_Backend_2XX"]:
        until(lambda: summed(web, metric) > 0, 60, what=f"{metric} is told of")

    web.elb.delete_load_balancer_listeners(**named, LoadBalancerPorts=[443, 444])
    web.region.client("acm").delete_certificate(CertificateArn=arn)


def test_a_task_whose_instance_fails_its_checks_is_replaced(balancer):
    if not image.busybox():
        pytest.skip("needs a static busybox")
    classic = balancer(
        path="/health", image=image.NAME, command=["sh", "-c", SITE],
        environment=[{"name": "SLOW", "value": SLOW}])
    ill = classic.tasks()[0]
    instance = classic.instances()[ill["containerInstanceArn"]]
    fall_ill(ill)
    why = f"(instance {instance}) is unhealthy in (elb {classic.name}) due to (reason {FAILED})"
    until(lambda: any(it.startswith(why) for it in classic.events()), 60, what="it is told of")
    until(lambda: ill["taskArn"] not in {it["taskArn"] for it in classic.tasks()}, 60, what="it has left")
    classic.wait()
    assert len(classic.tasks()) == 2
