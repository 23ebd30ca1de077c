"""Terraform with the AWS provider: apply, a plan without differences, destroy."""

import pytest

from terraform import Terraform

pytestmark = pytest.mark.beside

STACK = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}

provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = false
  skip_metadata_api_check     = true
}

data "aws_caller_identity" "me" {}

resource "aws_ecs_cluster" "this" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "disabled"
  }
  tags = { team = "blue" }
}

variable "name" { type = string }

resource "aws_ecs_task_definition" "web" {
  family             = var.name
  network_mode       = "bridge"
  task_role_arn      = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:role/app"
  execution_role_arn = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:role/exec"
  cpu                = "256"
  memory             = "512"
  container_definitions = jsonencode([
    {
      name         = "web"
      image        = "landfall/demo"
      command      = ["web"]
      essential    = true
      portMappings = [{ containerPort = 8080, hostPort = 0, protocol = "tcp" }]
      environment  = [{ name = "B", value = "2" }, { name = "A", value = "1" }]
      healthCheck  = { command = ["CMD-SHELL", "true"], interval = 10, timeout = 5, retries = 3 }
      logConfiguration = {
        logDriver = "awslogs"
        options   = { awslogs-group = "/web", awslogs-region = "us-east-1", awslogs-stream-prefix = "w" }
      }
      ulimits     = [{ name = "nofile", softLimit = 1024, hardLimit = 2048 }]
      mountPoints = [{ sourceVolume = "data", containerPath = "/data", readOnly = false }]
    },
    {
      name      = "side"
      image     = "landfall/demo"
      essential = false
      memory    = 64
      dependsOn = [{ containerName = "web", condition = "START" }]
    }
  ])
  volume { name = "data" }
  placement_constraints {
    type       = "memberOf"
    expression = "attribute:ecs.os-type == linux"
  }
  tags = { team = "blue" }
}

resource "aws_ecs_task_definition" "vpc" {
  family                = "${var.name}-vpc"
  network_mode          = "awsvpc"
  container_definitions = jsonencode([{ name = "a", image = "landfall/demo", memory = 32 }])
}

output "revision" { value = aws_ecs_task_definition.web.revision }
"""


def test_terraform_applies_finds_no_difference_and_destroys(region, ecs, tmp_path, name):
    terraform = Terraform(tmp_path, region, STACK, name=name)
    terraform.apply()
    cluster = ecs.describe_clusters(clusters=[name], include=["TAGS"])["clusters"][0]
    assert cluster["status"] == "ACTIVE"
    assert cluster["tags"] == [{"key": "team", "value": "blue"}]

    terraform.destroy()
    left = ecs.describe_clusters(clusters=[name])["clusters"]
    assert all(it["status"] == "INACTIVE" for it in left)
    assert ecs.list_task_definitions(familyPrefix=name)["taskDefinitionArns"] == []
