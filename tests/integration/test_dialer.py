# SPDX-License-Identifier: Apache-2.0
"""dialer as a process, in a network of its own: real unbound, real TCP servers (no VM).

Two network namespaces: dialer runs in one, the servers in the other. The test plays bottled, gate,
egress and recorder."""
import json
import os
import select
import socket
import subprocess
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import bbipc  # noqa: E402
import egressrig  # noqa: E402

BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
EXE = os.path.join(BUILD, "src/proc/dialer/dialer")
REASONS = bbipc.reasons()
A, CNAME, AAAA, HTTPS = 1, 5, 28, 65
OK, DENIED, UNREACHABLE, REFUSED, TIMEOUT, MALFORMED, LIMIT = range(7)

# Addresses that answer, each with its own address and port as text
SERVED = ["203.0.113.10", "203.0.113.77", "198.51.100.9", "10.1.0.5", "10.2.0.5", "2001:db8:5::10"]
PORTS = [80, 443, 5432]
DROPPED, DROPPED6 = "198.51.100.200", "2001:db8:6::200"  # nothing ever comes back from these

NAMES = {
    "a.test": ["203.0.113.10"],
    "both.test": ["203.0.113.10", "2001:db8:5::10"],
    "six.test": ["2001:db8:5::10"],
    "loop.test": ["127.0.0.1"],
    "loop6.test": ["::1", "::ffff:127.0.0.1"],
    "meta.test": ["169.254.169.254"],
    "own.test": ["203.0.113.1"],
    "later.test": ["203.0.113.77"],
    "private.test": ["10.1.0.5"],
    "corp.test": ["10.1.0.5"],
    "corp2.test": ["10.2.0.5"],
    "rebind.test": ["127.0.0.1", "203.0.113.10"],
    "slow6.test": ["203.0.113.10", DROPPED6],
    "dropped.test": [DROPPED],
    "db.test": ["203.0.113.10"],
    "dbpriv.test": ["10.1.0.5"],
    "big.test": ["198.51.102.%d" % i for i in range(1, 121)],
    "x.wild.test": ["203.0.113.10"],
    "unlisted.test": ["203.0.113.10"],
    "up.target.test": ["10.2.0.5"],
    "proxy.wild.test": ["203.0.113.60"],
}

SERVER = """
import selectors, socket, sys
sel = selectors.DefaultSelector()
for a in sys.argv[1].split(","):
    for p in sys.argv[2].split(","):
        s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((a, int(p))); s.listen(64)
        sel.register(s, selectors.EVENT_READ, "%s %s" % (a, p))
print("up", flush=True)
while True:
    for key, _ in sel.select():
        c, _ = key.fileobj.accept()
        c.sendall(key.data.encode()); c.close()
"""


class Net:
    """The two namespaces, their addresses and servers."""

    def __init__(self, tmp):
        self.procs = []
        user = [] if os.geteuid() == 0 else ["-r"]
        self.enter_user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        p = self._spawn(["unshare", *user, "-n", "sh", "-c",
                         "unshare -n sleep 1000 & echo $!; exec sleep 1000"])
        self.host, self.servers = p.pid, int(p.stdout.readline())
        self._wait_for_namespace()
        self._addresses()
        self._dns(tmp)
        self._tcp(self.servers, SERVED)
        self._tcp(self.host, ["127.0.0.1"])

    def _spawn(self, argv):
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.procs.append(p)
        return p

    def _wait_for_namespace(self):
        def ns(pid):
            return os.readlink("/proc/%d/ns/net" % pid)
        for _ in range(500):
            if len({ns(self.host), ns(self.servers), ns(os.getpid())}) == 3:
                return
            time.sleep(0.01)
        raise RuntimeError("no network namespaces")

    def inside(self, pid, argv):
        return ["nsenter", "-t", str(pid), *self.enter_user, "-n", *argv]

    def ip(self, pid, *args):
        subprocess.run(self.inside(pid, ["ip", *args]), check=True)

    def _addresses(self):
        h, s = self.host, self.servers
        for pid in (h, s):
            self.ip(pid, "link", "set", "lo", "up")
        self.ip(h, "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", str(s))
        for pid, dev, last in ((h, "v0", "1"), (s, "v1", "53")):
            self.ip(pid, "addr", "add", "203.0.113.%s/24" % last, "dev", dev)
            self.ip(pid, "addr", "add", "2001:db8:5::%s/64" % last, "dev", dev, "nodad")
            self.ip(pid, "link", "set", dev, "up")
        for a in SERVED:
            bits = "/128" if ":" in a else "/32"
            self.ip(s, "addr", "add", a + bits, "dev", "v1", *(["nodad"] if ":" in a else []))
        self.ip(h, "route", "add", "default", "via", "203.0.113.53")
        self.ip(h, "-6", "route", "add", "default", "via", "2001:db8:5::53")
        # without forwarding the servers' side drops what is not its own, silently
        self.ip(s, "route", "add", "local", "198.51.102.0/24", "dev", "lo")
        subprocess.run(self.inside(s, ["sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"]))

    def _dns(self, tmp):
        lines = []
        for name, addrs in NAMES.items():
            for a in addrs:
                lines.append("local-data: \"%s. 60 IN %s %s\"" % (
                    name, "AAAA" if ":" in a else "A", a))
        conf = os.path.join(tmp, "unbound.conf")
        with open(conf, "w") as f:
            f.write("server:\n  interface: 203.0.113.53\n  access-control: 0.0.0.0/0 allow\n"
                    "  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  do-daemonize: no\n"
                    "  use-syslog: no\n  logfile: \"%s/unbound.log\"\n  log-queries: yes\n"
                    "  local-zone: \".\" static\n  %s\nremote-control:\n  control-enable: no\n"
                    % (tmp, "\n  ".join(lines)))
        self.log = os.path.join(tmp, "unbound.log")
        self._spawn(self.inside(self.servers, ["unbound", "-d", "-c", conf]))
        for _ in range(500):
            if os.path.exists(self.log) and "start of service" in open(self.log).read():
                return
            time.sleep(0.02)
        raise RuntimeError("unbound did not start")

    def _tcp(self, pid, addrs):
        p = self._spawn(self.inside(pid, ["/usr/bin/python3", "-c", SERVER, ",".join(addrs),
                                          ",".join(map(str, PORTS))]))
        assert p.stdout.readline() == "up\n"

    def queried(self):
        return open(self.log).read()

    def close(self):
        for p in reversed(self.procs):
            p.kill()
            p.wait()
        try:
            os.kill(self.servers, 9)
        except ProcessLookupError:
            pass


def route(host, wildcard=False, upstream=None, addresses=(), ports=(443, 80)):
    return {"host": host, "wildcard": wildcard, "ports": list(ports),
            "upstream": upstream and {"host": upstream, "port": 5432, "tls": False},
            "addresses": list(addresses), "content": egressrig.content()}


ROUTES = [route(n) for n in NAMES if n not in ("unlisted.test", "db.test", "dbpriv.test",
                                               "x.wild.test", "corp.test", "up.target.test", "proxy.wild.test")]
ROUTES += [route("wild.test", wildcard=True), route("corp.test", addresses=["10.1.0.0/16"]),
           route("corp2.test", addresses=["10.1.0.0/16"], ports=(8443,)),
           route("up.test", upstream="127.0.0.1"), route("up2.test", upstream="up.target.test"),
           route("up3.test", upstream="169.254.169.254"), route("up4.test", upstream="localhost"),
           route("inhosts.test"), route("badhosts.test"), route("missing.test")]
TCP = [{"host": "db.test", "port": 5432}, {"host": "dbpriv.test", "port": 5432},
       {"cidr": "198.51.100.0/24", "port": 443}, {"cidr": "10.2.0.0/16", "port": 443},
       {"cidr": "203.0.113.0/24", "port": 80}, {"cidr": "2001:db8:5::/64", "port": 80},
       {"cidr": "0.0.0.0/0", "port": 9}]
HOSTS = b"203.0.113.10 inhosts.test\n127.0.0.1 badhosts.test\n"


def index(name):
    for i, r in enumerate(ROUTES):
        if r["host"] == name and not r["wildcard"]:
            return i
    return next(i for i, r in enumerate(ROUTES) if r["wildcard"])


class Dialer:
    def __init__(self, net, policy=True, resolv=None, proxy_auth=None, **change):
        ours, theirs = bbipc.pair()
        self.proc = subprocess.Popen(
            net.inside(net.host, [EXE]), pass_fds=[3],
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
        theirs.close()
        self.bottled, self.peers, self.flow = ours, {}, 0
        for role in ("GATE", "EGRESS", "RECORDER"):
            mine, yours = bbipc.pair()
            mine.settimeout(15)
            self.peers[role] = mine
            bbipc.send(ours, "PEER", fd=yours.fileno(), role=bbipc.ROLES[role])
            yours.close()
        compiled = {"identity": "net-00000", "alias": "127.83.7.1", "generation": 1,
                    "log_level": 1, "transparent": False, "dns_forward": True, "routes": ROUTES, "tcp": TCP,
                    "resolvers": ["203.0.113.53"], "proxy": None, **change}
        for kind, data in (("POLICY", policy and json.dumps(compiled).encode()), ("HOSTS", HOSTS),
                           ("RESOLV", resolv), ("PROXY_AUTH", proxy_auth)):
            if data:
                self.blob(kind, data)
        bbipc.send(ours, "START")
        ours.settimeout(15)
        self.first = bbipc.recv(ours)

    def blob(self, kind, data):
        fd = bbipc.memfd(kind, data)
        bbipc.send(self.bottled, "BLOB", fd=fd, kind=bbipc.BLOBS[kind])
        os.close(fd)

    def ask(self, role, kind, **values):
        self.flow += 1
        bbipc.send(self.peers[role], kind, self.flow, **values)
        return self.flow

    def answer(self, role, flow):
        """(name, values, what the connected server said)"""
        name, got, values, fd = bbipc.recv(self.peers[role])
        assert got == flow
        said = None
        if fd is not None:
            with socket.socket(fileno=fd) as s:
                s.setblocking(True)
                said = s.recv(100).decode()
        return name, values, said

    def name(self, name, port=443, role="EGRESS", rule=None):
        flow = self.ask(role, "DIAL_NAME", name=name, port=port,
                        rule=index(name) if rule is None else rule)
        return self.answer(role, flow)

    def addr(self, addr, port):
        return self.answer("GATE", self.ask("GATE", "DIAL_ADDR", addr=addr, port=port, name=""))

    def dns(self, name, qtype, flow=None):
        """(rcode, ttl, CNAME targets, addresses)"""
        kind, values, _ = self.answer("GATE", flow or self.ask("GATE", "DNS_ASK", name=name, qtype=qtype))
        assert kind == "DNS_ANSWER"
        size, family = (4, socket.AF_INET) if qtype == A else (16, socket.AF_INET6)
        raw = values["addrs"]
        assert len(raw) % size == 0
        return (values["rcode"], values["ttl"], values["names"].decode().split(),
                [socket.inet_ntop(family, raw[i:i + size]) for i in range(0, len(raw), size)])

    def record(self):
        name, _flow, values, _fd = bbipc.recv(self.peers["RECORDER"])
        assert name == "RECORD"
        return values

    def close(self):
        self.bottled.close()
        code = self.proc.wait(timeout=10)
        for s in self.peers.values():
            s.close()
        return code


HOSTILE = r"""
import socket, struct, sys, threading
def name(n): return b"".join(bytes([len(x)]) + x.encode() for x in n.split(".")) + b"\0"
def rr(owner, kind, data, ttl=60): return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
def ip(a): return socket.inet_aton(a)
OWNER = b"\xc0\x0c"
def answers(q):
    end = 12
    labels = []
    while q[end]:
        labels.append(q[end + 1:end + 1 + q[end]].decode()); end += 1 + q[end]
    question, kind = q[12:end + 5], struct.unpack(">H", q[end + 1:end + 3])[0]
    asked = ".".join(labels)
    log.write("%s %d %d\n" % (asked, kind, struct.unpack(">H", q[:2])[0])); log.flush()
    n = asked.lower()
    def msg(body=b"", count=1, flags=0x8180, ident=q[:2], quest=question):
        return ident + struct.pack(">HHHHH", flags, 1, count, 0, 0) + quest + body
    good = rr(OWNER, kind, ip("203.0.113.10") if kind == 1 else b"\x20" * 16)
    other = bytes([q[0] ^ 0xff]) + q[1:2]
    evil = rr(OWNER, 1, ip("203.0.113.66"))
    if n == "a.test":            # forged first: other id, other case, other question; then the true one
        return [msg(evil, ident=other), msg(evil, quest=question.swapcase()[:-4] + question[-4:]),
                msg(evil, quest=name("b.test") + question[-4:]), b"\0" * 5, msg(good)]
    if n == "both.test":         # an address of a name that nobody asked for, and an alias to follow
        return [msg(rr(name("bank.test"), 1, ip("203.0.113.66")) + rr(OWNER, 5, name("cdn.test"), 30)
                    + rr(name("cdn.test"), 1, ip("203.0.113.10")) + rr(OWNER, 65, b"\0\1\0"), 4)]
    if n == "six.test": return [msg(good, flags=0x8182)]
    if n == "loop.test": return [msg(rr(OWNER, 5, OWNER))]
    if n == "own.test": return [msg(b"\xc0\xff" + good)]
    if n == "meta.test": return [msg(evil, ident=other)] * 200
    if n == "later.test": return [msg(flags=0x8380, count=0)] if not tcp_now.is_set() else [msg(good)]
    if n == "big.test": return [msg(flags=0x8380, count=0)] if not tcp_now.is_set() else [b"\0" * 5000]
    if n == "private.test": return [msg(flags=0x8380, count=0)] if not tcp_now.is_set() else []
    return []
tcp_now = threading.Event()
log = open(sys.argv[1], "a")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("203.0.113.54", 53))
t = socket.socket(); t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); t.bind(("203.0.113.54", 53)); t.listen(9)
def serve():
    while True:
        c, _ = t.accept()
        n = struct.unpack(">H", c.recv(2))[0]
        tcp_now.set()
        out = answers(c.recv(n))
        tcp_now.clear()
        for m in out: c.sendall(struct.pack(">H", len(m)) + m)
        c.close()
threading.Thread(target=serve, daemon=True).start()
print("up", flush=True)
while True:
    q, peer = u.recvfrom(4096)
    log.write("from %d\n" % peer[1]); log.flush()
    for m in answers(q): u.sendto(m, peer)
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    n = Net(str(tmp_path_factory.mktemp("dialer")))
    yield n
    n.close()


@pytest.fixture()
def dialer(net):
    d = Dialer(net)
    assert d.first[0] == "READY", d.first
    yield d
    assert d.close() == 0


def check_fail(answer, status, reason):
    name, values, _ = answer
    assert name == "DIAL_FAIL", answer
    assert (values["status"], REASONS[values["reason"]]) == (status, reason), values
    return values


@pytest.mark.parametrize("name,said", [
    ("a.test", "203.0.113.10 443"),
    ("six.test", "2001:db8:5::10 443"),
    ("both.test", "2001:db8:5::10 443"),
    ("x.wild.test", "203.0.113.10 443"),
    ("corp.test", "10.1.0.5 443"),
    ("rebind.test", "203.0.113.10 443"),     # the good address of two
    ("inhosts.test", "203.0.113.10 443"),
    ("up.test", "127.0.0.1 5432"),
    ("up2.test", "10.2.0.5 5432"),
    ("up4.test", "127.0.0.1 5432"),
])
def test_route_connects(dialer, name, said):
    kind, values, got = dialer.name(name)
    assert kind == "DIAL_OK", values
    assert got == said
    assert "%s %d" % (values["addr"], values["port"]) == said


@pytest.mark.parametrize("name,reason", [
    ("loop.test", "floor"), ("loop6.test", "floor"), ("meta.test", "floor"), ("own.test", "floor"),
    ("badhosts.test", "floor"), ("up3.test", "floor"), ("private.test", "private_range"),
])
def test_resolved_address_refused(dialer, name, reason):
    check_fail(dialer.name(name), DENIED, reason)
    r = dialer.record()
    assert (r["verdict"], REASONS[r["reason"]], r["host"]) == (1, reason, name.encode())
    assert r["addr"] is not None
    assert dialer.name("a.test")[0] == "DIAL_OK"


def test_private_range_of_another_network(dialer):
    check_fail(dialer.name("corp2.test", port=8443, rule=len(ROUTES) - 8), DENIED, "private_range")


def test_egress_is_judged_again(dialer):
    check_fail(dialer.name("unlisted.test", rule=0), DENIED, "not_listed")
    check_fail(dialer.name("wild.test", rule=index("x.wild.test")), DENIED, "not_listed")
    check_fail(dialer.name("a.test", port=22), DENIED, "port")
    check_fail(dialer.name("a.test", rule=index("six.test")), DENIED, "default_deny")
    check_fail(dialer.name("a.test", rule=100000), DENIED, "default_deny")
    check_fail(dialer.name("203.0.113.10", rule=0), DENIED, "ip_literal")
    check_fail(dialer.name("a b.test", rule=0), DENIED, "bad_name")
    check_fail(dialer.name("db.test", port=5432, rule=0), DENIED, "not_listed")
    assert dialer.name("a.test")[0] == "DIAL_OK"


def test_unlisted_names_are_never_looked_up(net, dialer):
    check_fail(dialer.name("secret-data.unlisted.test", rule=0), DENIED, "not_listed")
    assert dialer.name("a.test")[0] == "DIAL_OK"
    assert "a.test." in net.queried()
    assert "secret-data" not in net.queried()


def test_tcp_rule_by_name(dialer):
    assert dialer.name("db.test", 5432, "GATE", 0)[2] == "203.0.113.10 5432"
    check_fail(dialer.name("dbpriv.test", 5432, "GATE", 1), DENIED, "private_range")
    check_fail(dialer.name("db.test", 443, "GATE", 0), DENIED, "default_deny")
    check_fail(dialer.name("db.test", 5432, "GATE", 1), DENIED, "default_deny")
    check_fail(dialer.name("a.test", 443, "GATE", 0), DENIED, "default_deny")


def test_tcp_rule_by_address(dialer):
    assert dialer.addr("198.51.100.9", 443)[2] == "198.51.100.9 443"
    assert dialer.addr("10.2.0.5", 443)[2] == "10.2.0.5 443"
    assert dialer.addr("::ffff:198.51.100.9", 443)[2] == "198.51.100.9 443"
    assert dialer.addr("2001:db8:5::10", 80)[2] == "2001:db8:5::10 80"
    check_fail(dialer.addr("198.51.100.9", 80), DENIED, "default_deny")
    check_fail(dialer.addr("198.51.101.9", 443), DENIED, "default_deny")
    check_fail(dialer.addr("10.1.0.5", 443), DENIED, "default_deny")
    for floored in ("127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "2002:7f00:1::",
                    "64:ff9b::7f00:1", "203.0.113.1"):
        check_fail(dialer.addr(floored, 80 if floored.startswith("203") else 9), DENIED, "floor")
    assert dialer.addr("203.0.113.10", 80)[2] == "203.0.113.10 80"


def test_own_addresses_are_followed(net, dialer):
    assert dialer.name("later.test")[2] == "203.0.113.77 443"
    net.ip(net.host, "addr", "add", "203.0.113.77/32", "dev", "lo")
    try:
        check_fail(dialer.name("later.test"), DENIED, "floor")
    finally:
        net.ip(net.host, "addr", "del", "203.0.113.77/32", "dev", "lo")
    assert bbipc.recv(dialer.peers["EGRESS"])[0] == "ADDR_GONE"
    assert dialer.name("later.test")[2] == "203.0.113.77 443"


def test_own_end_and_its_loss_are_told(net, dialer):
    """egress hears from which address a connection is, and when that is on no interface any more."""
    assert dialer.name("a.test")[1]["source"] == "203.0.113.1"
    assert dialer.name("six.test")[1]["source"] == "2001:db8:5::1"
    for dev in ("lo", "v0"):
        net.ip(net.host, "addr", "add", "203.0.113.90/32", "dev", dev)
    net.ip(net.host, "addr", "add", "2001:db8:5::90/128", "dev", "lo", "nodad")
    net.ip(net.host, "addr", "del", "203.0.113.90/32", "dev", "lo")
    assert dialer.name("a.test")[0] == "DIAL_OK"                 # not yet: it is on v0 as well
    net.ip(net.host, "addr", "del", "203.0.113.90/32", "dev", "v0")
    name, _flow, values, _fd = bbipc.recv(dialer.peers["EGRESS"])
    assert (name, values["addr"]) == ("ADDR_GONE", "203.0.113.90")
    net.ip(net.host, "addr", "del", "2001:db8:5::90/128", "dev", "lo")
    assert bbipc.recv(dialer.peers["EGRESS"])[2]["addr"] == "2001:db8:5::90"


def test_a_connect_from_a_lost_address_begins_again(net, dialer):
    """The servers have no way back to it, so the connect is under way when it goes; then it comes from elsewhere, at once."""
    net.ip(net.host, "addr", "add", "192.0.2.90/32", "dev", "v0")
    net.ip(net.host, "route", "add", "203.0.113.10/32", "dev", "v0", "src", "192.0.2.90")
    start = time.monotonic()
    flow = dialer.ask("EGRESS", "DIAL_NAME", name="a.test", port=443, rule=index("a.test"))
    assert not select.select([dialer.peers["EGRESS"]], [], [], 0.5)[0]
    net.ip(net.host, "addr", "del", "192.0.2.90/32", "dev", "v0")  # the route goes with it
    assert bbipc.recv(dialer.peers["EGRESS"])[2]["addr"] == "192.0.2.90"
    name, values, served = dialer.answer("EGRESS", flow)
    assert (name, values["source"], served) == ("DIAL_OK", "203.0.113.1", "203.0.113.10 443")
    assert time.monotonic() - start < 5  # not after the dial's deadline


def test_failures_say_why(dialer):
    v = check_fail(dialer.name("missing.test"), UNREACHABLE, "upstream_resolve")
    assert b"missing.test" in v["text"]
    v = check_fail(dialer.addr("203.0.113.53", 80), REFUSED, "upstream_connect")
    assert v["err"] == 111


def test_slow_ipv6_does_not_hold_ipv4(dialer):
    start = time.monotonic()
    assert dialer.name("slow6.test")[2] == "203.0.113.10 443"
    assert 0.2 < time.monotonic() - start < 1.5


def test_answer_larger_than_a_datagram_comes_over_tcp(net, dialer):
    # 120 addresses, all of which refuse: a truncated answer alone would not resolve
    before = net.queried().count("big.test. A IN")
    v = check_fail(dialer.name("big.test"), REFUSED, "upstream_connect")
    assert v["err"] == 111
    assert net.queried().count("big.test. A IN") == before + 2


def test_deadline_cancel_and_limit(dialer):
    gate = dialer.peers["GATE"]
    first = dialer.ask("GATE", "DIAL_ADDR", addr=DROPPED, port=443, name="")
    flows = [dialer.ask("GATE", "DIAL_ADDR", addr=DROPPED, port=443, name="")
             for _ in range(511)]
    over = dialer.ask("GATE", "DIAL_ADDR", addr="198.51.100.9", port=443, name="")
    check_fail(dialer.answer("GATE", over), LIMIT, "limit")
    for f in flows:
        bbipc.send(gate, "DIAL_CANCEL", f)
    assert dialer.addr("198.51.100.9", 443)[2] == "198.51.100.9 443"
    start = time.monotonic()
    check_fail(dialer.answer("GATE", first), TIMEOUT, "upstream_connect")
    assert time.monotonic() - start < 15  # of 10


def test_forward_answers(net, dialer):
    assert dialer.dns("a.test", A) == (0, 60, [], ["203.0.113.10"])
    assert dialer.dns("both.test", AAAA) == (0, 60, [], ["2001:db8:5::10"])
    assert dialer.dns("a.test", AAAA)[::3] == (0, [])
    assert dialer.dns("missing.test", A)[::3] == (3, [])
    assert dialer.dns("x.wild.test", A)[3] == ["203.0.113.10"]
    assert dialer.dns("inhosts.test", A)[3] == ["203.0.113.10"] and dialer.dns("inhosts.test", AAAA)[::3] == (0, [])
    assert len(dialer.dns("big.test", A)[3]) == 32          # truncated, then over TCP, then cut to the limit
    assert "inhosts.test" not in net.queried()


def test_forward_case_is_random(net, dialer):
    for _ in range(8):
        assert dialer.dns("dropped.test", A)[3] == [DROPPED]
    spelt = {w for l in net.queried().splitlines() for w in l.split() if w.lower() == "dropped.test."}
    assert len(spelt) >= 3, spelt


@pytest.mark.parametrize("name,qtype,kept,reason", [
    ("loop.test", A, [], "floor"), ("loop6.test", AAAA, [], "floor"), ("meta.test", A, [], "floor"),
    ("own.test", A, [], "floor"), ("badhosts.test", A, [], "floor"), ("private.test", A, [], "private_range"),
    ("rebind.test", A, ["203.0.113.10"], "floor"), ("corp2.test", A, [], "private_range"),
])
def test_forward_strips_addresses(dialer, name, qtype, kept, reason):
    assert dialer.dns(name, qtype)[3] == kept
    r = dialer.record()
    assert (r["verdict"], REASONS[r["reason"]], r["host"]) == (1, reason, name.encode())
    assert dialer.dns("corp.test", A)[3] == ["10.1.0.5"]     # `addresses:` of its route


def test_forward_is_judged_again(net, dialer):
    for name, qtype, reason in (("unlisted.test", A, "not_listed"), ("x.unlisted.test", AAAA, "not_listed"),
                                ("db.test", A, "not_listed"), ("a.test", HTTPS, "qtype"), ("a.test", 16, "qtype"),
                                ("203.0.113.10", A, "ip_literal"), ("a b.test", A, "bad_name")):
        assert dialer.dns(name, qtype)[::3] == (5, [])
        assert REASONS[dialer.record()["reason"]] == reason
    assert dialer.dns("a.test", A)[3] == ["203.0.113.10"]
    assert "unlisted" not in net.queried().lower() and "HTTPS" not in net.queried()


def test_forward_off(net):
    d = Dialer(net, dns_forward=False)
    assert d.dns("a.test", A)[0] == 5 and REASONS[d.record()["reason"]] == "not_listed"
    assert d.close() == 0


@pytest.fixture(scope="module")
def hostile(net, tmp_path_factory):
    log = str(tmp_path_factory.mktemp("hostile")) + "/log"
    net.ip(net.servers, "addr", "add", "203.0.113.54/32", "dev", "v1")
    p = net._spawn(net.inside(net.servers, ["/usr/bin/python3", "-c", HOSTILE, log]))
    assert p.stdout.readline() == "up\n"
    d = Dialer(net, resolvers=["203.0.113.54"])
    d.log = log
    yield d
    assert d.close() == 0


def test_forward_hostile_answers(hostile):
    # forged ones are passed over
    assert hostile.dns("a.test", A) == (0, 60, [], ["203.0.113.10"])
    assert hostile.dns("both.test", A) == (0, 30, ["cdn.test"], ["203.0.113.10"])
    assert hostile.dns("later.test", A)[3] == ["203.0.113.10"]
    # SERVFAIL: the resolver's own, an alias of itself, a pointer to nowhere, a flood, too much over TCP, TCP that ends
    for name in ("six.test", "loop.test", "own.test", "meta.test", "big.test", "private.test"):
        start = time.monotonic()
        assert hostile.dns(name, A)[0] == 2, name
        assert time.monotonic() - start < 2, name
    ports = [l for l in open(hostile.log) if l.startswith("from")]
    assert len(set(ports)) > len(ports) / 2, ports
    ids = [l.split()[2] for l in open(hostile.log) if l[0] not in "f\n"]
    assert len(set(ids)) > len(ids) / 2, ids


def test_forward_timeout_and_bound(hostile):
    start = time.monotonic()
    flows = [hostile.ask("GATE", "DNS_ASK", name="slow6.test", qtype=A) for _ in range(256)]
    assert hostile.dns("slow6.test", A)[0] == 2
    assert REASONS[hostile.record()["reason"]] == "limit"
    assert time.monotonic() - start < 2
    for _ in flows:
        name, _flow, values, _fd = bbipc.recv(hostile.peers["GATE"])
        assert name == "DNS_ANSWER" and values["rcode"] == 2
    assert 3.9 < time.monotonic() - start < 8
    assert hostile.dns("a.test", A)[3] == ["203.0.113.10"]


def test_limit_per_name(dialer):
    flows = [dialer.ask("EGRESS", "DIAL_NAME", name="dropped.test", port=443, rule=index("dropped.test"))
             for _ in range(128)]
    v = check_fail(dialer.name("dropped.test"), LIMIT, "limit")
    assert b"dropped.test" in v["text"]
    assert dialer.name("a.test")[2] == "203.0.113.10 443"
    bbipc.send(dialer.peers["EGRESS"], "DIAL_CANCEL", flows[0])
    again = dialer.ask("EGRESS", "DIAL_NAME", name="dropped.test", port=443, rule=index("dropped.test"))
    assert dialer.name("both.test")[0] == "DIAL_OK"      # nothing came for @again: it is under way
    for f in flows[1:] + [again]:
        bbipc.send(dialer.peers["EGRESS"], "DIAL_CANCEL", f)


def test_network_changes(net):
    """Another resolv.conf and hosts file while lookups are under way, as when a VPN comes up."""
    d = Dialer(net, resolvers=[], resolv=b"nameserver %s\n" % DROPPED.encode())
    start = time.monotonic()
    flow = d.ask("EGRESS", "DIAL_NAME", name="both.test", port=443, rule=index("both.test"))
    query = d.ask("GATE", "DNS_ASK", name="a.test", qtype=A)
    time.sleep(0.3)
    d.blob("RESOLV", b"# VPN\nsearch corp.test\noptions ndots:5\nnameserver 203.0.113.53\n")
    assert d.answer("EGRESS", flow)[2] == "2001:db8:5::10 443"
    assert time.monotonic() - start < 1.5
    assert d.dns("a.test", A, query) == (0, 60, [], ["203.0.113.10"])   # its second try
    assert d.name("inhosts.test")[2] == "203.0.113.10 443"
    d.blob("HOSTS", b"203.0.113.77 missing.test\n")
    assert d.name("missing.test")[2] == "203.0.113.77 443"
    check_fail(d.name("inhosts.test"), UNREACHABLE, "upstream_resolve")
    d.blob("RESOLV", b"nameserver %s\nnameserver 203.0.113.53\n" % DROPPED.encode())
    assert d.name("a.test")[2] == "203.0.113.10 443"                     # the second of two
    d.blob("RESOLV", b"")
    check_fail(d.name("a.test"), UNREACHABLE, "upstream_resolve")
    assert d.dns("a.test", A)[0] == 2
    assert ".corp.test" not in net.queried()                             # no search list
    assert d.close() == 0


def test_configured_resolvers_stay(net, dialer):
    dialer.blob("RESOLV", b"nameserver %s\n" % DROPPED.encode())
    start = time.monotonic()
    assert dialer.name("a.test")[2] == "203.0.113.10 443"
    assert time.monotonic() - start < 1.5


PROXY = r"""
import socket, sys, threading, time
log = open(sys.argv[2], "a")
def serve(c):
    head = b""
    while b"\r\n\r\n" not in head:
        d = c.recv(4096)
        if not d: return
        head += d
    log.write(repr(head) + "\n"); log.flush()
    what = head.split()[1].split(b".")[0].decode()
    if what == "slow":
        try:
            for b in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
                c.sendall(bytes([b])); time.sleep(0.5)
        except OSError: return
    answer = {
        "deny": b"HTTP/1.1 403 Filtered\r\nContent-Length: 3\r\n\r\nno\n", "auth": b"HTTP/1.0 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\n",
        "gone": b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "early": b"HTTP/1.1 103 Early Hints\r\n\r\n", "moved": b"HTTP/1.1 302 Login\r\nLocation: http://portal/\r\n\r\n",
        "garbage": b"SSH-2.0-OpenSSH\r\n\r\n", "huge": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70000, "close": b"", "cut": b"HTTP/1.1 200 OK\r\nX: y"}
    if what in answer:
        c.sendall(answer[what])
    else:
        for b in b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"[:40]: c.sendall(bytes([b]))
        c.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"[40:] + b"via " + head.split()[1])
    try: c.shutdown(socket.SHUT_WR); c.settimeout(5); c.recv(1)
    except OSError: pass
    c.close()
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind((sys.argv[1], 3128)); l.listen(64)
print("up", flush=True)
while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
"""


@pytest.fixture(scope="module")
def proxy(net, tmp_path_factory):
    """The proxy's log: each request head that it was sent."""
    log = str(tmp_path_factory.mktemp("proxy")) + "/log"
    net.ip(net.servers, "addr", "add", "203.0.113.60/32", "dev", "v1")
    for pid, addr in ((net.servers, "203.0.113.60"), (net.host, "127.0.0.1")):
        p = net._spawn(net.inside(pid, ["/usr/bin/python3", "-c", PROXY, addr, log]))
        assert p.stdout.readline() == "up\n"
    return lambda: [eval(l) for l in open(log)]


def through(net, host="proxy.wild.test", port=3128, **kw):
    d = Dialer(net, proxy={"host": host, "port": port}, **kw)
    assert d.first[0] == "READY", d.first
    return d


def test_proxy_is_asked_for_names(net, proxy):
    """The name goes to the proxy as it is: nobody here looks it up, and there is no address to tell."""
    before = net.queried().count("six.test")
    d = through(net, proxy_auth=b"dXNlcjpwYXNz")
    kind, values, said = d.name("six.test")
    assert (kind, values["addr"], values["port"], said) == ("DIAL_OK", None, 443, "via six.test:443")
    assert d.name("x.wild.test", 80)[2] == "via x.wild.test:80"
    assert d.name("loop.test")[2] == "via loop.test:443"         # what it resolves to is the proxy's to check
    assert d.name("db.test", 5432, "GATE", 0)[2] == "via db.test:5432"
    assert proxy()[-1] == (b"CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\n"
                           b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n")
    assert net.queried().count("six.test") == before and "proxy.wild.test. A IN" in net.queried()
    assert b"dXNlc" not in open("/proc/%d/environ" % d.proc.pid, "rb").read() + open("/proc/%d/cmdline" % d.proc.pid, "rb").read()
    assert d.close() == 0


def test_proxy_and_addresses(net, proxy):
    """Addresses are judged here as ever; the proxy is asked for those that pass."""
    d = through(net)
    assert d.addr("198.51.100.9", 443)[2] == "via 198.51.100.9:443"
    assert d.addr("2001:db8:5::77", 80)[2] == "via [2001:db8:5::77]:80"
    assert d.addr("10.2.0.5", 443)[2] == "via 10.2.0.5:443"
    n = len(proxy())
    check_fail(d.addr("198.51.100.9", 80), DENIED, "default_deny")
    check_fail(d.addr("10.1.0.5", 443), DENIED, "default_deny")
    for floored in ("127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1"):
        check_fail(d.addr(floored, 9), DENIED, "floor")
    check_fail(d.addr("203.0.113.1", 80), DENIED, "floor")       # this host's own
    check_fail(d.name("unlisted.test", rule=0), DENIED, "not_listed")
    check_fail(d.name("203.0.113.10", rule=0), DENIED, "ip_literal")
    assert len(proxy()) == n
    assert d.name("up.test")[2] == "127.0.0.1 5432"             # `upstream:` is dialled past it
    assert d.name("up2.test")[2] == "10.2.0.5 5432"
    check_fail(d.name("up3.test"), DENIED, "floor")
    assert len(proxy()) == n
    assert d.close() == 0


def test_proxy_itself_is_nobody_s_to_ask_for(net, proxy):
    d = through(net)
    n = len(proxy())
    for port in (443, 80):
        v = check_fail(d.name("proxy.wild.test", port), DENIED, "floor")
        assert b"the upstream proxy itself" in v["text"]
    check_fail(d.addr("203.0.113.60", 80), DENIED, "floor")       # what its name resolves to
    check_fail(d.addr("::ffff:203.0.113.60", 80), DENIED, "floor")
    assert [d.record()["reason"] for _ in range(4)] == [REASONS.index("floor")] * 4
    assert len(proxy()) == n
    assert d.addr("203.0.113.10", 80)[2] == "via 203.0.113.10:80"
    assert d.close() == 0
    d = through(net, "203.0.113.60")
    check_fail(d.addr("203.0.113.60", 80), DENIED, "floor")
    assert d.name("a.test")[2] == "via a.test:443"
    assert d.close() == 0


@pytest.mark.parametrize("name,text", [
    ("deny", "answers 403 to CONNECT deny.wild.test:443"), ("auth", "answers 407 to CONNECT auth.wild.test:443: it wants a password"),
    ("gone", "answers 502"), ("early", "answers 103"), ("moved", "answers 302"), ("garbage", "not HTTP"), ("huge", "not HTTP"),
    ("close", "closes the connection"), ("cut", "closes the connection")])
def test_proxy_refuses(net, proxy, name, text):
    d = through(net)
    v = check_fail(d.name(name + ".wild.test"), UNREACHABLE, "upstream_proxy")
    assert text.encode() in v["text"] and b"upstream proxy proxy.wild.test port 3128" in v["text"]
    assert d.name("a.test")[2] == "via a.test:443"
    assert d.close() == 0


def test_proxy_is_slow(net, proxy):
    """An octet now and then does not move the deadline; a dial that nobody waits for any more ends."""
    d = through(net)
    start = time.monotonic()
    first = d.ask("EGRESS", "DIAL_NAME", name="slow.wild.test", port=443, rule=index("slow.wild.test"))
    second = d.ask("EGRESS", "DIAL_NAME", name="slow.wild.test", port=443, rule=index("slow.wild.test"))
    time.sleep(0.5)
    bbipc.send(d.peers["EGRESS"], "DIAL_CANCEL", second)
    assert d.name("db.test", 5432, "GATE", 0)[2] == "via db.test:5432"
    d.peers["EGRESS"].settimeout(20)
    v = check_fail(d.answer("EGRESS", first), TIMEOUT, "upstream_proxy")
    assert b"no answer to CONNECT within 15 s" in v["text"]
    assert 14 < time.monotonic() - start < 24
    assert d.close() == 0


@pytest.mark.parametrize("host,port,status,text", [
    ("203.0.113.60", 9, REFUSED, "upstream proxy 203.0.113.60 port 9: Connection refused"),
    ("nowhere.test", 3128, UNREACHABLE, "upstream proxy nowhere.test: "),
    ("169.254.169.254", 80, UNREACHABLE, "address 169.254.169.254 may never be reached"),
    ("meta.test", 80, UNREACHABLE, "address 169.254.169.254 may never be reached")])
def test_proxy_is_not_there(net, proxy, host, port, status, text):
    d = through(net, host, port)
    assert text.encode() in check_fail(d.name("a.test"), status, "upstream_proxy")["text"]
    assert d.close() == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_proxy_on_this_host(net, proxy, host):
    """As small authenticating proxies are; it opens loopback to nobody else."""
    d = through(net, host)
    assert d.name("a.test")[2] == "via a.test:443"
    check_fail(d.addr("127.0.0.1", 9), DENIED, "floor")
    assert d.close() == 0


def test_proxy_auth_is_checked(net):
    d = Dialer(net, proxy={"host": "a.test", "port": 1}, proxy_auth=b"dXNl\r\nX: y")
    assert d.first[0] == "FAILED" and b"credentials of the upstream proxy" in d.first[2]["text"]
    assert d.close() == 1


def test_locked_in(dialer):
    pid = dialer.proc.pid
    status = open("/proc/%d/status" % pid).read()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_no_policy_no_start(net):
    d = Dialer(net, policy=False)
    assert d.first[0] == "FAILED"
    assert b"policy" in d.first[2]["text"]
    assert d.close() == 1


@pytest.mark.parametrize("peer", ["GATE", "EGRESS", "RECORDER"])
def test_ends_with_its_peers(net, peer):
    d = Dialer(net)
    assert d.first[0] == "READY"
    d.peers[peer].close()
    d.proc.wait(timeout=5)
    d.close()


def test_message_that_is_not_egress_s_to_send(net):
    d = Dialer(net)
    bbipc.send(d.peers["EGRESS"], "DIAL_ADDR", 1, addr="198.51.100.9", port=443, name="")
    assert d.proc.wait(timeout=5) == 1
    d.close()
