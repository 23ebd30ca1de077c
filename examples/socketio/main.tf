# The chat as ECS services. Two set-ups, told apart by `network_mode`, and one Redis for both.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

variable "network_mode" {
  description = "`bridge`: each task gets a free port of its instance; `awsvpc`: an address of its own"
  type        = string
  default     = "bridge"
}

variable "release" {
  description = "What the page shows as its release; another one is a new revision, and a rolling update"
  type        = string
  default     = "1"
}

variable "tasks" {
  description = "How many tasks of the chat"
  type        = number
  default     = 4
}

locals {
  chat    = jsondecode(file("${path.module}/tasks/chat.json"))
  history = jsondecode(file("${path.module}/tasks/history.json"))
  redis   = jsondecode(file("${path.module}/tasks/redis.json"))

  awsvpc      = var.network_mode == "awsvpc"
  target_type = local.awsvpc ? "ip" : "instance"
}

data "aws_vpc" "default" { default = true }

data "aws_subnets" "all" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

# The container instances of `landfall up` are in this cluster.
data "aws_ecs_cluster" "default" { cluster_name = "default" }

# The balancer: the chat by default, the history on a path of its own.

resource "aws_lb" "chat" {
  name    = "chat"
  subnets = data.aws_subnets.all.ids
}

resource "aws_lb_target_group" "chat" {
  name                 = "chat-${var.network_mode}"
  port                 = 3000
  protocol             = "HTTP"
  target_type          = local.target_type
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = 10
  health_check {
    path              = "/socket.io/socket.io.js"
    interval          = 5
    timeout           = 4
    healthy_threshold = 2
  }
  # The handshake is more than one request, and all must reach the same task.
  stickiness {
    type = "lb_cookie"
  }
}

resource "aws_lb_target_group" "history" {
  name                 = "chat-history-${var.network_mode}"
  port                 = 3000
  protocol             = "HTTP"
  target_type          = local.target_type
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = 10
  health_check {
    path              = "/history/health"
    interval          = 5
    timeout           = 4
    healthy_threshold = 2
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.chat.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.chat.arn
  }
}

resource "aws_lb_listener_rule" "history" {
  listener_arn = aws_lb_listener.http.arn
  priority     = 10
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.history.arn
  }
  condition {
    path_pattern { values = ["/history", "/history/*"] }
  }
}

# Redis, under a name: redis.chat.local.

resource "aws_service_discovery_private_dns_namespace" "chat" {
  name = "chat.local"
  vpc  = data.aws_vpc.default.id
}

resource "aws_service_discovery_service" "redis" {
  name = "redis"
  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.chat.id
    routing_policy = "MULTIVALUE"
    dns_records {
      type = "A"
      ttl  = 1
    }
  }
  health_check_custom_config {
    failure_threshold = 1
  }
}

resource "aws_ecs_task_definition" "redis" {
  family                   = local.redis.family
  network_mode             = local.redis.networkMode
  requires_compatibilities = local.redis.requiresCompatibilities
  container_definitions    = jsonencode(local.redis.containerDefinitions)
}

resource "aws_ecs_service" "redis" {
  name            = "redis"
  cluster         = data.aws_ecs_cluster.default.arn
  task_definition = aws_ecs_task_definition.redis.arn
  launch_type     = "EC2"
  desired_count   = 1
  # Never two of them: the old one ends before the new one starts.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  network_configuration {
    subnets = data.aws_subnets.all.ids
  }
  service_registries {
    registry_arn = aws_service_discovery_service.redis.arn
  }
  wait_for_steady_state = true
}

# The chat and the history.

resource "aws_ecs_task_definition" "chat" {
  family                   = local.chat.family
  network_mode             = var.network_mode
  requires_compatibilities = local.chat.requiresCompatibilities
  container_definitions = jsonencode([
    for container in local.chat.containerDefinitions : merge(container, {
      environment = [
        for it in container.environment : it.name == "RELEASE" ? { name = it.name, value = var.release } : it
      ]
    })
  ])
}

resource "aws_ecs_task_definition" "history" {
  family                   = local.history.family
  network_mode             = var.network_mode
  requires_compatibilities = local.history.requiresCompatibilities
  container_definitions    = jsonencode(local.history.containerDefinitions)
}

resource "aws_ecs_service" "chat" {
  name                               = "chat"
  cluster                            = data.aws_ecs_cluster.default.arn
  task_definition                    = aws_ecs_task_definition.chat.arn
  launch_type                        = "EC2"
  desired_count                      = var.tasks
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 30
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  # What the console calls "AZ balanced spread".
  ordered_placement_strategy {
    type  = "spread"
    field = "attribute:ecs.availability-zone"
  }
  ordered_placement_strategy {
    type  = "spread"
    field = "instanceId"
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.chat.arn
    container_name   = "chat"
    container_port   = 3000
  }
  dynamic "network_configuration" {
    for_each = local.awsvpc ? [1] : []
    content {
      subnets = data.aws_subnets.all.ids
    }
  }
  wait_for_steady_state = true
  depends_on            = [aws_lb_listener.http, aws_ecs_service.redis]
}

resource "aws_ecs_service" "history" {
  name                              = "history"
  cluster                           = data.aws_ecs_cluster.default.arn
  task_definition                   = aws_ecs_task_definition.history.arn
  launch_type                       = "EC2"
  desired_count                     = 2
  health_check_grace_period_seconds = 30
  ordered_placement_strategy {
    type  = "spread"
    field = "attribute:ecs.availability-zone"
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.history.arn
    container_name   = "history"
    container_port   = 3000
  }
  dynamic "network_configuration" {
    for_each = local.awsvpc ? [1] : []
    content {
      subnets = data.aws_subnets.all.ids
    }
  }
  wait_for_steady_state = true
  depends_on            = [aws_lb_listener_rule.history, aws_ecs_service.redis]
}

output "url" {
  value = "http://${aws_lb.chat.dns_name}"
}
