# SPDX-License-Identifier: Apache-2.0
"""`reload`: another policy for a bottle that runs. What it adds can be reached, what it takes away ends,
and whatever goes wrong leaves the old one in force or ends the bottle."""
import json
import os
import signal
import subprocess
import time

import product as products
import pytest
from conftest import Evidence, both

HEAD = "---\nresources: {memory: 512MiB, cpus: 1, disk: 1GiB}\nenv: {GREETING: hello}\negress:\n"
HOSTS, TCP = ("allowed.test",), ("{cidr: 203.0.113.20/32, port: 7000}",)


def manifest(product, hosts=HOSTS, tcp=TCP, more=""):
    routes = "".join("    - host: %s\n" % (h if "{" in h or "\n" in h else '"%s"' % h) for h in hosts)
    rules = "".join("    - %s\n" % t for t in tcp)
    return product.write("bottles/live.md", HEAD + ("  routes:\n" + routes if hosts else "")
                         + ("  tcp:\n" + rules if tcp else "") + more + "---\n")


def started(product):
    manifest(product)
    b = products.Bottle(product, "--bottle", "live")
    yield b
    b.close()


@pytest.fixture(scope="module")
def vm_live(product):
    yield from started(product)


@pytest.fixture(scope="module")
def docker_live(dproduct):
    yield from started(dproduct)


@pytest.fixture
def live(request, backend):
    return request.getfixturevalue({"smolmachines": "vm_live", "docker": "docker_live"}[backend])


def reload(b, *args, code=0, **kw):
    r = b.product.run("reload", *args, b.identity, **kw)
    assert r.code == code, r
    return r


def generation(b):
    return b.status()["generation"]


def status_of(b, url):
    r = b.sh("curl -sS -m 20 -o /dev/null -w '%%{http_code}' %s" % url)
    return r.out.decode() or r.err.decode()


def query(b, name):
    return b.sh("dig +tries=1 +time=3 %s | grep -o 'status: [A-Z]*'; dig +short +tries=1 +time=3 %s" % (name, name)).out.decode().split()


def connect(b, addr, port):
    return b.sh("timeout 5 bash -c 'exec 3<>/dev/tcp/%s/%d && echo ping >&3 && head -1 <&3'" % (addr, port)).out


def denial_set(internet, b):
    """Unlisted names, direct resolvers, other addresses, a host without a route: nothing leaves."""
    e = Evidence(internet, b)
    assert query(b, "leak.evil.test")[1] == "NXDOMAIN"
    e.denied(kind="dns", host="leak.evil.test")
    # the fence brings it to our own; a container cannot send it
    fenced = b"status: NXDOMAIN\n" if b.root else b""
    assert b.sh("dig +tries=1 +time=2 @8.8.8.8 leak2.evil.test | grep -o 'status: [A-Z]*'").out == fenced
    assert connect(b, "203.0.113.12", 443) == b"" and connect(b, "1.1.1.1", 853) == b""
    assert status_of(b, "https://denied.test/").startswith("000") or "403" in status_of(b, "https://denied.test/")
    e.denied(host="denied.test", reason="not_listed")
    e.nothing_left()


@both
def test_a_route_is_added(either, live, internet):
    before = generation(live)
    assert status_of(live, "http://other.test/hello") == "403" and query(live, "other.test") == ["status:", "NXDOMAIN"]
    manifest(either, HOSTS + ("other.test",))
    r = reload(live, "--yes")
    assert b"+ route other.test 443 80" in r.out and b"generation %d" % (before + 1) in r.out, r
    assert status_of(live, "https://other.test/hello") == "200" and query(live, "other.test")[1] == "NOERROR"
    assert generation(live) == before + 1
    records = live.audit()
    added = [json.loads(x["text"]) for x in records if x.get("method") == "route_added"]
    assert [a["host"] for a in added] == ["other.test"]
    assert [x["text"] for x in records if x.get("method") == "reload"][-1] == "generation %d to %d, 1 differences" % (before, before + 1)
    denial_set(internet, live)


@both
def test_who_is_asked(either, live):
    """More may leave: somebody has to agree. Less: nobody is asked."""
    before = generation(live)
    manifest(either, HOSTS + ("other.test", "api.test"))
    r = reload(live, code=1)
    assert b"--yes" in r.err and generation(live) == before, r
    manifest(either, HOSTS)
    assert b"- route other.test" in reload(live).out and generation(live) == before + 1


def test_what_is_removed_ends(product, live, internet):
    """A raw flow and a long download are cut, the name is unknown, the audit has what was there before."""
    manifest(product, HOSTS + ("other.test",), TCP + ("{host: db.test, port: 7000}",))
    reload(live, "--yes")
    flow = product.popen("exec", live.identity, "--", "python3", "-c", """
import socket, sys
both = [socket.create_connection(a) for a in (("203.0.113.20", 7000), ("db.test", 7000))]
for s in both:
    s.sendall(b'one'); assert s.recv(9) == b'one'
print('open', flush=True)
for s in both:
    try:
        print(repr(s.recv(9)), flush=True)
    except OSError as e:
        print(type(e).__name__, flush=True)
""")
    long = product.popen("exec", live.identity, "--", "bash", "-c",
                         "curl -sS --limit-rate 2M -o /dev/null https://other.test/big & sleep 2; echo going; wait $!; echo $?")
    assert flow.stdout.readline() == b"open\n" and long.stdout.readline() == b"going\n"
    first = status_of(live, "https://other.test/hello")
    assert first == "200"
    manifest(product, HOSTS, ())
    r = reload(live)
    assert b"- route other.test" in r.out and b"- tcp 203.0.113.20/32 port 7000" in r.out and b"- tcp db.test port 7000" in r.out, r
    out = flow.communicate(timeout=20)[0]
    assert len(out.splitlines()) == 2 and set(out.split()) <= {b"b''", b"ConnectionResetError"}, out
    out, err = long.communicate(timeout=20)
    assert int(out.split()[-1]) != 0
    e = Evidence(internet, live)
    assert query(live, "other.test") == ["status:", "NXDOMAIN"] and query(live, "db.test") == ["status:", "NXDOMAIN"]
    assert status_of(live, "http://other.test/hello") == "403" and connect(live, "203.0.113.20", 7000) == b""
    e.denied(host="other.test", reason="not_listed")
    e.nothing_left()
    e.control()
    records = live.audit()
    assert [json.loads(x["text"])["host"] for x in records if x.get("method") == "route_removed"][-1] == "other.test"
    ended = [x for x in records if x["kind"] == "end" and x["reason"] == "policy_reloaded"]
    assert {x.get("host") for x in ended} == {"other.test", "db.test", None}, (ended, err, records[-40:])
    assert [x["addr"] for x in ended if not x.get("host")] == ["203.0.113.20"]
    assert all(x["verdict"] == "deny" for x in ended)
    denial_set(internet, live)


def test_what_stays_goes_on(product, live):
    """Other routes come and go, and change their order, around a download of one that stays."""
    manifest(product, HOSTS)
    reload(live, "--yes")
    long = product.popen("exec", live.identity, "--", "bash", "-c",
                         "curl -sS --limit-rate 2M -r 0-41943039 https://allowed.test/big & sleep 0.5; echo going >&2; wait $!")
    assert long.stderr.readline() == b"going\n"
    for hosts in (("api.test", "allowed.test", "other.test"), ("allowed.test", "*.zone.test"), HOSTS):
        manifest(product, hosts)
        reload(live, "--yes")
    assert long.poll() is None
    out = long.communicate(timeout=200)[0]
    assert long.returncode == 0 and len(out) == 40 << 20


def test_an_added_range_is_reached_at_once(product, live):
    manifest(product, HOSTS, TCP + ("{cidr: 203.0.113.21/32, port: 7000}",))
    r = reload(live, "--yes")
    assert b"note: the guest" not in r.err, r
    assert connect(live, "203.0.113.21", 7000) == b"ping\n" and connect(live, "203.0.113.20", 7000) == b"ping\n"
    assert connect(live, "203.0.113.20", 7001) == b""


@both
def test_a_token_that_is_new(either, live, internet):
    """It reaches the egress guard and nobody else: the request carries it, the guest does not."""
    token = "reload-token-5f1c9b7a3e"
    auth = 'api.test\n      auth: {scheme: Bearer, token_ref: RELOAD_TOKEN}'
    manifest(either, HOSTS + (auth,))
    r = reload(live, "--yes", env={"RELOAD_TOKEN": token})
    assert b"RELOAD_TOKEN is new" in r.err, r
    assert b"you sent" in live.sh("curl -sS -m 20 https://api.test/first").out
    sent = open(internet.d + "/sent.log").read()
    assert "Bearer %s||/first" % token in sent or "Bearer %s|-|/first" % token in sent, sent
    # from now on it is looked for in what leaves
    r = live.sh("curl -sS -m 20 -o /dev/null -w '%%{http_code}' 'https://allowed.test/?q=%s'" % token)
    assert r.out == b"403", r
    assert live.audit()[-1]["reason"] in ("known_secret", "foreign_credential")
    # another value; the variable unset: the value stays
    reload(live, "--yes", env={"RELOAD_TOKEN": "another-token-77aa88bb99"})
    reload(live)
    live.sh("curl -sS -m 20 https://api.test/second")
    assert "Bearer another-token-77aa88bb99|-|/second" in open(internet.d + "/sent.log").read()
    assert live.sh("curl -sS -m 20 -o /dev/null -w '%%{http_code}' 'https://allowed.test/?q=%s'" % token).out == b"403"
    assert token not in live.sh("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'", timeout=60).out.decode("latin-1")


@both
def test_a_broken_manifest_changes_nothing(either, live):
    before = generation(live)
    path = manifest(either, HOSTS, more="  routse: []\n")
    r = reload(live, "--yes", code=1)
    assert b"%s:" % path.encode() in r.err or b"live.md:" in r.err, r
    line = [l for l in r.err.decode().splitlines() if "live.md:" in l][0]
    assert line.split("live.md:")[1].split(":")[0].isdigit() and b"nothing has changed" in r.err, r
    assert generation(live) == before and status_of(live, "https://allowed.test/hello") == "200"


def test_what_was_fixed_at_the_start_is_said(product, live):
    manifest(product, HOSTS)
    text = open(product.home + "/.bot-bottle/bottles/live.md").read()
    product.write("bottles/live.md", text.replace("GREETING: hello", "OTHER: x").replace("512MiB", "1GiB"))
    r = reload(live, "--yes")
    assert b"note: memory changed" in r.err and b"note: env changed" in r.err, r
    assert live.sh("echo $GREETING").out == b"hello\n"
    manifest(product, HOSTS)


@both
def test_two_at_once(either, live):
    manifest(either, HOSTS + ("other.test",))
    before = generation(live)
    both = [either.popen("reload", "--yes", live.identity) for _ in range(2)]
    out = [p.communicate(timeout=60) for p in both]
    codes = sorted(p.returncode for p in both)
    done = codes.count(0)
    assert done >= 1 and set(codes) <= {0, 1} and generation(live) == before + done, (codes, out)
    for p, (_, err) in zip(both, out):
        assert p.returncode == 0 or b"nothing has changed" in err, err
    assert status_of(live, "https://other.test/hello") == "200"


def test_follow(product, live):
    """`audit --follow` prints what comes, and ends with 130 at Ctrl-C."""
    p = product.popen("audit", "--follow", "--json", live.identity)
    seen = []
    live.sh("dig +tries=1 followed.evil.test >/dev/null")
    end = time.time() + 20
    while time.time() < end and "followed.evil.test" not in seen:
        seen.append(json.loads(p.stdout.readline()).get("host"))
    assert "followed.evil.test" in seen
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=10)
    assert p.returncode == 130


def test_not_running(product):
    r = product.run("reload", "nothing-00000")
    assert r.code == 1 and b"nothing-00000" in r.err, r
    r = product.run("run", "--yes", "--", "true")
    ended = product.list()
    ended = [b for b in ended if b["status"] != "up"][0]["identity"]
    r = product.run("reload", ended)
    assert r.code == 1 and ended.encode() in r.err, r


@pytest.mark.parametrize("victim", ["gate", "dialer", "egress", "keyd", "recorder"])
def test_a_guard_that_does_not_answer_ends_the_bottle(product, internet, victim):
    """Stopped, so that the reload is under way for certain, then killed: recorder when three others have changed
    already. What only the new policy allows is never connected."""
    def to_other():
            # connects and all that carries something; a server may end what tests before have kept
            return len(internet.packets("host 203.0.113.11 and not (tcp and tcp[13] & 2 == 0 and "
                                        "ip[2:2] == (ip[0] & 15) * 4 + (tcp[12] >> 4) * 4)"))
    manifest(product)
    b = products.Bottle(product, "--bottle", "live")
    follow = product.popen("audit", "--follow", b.identity)
    pid = b.status()["pids"][victim]
    manifest(product, HOSTS + ("other.test",))
    before = to_other()
    os.kill(pid, signal.SIGSTOP)
    p = product.popen("reload", "--yes", b.identity)
    time.sleep(1)
    curl = product.popen("exec", b.identity, "--", "curl", "-sS", "-m", "20", "http://other.test/hello")
    time.sleep(1.5)
    assert p.poll() is None
    os.kill(pid, signal.SIGKILL)
    out, err = p.communicate(timeout=30)
    assert p.returncode == 125 and victim.encode() in err, (out, err)
    b.proc.communicate(timeout=20)
    assert b.proc.returncode == 125
    for _ in range(100):
        if b.status()["status"] != "up":
            break
        time.sleep(0.1)
    assert b.status()["status"] != "up"
    assert b"hello from" not in curl.communicate(timeout=30)[0] and to_other() == before
    assert not [x for x in b.audit() if x.get("method") == "reload"]
    follow.communicate(timeout=10)
    assert follow.returncode == 0  # it ends with the bottle
