"""From the answer of a change of a load balancer to the first request that sees it.

Each change is a new answer of a listener; one client asks without a pause until it hears it.
"""

import http.client
import os
import socket
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e"))
CHANGES = 100


def run():
    from region import Region
    print(f"\n## A change of a listener shows, ms after its answer ({CHANGES} changes)", flush=True)
    if os.geteuid() != 0:
        print("  needs root")
        return
    region = Region("--instances", "1", command="up")
    try:
        region.start()
        waits = sorted(measure(region))
    finally:
        region.down()
    p99 = waits[len(waits) * 99 // 100 - 1]
    print(f"  p50 {statistics.median(waits):.1f}  p99 {p99:.1f}  slowest {waits[-1]:.1f}", flush=True)


def measure(region):
    elbv2 = region.client("elbv2")
    subnets = [it["SubnetId"] for it in region.client("ec2").describe_subnets()["Subnets"]]
    made = elbv2.create_load_balancer(Name="changes", Type="application", Subnets=subnets[:2])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    listener = elbv2.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80,
        DefaultActions=says(0))["Listeners"][0]["ListenerArn"]
    address = found(made["LoadBalancers"][0]["DNSName"])
    client = http.client.HTTPConnection(address, timeout=60)
    for number in range(CHANGES + 1):
        elbv2.modify_listener(ListenerArn=listener, DefaultActions=says(number))
        answered = time.perf_counter()
        while True:
            client.request("GET", "/")
            if client.getresponse().read() == b"%d" % number:
                break
        # The first one is there to make the connection.
        if number:
            yield (time.perf_counter() - answered) * 1000


def found(name):
    """An address of the load balancer, once somebody listens there."""
    from until import until

    def listens():
        try:
            with socket.create_connection((name, 80), 1) as it:
                return it.getpeername()[0]
        except OSError:
            return None
    return until(listens, 30, what="a listener")


def says(number):
    return [{"Type": "fixed-response", "FixedResponseConfig": {
        "StatusCode": "200", "ContentType": "text/plain", "MessageBody": str(number)}}]
