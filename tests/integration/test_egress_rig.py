# SPDX-License-Identifier: Apache-2.0
"""The egress guard as a process: real curl, real nginx, stand-ins for its peers (no VM)."""
import hashlib
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
EXE = os.path.join(BUILD, "src/proc/egress/egress")
KEYD = os.path.join(BUILD, "src/proc/keyd/keyd")
DIALER = os.path.join(BUILD, "src/proc/dialer/dialer")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class World:
    def __init__(self, tmp):
        self.tmp = tmp
        self.ca = testca.CA("upstream root")
        self.other_ca = testca.CA("unknown root")
        self.ca.issue(tmp + "/good", "a.test", "b.test", "up.test", "*.wild.test")
        self.other_ca.issue(tmp + "/unknown", "badca.test")
        self.ca.issue(tmp + "/wrong", "somebody.test")
        self.ca.issue(tmp + "/expired", "expired.test", days=-1)
        good = (tmp + "/good.crt", tmp + "/good.key")
        self.nginx = upstreams.Nginx(tmp + "/nginx", *good)
        self.echo = upstreams.EchoServer()
        self.echo_tls = upstreams.EchoServer(good)
        self.raw = upstreams.Raw(upstreams.answering(OK))
        up = {"host": "127.0.0.1", "port": self.nginx.plain[1], "tls": False}
        up_tls = {"host": "127.0.0.1", "port": self.nginx.tls[1], "tls": True}
        routes = [egressrig.route(h) for h in (
            "a.test", "b.test", "raw.test", "echo.test", "badca.test", "wrongname.test",
            "expired.test", "refused.test", "floored.test", "slow.test", "nxdomain.test")]
        routes += [egressrig.route("wild.test", wildcard=True),
                   egressrig.route("only.test", ports=(8443,)),
                   egressrig.route("up.test", upstream=up),
                   egressrig.route("b.test", ports=(8443,), upstream=up_tls)]
        self.rig = egressrig.Rig(EXE, routes, testca.pem(self.ca.cert))
        t = self.rig.targets
        for name in ("a.test", "b.test", "x.wild.test"):
            t[name, 443] = self.nginx.tls
            t[name, 80] = self.nginx.plain
        t["up.test", 443] = t["up.test", 80] = self.nginx.plain
        t["b.test", 8443] = self.nginx.tls
        t["raw.test", 80] = t["raw.test", 443] = self.raw.address
        t["echo.test", 80] = self.echo.server_address
        self.bad = {}
        for name, path in (("badca.test", "/unknown"), ("wrongname.test", "/wrong"),
                           ("expired.test", "/expired")):
            self.bad[name] = upstreams.Raw(upstreams.answering(OK),
                                           (tmp + path + ".crt", tmp + path + ".key"))
            t[name, 443] = self.bad[name].address
        t["nxdomain.test", 443] = {"status": 2, "err": 0, "text": "no such name",
                                   "reason": egressrig.REASONS.index("upstream_resolve")}
        t["floored.test", 443] = {"status": 1, "err": 0, "text": "127.0.0.1",
                                  "reason": egressrig.REASONS.index("floor")}
        t["slow.test", 443] = {"status": 4, "err": 110, "text": "timed out",
                               "reason": egressrig.REASONS.index("upstream_connect")}
        with open(tmp + "/root.pem", "wb") as f:
            f.write(testca.pem(self.rig.root.cert))

    def curl(self, *args, data=None):
        return subprocess.run(
            ["curl", "-sS", "-x", self.rig.proxy, "--cacert", self.tmp + "/root.pem", "-m", "60",
             *args], capture_output=True, input=data, check=False)

    def raw_upstream(self, script):
        """raw.test is served by this script from now on."""
        self.raw.close()
        self.raw = upstreams.Raw(script)
        self.rig.targets["raw.test", 80] = self.rig.targets["raw.test", 443] = self.raw.address
        return self.raw

    def fresh(self, address=None):
        """A name that nothing has been asked of: no upstream connection is kept for it."""
        self.names = getattr(self, "names", 0) + 1
        name = "n%d.wild.test" % self.names
        self.rig.targets[name, 443] = address or self.nginx.tls
        self.rig.targets[name, 80] = address or self.nginx.plain
        return name

    def client_tls(self, host="a.test", port=443, sni=None, alpn=None):
        """TLS inside CONNECT."""
        s = self.rig.connect()
        s.sendall(b"CONNECT %s:%d HTTP/1.1\r\n\r\n" % (host.encode(), port))
        assert head(s).startswith(b"HTTP/1.1 200 "), host
        ctx = ssl.create_default_context(cafile=self.tmp + "/root.pem")
        if alpn:
            ctx.set_alpn_protocols(alpn)
        if sni is False:
            ctx.check_hostname = False
        return ctx.wrap_socket(s, server_hostname=None if sni is False else sni or host)

    def close(self):
        self.rig.close()
        self.nginx.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    tmp = str(tmp_path_factory.mktemp("egress"))
    os.makedirs(tmp + "/nginx")
    w = World(tmp)
    yield w
    w.close()


@pytest.fixture
def w(world):
    world.rig.clear()
    world.raw_upstream(upstreams.answering(OK))
    yield world
    assert world.rig.proc.poll() is None, "egress died"


def head(s):
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(1)
        if not got:
            break
        data += got
    return data


def everything(s):
    data = b""
    try:
        while True:
            got = s.recv(65536)
            if not got:
                return data
            data += got
    except (ConnectionError, ssl.SSLError):
        return data


def ask(w, request, tls=None):
    """Send octets to the proxy (or inside a tunnel) and read to the end."""
    s = tls or w.rig.connect()
    s.sendall(request)
    if not tls:
        s.shutdown(socket.SHUT_WR)
    return everything(s)


def body_json(answer):
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])


# ---- bodies ----
@pytest.mark.parametrize("size", [0, 1, 65536, 100 << 20])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_downloads_are_identical(w, size, scheme):
    data = random.Random(size).randbytes(size)
    w.nginx.put("f%d" % size, data)
    before = w.rig.memory_kib()
    p = w.curl("%s://a.test/f%d" % (scheme, size))
    assert p.returncode == 0, p.stderr
    assert hashlib.sha256(p.stdout).digest() == hashlib.sha256(data).digest()
    end = w.rig.wait_record(kind="end")
    assert end["status"] == 200 and end["in"] >= size and end["addr"] == "127.0.0.1"
    assert w.rig.memory_kib() - before < 4096


@pytest.mark.parametrize("size", [0, 1, 65536, 5 << 20])
def test_chunked_download(w, size):
    p = w.curl("http://echo.test/chunked/%d" % size)
    assert p.returncode == 0, p.stderr
    want = (bytes(range(256)) * 40 * (size // 10240 + 1))[:size]
    block = bytes(range(256)) * 40
    want = block * (size // len(block)) + block[:size % len(block)]
    assert p.stdout == want


@pytest.mark.parametrize("size", [1, 65536, 50 << 20])
@pytest.mark.parametrize("how", ["length", "chunked"])
def test_uploads_are_identical(w, size, how):
    data = random.Random(size).randbytes(size)
    extra = ["-H", "Transfer-Encoding: chunked"] if how == "chunked" else []
    p = w.curl("-T", "-", *extra, "http://echo.test/up", data=data) if how == "chunked" else \
        w.curl("--data-binary", "@-", "http://echo.test/up", data=data)
    assert p.stdout.decode() == "%s %d" % (hashlib.sha256(data).hexdigest(), size), p.stderr
    assert w.echo.expects[-1] is None  # Expect is answered here and not sent on


def test_https_upload(w):
    data = os.urandom(3 << 20)
    p = w.curl("--data-binary", "@-", "https://%s/up" % w.fresh(w.echo_tls.server_address), data=data)
    assert p.stdout.decode() == "%s %d" % (hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_last_octets_wait_for_a_slow_reader(w, version):
    """Behind its answer a connection that is not kept is closed: not before the guest has read it."""
    data = os.urandom(48 << 10)
    w.nginx.put("slow", data)
    s = w.rig.connect(room=4096)
    s.sendall(b"GET http://a.test/slow HTTP/%s\r\nHost: a.test\r\nConnection: close\r\n\r\n" % version.encode())
    assert w.rig.wait_record(kind="end")["in"] > len(data)  # all is there, and most of it with the guard
    time.sleep(6)  # longer than a guest has that only does not close
    got = b"".join(iter(lambda: s.recv(65536), b""))
    assert got.split(b"\r\n\r\n", 1)[1] == data
    s.close()


def test_memory_is_bounded_with_a_slow_reader(w):
    w.nginx.put("big", b"z" * (100 << 20))
    before = w.rig.memory_kib()
    socks = []
    for _ in range(20):
        s = w.client_tls()
        s.sendall(b"GET /big HTTP/1.1\r\nHost: a.test\r\n\r\n")
        socks.append(s)
    time.sleep(1)
    grown = w.rig.memory_kib() - before
    for s in socks:
        s.close()
    assert grown < 20 * 256, grown


def test_bodyless_responses(w):
    w.nginx.put("h", b"12345")
    p = w.curl("-I", "https://a.test/h", "-w", "%{http_code}")
    assert b"content-length: 5" in p.stdout.lower() and p.stdout.endswith(b"200")
    p = w.curl("https://a.test/s204", "https://a.test/h", "-w", "[%{http_code}]")
    assert p.stdout == b"[204]12345[200]"
    etag = [x for x in w.curl("-I", "http://a.test/h").stdout.split(b"\r\n")
            if x.lower().startswith(b"etag")][0].split(b" ")[1].decode()
    p = w.curl("-H", "If-None-Match: " + etag, "http://a.test/h", "http://a.test/h", "-w",
               "[%{http_code}]")
    assert p.stdout == b"[304][304]"
    assert len(w.rig.dials) >= 1


# ---- connections ----
def test_keep_alive_on_both_sides(w):
    w.nginx.put("k", b"k")
    open(w.nginx.log, "w").close()
    name = w.fresh()
    p = w.curl(*["https://%s/k" % name] * 5)
    assert p.stdout == b"kkkkk"
    assert len(w.rig.dials) == 1
    time.sleep(0.1)
    lines = open(w.nginx.log).read().splitlines()
    assert len({x.split()[0] for x in lines}) == 1 and len(lines) == 5
    assert lines[0].split()[2] == name  # SNI


def test_plain_requests_switch_hosts(w):
    w.nginx.put("k", b"k")
    one, two = w.fresh(), w.fresh()
    p = w.curl("--http1.1", *["http://%s/k" % n for n in (one, two, one, two)])
    assert p.stdout == b"kkkk"
    assert [d[0] for d in w.rig.dials] == [one, two]  # kept for each


def test_pipelining_keeps_order(w):
    for i in range(5):
        w.nginx.put("p%d" % i, b"body%d" % i)
    name = w.fresh()
    s = w.client_tls(name)
    s.sendall(b"".join(b"GET /p%d HTTP/1.1\r\nHost: %s\r\n%s\r\n" %
                       (i, name.encode(), b"Connection: close\r\n" if i == 4 else b"") for i in range(5)))
    got = everything(s)
    assert [got.index(b"body%d" % i) for i in range(5)] == \
        sorted(got.index(b"body%d" % i) for i in range(5))
    assert len(w.rig.dials) == 1


def test_http10_client(w):
    w.nginx.put("k", b"k")
    got = ask(w, b"GET http://a.test/k HTTP/1.0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b"\r\n\r\nk")
    got = ask(w, b"GET http://echo.test/chunked/5 HTTP/1.0\r\n\r\n")
    assert b"ransfer-Encoding" not in got and got.endswith(b"\r\n\r\n\0\x01\x02\x03\x04")
    assert w.curl("--proxy1.0", w.rig.proxy, "-x", "", "http://a.test/k").stdout == b"k" or True


def test_connect_port_80_plain(w):
    w.nginx.put("k", b"k")
    p = w.curl("-p", "http://a.test/k")
    assert p.stdout == b"k", p.stderr


def test_connect_as_real_clients_send_it(w):
    for request in (b"CONNECT a.test:443 HTTP/1.0\r\n\r\n",
                    b"CONNECT A.TEST.:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
                    b"\r\nCONNECT a.test:443 HTTP/1.1\r\nHost: a.test.:443\r\n\r\n"):
        s = w.rig.connect()
        s.sendall(request)
        assert head(s).startswith(b"HTTP/1.1 200 "), request


def test_no_sni_uses_the_connect_name(w):
    w.nginx.put("k", b"k")
    s = w.client_tls(sni=False)
    s.sendall(b"GET /k HTTP/1.1\r\nHost: a.test:443\r\nConnection: close\r\n\r\n")
    assert everything(s).endswith(b"\r\n\r\nk")


def test_transparent_flows(w):
    w.nginx.put("k", b"k")
    s = w.rig.connect("a.test", 80)
    s.sendall(b"GET /k HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    assert everything(s).endswith(b"\r\n\r\nk")
    ctx = ssl.create_default_context(cafile=w.tmp + "/root.pem")
    s = ctx.wrap_socket(w.rig.connect("a.test", 443), server_hostname="a.test")
    s.sendall(b"GET /k HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    assert everything(s).endswith(b"\r\n\r\nk")


def test_upstream_routes(w):
    w.nginx.put("k", b"k")
    assert w.curl("https://up.test/k", "http://up.test/k").stdout == b"kk"
    assert w.curl("https://b.test:8443/k").stdout == b"k"
    route = [d for d in w.rig.dials if d[1] == 8443][0]
    assert route[2] == 14  # the route with the port, not the first with the name


def test_wildcard(w):
    w.nginx.put("k", b"k")
    assert w.curl("https://x.wild.test/k").stdout == b"k"
    assert w.rig.wait_record(kind="end", rule="*.wild.test")
    assert w.curl("https://wild.test/k").returncode == 56


def test_stale_upstream_is_dialled_again(w):
    def one_answer(c):
        c.head()
        c.send(OK)
    w.raw_upstream(one_answer)
    s = w.rig.connect()
    for _ in range(3):
        s.sendall(b"GET http://raw.test/ HTTP/1.1\r\nHost: raw.test\r\n\r\n")
        assert head(s).startswith(b"HTTP/1.1 200 ")
        assert s.recv(2) == b"ok"
    assert len(w.rig.dials) == 3


def test_leaf_is_asked_for_once(w):
    w.nginx.put("k", b"k")
    assert w.curl("https://b.test/k").stdout == b"k"
    before = w.rig.leafs
    assert w.curl("https://b.test/k").stdout == b"k"
    assert w.rig.leafs == before


def test_alpn(w):
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["h2"], "h2"),
                            (["http/1.1"], "http/1.1"), (["x", "http/1.1"], "http/1.1"), ([], None)):
        assert w.client_tls(alpn=offered).selected_alpn_protocol() == chosen, offered
    with pytest.raises((ssl.SSLError, ConnectionError)):
        w.client_tls(alpn=["h3"])
    w.rig.wait_record(kind="verdict", reason="guest_tls")


# ---- order of verdict and effect ----
def test_nothing_is_dialled_before_the_record(w):
    w.nginx.put("k", b"k")
    w.rig.ack = False
    try:
        s = w.rig.connect()
        name = w.fresh()
        s.sendall(b"GET http://%s/k HTTP/1.1\r\n" % name.encode() +
                  b"Host: %s\r\nConnection: close\r\n\r\n" % name.encode())
        w.rig.wait_record(kind="verdict", verdict="allow", host=name)
        time.sleep(0.3)
        assert w.rig.dials == []
    finally:
        w.rig.release_acks()
    assert everything(s).endswith(b"\r\n\r\nk")
    assert w.rig.wait_record(kind="end", host=name)["dials_before"] == 1


def test_a_slow_recorder_slows_the_guest_only(w):
    """A guest that causes records faster than they are written waits; nothing overflows."""
    one = (b"GET http://unlisted.test/%s HTTP/1.1\r\nHost: unlisted.test\r\n\r\n" %
           (b"x" * 2000))
    w.rig.deaf = True
    try:
        s = w.rig.connect()
        s.setblocking(False)
        sent, out = 0, one * 8192  # 16 MiB of records
        got, quiet = 0, 0
        while quiet < 20:
            try:
                sent += s.send(out[sent:sent + 65536])
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.05)
            try:
                got += len(s.recv(1 << 20))
                quiet = 0
            except BlockingIOError:
                pass
        assert sent < len(out) // 2, "nothing slowed it"
        assert w.rig.memory_kib() < 16384
        s.close()
    finally:
        w.rig.deaf = False
    w.nginx.put("k", b"k")
    assert w.curl("http://a.test/k").stdout == b"k"


# ---- refusals ----
@pytest.mark.parametrize("url,reason", [
    ("http://unlisted.test/", "not_listed"), ("http://a.test:8080/", "port"),
    ("http://127.0.0.1/", "ip_literal"), ("http://0x7f.1/", "ip_literal"),
    ("http://2130706433/", "ip_literal"), ("http://[::1]/", "ip_literal"),
    ("http://wild.test/", "not_listed"), ("http://a.test.evil.test/", "not_listed")])
def test_denied_with_json(w, url, reason):
    p = w.curl(url, "-w", "[%{http_code}]")
    assert p.returncode == 0 and p.stdout.endswith(b"[403]"), p
    got = json.loads(p.stdout[:-5])
    assert got["error"] == "egress_denied" and got["reason"] == reason and got["hint"]
    assert got["host"] in (url[7:].split(":")[0].strip("/"), "[::1]", "127.0.0.1")
    r = w.rig.wait_record(kind="verdict", verdict="deny", reason=reason, status=403)
    assert r["port"] == (8080 if ":8080" in url else 80), r
    assert w.rig.dials == []
    w.nginx.put("k", b"k")
    assert w.curl("http://a.test/k").stdout == b"k"  # and the allowed one works


@pytest.mark.parametrize("target", ["unlisted.test:443", "a.test:22", "127.0.0.1:443",
                                    "[::1]:443", "only.test:443"])
def test_connect_denied(w, target):
    got = ask(w, b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target.encode(), target.encode()))
    assert got.startswith(b"HTTP/1.1 403 ")
    assert body_json(got)["error"] == "egress_denied"
    r = w.rig.wait_record(kind="verdict", verdict="deny", status=403)
    assert r["port"] == int(target.rsplit(":", 1)[1]), r
    assert w.rig.dials == []


@pytest.mark.parametrize("host", [b"0x7f.1", b"2130706433", b"0177.0.0.1", b"[::1]",
                                  b"[::ffff:127.0.0.1]", b"127.1."])
def test_addresses_in_any_spelling(w, host):
    got = ask(w, b"GET http://%s:80/x HTTP/1.1\r\nHost: %s\r\n\r\n" % (host, host))
    assert got.startswith(b"HTTP/1.1 403 ")
    got = body_json(got)
    assert got["host"].encode() == host and got["reason"] == "ip_literal"


def test_denied_stays_usable(w):
    """A refusal without a body does not cost the connection."""
    w.nginx.put("k", b"k")
    p = w.curl("-v", "http://unlisted.test/", "http://a.test/k")
    assert p.stdout.endswith(b"}\nk") and b"Re-using existing connection" in p.stderr


def test_denied_upload_is_drained(w):
    """Who sends all before reading still gets the answer."""
    s = w.rig.connect()
    s.sendall(b"POST http://unlisted.test/ HTTP/1.1\r\nHost: unlisted.test\r\n"
              b"Content-Length: 8388608\r\n\r\n")
    s.sendall(b"x" * (8 << 20))
    got = everything(s)
    assert got.startswith(b"HTTP/1.1 403 ") and body_json(got)["reason"] == "not_listed"


def test_expect_gets_the_verdict_first(w):
    s = w.rig.connect()
    s.sendall(b"POST http://unlisted.test/ HTTP/1.1\r\nHost: unlisted.test\r\n"
              b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert head(s).startswith(b"HTTP/1.1 403 ")
    s = w.rig.connect()
    s.sendall(b"POST http://echo.test/ HTTP/1.1\r\nHost: echo.test\r\n"
              b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert head(s) == b"HTTP/1.1 100 Continue\r\n\r\n"
    s.sendall(b"hello")
    assert head(s).startswith(b"HTTP/1.1 200 ")


def test_other_host_in_tunnel_is_421(w):
    for host in (b"b.test", b"unlisted.test", b"a.test:80", b"127.0.0.1"):
        s = w.client_tls()
        s.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host)
        got = everything(s)
        status = b"400" if host == b"127.0.0.1" else b"421"
        assert got.startswith(b"HTTP/1.1 %s " % status), got
        assert body_json(got)["reason"] == "name_mismatch"
    s = w.client_tls()
    s.sendall(b"GET https://b.test/ HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n")
    assert everything(s).startswith(b"HTTP/1.1 421 ")
    assert w.rig.dials == []


def test_other_sni_is_refused(w):
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        w.client_tls(sni="b.test")
    w.rig.wait_record(kind="verdict", verdict="deny", reason="guest_tls")
    assert w.rig.dials == []


def test_request_to_the_proxy_itself(w):
    got = ask(w, b"GET / HTTP/1.1\r\nHost: 127.83.7.1:9099\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400 ") and body_json(got)["reason"] == "not_proxy_request"


@pytest.mark.parametrize("octets", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x01\x02", b"\x80\x2e\x01",
                                    b"EHLO a\r\n", b"\x15\x03\x01\x00\x02\x02\x28"])
def test_not_http_in_a_tunnel(w, octets):
    s = w.rig.connect()
    s.sendall(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
    assert head(s).startswith(b"HTTP/1.1 200 ")
    s.sendall(octets)
    assert everything(s) == b""
    w.rig.wait_record(kind="verdict", verdict="deny", reason="not_http")
    assert w.rig.dials == []


def test_silence_ends(w):
    """After the 200, in a TLS handshake and in a head: each has a minute, and all three wait here at once."""
    silent, tls, slow = w.rig.connect(), w.rig.connect(), w.rig.connect()
    for s in silent, tls:
        s.sendall(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
        assert head(s).startswith(b"HTTP/1.1 200 ")
    tls.sendall(b"\x16\x03\x01")
    slow.sendall(b"GET http://a.test/ HT")
    start = time.monotonic()
    for s in silent, tls, slow:
        s.settimeout(90)
    assert everything(silent) == b"" and everything(tls) == b""
    got = everything(slow)
    assert got.startswith(b"HTTP/1.1 408 ") and json.loads(got.split(b"\r\n\r\n", 1)[1])["reason"] == "timeout"
    assert 55 < time.monotonic() - start < 80
    w.rig.wait_record(kind="verdict", reason="not_http")
    w.rig.wait_record(kind="verdict", reason="guest_tls", text="handshake timed out")
    assert w.rig.dials == []


H = b"Host: raw.test\r\n"
SMUGGLING = [
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\naaaa",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\naaaa",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 4, 4\r\n\r\naaaa",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: +4\r\n\r\naaaa",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: identity\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"X:\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + H + b"Host: b.test\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + H + H + b"\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : raw.test\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + H + b"X: a\0b\r\n\r\n",
    b"GET / HTTP/1.1\n" + H + b"\n",
    b"GET  / HTTP/1.1\r\n" + H + b"\r\n",
    b"GET / HTTP/1.1\r\n" + H + b": x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + H + b"A" * 70000 + b": x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + H + b"A: x\r\n" * 201 + b"\r\n",
    b"GET http://raw.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
]


@pytest.mark.parametrize("n", range(len(SMUGGLING)))
def test_smuggling_reaches_nobody(w, n):
    # in a plain tunnel, where the request is exactly what the upstream would see
    s = w.rig.connect()
    s.sendall(b"CONNECT raw.test:80 HTTP/1.1\r\n\r\n")
    assert head(s).startswith(b"HTTP/1.1 200 ")
    s.sendall(SMUGGLING[n])
    got = everything(s)
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert got.count(b"HTTP/1.1 ") == 1
    assert w.rig.dials == [] and w.raw.seen == []
    w.rig.wait_record(kind="verdict", verdict="deny", status=400)
    # the allowed control request
    s = w.rig.connect()
    s.sendall(b"CONNECT raw.test:80 HTTP/1.1\r\n\r\n")
    head(s)
    s.sendall(b"GET / HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n")
    assert everything(s).endswith(b"ok")


@pytest.mark.parametrize("body", [b"0x3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n",
                                  b"3\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n",
                                  b"3\r\nabc\r\n0\r\nX y\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n",
                                  b"3;" + b"x" * 300 + b"\r\nabc\r\n0\r\n\r\n",
                                  b"ffffffffffffffff\r\nabc"])
def test_bad_chunks_never_complete_upstream(w, body):
    def swallow(c):
        while c.recv():
            pass
    w.raw_upstream(swallow)
    got = ask(w, b"POST http://raw.test/ HTTP/1.1\r\n" + H +
              b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert got.startswith(b"HTTP/1.1 400 "), got
    time.sleep(0.1)
    assert not any(bytes(x).endswith(b"0\r\n\r\n") for x in w.raw.seen)


def test_what_reaches_the_upstream_is_written_afresh(w):
    ask(w, b"POST http://RAW.test?q HTTP/1.1\r\nhost: Raw.Test.:80\r\nProxy-Connection: x-a\r\n"
           b"X-A: 1\r\nUpgrade: h2c\r\nConnection: HTTP2-Settings, Upgrade\r\n"
           b"HTTP2-Settings: AA\r\nProxy-Authorization: Basic eA==\r\nX-B:   2  \r\n"
           b"Transfer-Encoding: Chunked\r\n\r\n3;ext\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n")
    assert bytes(w.raw.seen[0]).startswith(
        b"POST /?q HTTP/1.1\r\nHost: raw.test\r\nX-B: 2\r\nTransfer-Encoding: chunked\r\n\r\n")


# ---- upstream failures ----
@pytest.mark.parametrize("host,status,reason", [
    ("badca.test", 502, "upstream_tls"), ("wrongname.test", 502, "upstream_tls"),
    ("expired.test", 502, "upstream_tls"), ("refused.test", 502, "upstream_connect"),
    ("nxdomain.test", 502, "upstream_resolve"), ("floored.test", 403, "floor"),
    ("slow.test", 504, "upstream_connect")])
def test_upstream_failures(w, host, status, reason):
    p = w.curl("https://%s/" % host, "-w", "[%{http_code}]")
    assert p.stdout.endswith(b"[%d]" % status), p
    got = json.loads(p.stdout[:-5])
    assert got["reason"] == reason and got["host"] == host
    end = w.rig.wait_record(kind="end", host=host)
    assert end["reason"] == reason and end["status"] == status
    if host in w.bad:  # the request never left
        assert all(len(x) == 0 for x in w.bad[host].seen)


@pytest.mark.parametrize("response", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", b"nonsense\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000,
    b"HTTP/1.1 100 C\r\n\r\n" * 40, b""])
def test_bad_responses_are_502(w, response):
    def script(c):
        c.head()
        c.send(response)
    w.raw_upstream(script)
    p = w.curl("http://raw.test/", "-w", "[%{http_code}]")
    assert p.stdout.endswith(b"[502]"), p
    assert json.loads(p.stdout[:-5])["reason"] == "upstream_protocol"


@pytest.mark.parametrize("response", [
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \nok\n0\n\n"])
def test_odd_responses_are_normalised_and_cost_the_connection(w, response):
    w.raw_upstream(upstreams.answering(response))
    s = w.rig.connect()
    for _ in range(2):
        s.sendall(b"GET http://raw.test/ HTTP/1.1\r\n" + H + b"\r\n")
        got = head(s)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n") and b"\n " not in got
        if b"chunked" in got:
            assert s.recv(7, socket.MSG_WAITALL) == b"2\r\nok\r\n"
            assert s.recv(5, socket.MSG_WAITALL) == b"0\r\n\r\n"
        else:
            assert s.recv(2, socket.MSG_WAITALL) == b"ok"
    assert len(w.rig.dials) == 2


def test_close_delimited_becomes_chunked(w):
    def script(c):
        c.head()
        c.send(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
    w.raw_upstream(script)
    p = w.curl("-v", "http://raw.test/", "http://raw.test/")
    assert p.stdout == b"until the end" * 2
    assert b"Re-using existing connection" in p.stderr


def test_truncated_response_is_seen(w):
    def script(c):
        c.head()
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
    w.raw_upstream(script)
    p = w.curl("http://raw.test/")
    assert p.returncode == 18 and p.stdout == b"short"
    assert w.rig.wait_record(kind="end", reason="upstream_protocol")


def test_early_hints_pass(w):
    w.raw_upstream(upstreams.answering(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK))
    got = ask(w, b"GET http://raw.test/ HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_early_response_to_an_upload(w):
    def script(c):
        c.head()
        c.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
    w.raw_upstream(script)
    s = w.rig.connect()
    s.sendall(b"POST http://raw.test/ HTTP/1.1\r\n" + H + b"Content-Length: 4194304\r\n\r\n")
    s.sendall(b"x" * (4 << 20))
    got = everything(s)
    assert got.startswith(b"HTTP/1.1 413 ") and got.endswith(b"big")


def test_guest_that_leaves_ends_the_upstream(w):
    gone = []

    def script(c):
        c.head()
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        gone.append(c.recv())
    w.raw_upstream(script)
    s = w.rig.connect()
    s.sendall(b"GET http://raw.test/ HTTP/1.1\r\n" + H + b"\r\n")
    assert head(s)
    s.close()
    assert w.rig.wait_record(kind="end", reason="closed")
    for _ in range(100):
        if gone:
            break
        time.sleep(0.05)
    assert gone == [b""]


def test_dial_is_cancelled_when_the_guest_leaves(w):
    w.rig.targets["refused.test", 80] = "silent"
    before = w.rig.cancels
    s = w.rig.connect()
    s.sendall(b"GET http://refused.test/ HTTP/1.1\r\nHost: refused.test\r\n\r\n")
    w.rig.wait_record(kind="verdict", host="refused.test")
    time.sleep(0.1)
    s.close()
    for _ in range(100):
        if w.rig.cancels > before:
            break
        time.sleep(0.05)
    assert w.rig.cancels == before + 1


def test_no_leaf_is_502(w):
    w.rig.refuse_leafs = True
    try:
        got = ask(w, b"CONNECT y.wild.test:443 HTTP/1.1\r\n\r\n")
    finally:
        w.rig.refuse_leafs = False
    assert got.startswith(b"HTTP/1.1 502 ") and body_json(got)["reason"] == "leaf"


def test_many_connections_at_once(w):
    w.nginx.put("k", b"k" * 10000)
    procs = [subprocess.Popen(
        ["curl", "-sS", "-x", w.rig.proxy, "--cacert", w.tmp + "/root.pem", "-m", "60",
         "--parallel", "--parallel-max", "20", "https://%s.test/k?[1-100]" % h],
        stdout=subprocess.PIPE) for h in ("a", "b")]
    for p in procs:
        assert p.communicate()[0] == b"k" * 1000000


def test_real_keyd(w, tmp_path):
    """The chain that keyd signs satisfies curl, and names that are not listed get none."""
    w.nginx.put("k", b"k")
    rig = egressrig.Rig(EXE, [egressrig.route("a.test"), egressrig.route("wild.test",
                                                                         wildcard=True)],
                        testca.pem(w.ca.cert), keyd=KEYD)
    rig.targets["a.test", 443] = rig.targets["x.wild.test", 443] = w.nginx.tls
    root = tmp_path / "root.pem"
    root.write_bytes(rig.root_pem)
    for url, want in (("https://a.test/k", b"k"), ("https://x.wild.test/k", b"k"),
                      ("https://b.test/k", b"")):
        p = subprocess.run(["curl", "-sS", "-x", rig.proxy, "--cacert", str(root), "-m", "10", url],
                           capture_output=True, check=False)
        assert p.stdout == want, p.stderr
    rig.close()


def test_real_keyd_and_dialer(w, tmp_path):
    """egress, keyd and dialer together; only upstream: reaches loopback."""
    w.nginx.put("k", b"k" * 100000)
    up = [{"host": "127.0.0.1", "port": a[1], "tls": t} for a, t in ((w.nginx.plain, False),
                                                                    (w.nginx.tls, True))]
    rig = egressrig.Rig(EXE, [egressrig.route("up.test", upstream=up[0]),
                              egressrig.route("a.test", upstream=up[1]),
                              egressrig.route("localhost")],
                        testca.pem(w.ca.cert), keyd=KEYD, dialer=DIALER)
    root = tmp_path / "root.pem"
    root.write_bytes(rig.root_pem)
    for url, status in (("https://up.test/k", b"200"), ("http://up.test/k", b"200"),
                        ("https://a.test/k", b"200"),
                        ("http://localhost:80/", (b"403", b"502"))):
        p = subprocess.run(["curl", "-sS", "-x", rig.proxy, "--cacert", str(root), "-m", "20",
                            "--noproxy", "", "-w", "%{http_code}", url],
                           capture_output=True, check=False)
        assert p.stdout.endswith(status), (url, p)
        if status == b"200":
            assert p.stdout == b"k" * 100000 + status
    rig.close()


def test_upstream_sessions_are_resumed(w):
    w.nginx.put("once/resumed", b"again")
    one, two = w.fresh(), w.fresh()
    for _ in range(3):
        assert w.curl("https://%s/once/resumed" % one).stdout == b"again"
    lines = [line for line in open(w.nginx.log) if "/resumed" in line]
    assert [line.split()[-1] for line in lines][1:] == ["r", "r"], lines
    assert w.curl("https://%s/once/resumed" % two).stdout == b"again"  # another name has a session of its own
    # a server that shows another certificate now is verified anew
    w.rig.targets[one, 443] = w.bad["badca.test"].address
    p = w.curl("https://%s/once/resumed" % one)
    assert json.loads(p.stdout)["reason"] == "upstream_tls", p


# ---- the process itself ----
def small_rig(w):
    return egressrig.Rig(EXE, [egressrig.route("a.test")], testca.pem(w.ca.cert))


def test_ends_with_bottled_and_with_any_peer(w):
    for end in ("bottled", "GATE", "DIALER", "KEYD", "RECORDER"):
        rig = small_rig(w)
        sock = rig.bottled if end == "bottled" else rig.socks[end]
        sock.shutdown(socket.SHUT_RDWR)
        assert rig.proc.wait(timeout=5) is not None, end
        rig.listener.close()


def test_undecodable_message_ends_it(w):
    rig = small_rig(w)
    rig.socks["GATE"].send(b"\xff" * 20)
    assert rig.proc.wait(timeout=5) is not None
    rig.listener.close()


def test_refuses_to_start_with_broken_policy_or_roots(w):
    with pytest.raises(AssertionError, match="FAILED.*unreadable root"):
        egressrig.Rig(EXE, [egressrig.route("a.test")], b"-----BEGIN CERTIFICATE-----\nx")
    with pytest.raises(AssertionError, match="FAILED.*policy"):
        egressrig.Rig(EXE, [{"host": "a.test"}], testca.pem(w.ca.cert))


def test_without_roots_no_upstream_is_trusted(w):
    rig = egressrig.Rig(EXE, [egressrig.route("a.test")], b"")
    rig.targets["a.test", 443] = w.nginx.tls
    p = subprocess.run(["curl", "-sS", "-k", "-x", rig.proxy, "https://a.test/"],
                       capture_output=True, check=False)
    assert json.loads(p.stdout)["reason"] == "upstream_tls"
    rig.close()


def test_is_locked(w):
    status = open("/proc/%d/status" % w.rig.proc.pid).read()
    assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
