"""botocore as a peer: serialises inputs, parses outputs and errors, signs requests.

Reads one question a line, as JSON; writes one answer a line. The models are the vendored ones, so
that both sides read the same.
"""

import base64
import datetime
import json
import pathlib
import sys

from botocore import auth, awsrequest, credentials, model, parsers, serialize

MODELS = pathlib.Path(sys.argv[1])
UTC = datetime.timezone.utc
SERVICES = {}


def service(name):
    if name not in SERVICES:
        description = json.loads((MODELS / f"{name}.json").read_text())
        SERVICES[name] = model.ServiceModel(description, name)
    return SERVICES[name]


def plain(value):
    """A parameter as botocore takes it."""
    if isinstance(value, dict):
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
        if "$milliseconds" in value:
            return datetime.datetime.fromtimestamp(value["$milliseconds"] / 1000, UTC)
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def marked(shape, value):
    """What botocore parsed, by its shape, as it was before `plain`."""
    if value is None:
        return None
    kind = shape.type_name
    if kind == "structure" and not getattr(shape, "is_document_type", False):
        return {
            key: marked(shape.members[key], item)
            for key, item in value.items()
            if key in shape.members
        }
    if kind == "list":
        return [marked(shape.member, item) for item in value]
    if kind == "map":
        return {key: marked(shape.value, item) for key, item in value.items()}
    if kind == "blob":
        # botocore gives a raw body as text.
        data = value.encode() if isinstance(value, str) else value
        return {"$bytes": base64.b64encode(data).decode()}
    if kind == "timestamp":
        return {"$milliseconds": round(value.timestamp() * 1000)}
    return value


def as_request(prepared):
    body = prepared.body or b""
    if isinstance(body, str):
        body = body.encode()
    return {
        "method": prepared.method,
        "url": prepared.url,
        "headers": [[name, text(value)] for name, value in prepared.headers.items()],
        "body": base64.b64encode(bytes(body)).decode(),
    }


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def serialised(question):
    operation = service(question["service"]).operation_model(question["operation"])
    serializer = serialize.create_serializer(question["protocol"], include_validation=False)
    request = serializer.serialize_to_request(plain(question["parameters"]), operation)
    awsrequest.prepare_request_dict(request, "http://localhost:4566")
    return as_request(awsrequest.create_request_object(request).prepare())


def response(question):
    return {
        "status_code": question["status"],
        "headers": awsrequest.HeadersDict(question["headers"]),
        "body": base64.b64decode(question["body"]),
        "context": {"operation_name": question["operation"]},
    }


def parsed(question):
    operation = service(question["service"]).operation_model(question["operation"])
    parser = parsers.create_parser(question["protocol"])
    shape = operation.output_shape
    answer = parser.parse(response(question), shape)
    return {
        "parsed": marked(shape, answer) if shape is not None else {},
        "request_id": answer.get("ResponseMetadata", {}).get("RequestId"),
    }


def parsed_error(question):
    parser = parsers.create_parser(question["protocol"])
    operation = service(question["service"]).operation_model(question["operation"])
    answer = parser.parse(response(question), operation.output_shape)
    code = answer["Error"]["Code"]
    by_code = service(question["service"]).shape_for_error_code
    shape = by_code(answer["Error"].get("QueryErrorCode", code)) or by_code(code)
    members = parser.parse(response(question), shape) if shape is not None else {}
    return {
        "code": code,
        "message": answer["Error"]["Message"],
        "request_id": answer.get("ResponseMetadata", {}).get("RequestId"),
        "shape": shape.name if shape is not None else None,
        "parsed": marked(shape, members) if shape is not None else {},
    }


def signed(question):
    """Signs at the present time, which is what the question is asked about."""
    key = credentials.Credentials(
        question["access_key_id"], question["secret"], question.get("session_token")
    )
    request = awsrequest.AWSRequest(
        method=question["method"],
        url=question["url"],
        headers=dict(question["headers"]),
        data=base64.b64decode(question["body"]),
    )
    if question["presign"]:
        signer = auth.SigV4QueryAuth(key, question["service"], question["region"], expires=60)
    else:
        signer = auth.SigV4Auth(key, question["service"], question["region"])
    signer.add_auth(request)
    prepared = request.prepare()
    return as_request(prepared)


ANSWERS = {
    "serialise": serialised,
    "parse": parsed,
    "parse_error": parsed_error,
    "sign": signed,
}

for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = ANSWERS[question["ask"]](question)
    except Exception as error:  # The test tells which question it was.
        answer = {"failed": repr(error)}
    print(json.dumps(answer))
