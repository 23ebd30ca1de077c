"""Requests of the Query and REST-XML services with one thing wrong each: refused clearly, and still there.

Generated from the models, as `test_malformed` does for JSON; the unsigned region shows that nothing
but the door stands between these bytes and the operations.
"""

import http.client
import random
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from botocore.serialize import create_serializer

from region import Region
from test_malformed import SEED, least, model, most, places, replaced

SAMPLE = 60
TEXTS = ["", "a" * 300, "a" * 70_000, "\u0000", "🚀" * 40, " ", "a\nb", "%00", "\u202e", "-1", "1e400", "NaN",
         "99999999999999999999999", "0x10", "<a>&b;</a>", "]]>", "arn:aws:elasticloadbalancing:::", ":::::::",
         "arn:aws:elasticloadbalancing:us-east-1:999999999999:loadbalancer/app/a/0", "/hostedzone/", "*.*.*"]
BODIES = [b"<", b"<a/>", b"\xff\xfe", b"<a>" * 5000, b"a=%zz", b"&&&=", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
          b"Action=", b"Action=CreateRule&Conditions.member.99999999999.Field=x", b"=" * 5000]


@pytest.fixture(scope="module")
def world():
    region = Region("--auth", "off").start()
    yield region
    assert region.process.poll() is None
    assert "panicked" not in Path(region.log.name).read_text(errors="replace")
    region.down()


def send(region, method, path, body, kind):
    connection = http.client.HTTPConnection("127.0.0.1", region.port, timeout=300)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def query(service, operation, ask):
    made = create_serializer("query", include_validation=False).serialize_to_request(ask, operation)
    return "POST", "/", urlencode(made["body"]).encode(), "application/x-www-form-urlencoded; charset=utf-8"


def xml(service, operation, ask):
    made = create_serializer("rest-xml", include_validation=False).serialize_to_request(ask, operation)
    path = quote(made["url_path"], safe="/%")
    tail = urlencode(made["query_string"]) if made["query_string"] else ""
    body = made["body"] or b""
    return made["method"], f"{path}?{tail}" if tail else path, body, None


@pytest.mark.parametrize("service, form", [("elbv2", query), ("route53", xml)])
def test_what_breaks_a_form_is_refused_and_nothing_breaks(world, service, form):
    dice, described = random.Random(SEED), model(service)
    for name in sorted(described.operation_names):
        operation = described.operation_model(name)
        shape = operation.input_shape
        asks = []
        for base in (least(shape), most(shape)):
            for path, there in places(shape, base):
                if there.type_name in ("structure", "list", "map"):
                    continue
                asks += [replaced(base, path, text) for text in TEXTS]
        for ask in asks if len(asks) <= SAMPLE else dice.sample(asks, SAMPLE):
            try:
                request = form(described, operation, ask)
            except (ValueError, TypeError, AttributeError, KeyError):
                continue  # What the client's own code cannot write down is sent by nobody.
            status, body = send(world, *request)
            assert status < 500, (name, ask, status, body)
            # A head that is too long is refused before anybody knows what it asks for.
            if status >= 400 and status not in (414, 431):
                # A path may come out that fits no operation: then nobody knows the form either.
                assert b"<Code>" in body or b"No operation answers" in body, (name, ask, body)
        method, path, _, kind = form(described, operation, least(shape))
        for body in BODIES:
            status, answer = send(world, method, path, body, kind)
            assert status < 500, (name, body, answer)
