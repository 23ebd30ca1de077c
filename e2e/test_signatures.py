"""Signatures: header and presigned form, the clock, and what must not be changed on the way."""

import datetime
import json
from unittest import mock

import boto3
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

TARGET = "AmazonEC2ContainerServiceV20141113.ListClusters"
TYPE = "application/x-amz-json-1.1"


def credentials(region, token=None):
    return Credentials(region.environment["AWS_ACCESS_KEY_ID"],
                       region.environment["AWS_SECRET_ACCESS_KEY"], token)


def signed(region, body=b"{}", minutes=0, service="ecs", path="/"):
    request = AWSRequest("POST", f"{region.endpoint}{path}", data=body,
                         headers={"X-Amz-Target": TARGET, "Content-Type": TYPE})
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    with mock.patch("botocore.auth.get_current_datetime", return_value=at.replace(tzinfo=None)):
        SigV4Auth(credentials(region), service, "us-east-1").add_auth(request)
    return dict(request.headers)


def code(answer):
    return json.loads(answer[2])["__type"]


def test_a_signed_request_is_answered(region):
    status, headers, body = region.send(signed(region), b"{}")
    assert status == 200, body
    assert len(headers["x-amzn-RequestId"]) == 36


def test_a_presigned_request_is_answered_and_expires(region):
    for expires, at, expected in ((60, 0, 200), (60, -5, 400)):
        request = AWSRequest("POST", f"{region.endpoint}/", data=b"{}",
                             headers={"X-Amz-Target": TARGET, "Content-Type": TYPE})
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=at)
        with mock.patch("botocore.auth.get_current_datetime",
                        return_value=now.replace(tzinfo=None)):
            SigV4QueryAuth(credentials(region), "ecs", "us-east-1", expires=expires).add_auth(request)
        path = request.url.removeprefix(region.endpoint)
        # botocore moves the members of a body into the query and signs an empty one.
        answer = region.send(dict(request.headers), b"", path)
        assert answer[0] == expected, answer[2]
        assert region.send(dict(request.headers), b'{"maxResults":1}', path)[0] == 400


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_far_off_is_refused(region, minutes):
    answer = region.send(signed(region, minutes=minutes), b"{}")
    assert answer[0] == 400
    assert code(answer) == "InvalidSignatureException"
    assert "Signature" in json.loads(answer[2])["message"]


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_clock_that_is_a_little_off_is_forgiven(region, minutes):
    assert region.send(signed(region, minutes=minutes), b"{}")[0] == 200


def test_body_target_and_path_cannot_be_changed_after_signing(region):
    assert code(region.send(signed(region), b'{"maxResults":1}')) == "InvalidSignatureException"
    headers = {**signed(region), "X-Amz-Target": TARGET.replace("List", "Describe")}
    assert code(region.send(headers, b"{}")) == "InvalidSignatureException"
    assert code(region.send(signed(region), b"{}", path="/?a=b")) == "InvalidSignatureException"


def test_a_signature_for_another_service_is_refused(region):
    answer = region.send(signed(region, service="ec2"), b"{}")
    assert answer[0] in (400, 403)
    assert code(answer) in ("InvalidSignatureException", "SignatureDoesNotMatch")


@pytest.mark.parametrize("authorization", [
    "", "AWS4-HMAC-SHA256", "Basic abc", "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=",
    "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=00",
    "AWS4-HMAC-SHA256 " + "x" * 8000, "AWS4-ECDSA-P256-SHA256 Credential=a"])
def test_a_mangled_authorization_is_refused(region, authorization):
    answer = region.send({**signed(region), "Authorization": authorization}, b"{}")
    assert answer[0] in (400, 403), answer
    assert code(answer) in (
        "IncompleteSignatureException", "InvalidSignatureException",
        "MissingAuthenticationTokenException", "UnrecognizedClientException")


def test_temporary_credentials_want_their_token(region):
    client = boto3.client("ecs", endpoint_url=region.endpoint, region_name="us-east-1",
                          aws_access_key_id=region.environment["AWS_ACCESS_KEY_ID"],
                          aws_secret_access_key=region.environment["AWS_SECRET_ACCESS_KEY"],
                          aws_session_token="made-up")
    with pytest.raises(ClientError) as caught:
        client.list_clusters()
    assert caught.value.response["Error"]["Code"] in (
        "UnrecognizedClientException", "InvalidSignatureException")


def test_no_signature_is_asked_for_with_auth_off():
    from region import Region
    it = Region("--auth", "off").start()
    try:
        assert "are not checked" in it.tail()
        status, _, body = it.request(TARGET, "{}", sign=False)
        assert status == 200, body
        assert it.request(TARGET, "{}", key="anybody", secret="anything")[0] == 200
    finally:
        it.down()


def test_auth_off_is_refused_outside_of_loopback(tmp_path):
    import subprocess
    from region import BINARY
    tried = subprocess.run([BINARY, "server", "--auth", "off", "--listen", "0.0.0.0:0",
                            "--data", str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert tried.returncode != 0
    assert "loopback" in tried.stderr


def test_readiness_needs_no_signature(region):
    assert region.send({}, b"", "/_landfall/ready", "GET")[0] == 200
