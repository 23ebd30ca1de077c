"""Terraform with the AWS provider: a service behind a load balancer, found by name, is applied, found
without differences, updated and destroyed."""

import pytest

from terraform import Terraform
from until import until
from web import serving

pytestmark = pytest.mark.beside

STACK = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

variable "word" { type = string }

data "aws_vpc" "default" { default = true }

data "aws_subnets" "all" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

data "aws_ecs_cluster" "this" { cluster_name = "default" }

resource "aws_ecs_task_definition" "web" {
  family       = "terraformed"
  network_mode = "awsvpc"
  container_definitions = jsonencode([{
    name         = "web"
    image        = "landfall/demo"
    command      = ["web", "8080"]
    memory       = 64
    environment  = [{ name = "WORD", value = var.word }]
    portMappings = [{ containerPort = 8080 }]
  }])
}

resource "aws_lb" "web" {
  name    = "terraformed"
  subnets = data.aws_subnets.all.ids
}

resource "aws_lb_target_group" "web" {
  name                 = "terraformed"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = 5
  health_check {
    interval          = 5
    timeout           = 4
    healthy_threshold = 2
  }
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.web.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name = "terraformed.internal"
  vpc  = data.aws_vpc.default.id
}

resource "aws_service_discovery_service" "web" {
  name = "web"
  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.this.id
    dns_records {
      ttl  = 10
      type = "A"
    }
  }
}

resource "aws_ecs_service" "web" {
  name                              = "web"
  cluster                           = data.aws_ecs_cluster.this.arn
  task_definition                   = aws_ecs_task_definition.web.arn
  desired_count                     = 2
  health_check_grace_period_seconds = 30
  wait_for_steady_state             = true
  propagate_tags                    = "SERVICE"
  tags                              = { team = "blue" }
  network_configuration {
    subnets = data.aws_subnets.all.ids
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.web.arn
    container_name   = "web"
    container_port   = 8080
  }
  service_registries {
    registry_arn = aws_service_discovery_service.web.arn
  }
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  ordered_placement_strategy {
    type  = "spread"
    field = "attribute:ecs.availability-zone"
  }
  depends_on = [aws_lb_listener.web]
}
"""


@pytest.fixture(scope="module")
def served():
    """A region of its own: a stack owns its cluster."""
    yield from serving()


def test_services_are_terraforms(served, tmp_path):
    ecs, found = served.client(), served.client("servicediscovery")
    terraform = Terraform(tmp_path, served, STACK, word="first")
    terraform.apply()
    service = ecs.describe_services(services=["web"], include=["TAGS"])["services"][0]
    assert (service["status"], service["runningCount"]) == ("ACTIVE", 2)
    assert [it["rolloutState"] for it in service["deployments"]] == ["COMPLETED"]
    assert service["tags"] == [{"key": "team", "value": "blue"}]
    names = found.discover_instances(NamespaceName="terraformed.internal", ServiceName="web")
    assert len(names["Instances"]) == 2

    terraform.environment["TF_VAR_word"] = "second"
    terraform.apply()
    fresh = ecs.describe_services(services=["web"])["services"][0]
    assert fresh["taskDefinition"] != service["taskDefinition"]
    assert [it["rolloutState"] for it in fresh["deployments"]] == ["COMPLETED"]

    terraform.destroy()
    until(lambda: not ecs.list_tasks()["taskArns"], 60, what="all its tasks are gone")
    assert ecs.list_services()["serviceArns"] == []
