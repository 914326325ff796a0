# SPDX-License-Identifier: Apache-2.0
"""Another policy while requests are under way in the egress guard: each protocol hears it in its own way,
what stays is not disturbed, and no connection, certificate or ticket outlives its route."""
import base64
import hashlib
import os
import ssl
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import h2client  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
EXE = os.path.join(BUILD, "src/proc/egress/egress")
ON = {"known_secrets": True, "token_patterns": True}
TOKEN = "first-token-0123456789abcdef"
WITH_AUTH = dict(credentials="pin", dlp=ON, auth={"scheme": "Bearer", "token_ref": "API_TOKEN", "header": ""})
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"


class World:
    """A guard of its own for every test: a reload is for good."""

    def __init__(self, tmp, tokens=()):
        self.tmp, self.closers = str(tmp), []
        self.ca = testca.CA("upstream root")
        self.ca.issue(self.tmp + "/good", "stay.test", "go.test", "new.test", "auth.test")
        self.cert = (self.tmp + "/good.crt", self.tmp + "/good.key")
        self.routes = {"go.test": {}, "stay.test": {}}
        self.rig = egressrig.Rig(EXE, self.list(), testca.pem(self.ca.cert), tokens=tokens)
        with open(self.tmp + "/root.pem", "wb") as f:
            f.write(testca.pem(self.rig.root.cert))

    def list(self, **more):
        """Routes as they are, with others in place of them; None: without it."""
        self.routes.update(more)
        return [egressrig.route(h, **c) for h, c in self.routes.items() if c is not None]

    def upstream(self, script, *places, tls=False):
        raw = upstreams.Raw(script, self.cert if tls else None)
        self.closers.append(raw)
        for place in places:
            self.rig.targets[place] = raw.address
        return raw

    def ask(self, host, path="/", fields=b""):
        s = self.rig.connect()
        s.sendall(b"GET http://%s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (host.encode(), path.encode(), host.encode(), fields))
        return s

    def reload(self, tokens=None, generation=2, **more):
        assert self.rig.stage(self.list(**more), tokens, generation) == ""
        self.rig.switch()

    def status(self, host, fields=b""):
        s = self.ask(host, fields=fields)
        head = read_until(s, b"\r\n\r\n")
        s.close()
        return int(head.split()[1])

    def tls(self, host, alpn=("http/1.1",)):
        ctx = ssl.create_default_context(cafile=self.tmp + "/root.pem")
        ctx.set_alpn_protocols(list(alpn))
        return ctx.wrap_socket(self.rig.connect(host, 443), server_hostname=host)


def read_until(s, what):
    data = b""
    while what not in data:
        got = s.recv(65536)
        if not got:
            break
        data += got
    return data


def rest(s):
    data = b""
    try:
        while True:
            got = s.recv(65536)
            if not got:
                return data
            data += got
    except OSError:
        return data


@pytest.fixture
def w(tmp_path):
    w = World(tmp_path, tokens=[("API_TOKEN", TOKEN, "placeholder-api")])
    yield w
    assert w.rig.proc.poll() is None, "egress died"
    w.rig.close()
    for c in w.closers:
        c.close()


def slow(c):
    """Begins a response, and ends it when it is told to."""
    c.head()
    c.send(CHUNKED)
    while not os.path.exists(slow.go):
        time.sleep(0.02)
    c.send(b"4\r\nlast\r\n0\r\n\r\n")


def test_a_response_under_way(w, tmp_path):
    """Cut where the route has gone, whole where it stays, though its index is another."""
    slow.go = str(tmp_path / "go")
    w.upstream(slow, ("go.test", 80), ("stay.test", 80))
    gone, stays = w.ask("go.test"), w.ask("stay.test")
    for s in (gone, stays):
        read_until(s, b"first")
    w.reload(**{"go.test": None, "new.test": {}})
    assert b"last" not in rest(gone)
    open(slow.go, "w").close()
    assert read_until(stays, b"\r\n0\r\n\r\n").endswith(b"4\r\nlast\r\n0\r\n\r\n")
    end = w.rig.wait_record(kind="end", host="go.test")
    assert (end["verdict"], end["reason"], end["rule"]) == ("deny", "policy_reloaded", "go.test")
    end = w.rig.wait_record(kind="end", host="stay.test")
    assert (end["verdict"], end["reason"], end["rule"]) == ("allow", "ok", "stay.test")
    assert w.status("go.test") == 403
    # the new route has an index that another had: dialer is told the right one
    w.upstream(upstreams.answering(b"HTTP/1.1 204 No\r\n\r\n"), ("new.test", 80))
    assert w.status("new.test") == 204 and w.rig.dials[-1] == ("new.test", 80, 1)


def test_a_dial_under_way(w):
    """Given up where the route has gone; asked once more, with the new index, where it stays."""
    w.rig.targets["go.test", 80] = w.rig.targets["stay.test", 80] = "silent"
    gone, stays = w.ask("go.test"), w.ask("stay.test")
    w.rig.wait_record(kind="verdict", host="stay.test")
    end = time.time() + 10
    while len(w.rig.dials) < 2 and time.time() < end:
        time.sleep(0.02)
    w.upstream(upstreams.answering(b"HTTP/1.1 204 No\r\n\r\n"), ("go.test", 80), ("stay.test", 80))
    w.reload(**{"go.test": None})
    head = read_until(gone, b"\r\n\r\n")
    assert b" 403 " in head and b"X-Egress-Reason: policy_reloaded" in head
    assert b" 204 " in read_until(stays, b"\r\n\r\n")
    assert w.rig.dials[2:] == [("stay.test", 80, 0)] and w.rig.cancels == 2


def test_a_route_that_changed(w):
    """Same host, something else admitted: what the old one admitted ends."""
    w.rig.targets["go.test", 80] = "silent"
    s = w.ask("go.test")
    w.rig.wait_record(kind="verdict", host="go.test")
    w.reload(**{"go.test": dict(limits={"requests_per_minute": 100})})
    assert b" 403 " in read_until(s, b"\r\n\r\n")


def test_goaway(w):
    """HTTP/2: GOAWAY, then the end; a tunnel of HTTP/1.1 ends, and that of another route stays."""
    w.upstream(upstreams.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
               ("go.test", 443), ("stay.test", 443), tls=True)
    two, one, stays = w.tls("go.test", ("h2",)), w.tls("go.test"), w.tls("stay.test", ("h2",))
    c, kept = h2client.Client(two, "go.test"), h2client.Client(stays, "stay.test")
    assert c.ask("/").status == 200 and kept.ask("/").status == 200
    one.sendall(b"GET / HTTP/1.1\r\nHost: go.test\r\n\r\n")
    assert read_until(one, b"ok").endswith(b"ok")
    w.reload(**{"go.test": None})
    data = rest(two)
    assert data[3] == 7 and data[9 + 4:9 + 8] == b"\0\0\0\0", data  # GOAWAY, NO_ERROR
    assert rest(one) == b""
    assert kept.ask("/").status == 200


def test_websocket(w):
    """1001 on both sides, with the reason for the guest."""
    def script(c):
        key = c.head().split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while c.recv():
            pass
    raw = w.upstream(script, ("go.test", 80), ("stay.test", 80))
    fields = (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    gone, stays = w.ask("go.test", fields=fields), w.ask("stay.test", fields=fields)
    for s in (gone, stays):
        assert b" 101 " in read_until(s, b"\r\n\r\n")
    w.reload(**{"go.test": None})
    assert rest(gone) == b"\x88\x11\x03\xe9policy_reloaded"
    end = w.rig.wait_record(kind="end", host="go.test")
    assert (end["verdict"], end["reason"]) == ("deny", "policy_reloaded")
    time.sleep(0.2)
    frames = [bytes(k).split(b"\r\n\r\n", 1)[1] for k in raw.seen]
    closes = [x for x in frames if x]
    assert len(closes) == 1 and closes[0][:2] == b"\x88\x82"
    code = bytes(a ^ b for a, b in zip(closes[0][6:8], closes[0][2:4]))
    assert code == b"\x03\xe9"
    stays.sendall(b"\x81\x82\0\0\0\0hi")
    time.sleep(0.2)
    assert [x for x in raw.seen if bytes(x).split(b"\r\n\r\n", 1)[1][:1] == b"\x81"]


def test_no_ticket_and_no_certificate_outlives_its_generation(w):
    w.upstream(upstreams.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), ("stay.test", 443), tls=True)
    ctx = ssl.create_default_context(cafile=w.tmp + "/root.pem")

    def visit(session):
        s = ctx.wrap_socket(w.rig.connect("stay.test", 443), server_hostname="stay.test", session=session)
        s.sendall(b"GET / HTTP/1.1\r\nHost: stay.test\r\n\r\n")
        read_until(s, b"ok")
        return s.session_reused, s.session, s.getpeercert()["serialNumber"]
    _, session, serial = visit(None)
    reused, session, same = visit(session)
    assert reused and same == serial
    w.reload(**{"go.test": None})
    reused, _, other = visit(session)
    assert not reused and other != serial


def test_kept_connections(w):
    """An idle upstream connection goes with its route; that of a route that stays is used again."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    raw = w.upstream(upstreams.answering(ok), ("go.test", 80), ("stay.test", 80))
    for host in ("go.test", "stay.test"):
        s = w.ask(host)
        assert read_until(s, b"ok").endswith(b"ok")
        s.close()
    time.sleep(0.2)
    assert len(w.rig.dials) == 2
    w.reload(**{"go.test": None})
    assert w.status("stay.test") == 200 and len(w.rig.dials) == 2, w.rig.dials
    w.reload(generation=3, **{"go.test": {}})
    assert w.status("go.test") == 200 and len(w.rig.dials) == 3
    del raw


def test_tokens(w):
    """A new one, another value, an unset variable; the guest's placeholder stays, the old value is
    looked for."""
    raw = w.upstream(upstreams.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
                     ("auth.test", 80), ("stay.test", 80))
    up = {"host": "127.0.0.1", "port": 80, "tls": False}
    auth = dict(WITH_AUTH, upstream=up)
    by_placeholder = b"Authorization: Bearer placeholder-api\r\n"
    w.reload(**{"auth.test": auth, "stay.test": dict(dlp=ON)})
    assert w.status("auth.test", by_placeholder) == 200
    assert b"Bearer " + TOKEN.encode() in b"".join(bytes(k) for k in raw.seen)
    second = "second-token-fedcba9876543210"
    w.reload(tokens=[("API_TOKEN", second, "placeholder-other")], generation=3)
    assert w.status("auth.test", by_placeholder) == 200
    assert b"Bearer " + second.encode() in b"".join(bytes(k) for k in raw.seen)
    for secret in (TOKEN, second):
        assert w.status("stay.test", b"X-Note: %s\r\n" % secret.encode()) == 403
        w.rig.wait_record(kind="verdict", reason="known_secret")
        w.rig.clear()
    w.reload(tokens=[("API_TOKEN", "", "placeholder-third")], generation=4)
    assert w.status("auth.test", by_placeholder) == 200
    assert w.status("stay.test", b"X-Note: %s\r\n" % second.encode()) == 403


def test_a_refusal_changes_nothing(w):
    w.upstream(upstreams.answering(b"HTTP/1.1 204 No\r\n\r\n"), ("go.test", 80))
    for generation in (1, 3, 7):
        assert "generation 1 is in force" in w.rig.stage(w.list(), generation=generation)
    assert "secrets" in w.rig.stage(w.list(), tokens=[("A", "b", "")])
    broken = [dict(egressrig.route("x.test"), ports=[])]
    assert "policy" in w.rig.stage(broken)
    assert w.rig.stage([]) == ""
    egressrig.bbipc.send(w.rig.bottled, "FORGET")
    assert w.status("go.test") == 204
    w.reload(**{"go.test": None})
    assert w.status("go.test") == 403
