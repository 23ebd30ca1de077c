"""Clients of others through a load balancer: curl, wrk, h2load, WebSockets, gRPC, server-sent events.

Two balancers share the work. Web servers are containers; servers that images have no program for run
here, at the machine's address in the region's network, and are registered as targets by it.
"""

import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import websocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

from until import QUICKLY
from web import QUICK, Web, serving

DOMAIN = "clients.example.com"
# Longer than anything takes that these tests wait for.
PATIENCE = 60
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def balanced():
    yield from serving("--balancers", "2")


class Site:
    """A load balancer with an HTTP and an HTTPS listener, web servers, and groups by path."""

    def __init__(self, region, folder):
        self.web = Web(region, f"c{os.getpid()}")
        self.region, self.elbv2 = region, self.web.elbv2
        self.host = self.bridge()
        self.web.listen().register()
        with urllib.request.urlopen(f"{region.endpoint}/_landfall/ca.pem") as answer:
            self.ca = folder / "ca.pem"
            self.ca.write_bytes(answer.read())
        self.certificate = region.client("acm").request_certificate(
            DomainName=DOMAIN, SubjectAlternativeNames=[f"*.{DOMAIN}"])["CertificateArn"]
        self.listeners, self.groups, self.ends = [self.web.listener], [], []
        self.listeners.append(self.listen(443, self.web.group))
        self.web.wait_healthy()

    def bridge(self):
        """The machine's own address in the region's network."""
        lines = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True).stdout
        ours = [it.split()[3] for it in lines.splitlines() if f"lf-{self.region.tag()}" in it]
        return next(it.split("/")[0] for it in ours if not it.endswith("/32"))

    def listen(self, port, group):
        return self.elbv2.create_listener(
            LoadBalancerArn=self.web.arn, Protocol="HTTPS", Port=port,
            Certificates=[{"CertificateArn": self.certificate}],
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )["Listeners"][0]["ListenerArn"]

    def group(self, name, port, **settings):
        """A group of one target: a server of this process."""
        arn = self.elbv2.create_target_group(**{
            "Name": f"{self.web.name}-{name}", "Protocol": "HTTP", "Port": port, "TargetType": "ip",
            "VpcId": self.region.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"],
            **QUICK, **settings})["TargetGroups"][0]["TargetGroupArn"]
        self.groups.append(arn)
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": self.host, "Port": port}])
        return arn

    def route(self, priority, path, group):
        """Sends a path to a group, from both listeners."""
        for listener in self.listeners:
            self.elbv2.create_rule(
                ListenerArn=listener, Priority=priority,
                Conditions=[{"Field": "path-pattern", "Values": [path]}],
                Actions=[{"Type": "forward", "TargetGroupArn": group}])

    def wait(self, group):
        self.elbv2.get_waiter("target_in_service").wait(
            TargetGroupArn=group, WaiterConfig=QUICKLY)

    @property
    def node(self):
        return self.web.node()

    def tls(self):
        return ssl.create_default_context(cafile=str(self.ca))

    def curl(self, *words, stdin=None):
        """What curl prints of an answer: its body, then what `-w` asks for."""
        done = subprocess.run(
            ["curl", "-sS", "--max-time", str(PATIENCE), "--cacert", str(self.ca),
             "--resolve", f"{DOMAIN}:443:{self.node}", "--resolve", f"{DOMAIN}:80:{self.node}", *words],
            input=stdin, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def end(self):
        self.web.end()
        for arn in self.groups:
            self.elbv2.delete_target_group(TargetGroupArn=arn)
        for it in self.ends:
            it()


class Origin(http.server.BaseHTTPRequestHandler):
    """Takes uploads in, and tells events for which it waits to be allowed."""

    protocol_version = "HTTP/1.1"
    allowed = {}

    def do_GET(self):
        if not self.path.startswith("/events"):
            return self.answer(b"well")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            event = f"id: {number}\ndata: event {number}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            assert self.allowed[self.path].acquire(timeout=PATIENCE)
        self.wfile.write(b"0\r\n\r\n")

    def do_PUT(self):
        body = b"".join(self.parts())
        said = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(),
                "expect": self.headers.get("Expect"), "for": self.headers["X-Forwarded-For"]}
        self.answer(json.dumps(said).encode())

    do_POST = do_PUT

    def parts(self):
        if "Content-Length" in self.headers:
            yield self.rfile.read(int(self.headers["Content-Length"]))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(balanced, tmp_path_factory):
    it = Site(balanced, tmp_path_factory.mktemp("site"))
    try:
        yield it
    finally:
        it.end()


@pytest.fixture(scope="module")
def origin(site):
    """Uploads and events, below /up and /events."""
    server = http.server.ThreadingHTTPServer((site.host, 0), Origin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.ends += [server.shutdown, server.server_close]
    group = site.group("origin", server.server_port)
    site.route(1, "/up", group)
    site.route(2, "/events/*", group)
    site.wait(group)
    return server


@pytest.fixture(scope="module")
def echo(site):
    """A WebSocket server below /ws: says again what it hears, and goodbye when asked to."""
    def said_again(socket):
        for message in socket:
            if message == "goodbye":
                socket.close(4000, "as asked")
            else:
                socket.send(message)

    def plain(connection, request):
        return connection.respond(200, "well\n") if request.path == "/health" else None

    server = serve(said_again, site.host, 0, process_request=plain, max_size=4 * MEGABYTE)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.ends.append(server.shutdown)
    group = site.group("ws", server.socket.getsockname()[1], HealthCheckPath="/health")
    site.route(3, "/ws", group)
    site.wait(group)
    return server


class Echo(grpc.GenericRpcHandler):
    """Four ways to call, on bytes; everything else is UNIMPLEMENTED."""

    def service(self, call):
        return {
            "/echo.Echo/Say": grpc.unary_unary_rpc_method_handler(self.say),
            "/echo.Echo/Count": grpc.unary_stream_rpc_method_handler(self.count),
            "/echo.Echo/Gather": grpc.stream_unary_rpc_method_handler(self.gather),
            "/echo.Echo/Talk": grpc.stream_stream_rpc_method_handler(self.talk),
        }.get(call.method)

    def say(self, request, context):
        if request == b"fail":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
        context.set_trailing_metadata([("after", "word")])
        return request

    def count(self, request, context):
        yield from (b"%d" % it for it in range(int(request)))

    def gather(self, requests, context):
        return b"".join(requests)

    def talk(self, requests, context):
        yield from (it.upper() for it in requests)


@pytest.fixture(scope="module")
def channel(site):
    """A gRPC channel through an HTTPS listener of its own to a gRPC server."""
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([Echo()])
    port = server.add_insecure_port(f"{site.host}:0")
    server.start()
    site.ends.append(lambda: server.stop(None).wait())
    # Health checks ask for what is not there: UNIMPLEMENTED is 12, which is healthy by default.
    group = site.group("grpc", port, ProtocolVersion="GRPC")
    site.listen(8443, group)
    site.wait(group)
    secure = grpc.ssl_channel_credentials(site.ca.read_bytes())
    with grpc.secure_channel(f"{site.node}:8443", secure, options=[
            ("grpc.ssl_target_name_override", DOMAIN), ("grpc.default_authority", DOMAIN),
            ("grpc.max_receive_message_length", 4 * MEGABYTE)]) as it:
        yield it


def test_curl_speaks_http_1_and_2_with_the_region_s_authority(site):
    version = ["-o", "/dev/null", "-w", "%{http_code} %{http_version}"]
    assert site.curl(f"http://{DOMAIN}/", *version) == b"200 1.1"
    assert site.curl(f"https://{DOMAIN}/", *version) == b"200 2"
    assert site.curl("--http1.1", f"https://{DOMAIN}/", *version) == b"200 1.1"
    assert site.curl("--http2", f"https://{DOMAIN}/", *version) == b"200 2"
    assert site.curl("--tlsv1.2", "--tls-max", "1.2", f"https://{DOMAIN}/", *version) == b"200 2"
    # An upgrade to HTTP/2 without TLS is not taken; the request is answered as it came.
    assert site.curl("--http2", f"http://{DOMAIN}/", *version) == b"200 1.1"
    assert site.curl("-I", f"http://{DOMAIN}/").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("url", [f"http://{DOMAIN}/up", f"https://{DOMAIN}/up"])
@pytest.mark.parametrize("how", [
    ["--http1.1"], ["--http1.1", "-H", "Expect: 100-continue"],
    ["--http1.1", "-H", "Transfer-Encoding: chunked"], ["--http2"]])
def test_curl_uploads_arrive_whole(site, origin, url, how):
    body = os.urandom(3 * MEGABYTE)
    said = json.loads(site.curl(*how, "-T", "-", url, stdin=body))
    assert (said["size"], said["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert said["for"]


def test_server_sent_events_come_one_by_one(site, origin):
    for number, scheme in enumerate(("http", "https")):
        path = f"/events/{os.getpid()}-{number}"
        Origin.allowed[path] = threading.Semaphore(0)
        client = subprocess.Popen(
            ["curl", "-sSN", "--max-time", str(PATIENCE), "--cacert", str(site.ca), "--resolve",
             f"{DOMAIN}:443:{site.node}", "--resolve", f"{DOMAIN}:80:{site.node}",
             f"{scheme}://{DOMAIN}{path}"], stdout=subprocess.PIPE, text=True)
        for event in range(3):
            # The next one is told only after this one has come.
            lines = [client.stdout.readline() for _ in range(3)]
            assert lines == [f"id: {event}\n", f"data: event {event}\n", "\n"]
            Origin.allowed[path].release()
        assert client.stdout.read() == ""
        assert client.wait(PATIENCE) == 0
        client.stdout.close()


def test_a_websocket_carries_texts_bytes_pings_and_the_reason_of_its_end(site, echo):
    secure = site.tls()
    for url, settings in ((f"ws://{DOMAIN}/ws", {}), (f"wss://{DOMAIN}/ws", {"ssl": secure})):
        port = 443 if settings else 80
        with connect(url, sock=socket.create_connection((site.node, port)), open_timeout=PATIENCE,
                     max_size=4 * MEGABYTE, **settings) as it:
            it.send("hello")
            assert it.recv(PATIENCE) == "hello"
            large = os.urandom(2 * MEGABYTE)
            it.send(large)
            assert it.recv(PATIENCE) == large
            assert it.ping().wait(PATIENCE)
            it.send("goodbye")
            with pytest.raises(ConnectionClosed) as closed:
                it.recv(PATIENCE)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "as asked")


def test_another_websocket_client_and_many_at_once(site, echo):
    sockets = [websocket.create_connection(f"ws://{site.node}/ws", timeout=PATIENCE) for _ in range(50)]
    for number, it in enumerate(sockets):
        it.send(f"socket {number}")
    assert [it.recv() for it in sockets] == [f"socket {number}" for number in range(50)]
    for it in sockets:
        it.close()


def test_grpc_calls_of_all_four_kinds_pass(channel):
    say = channel.unary_unary("/echo.Echo/Say")
    answer, call = say.with_call(b"hello", timeout=PATIENCE)
    assert answer == b"hello"
    assert ("after", "word") in [tuple(it) for it in call.trailing_metadata()]
    large = os.urandom(2 * MEGABYTE)
    assert say(large, timeout=PATIENCE) == large
    count = channel.unary_stream("/echo.Echo/Count")
    assert list(count(b"100", timeout=PATIENCE)) == [b"%d" % it for it in range(100)]
    gather = channel.stream_unary("/echo.Echo/Gather")
    assert gather(iter([b"a", b"b", b"c"]), timeout=PATIENCE) == b"abc"
    talk = channel.stream_stream("/echo.Echo/Talk")
    heard = threading.Semaphore(0)

    def turns():
        for word in (b"one", b"two", b"three"):
            yield word
            # The next word is said once the answer to this one has come.
            assert heard.acquire(timeout=PATIENCE)

    answers = []
    for it in talk(turns(), timeout=PATIENCE):
        answers.append(it)
        heard.release()
    assert answers == [b"ONE", b"TWO", b"THREE"]


def test_grpc_statuses_pass(channel):
    for method, body, status, words in [
        ("/echo.Echo/Say", b"fail", grpc.StatusCode.FAILED_PRECONDITION, "as asked"),
        ("/echo.Echo/Sing", b"", grpc.StatusCode.UNIMPLEMENTED, "Method not found!"),
    ]:
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary(method)(body, timeout=PATIENCE)
        assert (failed.value.code(), failed.value.details()) == (status, words)


def test_wrk_finds_no_error(site):
    if not shutil.which("wrk"):
        pytest.skip("no wrk on this machine (apt: wrk)")
    done = subprocess.run(["wrk", "-t1", "-c16", "-d2s", "--timeout", str(PATIENCE),
                           f"http://{site.node}/"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
    assert int(re.search(r"(\d+) requests in", done.stdout)[1]) > 0


@pytest.mark.parametrize("url, options", [
    (f"https://{DOMAIN}/", ["-m8"]), (f"https://{DOMAIN}/", ["--h1"]), (f"http://{DOMAIN}/", ["--h1"])])
def test_h2load_finds_no_error(site, url, options):
    if not shutil.which("h2load"):
        pytest.skip("no h2load on this machine (apt: nghttp2-client)")
    port = 443 if url.startswith("https") else 80
    done = subprocess.run(["h2load", "-n2000", "-c8", *options, f"--connect-to={site.node}:{port}", url],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout
    assert "2000 2xx" in done.stdout, done.stdout
