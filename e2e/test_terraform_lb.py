"""Terraform with the AWS provider: load balancers of all kinds, certificates and zones are applied, found
without differences, and destroyed."""

import subprocess

import pytest

from terraform import Terraform

pytestmark = pytest.mark.beside

STACK = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

variable "name" { type = string }

data "aws_vpc" "default" { default = true }

data "aws_subnets" "all" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

resource "aws_lb" "web" {
  name               = var.name
  load_balancer_type = "application"
  subnets            = data.aws_subnets.all.ids
  idle_timeout       = 30
  tags               = { team = "blue" }
}

resource "aws_lb_target_group" "blue" {
  name                 = "${var.name}-blue"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = 30
  health_check {
    path     = "/health"
    interval = 10
    matcher  = "200-299"
  }
  stickiness {
    type            = "lb_cookie"
    cookie_duration = 600
  }
  tags = { team = "blue" }
}

resource "aws_lb_target_group" "green" {
  name        = "${var.name}-green"
  port        = 8080
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = data.aws_vpc.default.id
}

resource "aws_lb_target_group_attachment" "one" {
  target_group_arn = aws_lb_target_group.blue.arn
  target_id        = "172.31.16.9"
  port             = 8080
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.web.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_acm_certificate" "own" {
  private_key      = file("key.pem")
  certificate_body = file("body.pem")
  tags             = { team = "blue" }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.web.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate.own.arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.blue.arn
  }
}

resource "aws_lb_listener_rule" "weighted" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10
  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.blue.arn
        weight = 80
      }
      target_group {
        arn    = aws_lb_target_group.green.arn
        weight = 20
      }
      stickiness {
        enabled  = true
        duration = 600
      }
    }
  }
  condition {
    path_pattern { values = ["/a/*"] }
  }
  condition {
    http_header {
      http_header_name = "X-Team"
      values           = ["blue"]
    }
  }
}

resource "aws_lb_listener_rule" "fixed" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 20
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "no"
      status_code  = "404"
    }
  }
  condition {
    host_header { values = ["*.example.com"] }
  }
}

resource "aws_lb" "flow" {
  name               = "${var.name}-flow"
  load_balancer_type = "network"
  internal           = true
  subnets            = data.aws_subnets.all.ids
}

resource "aws_lb_target_group" "flow" {
  name     = "${var.name}-flow"
  port     = 53
  protocol = "TCP"
  vpc_id   = data.aws_vpc.default.id
}

resource "aws_lb_listener" "flow" {
  load_balancer_arn = aws_lb.flow.arn
  port              = 53
  protocol          = "TCP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.flow.arn
  }
}

resource "aws_elb" "classic" {
  name                = "${var.name}-classic"
  subnets             = data.aws_subnets.all.ids
  connection_draining = true
  idle_timeout        = 30
  listener {
    lb_port           = 80
    lb_protocol       = "http"
    instance_port     = 3000
    instance_protocol = "http"
  }
  listener {
    lb_port            = 443
    lb_protocol        = "https"
    instance_port      = 3000
    instance_protocol  = "http"
    ssl_certificate_id = aws_acm_certificate.own.arn
  }
  health_check {
    target              = "HTTP:3000/health"
    interval            = 10
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
  tags = { team = "blue" }
}

resource "aws_lb_cookie_stickiness_policy" "classic" {
  name                     = "sticky"
  load_balancer            = aws_elb.classic.id
  lb_port                  = 80
  cookie_expiration_period = 600
}

resource "aws_route53_zone" "zone" {
  name = "${var.name}.example.com"
  tags = { team = "blue" }
}

resource "aws_route53_record" "www" {
  zone_id = aws_route53_zone.zone.zone_id
  name    = "www"
  type    = "A"
  ttl     = 60
  records = ["10.0.0.1", "10.0.0.2"]
}

resource "aws_route53_record" "alias" {
  zone_id = aws_route53_zone.zone.zone_id
  name    = ""
  type    = "A"
  alias {
    name                   = aws_lb.web.dns_name
    zone_id                = aws_lb.web.zone_id
    evaluate_target_health = true
  }
}
"""


def test_load_balancers_certificates_and_zones_are_terraforms(region, tmp_path, name):
    elb = region.client("elbv2")
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "30", "-newkey", "rsa:2048", "-keyout", "key.pem",
         "-out", "body.pem", "-subj", "/CN=own.example.com"],
        cwd=tmp_path, check=True, capture_output=True)
    terraform = Terraform(tmp_path, region, STACK, name=name)
    terraform.apply()
    lb = elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]
    listeners = elb.describe_listeners(LoadBalancerArn=lb["LoadBalancerArn"])["Listeners"]
    assert sorted(it["Port"] for it in listeners) == [80, 443]
    classic = region.client("elb")
    shown = classic.describe_load_balancers(LoadBalancerNames=[f"{name}-classic"])
    shown = shown["LoadBalancerDescriptions"][0]["ListenerDescriptions"]
    assert [it["PolicyNames"] for it in shown] == [["sticky"], ["ELBSecurityPolicy-2016-08"]]

    terraform.destroy()
    left = [it["LoadBalancerName"] for it in elb.describe_load_balancers()["LoadBalancers"]]
    assert not [it for it in left if it.startswith(name)]
    left = classic.describe_load_balancers()["LoadBalancerDescriptions"]
    assert not [it for it in left if it["LoadBalancerName"].startswith(name)]
    left = [it["TargetGroupName"] for it in elb.describe_target_groups()["TargetGroups"]]
    assert not [it for it in left if it.startswith(name)]
