# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 on both sides of the egress guard."""
import base64
import hashlib
import json
import os
import re
import ssl
import struct
import subprocess
import sys
import threading
import time

import h2.errors
import h2.events
import h2.exceptions
import hyperframe.frame as frames
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import h2client  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
EXE = os.path.join(BUILD, "src/proc/egress/egress")
SECRET = "correct-horse-battery-staple-7741"
TOKEN = "the-real-token-0123456789abcdef"
ON = {"known_secrets": True, "token_patterns": True}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ROUTES = {
    "h1.test": {}, "h2.test": {}, "raw.test": {}, "other.test": {}, "grpc.test": dict(dlp=ON),
    "scan.test": dict(dlp=ON), "twin.test": {},
    "auth.test": dict(credentials="pin", auth={"scheme": "Bearer", "token_ref": "API_TOKEN", "header": ""}),
}


class World:
    def __init__(self, tmp):
        self.tmp = tmp
        self.ca = testca.CA("upstream root")
        self.ca.issue(tmp + "/good", *ROUTES)
        self.cert = (tmp + "/good.crt", tmp + "/good.key")
        self.nginx = upstreams.Nginx(tmp + "/nginx", *self.cert)
        self.rig = egressrig.Rig(EXE, [egressrig.route(h, **c) for h, c in ROUTES.items()],
                                 testca.pem(self.ca.cert), tokens=[("API_TOKEN", TOKEN, "placeholder-x")],
                                 known=[("PASSWORD", SECRET, [], False)])
        t = self.rig.targets
        for host in ROUTES:
            t[host, 443], t[host, 80] = self.nginx.h2, self.nginx.h2c
        t["h1.test", 443], t["h1.test", 80] = self.nginx.tls, self.nginx.plain
        self.raw = None
        with open(tmp + "/root.pem", "wb") as f:
            f.write(testca.pem(self.rig.root.cert))

    def curl(self, *args, data=None):
        return subprocess.run(
            ["curl", "-sS", "-x", self.rig.proxy, "--cacert", self.tmp + "/root.pem", "-m", "60",
             *args], capture_output=True, input=data, check=False)

    def tls(self, host, alpn=("h2",)):
        s = self.rig.connect(host, 443)
        ctx = ssl.create_default_context(cafile=self.tmp + "/root.pem")
        ctx.set_alpn_protocols(list(alpn))
        return ctx.wrap_socket(s, server_hostname=host)

    def client(self, host="h2.test"):
        s = self.tls(host)
        assert s.selected_alpn_protocol() == "h2"
        return h2client.Client(s, host)

    def upstream(self, script, host="raw.test", alpn=()):
        if self.raw:
            self.raw.close()
        self.raw = upstreams.Raw(script, self.cert, alpn)
        self.rig.targets[host, 443] = self.raw.address
        return self.raw

    def log(self):
        time.sleep(0.1)
        return [line.split() for line in open(self.nginx.log)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(str(tmp_path_factory.mktemp("h2")))
    w.nginx.put("k", b"k")
    yield w
    w.rig.close()
    w.nginx.close()


@pytest.fixture
def w(world):
    world.rig.clear()
    yield world
    assert world.rig.proc.poll() is None, "egress died"
    assert world.client().ask("/k").body == b"k"  # the control


# ---- every pair of versions ----
@pytest.mark.parametrize("up", ["h1.test", "h2.test"])
@pytest.mark.parametrize("down", ["--http1.1", "--http2"])
def test_downloads(w, down, up):
    for size in (0, 1, 65536, 20 << 20):
        data = os.urandom(min(size, 1 << 20)) * max(1, size >> 20)
        w.nginx.put("d%d" % size, data)
        p = w.curl(down, "https://%s/d%d" % (up, size))
        assert hashlib.sha256(p.stdout).digest() == hashlib.sha256(data).digest(), (size, p.stderr)
    p = w.curl(down, "-I", "-w", "%{http_version}", "https://%s/d65536" % up)
    assert re.search(b"content-length: 65536", p.stdout, re.I)
    assert p.stdout.endswith(b"2" if down == "--http2" else b"1.1")
    p = w.curl(down, "-r", "100-199", "-o", "/dev/null", "-w", "%{http_code} %{size_download}",
               "https://%s/d65536" % up)
    assert p.stdout == b"206 100"
    assert w.curl(down, "-w", "%{http_code}", "https://%s/s204" % up).stdout == b"204"
    # nobody but gRPC needs HTTP/2 upstream, so only its clients are given it
    want = "HTTP/2.0" if (up, down) == ("h2.test", "--http2") else "HTTP/1.1"
    if up == "h1.test" or down == "--http2":
        assert {line[5] for line in w.log() if line[4] == "/d65536" and line[2] == up} >= {want}


@pytest.mark.parametrize("down", ["--http1.1", "--http2"])
@pytest.mark.parametrize("tls", [True, False])
def test_uploads(w, down, tls):
    echo = upstreams.EchoServer(w.cert if tls else None)
    w.rig.targets["other.test", 443 if tls else 80] = echo.server_address
    data = os.urandom(5 << 20)
    want = "%s %d" % (hashlib.sha256(data).hexdigest(), len(data))
    url = ("https" if tls else "http") + "://other.test/up"
    try:
        assert w.curl(down, "--data-binary", "@-", url, data=data).stdout.decode() == want
        assert w.curl(down, "-T", "-", url, data=data).stdout.decode() == want  # of unknown length
    finally:
        w.rig.targets["other.test", 443], w.rig.targets["other.test", 80] = w.nginx.h2, w.nginx.h2c


def test_prior_knowledge_in_a_tunnel_without_tls(w):
    p = w.curl("-p", "--http2-prior-knowledge", "-w", "%{http_version}", "http://h2.test/k")
    assert p.stdout == b"k2"
    c = h2client.Client(w.rig.connect("h2.test", 80), "h2.test", "http")
    assert [c.ask("/k").body for _ in range(3)] == [b"k"] * 3
    assert {line[5] for line in w.log() if line[4] == "/k"} == {"HTTP/2.0"}
    p = w.curl("-p", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}", "http://elsewhere.test/k")
    assert w.rig.wait_record(verdict="deny", host="elsewhere.test")["reason"] == "not_listed"


def test_many_requests_on_few_connections(w):
    port = w.rig.listen_as("h2.test", 443)
    w.nginx.put("load", b"x" * 1024)
    p = subprocess.run(["h2load", "-n", "3000", "-c", "5", "-m", "50", "--connect-to=127.0.0.1:%d" % port,
                        "https://h2.test/load"], capture_output=True, check=False, timeout=120)
    assert b"3000 succeeded, 0 failed, 0 errored" in p.stdout, p.stdout
    lines = [line for line in w.log() if line[4] == "/load"]
    assert len(lines) == 3000
    # 250 streams at once, 100 in each connection
    assert len({line[0] for line in lines}) < 10
    for kind in ("verdict", "end"):
        assert len(w.rig.wait_records(3000, lambda r: r["kind"] == kind and r["path"] == "/load")) == 3000


# ---- nghttp2's own client and server, in each of the ways of speaking that they have options for ----
NGHTTP = {
    "plain": [], "padding": ["-b", "255"], "continuation": ["--continuation"], "windows": ["-w", "5", "-W", "5"],
    "wide": ["-w", "24", "-W", "24"], "no table": ["-c", "0", "--encoder-header-table-size=0"],
    "weights": ["-p", "256"], "no priorities": ["--no-rfc7540-pri"], "no dependencies": ["--no-dep"],
    "one stream": ["-M", "1", "--no-push"],
}
NGHTTP_UP = {
    "plain": [], "padding": ["-b", "255"], "expect": ["--expect-continue"], "no length": ["--no-content-length"],
    "trailer": ["--trailer", "x-check: 1"], "continuation": ["--continuation"],
}
NGHTTPD = {
    "plain": [], "padding": ["-b", "255"], "windows": ["-w", "5", "-W", "5"], "one stream": ["-m", "1"],
    "no table": ["-c", "0", "--encoder-header-table-size=0"], "trailer": ["--trailer", "x-sum: 2"],
    "no length": ["--no-content-length"], "no priorities": ["--no-rfc7540-pri"],
}


class Nghttpd:
    """Serves @directory, or gives back what is sent to it."""

    def __init__(self, w, directory, *args):
        self.address = ("127.0.0.1", upstreams.free_port())
        self.proc = subprocess.Popen(["nghttpd", "-a", self.address[0], "-d", directory, *args, str(self.address[1]),
                                      w.cert[1], w.cert[0]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        upstreams.wait_listening(self.address, self.proc)

    def close(self):
        self.proc.terminate()
        self.proc.wait(timeout=10)


def nghttp(w, host, path, *args):
    port = w.rig.listen_as(host, 443)
    p = subprocess.run(["nghttp", "-y", "-t", "30", "-H", ":authority: " + host, *args, "https://127.0.0.1:%d%s" % (port, path)],
                       capture_output=True, check=False, timeout=60)
    assert p.returncode == 0, p.stderr
    return p.stdout


@pytest.mark.parametrize("server", NGHTTPD)
def test_nghttp2_client_and_server(w, server, tmp_path):
    data, sent = os.urandom(300000), os.urandom(200000)
    for name, octets in (("data", data), ("sent", sent)):
        with open(tmp_path / name, "wb") as f:
            f.write(octets)
    serving = Nghttpd(w, str(tmp_path), *NGHTTPD[server])
    echoing = Nghttpd(w, str(tmp_path), "--echo-upload", *NGHTTPD[server])
    t = w.rig.targets
    try:
        t["other.test", 443], t["twin.test", 443] = serving.address, echoing.address
        for how, args in NGHTTP.items():
            assert nghttp(w, "other.test", "/data", *args) == data, how
        # several on one connection: their output comes mixed
        assert sorted(nghttp(w, "other.test", "/data", "-m", "4")) == sorted(4 * data)
        # nghttpd resets who sends content before it has seen a smaller window than the first (RFC 9113 6.9.3 lets him)
        assert nghttp(w, "twin.test", "/sent") == sent
        for how, args in NGHTTP_UP.items():
            assert nghttp(w, "twin.test", "/up", "-d", str(tmp_path / "sent"), *args) == sent, how
    finally:
        serving.close()
        echoing.close()
        t["other.test", 443] = t["twin.test", 443] = w.nginx.h2
    n = len(NGHTTP) + 4 + len(NGHTTP_UP)
    ends = w.rig.wait_records(n, lambda r: r["kind"] == "end" and r["path"] in ("/data", "/up"))
    assert len(ends) == n and {r["reason"] for r in ends} == {"ok"}


def test_routes_share_no_connection(w):
    c = w.client("h2.test"), w.client("twin.test")
    for client in c:
        assert client.ask("/k").status == 200
    lines = [line for line in w.log() if line[2] in ("h2.test", "twin.test")]
    by = {host: {line[0] for line in lines if line[2] == host} for host in ("h2.test", "twin.test")}
    assert by["twin.test"] and not by["h2.test"] & by["twin.test"]


@pytest.mark.parametrize("down,host", [("--http2", "h2.test"), ("--http1.1", "h1.test"), ("--http1.1", "h2.test")])
def test_idle_connections_from_an_address_that_is_gone(w, down, host):
    """They would swallow the next request: it gets a new one. Another address's loss changes nothing."""
    def ask(n):
        assert w.curl(down, "https://%s/k" % host).stdout == b"k"
        assert len(w.rig.dials) == n
    w.rig.addr_gone()
    for gone, n in ((None, 1), ("192.0.2.9", 1), ("::1", 1), ("127.0.0.1", 2), (None, 2), ("127.0.0.1", 3)):
        if gone:
            w.rig.addr_gone(gone)
        ask(n)


@pytest.mark.parametrize("down,host", [("--http2", "h2.test"), ("--http1.1", "h1.test")])
def test_connections_in_use_from_an_address_that_is_gone(w, down, host):
    """What goes on in them goes on; no further request joins or follows."""
    data = os.urandom(1 << 20) * 12
    w.nginx.put("long", data)
    w.rig.addr_gone()
    slow = subprocess.Popen(["curl", "-sS", "-x", w.rig.proxy, "--cacert", w.tmp + "/root.pem", down, "--limit-rate", "4M",
                             "https://%s/long" % host, "https://%s/k" % host], stdout=subprocess.PIPE)
    head = slow.stdout.read(1 << 20)
    assert len(w.rig.dials) == 1
    w.rig.addr_gone()
    assert w.curl(down, "https://%s/k" % host).stdout == b"k" and len(w.rig.dials) == 2
    rest = slow.communicate(timeout=60)[0]
    assert head + rest == data + b"k"
    # its own second request went over the new connection, or over one of its own
    assert len(w.rig.dials) in (2, 3)
    n = len(w.rig.dials)
    assert w.curl(down, "https://%s/k" % host).stdout == b"k" and len(w.rig.dials) == n


# ---- who is meant ----
def test_another_authority(w):
    c = w.client("h2.test")
    a = c.ask("/k", authority="other.test")
    assert a.status == 421 and json.loads(a.body)["reason"] == "name_mismatch", a.body
    assert c.ask("/k", authority="h2.test:443").body == b"k"
    assert c.ask("/k", authority="H2.test").body == b"k"
    assert c.ask("/k", authority="h2.test:80").status == 421


MALFORMED = [
    [(":method", "GET"), (":scheme", "https"), (":path", "/")],
    [(":method", "GET"), (":path", "/"), (":authority", "h2.test")],
    [(":method", "GET"), (":scheme", "https"), (":authority", "h2.test")],
    [(":scheme", "https"), (":path", "/"), (":authority", "h2.test")],
    [(":method", "GET"), (":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "h2.test")],
    [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":path", "/x"), (":authority", "h2.test")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h2.test")],
    [(":method", "GET"), (":scheme", "https"), (":path", ""), (":authority", "h2.test")],
    [(":method", "GET"), (":scheme", "https"), (":path", "x"), (":authority", "h2.test")],
    [(":method", "GET"), (":scheme", "https"), (":path", "/ HTTP/1.1\r\nHost: h2.test\r\n\r\nGET /"),
     (":authority", "h2.test")],
    [(":method", "GET / HTTP/1.1\r\n"), (":scheme", "https"), (":path", "/"), (":authority", "h2.test")],
    [(":method", "CONNECT"), (":authority", "other.test:443")],
    [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/"), (":authority", "h2.test")],
]
FIELDS = [
    ("X-Upper", "1"), ("host", "other.test"), ("connection", "close"), ("transfer-encoding", "chunked"),
    ("upgrade", "h2c"), ("keep-alive", "1"), ("proxy-connection", "keep-alive"), ("te", "gzip"),
    ("x", "a\r\nx-more: 1"), ("x", "a\nb"), ("x", "a\0b"), ("x:y", "1"), ("", "1"), ("x y", "1"), ("x\r\ny", "1"),
    (":late", "1"), (":status", "200"), ("content-length", "5"), ("content-length", "-1"), ("content-length", "0x0"),
]
GOOD = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "h2.test")]
MALFORMED += [GOOD + [f] for f in FIELDS]
MALFORMED += [GOOD + [("content-length", "0"), ("content-length", "0")],
              GOOD + [("x", "1"), (":path", "/")],
              GOOD[:3] + [("host", "a b")], GOOD[:3] + [(":authority", "h2.test, other.test")],
              GOOD[:3] + [(":authority", "user@h2.test")], GOOD[:3] + [(":authority", "h2.test#")]]


@pytest.mark.parametrize("i", range(len(MALFORMED)))
def test_malformed_sections(w, i):
    """Refused and recorded, nothing reaches the upstream, and the next request is none the worse."""
    before = len(w.log())
    c = w.client("h2.test")
    a = c.wait(c.begin_raw(MALFORMED[i]))
    assert a.status in (400, 421, None), (MALFORMED[i], a.status, a.body)
    assert a.status or a.reset == h2.errors.ErrorCodes.PROTOCOL_ERROR, (MALFORMED[i], a.reset, c.goaway)
    r = w.rig.wait_record(kind="verdict", verdict="deny")
    assert r["reason"] in ("bad_request", "name_mismatch", "bad_name"), (MALFORMED[i], r)
    assert w.rig.dials == [] and len(w.log()) == before, MALFORMED[i]
    assert c.ask("/k").body == b"k", MALFORMED[i]


# ---- frames ----
def test_octet_by_octet(w):
    echo = upstreams.EchoServer(w.cert)
    w.rig.targets["other.test", 443] = echo.server_address
    body = os.urandom(700)
    c = w.client("other.test")
    stream = c.begin_raw(c.head("/x", "POST", [("x-long", "v" * 300)]), end=False, cut=60)
    c.send(stream, body, end=True, size=1)
    assert c.wait(stream).body.decode() == "%s 700" % hashlib.sha256(body).hexdigest()
    w.rig.targets["other.test", 443] = w.nginx.h2


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [1, 7, 16384])
def test_secret_in_frames(w, announced, size):
    seen = w.upstream(h2client.server(lambda *a: None), "scan.test", ["h2"])
    c = w.client("scan.test")
    body = b"{\"note\": \"" + base64.b64encode(b"it is " + SECRET.encode()) + b"\"}"
    stream = c.begin(c.head("/x", "POST", [("content-length", str(len(body)))] if announced else []), end=False)
    c.send(stream, body, end=True, size=size)
    a = c.wait(stream)
    assert (a.status, json.loads(a.body)["reason"]) == (403, "known_secret"), a.body
    assert w.rig.wait_record(reason="known_secret")
    for octets in seen.seen:
        for cut in (4, 5, 6):  # nothing of it as a whole
            assert base64.b64encode(SECRET.encode())[cut:cut + 16] not in bytes(octets)
    seen.close()
    w.rig.targets["scan.test", 443] = w.nginx.h2


def test_secret_in_a_section(w):
    c = w.client("scan.test")
    for extra, path in (([("x-note", SECRET)], "/"), ([], "/?q=" + SECRET), ([("cookie", "a=" + SECRET[:9]),
                        ("cookie", "b=1")], "/" + SECRET)):
        a = c.ask(path, extra=extra)
        assert (a.status, json.loads(a.body)["reason"]) == (403, "known_secret")
    assert w.rig.dials == [] and c.ask("/k").status == 200


def test_credentials(w):
    got = []

    def handler(conn, ev, _c):
        if isinstance(ev, h2.events.RequestReceived):
            got.append(dict(ev.headers))
            conn.send_headers(ev.stream_id, [(":status", "200")])
            conn.send_data(ev.stream_id, b"you are " + dict(ev.headers)["authorization"].encode(), end_stream=True)
    w.upstream(h2client.server(handler), "auth.test", ["h2"])
    c = w.client("auth.test")
    a = c.ask("/", extra=[("authorization", "Bearer placeholder-x")])
    assert got[0]["authorization"] == "Bearer " + TOKEN
    assert a.status == 200 and a.body == b"you are Bearer " + b"*" * len(TOKEN)
    a = c.ask("/", extra=[("authorization", "Bearer of-somebody-else-123456")])
    assert a.status == 403 and json.loads(a.body)["reason"] == "foreign_credential" and len(got) == 1


# ---- messages ----
def test_trailers_and_informational(w):
    def h1(c):
        while c.head():
            c.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTrailer: x-sum\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n")

    def h2_(conn, ev, _c):
        if isinstance(ev, h2.events.RequestReceived):
            conn.send_headers(ev.stream_id, [(":status", "103"), ("link", "</x>")])
            conn.send_headers(ev.stream_id, [(":status", "200")])
            conn.send_data(ev.stream_id, b"ok")
            conn.send_headers(ev.stream_id, [("x-sum", "7")], end_stream=True)
    for script, alpn in ((h1, []), (h2client.server(h2_), ["h2"])):
        w.upstream(script, alpn=alpn)
        a = w.client("raw.test").ask("/", extra=[("te", "trailers")])
        assert (a.informational, a.status, a.body, a.trailers) == (["103"], 200, b"ok", [("x-sum", "7")]), alpn


def test_expect_continue(w):
    p = w.curl("--http2", "-H", "Expect: 100-continue", "-d", "x" * 2000, "-o", "/dev/null",
               "-w", "%{http_code}", "https://scan.test/k")
    assert p.stdout == b"405"


def test_event_stream_is_not_delayed(w):
    go = threading.Event()

    def h1(c):
        c.head()
        c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n")
        go.wait(10)
        c.send(b"data: two\n\n")
    w.upstream(h1)
    c = w.client("raw.test")
    s = c.begin(c.head("/"))
    assert c.wait(s, lambda a: a.body).body == b"data: one\n\n"
    go.set()
    # its end is the connection's, without close_notify: not to be believed
    assert c.wait(s, lambda a: b"two" in a.body).body.endswith(b"data: two\n\n")


def test_refusal_in_the_middle_of_an_upload(w):
    c = w.client("scan.test")
    stream = c.begin(c.head("/x", "POST", [("x-note", SECRET)]), end=False)
    assert c.send(stream, b"x" * (3 << 20), end=True)
    a = c.wait(stream)
    assert a.status == 403 and a.ended and a.reset is None
    p = w.curl("--http2", "-H", "x-note: " + SECRET, "--data-binary", "@-", "https://scan.test/x", data=b"y" * (5 << 20))
    assert json.loads(p.stdout)["reason"] == "known_secret"


def test_both_ways_at_once(w):
    """A stream that answers each message before the next is sent."""
    def handler(conn, ev, _c):
        if isinstance(ev, h2.events.RequestReceived):
            conn.send_headers(ev.stream_id, [(":status", "200")])
        elif isinstance(ev, h2.events.DataReceived):
            conn.send_data(ev.stream_id, ev.data.upper())
        elif isinstance(ev, h2.events.StreamEnded):
            conn.end_stream(ev.stream_id)
    w.upstream(h2client.server(handler), alpn=["h2"])
    c = w.client("raw.test")
    s = c.begin(c.head("/", "POST"), end=False)
    for i in range(20):
        c.send(s, b"message %d;" % i)
        assert c.wait(s, lambda a, i=i: a.body.endswith(b"MESSAGE %d;" % i)).body.count(b";") == i + 1
    c.h2.end_stream(s)
    c.flush()
    assert c.wait(s).ended


def test_large_window_for_who_reads(w):
    """A stream that is read gets more credit than it began with, and the whole arrives."""
    w.nginx.put("wide", b"w" * (30 << 20))
    for host in ("h1.test", "h2.test"):
        assert len(w.client(host).ask("/wide").body) == 30 << 20


def test_memory_is_bounded_with_a_slow_reader(w):
    w.nginx.put("big", b"z" * (100 << 20))
    before = w.rig.memory_kib()
    clients = []
    for host in ("h1.test", "h2.test"):
        c = w.client(host)
        c.auto_credit = False
        for _ in range(20):
            c.begin(c.head("/big"))
        clients.append(c)
    for _ in range(20):
        for c in clients:
            c.read(0.05)
    grown = w.rig.memory_kib() - before
    for c in clients:
        c.close()
    assert grown < 40 * 256, grown


# ---- ends ----
def test_guest_that_leaves_ends_the_stream_upstream(w):
    events = []

    def handler(conn, ev, _c):
        events.append(ev)
        if isinstance(ev, h2.events.RequestReceived):
            conn.send_headers(ev.stream_id, [(":status", "200")])
            conn.send_data(ev.stream_id, b"x")
    w.upstream(h2client.server(handler), alpn=["h2"])
    c = w.client("raw.test")
    s = c.begin(c.head("/"))
    c.wait(s, lambda a: a.body)
    c.h2.reset_stream(s, h2.errors.ErrorCodes.CANCEL)
    c.flush()
    assert w.rig.wait_record(kind="end", reason="closed")
    for _ in range(100):
        if any(isinstance(e, h2.events.StreamReset) for e in events):
            break
        time.sleep(0.05)
    assert any(isinstance(e, h2.events.StreamReset) for e in events)
    s = c.begin(c.head("/"))
    assert c.wait(s, lambda a: a.body).status == 200  # the connection lives on
    c.close()
    w.rig.wait_record(kind="end", status=200)


def test_upstream_that_fails(w):
    def reset(conn, ev, _c):
        if isinstance(ev, h2.events.RequestReceived):
            conn.reset_stream(ev.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)

    def half(conn, ev, c):
        if isinstance(ev, h2.events.RequestReceived):
            conn.send_headers(ev.stream_id, [(":status", "200"), ("content-length", "9")])
            conn.send_data(ev.stream_id, b"half")
            c.send(conn.data_to_send())
            time.sleep(0.3)
            conn.reset_stream(ev.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)

    def leave(conn, ev, c):
        if isinstance(ev, h2.events.RequestReceived):
            conn.close_connection(h2.errors.ErrorCodes.INTERNAL_ERROR)
            c.send(conn.data_to_send())
            c.sock.close()

    def garbage(c):
        c.recv()
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        c.recv()
    for script, status in ((h2client.server(reset), 502), (h2client.server(leave), 502), (garbage, 502),
                           (h2client.server(half), 200)):
        w.rig.clear()
        w.upstream(script, alpn=["h2"])
        c = w.client("raw.test")
        a = c.ask("/")
        assert a.status == status, (script, a.status, a.body)
        if status == 502:
            assert json.loads(a.body)["reason"] == "upstream_protocol"
        else:
            assert a.reset is not None and not a.ended
        assert w.rig.wait_record(kind="end", reason="upstream_protocol")


@pytest.mark.parametrize("fields", [
    [], [("x", "1")], [(":status", "101")], [(":status", "20")], [(":status", "abc")], [(":status", "200"), (":status", "200")],
    [(":status", "200"), ("connection", "close")], [(":status", "200"), ("transfer-encoding", "chunked")],
    [(":status", "200"), ("Upper", "1")], [(":status", "200"), ("x", "a\r\nSet-Cookie: b")],
    [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
    [(":status", "200"), ("x", "v" * 70000)], [(":status", "200")] + [("x%d" % i, "1") for i in range(300)],
])
def test_malformed_responses(w, fields):
    def handler(conn, ev, _c):
        if isinstance(ev, h2.events.RequestReceived):
            block = conn.encoder.encode(fields)
            pieces = [block[i:i + 16000] for i in range(0, len(block), 16000)] or [b""]
            for i, piece in enumerate(pieces):
                f = frames.ContinuationFrame(ev.stream_id, piece) if i else frames.HeadersFrame(ev.stream_id, piece)
                f.flags |= {"END_STREAM"} if i == 0 else set()
                f.flags |= {"END_HEADERS"} if i == len(pieces) - 1 else set()
                _c.send(f.serialize())
    w.upstream(h2client.server(handler), alpn=["h2"])
    c = w.client("raw.test")
    a = c.ask("/")
    assert a.status == 502 and json.loads(a.body)["reason"] == "upstream_protocol", (fields[:3], a.status, a.body)


def test_goaway_and_a_new_connection(w):
    conns = []

    def handler(conn, ev, c):
        if isinstance(ev, h2.events.RequestReceived):
            if conn not in conns:
                conns.append(conn)
            conn.send_headers(ev.stream_id, [(":status", "200")])
            conn.send_data(ev.stream_id, b"ok", end_stream=True)
            if len(conns) == 1:
                c.send(conn.data_to_send() + frames.GoAwayFrame(0, last_stream_id=ev.stream_id).serialize())
    w.upstream(h2client.server(handler), alpn=["h2"])
    c = w.client("raw.test")
    for _ in range(3):
        assert c.ask("/").body == b"ok"
    assert len(conns) == 2


# ---- floods ----
def flood(w, c, send):
    """The connection ends, and others are served all the while."""
    before = w.rig.memory_kib()
    for _ in range(200):
        if c.closed:
            break
        send()
        c.read(0)
    assert c.until_closed(20), c.goaway
    assert w.client().ask("/k").body == b"k"
    assert w.rig.memory_kib() - before < 8192
    return c.goaway


def test_rapid_reset(w):
    c = w.client()
    ids = iter(range(1, 1 << 20, 2))
    block = h2client.hpack.Encoder().encode([h2client.hpack.NeverIndexedHeaderTuple(*f) for f in c.head("/k")])

    def send():
        for _ in range(20):
            i = next(ids)
            f = frames.HeadersFrame(i, block)
            f.flags |= {"END_STREAM", "END_HEADERS"}
            c.raw(f.serialize() + frames.RstStreamFrame(i, 8).serialize())
    assert flood(w, c, send) == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


def test_continuation_flood(w):
    c = w.client()
    c.h2.send_headers(1, c.head("/"))  # hyper-h2 has to know the stream, which may be reset before the end
    c.h2.data_to_send()
    c.raw(struct.pack(">I", 5)[1:] + b"\x01\x00" + struct.pack(">I", 1) + b"\x82\x87\x84\x41\x00")

    def send():
        c.raw((struct.pack(">I", 1)[1:] + b"\x09\x00" + struct.pack(">I", 1) + b"\x82") * 100)
    flood(w, c, send)


def test_settings_and_ping_flood(w):
    for frame in (b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"12345678"):
        c = w.client()
        c.sock.settimeout(1)
        before = w.rig.memory_kib()
        for _ in range(200):  # nothing of what comes back is read
            if not c.closed:
                c.raw(frame * 500)
        assert w.rig.memory_kib() - before < 8192
        c.close()


def test_section_that_unpacks(w):
    """One octet for each field of four thousand."""
    c = w.client()
    enc = c.hpack.encode([(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "h2.test"),
                          ("x", "v" * 3900)])
    block = enc + b"\xbe" * 8000
    c.h2.send_headers(1, c.head("/"), end_stream=True)
    c.h2.data_to_send()
    c.answers[1] = h2client.Answer()
    c.raw(struct.pack(">I", len(block))[1:] + b"\x01\x05" + struct.pack(">I", 1) + block)
    a = c.wait(1)
    assert a.status == 400 and w.rig.wait_record(reason="bad_request")["verdict"] == "deny"
    assert c.ask("/k", extra=[]).status in (200, None)


def test_section_without_end(w):
    """A section of a head that never ends has a minute."""
    s = w.tls("h2.test")
    s.settimeout(90)
    s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frames.SettingsFrame(0).serialize() + frames.HeadersFrame(1, b"\x82").serialize())
    start = time.monotonic()
    while s.recv(4096):
        pass
    assert 55 < time.monotonic() - start < 80


def test_garbage_instead_of_frames(w):
    for data in (b"\xff" * 100, b"GET / HTTP/1.1\r\nHost: h2.test\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 50):
        s = w.tls("h2.test")
        s.sendall(data)
        s.settimeout(15)
        try:
            while s.recv(4096):
                pass
        except OSError:
            pass
        s.close()
    assert w.rig.wait_record(verdict="deny", reason="not_http")


def test_idle_connections_are_small(w):
    w.rig.memory_kib()
    warm = [w.client() for _ in range(10)]
    before = w.rig.memory_kib()
    clients = [w.client() for _ in range(100)]
    for c in clients:
        assert c.ask("/k").body == b"k"
    grown = w.rig.memory_kib() - before
    for c in warm + clients:
        c.close()
    assert grown < 100 * 64, grown


# ---- gRPC ----
class Grpc:
    def __init__(self, w):
        import grpc
        from concurrent import futures
        self.seen = []
        self.grpc = grpc

        class Handler(grpc.GenericRpcHandler):
            def service(handler, call):
                if call.method == "/t/One":
                    return grpc.unary_unary_rpc_method_handler(self.one)
                if call.method == "/t/Each":
                    return grpc.stream_stream_rpc_method_handler(self.each)
                return None
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers([Handler()])
        key, cert = open(w.cert[1], "rb").read(), open(w.cert[0], "rb").read()
        port = self.server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
        self.server.start()
        w.rig.targets["grpc.test", 443] = ("127.0.0.1", port)
        self.proxy = w.rig.proxy
        creds = grpc.ssl_channel_credentials(open(w.tmp + "/root.pem", "rb").read())
        os.environ["http_proxy"] = w.rig.proxy
        try:
            self.channel = grpc.secure_channel("grpc.test:443", creds)
            grpc.channel_ready_future(self.channel).result(20)
        finally:
            del os.environ["http_proxy"]

    def one(self, request, context):
        self.seen.append(request)
        context.set_trailing_metadata((("x-sum", str(len(request))),))
        return request.upper()

    def each(self, requests, _context):
        for r in requests:
            self.seen.append(r)
            yield r.upper()

    def close(self):
        self.channel.close()
        self.server.stop(0)


def test_grpc(w):
    g = Grpc(w)
    try:
        one, each = g.channel.unary_unary("/t/One"), g.channel.stream_stream("/t/Each")
        got, call = one.with_call(b"hello", timeout=20)
        assert got == b"HELLO" and ("x-sum", "5") in [tuple(t) for t in call.trailing_metadata()]
        # each answer before the next message
        box = []
        ready = threading.Semaphore(0)

        def messages():
            for i in range(10):
                if i:
                    assert ready.acquire(timeout=10)
                yield b"m%d" % i
        for r in each(messages(), timeout=30):
            box.append(r)
            ready.release()
        assert box == [b"M%d" % i for i in range(10)]
        assert one(b"z" * 300000, compression=g.grpc.Compression.Gzip, timeout=20) == b"Z" * 300000
        assert len(one(os.urandom(3 << 20), timeout=20)) == 3 << 20
        with pytest.raises(g.grpc.RpcError) as e:
            g.channel.unary_unary("/t/None")(b"", timeout=10)
        assert e.value.code() == g.grpc.StatusCode.UNIMPLEMENTED
        del g.seen[:]
        for compression in (g.grpc.Compression.NoCompression, g.grpc.Compression.Gzip):
            with pytest.raises(g.grpc.RpcError) as e:
                one(b"x" * 5000 + SECRET.encode() + b"y" * 5000, compression=compression, timeout=20)
            assert e.value.code() in (g.grpc.StatusCode.PERMISSION_DENIED, g.grpc.StatusCode.CANCELLED), e.value
            assert w.rig.wait_record(reason="known_secret")
            w.rig.clear()
        assert g.seen == []
        assert one(b"after", timeout=20) == b"AFTER"
    finally:
        g.close()
        w.rig.targets["grpc.test", 443] = w.nginx.h2
