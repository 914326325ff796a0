# SPDX-License-Identifier: Apache-2.0
"""What one guest can make the egress guard hold: bounded in all, not for each connection alone."""
import os
import ssl
import struct
import sys
import time

import h2.settings
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import h2client  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
EXE = os.path.join(BUILD, "src/proc/egress/egress")
CONNS = 128  # of a guard that may open this many files
FILES = 300
PIECE = 40 << 10


class Anywhere(dict):
    """Every name leads to one address."""

    def get(self, key, default=None):
        return super().get("all", default)


class World:
    def __init__(self, tmp):
        ca = testca.CA("upstream root")
        ca.issue(tmp + "/good", "a.test")
        self.nginx = upstreams.Nginx(tmp + "/nginx", tmp + "/good.crt", tmp + "/good.key")
        self.nginx.put("piece", os.urandom(PIECE))
        self.nginx.put("k", b"k")
        with open(tmp + "/egress", "w") as f:
            f.write("#!/bin/sh\nulimit -n %d && exec %s\n" % (FILES, EXE))
        os.chmod(tmp + "/egress", 0o755)
        self.rig = egressrig.Rig(tmp + "/egress", [egressrig.route("a.test", wildcard=w) for w in (False, True)],
                                 testca.pem(ca.cert))
        self.rig.targets = Anywhere(all=self.nginx.h2c)

    def client(self, host="a.test"):
        return h2client.Client(self.rig.connect(host, 80), host, "http")

    def files(self):
        return len(os.listdir("/proc/%d/fd" % self.rig.proc.pid))

    def cpu(self):
        """Seconds of a processor that the guard has used."""
        with open("/proc/%d/stat" % self.rig.proc.pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.rig.close()
        self.nginx.close()


@pytest.fixture
def w(tmp_path):
    w = World(str(tmp_path))
    yield w
    assert w.rig.proc.poll() is None, "egress died"
    w.close()


def test_answers_that_nobody_takes(w):
    assert w.client().ask("/piece").status == 200
    before, clients, given, refused = w.rig.memory_kib(), [], 0, 0
    for _ in range(12):
        c = w.client()
        c.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        c.flush()
        for _ in range(100):
            c.begin(c.head("/piece"))
        c.wait(199, lambda a: a.status or a.reset is not None)
        while c.read(0.3):
            pass
        refused += sum(a.reset == 7 for a in c.answers.values())  # REFUSED_STREAM: may be sent again
        given += sum(a.status == 200 for a in c.answers.values())
        clients.append(c)
    # once they are that many, no further connection is taken either
    assert 0 < given <= CONNS and refused and w.rig.refused[-1][1] == "limit", (given, refused)
    assert w.rig.memory_kib() - before < CONNS * 80, w.rig.memory_kib() - before
    for c in clients:
        c.close()
    end = time.monotonic() + 10
    while time.monotonic() < end and w.files() > 20:
        time.sleep(0.05)
    c = w.client()  # all of it is free again
    got = [c.wait(c.begin(c.head("/piece"))) for _ in range(100)]
    assert all(len(a.body) == PIECE for a in got)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def test_malformed_sections_wait_for_recorder(w):
    """Their records need no conn that could wait: the connection does."""
    host = ".".join(["y" * 60] * 4)[:240] + ".a.test"  # records are long
    bad = b"\x82\x87\x84\x01\x06a.test"             # GET https /, in a tunnel without TLS
    s, buf, answers, stream = w.rig.connect(host, 80), b"", 0, 1
    s.settimeout(2)
    s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(4, 1, 0) + frame(8, 0, 0, struct.pack(">I", 1 << 30)))

    def read(wanted):
        nonlocal buf, answers
        while answers < wanted:
            got = s.recv(1 << 20)
            assert got, "the guard has gone"
            buf += got
            while len(buf) >= 9 and len(buf) >= 9 + int.from_bytes(buf[:3], "big"):
                answers += buf[3] == 0 and buf[4] & 1
                buf = buf[9 + int.from_bytes(buf[:3], "big"):]

    w.rig.deaf = True
    try:
        with pytest.raises(TimeoutError):
            while answers < 40000:
                s.sendall(b"".join(frame(1, 5, stream + 2 * i, bad) for i in range(90)))
                stream += 180
                read(stream // 2)
    finally:
        w.rig.deaf = False
    read(stream // 2)
    assert len(w.rig.wait_records(answers, lambda r: r["reason"] == "bad_request")) == answers == stream // 2


def test_names_that_keyd_is_asked_for(w):
    """A guest that asks for certificates faster than they are signed, and goes, ends nothing."""
    signs, slow = w.rig._on_keyd, [True]

    def later(*message):
        while slow[0]:
            time.sleep(0.01)
        signs(*message)
    w.rig._on_keyd = later
    w.rig.targets["all"] = w.nginx.tls
    for i in range(20000):
        with w.rig.connect(("%d." % i) + ".".join(["y" * 60] * 4)[:230] + ".a.test", 443) as s:
            try:
                s.sendall(b"\x16")
            except BrokenPipeError:  # too many at a time
                time.sleep(0.01)
        assert w.rig.proc.poll() is None, "egress died of it"
    s = w.rig.connect("last.a.test", 443)
    slow[0] = False
    ctx = ssl.create_default_context(cadata=w.rig.root_pem.decode())
    assert ctx.wrap_socket(s, server_hostname="last.a.test").version()


def test_idle_connections_to_many_hosts(w):
    before = w.files()
    for i in range(80):
        c = w.client("x%d.a.test" % i)
        assert c.ask("/k").body == b"k"
        c.close()
    assert w.files() - before <= 32 + 4, w.files()
    # those of last are kept
    w.rig.clear()
    for i in (79, 75):
        assert w.client("x%d.a.test" % i).ask("/k").body == b"k"
    assert w.rig.dials == []
    assert w.client("x1.a.test").ask("/k").body == b"k" and len(w.rig.dials) == 1


@pytest.mark.parametrize("lists, fields", [(1, 180), (100, 98)])
def test_long_lists_of_connection(w, lists, fields):
    """What names fields costs its length, not its length for each field."""
    w.rig.targets["all"] = w.nginx.plain
    head = (b"GET /k HTTP/1.1\r\nHost: a.test\r\n" + lists * (b"Connection: " + b"a," * (28000 // lists) + b"\r\n")
            + b"".join(b"x%d: y\r\n" % i for i in range(fields)) + b"\r\n")
    s, before = w.rig.connect("a.test", 80), w.cpu()
    for _ in range(20):
        s.sendall(head)
        answer = b""
        while not answer.endswith(b"\r\n\r\nk"):
            answer += s.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
    assert w.cpu() - before < 0.5, w.cpu() - before
