"""Certificates: imported with their keys, made by the region's authority, shown, never given out."""

import json
import subprocess
import urllib.request

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def acm(region):
    return region.client("acm")


@pytest.fixture
def own(tmp_path):
    """A certificate that is its own issuer, and its key, as OpenSSL makes them."""
    def make(*kind):
        key, body = tmp_path / "key.pem", tmp_path / "body.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "30", "-newkey", *kind, "-keyout", str(key),
             "-out", str(body), "-subj", "/CN=own.example.com"], check=True, capture_output=True)
        return body.read_bytes(), key.read_bytes()
    return make


@pytest.mark.parametrize("kind, algorithm", [
    (("rsa:2048",), "RSA_2048"),
    (("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), "EC_prime256v1"),
    (("ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"), "EC_secp384r1"),
])
def test_what_openssl_makes_is_imported_and_described(acm, own, kind, algorithm):
    body, key = own(*kind)
    arn = acm.import_certificate(
        Certificate=body, PrivateKey=key, Tags=[{"Key": "a", "Value": "1"}])["CertificateArn"]
    found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (found["Type"], found["Status"]) == ("IMPORTED", "ISSUED")
    assert (found["DomainName"], found["KeyAlgorithm"]) == ("own.example.com", algorithm)
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    given = acm.get_certificate(CertificateArn=arn)
    assert given["Certificate"].strip() == body.decode().strip()
    assert "PRIVATE" not in json.dumps(given, default=str)
    again = acm.import_certificate(Certificate=body, PrivateKey=key, CertificateArn=arn)
    assert again["CertificateArn"] == arn
    listed = acm.get_paginator("list_certificates").paginate(PaginationConfig={"PageSize": 1})
    assert arn in [it["CertificateArn"] for page in listed for it in page["CertificateSummaryList"]]
    acm.delete_certificate(CertificateArn=arn)
    with pytest.raises(acm.exceptions.ResourceNotFoundException):
        acm.describe_certificate(CertificateArn=arn)


def test_a_key_of_another_certificate_is_refused(acm, own):
    body, _ = own("rsa:2048")
    _, key = own("rsa:2048")
    for bad in (key, b"x", body):
        with pytest.raises(ClientError) as caught:
            acm.import_certificate(Certificate=body, PrivateKey=bad)
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_the_authority_makes_certificates_that_openssl_believes(region, acm, tmp_path, name):
    domain = f"{name}.example.com"
    ask = {"DomainName": domain, "SubjectAlternativeNames": [f"*.{domain}"],
           "ValidationMethod": "DNS", "IdempotencyToken": "once"}
    arn = acm.request_certificate(**ask)["CertificateArn"]
    assert acm.request_certificate(**ask)["CertificateArn"] == arn
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn)
    with urllib.request.urlopen(f"{region.endpoint}/_landfall/ca.pem") as answer:
        authority = answer.read()
    (tmp_path / "ca.pem").write_bytes(authority)
    given = acm.get_certificate(CertificateArn=arn)
    (tmp_path / "body.pem").write_text(given["Certificate"])
    assert given["CertificateChain"].strip() == authority.decode().strip()
    for host in (domain, f"www.{domain}"):
        checked = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host,
             "-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "body.pem")],
            capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    acm.delete_certificate(CertificateArn=arn)


def test_a_certificate_that_a_listener_shows_stays(region, acm, name):
    ec2, elb = region.client("ec2"), region.client("elbv2")
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]]
    first, second = (acm.request_certificate(DomainName=f"{it}.{name}.example.com")["CertificateArn"]
                     for it in "ab")
    lb = elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    fixed = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]
    listener = elb.create_listener(
        LoadBalancerArn=lb, Protocol="HTTPS", Port=443, DefaultActions=fixed,
        Certificates=[{"CertificateArn": first}])["Listeners"][0]
    assert listener["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    elb.add_listener_certificates(
        ListenerArn=listener["ListenerArn"], Certificates=[{"CertificateArn": second}])
    shown = elb.describe_listener_certificates(ListenerArn=listener["ListenerArn"])["Certificates"]
    assert [(it["CertificateArn"], it["IsDefault"]) for it in shown] == [(first, True), (second, False)]
    assert acm.describe_certificate(CertificateArn=second)["Certificate"]["InUseBy"] == [lb]
    with pytest.raises(acm.exceptions.ResourceInUseException):
        acm.delete_certificate(CertificateArn=second)
    with pytest.raises(ClientError):
        elb.remove_listener_certificates(
            ListenerArn=listener["ListenerArn"], Certificates=[{"CertificateArn": first}])
    elb.delete_load_balancer(LoadBalancerArn=lb)
    for arn in (first, second):
        acm.delete_certificate(CertificateArn=arn)
