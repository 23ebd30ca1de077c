"""The AWS SDK for JavaScript drives a region unchanged: every protocol, waiters, pages, typed errors."""

import os
import subprocess
from pathlib import Path

import pytest

import node
from until import BUSY
from web import serving

pytestmark = pytest.mark.beside


@pytest.fixture(scope="module")
def clients():
    return node.installed(Path(__file__).resolve().parent / "javascript")


@pytest.fixture(scope="module")
def served(clients):
    yield from serving()


@pytest.mark.parametrize("case", ["tasks", "service", "refusals", "measures", "names"])
def test_the_sdk_for_javascript_finds_all_that_it_knows_of_aws(served, clients, name, case):
    subnets = served.client("ec2").describe_subnets()["Subnets"]
    environment = {**os.environ, **served.environment, "VPC": subnets[0]["VpcId"],
                   "SUBNETS": ",".join(it["SubnetId"] for it in subnets)}
    done = subprocess.run(
        ["node", "--no-warnings", "clients.mjs", case, f"{name}-{case}"], cwd=clients, env=environment,
        capture_output=True, text=True, timeout=400 * BUSY)
    assert done.returncode == 0, done.stdout + done.stderr
