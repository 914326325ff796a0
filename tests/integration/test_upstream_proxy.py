# SPDX-License-Identifier: Apache-2.0
"""`upstream_proxy`: a real tinyproxy with a password stands between the host and the world, and it alone is
ever connected to."""
import glob
import json
import os
import shutil
import signal
import subprocess
import time

import product as products
import pytest
from conftest import Evidence
from test_reload import connect, denial_set, status_of

ADDR, PORT, NAME = "203.0.113.40", 8888, "proxy.zone.test"
PASSWORD = "Tr4verse-the-Gate-9f1c"
MANIFEST = """---
resources: {memory: 512MiB, cpus: 1, disk: 1GiB}
egress:
  routes:
    - host: allowed.test
    - host: other.test
    - host: "*.zone.test"
    - host: private.test
    - {host: direct.test, port: 80, upstream: "http://203.0.113.11:80"}
  tcp:
    - {host: db.test, port: 7000}
    - {cidr: 203.0.113.20/30, port: 7001}
    - {cidr: 203.0.113.40/32, port: 8888}
---
"""
CONF = """
Port %d
Listen %s
Timeout 60
LogFile "%s"
LogLevel Connect
MaxClients 50
BasicAuth operator %s
"""


class Tiny:
    def __init__(self, internet, d):
        self.net, self.log, self.conf = internet, d + "/tinyproxy.log", d + "/tinyproxy.conf"
        subprocess.run(["ip", "-n", internet.world, "addr", "add", ADDR + "/32", "dev", "lo"], check=True)
        self.etc = "/etc/netns/" + internet.world
        os.makedirs(self.etc)
        with open(self.etc + "/resolv.conf", "w") as f:
            f.write("nameserver 203.0.113.53\n")
        self.start()

    def start(self, password=PASSWORD):
        with open(self.conf, "w") as f:
            f.write(CONF % (PORT, ADDR, self.log, password))
        self.proc = self.net.spawn(self.net.world, ["tinyproxy", "-d", "-c", self.conf], stdout=subprocess.DEVNULL)
        self.net._wait(ADDR, PORT)

    def stop(self):
        self.proc.terminate()
        self.proc.wait(10)
        self.net.procs.remove(self.proc)

    def asked(self):
        return [l.split("): CONNECT ")[1].split()[0] for l in open(self.log) if "): CONNECT " in l]


@pytest.fixture(scope="module")
def tiny(internet, workdir):
    t = Tiny(internet, workdir)
    yield t
    shutil.rmtree(t.etc)


@pytest.fixture(scope="module")
def user(exe, workdir, internet, user_cache, tiny):
    p = products.Product(exe, workdir + "/home-proxy", internet.host, products.make_user().pw_uid, user_cache)
    p.write("bottles/behind.md", MANIFEST)
    p.write("config.yaml", "resolvers: [203.0.113.53]\nupstream_ca_files: [%s/ca.pem]\n"
            "upstream_proxy: http://%s:%d\nupstream_proxy_auth: PROXY_LOGIN\n" % (workdir, NAME, PORT))
    p.env["PROXY_LOGIN"] = "operator:" + PASSWORD
    return p


@pytest.fixture(scope="module")
def behind(user):
    b = user.bottle("--bottle", "behind")
    yield b
    b.close()


def connects(internet, since=0):
    """Where the host has begun TCP connections to."""
    return {p.split()[4].rstrip(":") for p in internet.packets("src host 198.51.100.2 and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn")[since:]}


def test_all_goes_through_the_proxy(behind, internet, tiny):
    before = len(internet.packets("src host 198.51.100.2 and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"))
    asked = len(internet.queries())
    assert status_of(behind, "https://allowed.test/hello") == "200"
    assert status_of(behind, "http://allowed.test/hello") == "200"
    assert status_of(behind, "https://wild.zone.test/hello") == "200"
    assert behind.sh("curl -sS --http2 -o /dev/null -r 0-9999999 -w '%{http_version} %{size_download}' https://other.test/big").out == b"2 10000000"
    assert connect(behind, "db.test", 7000) == b"ping\n"
    assert connect(behind, "203.0.113.20", 7001) == b"ping\n"
    assert connects(internet, before) == {"%s.%d" % (ADDR, PORT)}
    assert tiny.asked() == ["allowed.test:443", "allowed.test:80", "wild.zone.test:443", "other.test:443", "db.test:7000", "203.0.113.20:7001"]
    # the names are the proxy's to look up: the host's only question is where the proxy is
    assert {q.split()[-3] for q in internet.queries()[asked:] if " 198.51.100.2 " in q} == {NAME + "."}
    time.sleep(0.3)
    ends = [r for r in behind.audit() if r["kind"] == "end"]
    assert len(ends) == 6 and {r["checked_by"] for r in ends} == {"upstream_proxy"}, ends
    # of a raw flow the address is the one that the guest has asked for
    assert [r.get("addr", "")[:7] for r in ends] == ["", "", "", "", "198.18.", "203.0.1"], ends


def test_a_fixed_upstream_is_dialled_past_it(behind, internet, tiny):
    n = len(tiny.asked())
    assert status_of(behind, "http://direct.test/hello") == "200"
    assert len(tiny.asked()) == n
    assert [(r["addr"], "checked_by" in r) for r in behind.audit() if r["kind"] == "end" and r.get("host") == "direct.test"] == [("203.0.113.11", False)]


def test_denials_stay_denials(behind, internet, tiny):
    asked = tiny.asked()
    denial_set(internet, behind)
    assert tiny.asked() == asked


def test_the_proxy_itself_cannot_be_reached(behind, internet, tiny):
    """By a name that a wildcard covers, by an address that a rule covers, with and without CONNECT."""
    asked = tiny.asked()
    e = Evidence(internet, behind)
    assert status_of(behind, "http://%s/" % NAME) == "403"
    assert "403" in status_of(behind, "https://%s/" % NAME)
    assert behind.sh("curl -sS -m 5 -p -x http://%s:%d http://evil.test/" % (ADDR, PORT)).code != 0
    assert connect(behind, ADDR, PORT) == b""
    e.denied(host=NAME, reason="floor")
    e.denied(addr=ADDR, port=PORT, reason="floor")
    # nothing but the question where the proxy is, and connects to it that carry nothing
    sent = [p for p in internet.packets()[e.packets:] if "length 0" not in p and "ARP" not in p]
    assert all("203.0.113.53.53" in p and ("proxy.zone.test" in p or ADDR in p or " 0/" in p) for p in sent), sent
    assert tiny.asked() == asked
    e.control()


def test_the_password_is_nowhere(behind, user):
    import base64
    secrets = (PASSWORD.encode(), base64.b64encode(b"operator:" + PASSWORD.encode()).rstrip(b"="))
    status = behind.status()
    pids = [p for p in status["pids"].values()] if isinstance(status["pids"], dict) else [p["pid"] for p in status["pids"]]
    assert len(pids) >= 6
    files = glob.glob("%s/.local/state/bot-bottle/%s/*" % (user.home, behind.identity)) \
        + glob.glob("/run/user/%d/bot-bottle/%s/*" % (user.uid, behind.identity)) \
        + ["/proc/%d/%s" % (p, f) for p in pids for f in ("cmdline", "environ")]
    files = [f for f in files if os.path.isfile(f) and not f.endswith(".img")]
    assert any(f.endswith("host.log") for f in files) and any("audit" in f for f in files)
    for f in files:
        data = open(f, "rb").read()
        assert not any(s in data for s in secrets), f
    guest = behind.sh("cat /proc/[0-9]*/environ /etc/environment; env", user="root").out
    assert not any(s in guest for s in secrets) and b"PROXY_LOGIN" not in guest


def test_reload_keeps_it(behind, internet, user, tiny):
    user.write("bottles/behind.md", MANIFEST.replace("    - host: private.test\n", "    - host: private.test\n    - host: api.test\n"))
    config = open(user.home + "/.bot-bottle/config.yaml").read()
    user.write("config.yaml", "\n".join(l for l in config.splitlines() if "proxy" not in l))
    r = user.run("reload", "--yes", behind.identity)
    assert r.code == 0, r
    assert status_of(behind, "https://api.test/x") == "200" and tiny.asked()[-1] == "api.test:443"
    user.write("bottles/behind.md", MANIFEST)
    user.write("config.yaml", config)


def test_what_the_proxy_refuses(behind, internet, tiny):
    """A name that it cannot connect to, another password, and no proxy at all: a reason each, for guest and audit."""
    def reason(url):
        r = behind.sh("curl -sS -m 30 %s" % url)
        answer = json.loads(r.out)
        record = [x for x in behind.audit() if x["kind"] == "end"][-1]
        assert answer["reason"] == record["reason"] == "upstream_proxy" and "checked_by" not in record, (answer, record)
        return record["text"]
    assert "answers 500 to CONNECT private.test:80" in reason("http://private.test/")
    tiny.stop()
    assert reason("http://allowed.test/") == "upstream proxy %s port %d: Connection refused" % (NAME, PORT)
    tiny.start("another-password")
    assert "answers 401" in (t := reason("http://allowed.test/")) or "answers 407" in t and "upstream_proxy_auth" in t
    tiny.stop()
    tiny.start()
    assert status_of(behind, "https://allowed.test/hello") == "200"


def test_stopped_proxy_holds_nothing_up(behind, tiny):
    """It accepts and says nothing: that request ends, others of the bottle do not wait for it."""
    tiny.proc.send_signal(signal.SIGSTOP)
    try:
        start = time.monotonic()
        slow = behind.product.popen("exec", behind.identity, "--", "curl", "-sS", "-m", "40", "-o", "/dev/null", "-w", "%{http_code}", "http://allowed.test/")
        assert status_of(behind, "http://direct.test/hello") == "200"
        assert time.monotonic() - start < 10
        assert slow.communicate(timeout=40)[0] == b"504"
        assert 14 < time.monotonic() - start < 25
    finally:
        tiny.proc.send_signal(signal.SIGCONT)
    assert "no answer to CONNECT within 15 s" in [x for x in behind.audit() if x["kind"] == "end" and x["reason"] == "upstream_proxy"][-1]["text"]


def test_before_a_start(user, tiny):
    """What cannot work is said by `doctor` and by the preflight."""
    def doctor(**env):
        return [l for l in user.run("doctor", env=env).out.decode().splitlines() if "upstream proxy" in l][0]
    config = open(user.home + "/.bot-bottle/config.yaml").read()
    user.write("config.yaml", config.replace(NAME, ADDR))
    assert doctor() == "ok       upstream proxy     %s port %d: accepts connections; password from PROXY_LOGIN" % (ADDR, PORT)
    line = doctor(PROXY_LOGIN="")
    assert line.startswith("missing") and "PROXY_LOGIN, which is not set" in line
    user.write("config.yaml", config.replace("%s:%d" % (NAME, PORT), ADDR + ":1"))
    line = doctor()
    assert line.startswith("missing") and "%s port 1: Connection refused" % ADDR in line
    user.write("config.yaml", config)
    r = user.run("run", "--yes", "--bottle", "behind", "--", "true", env={"PROXY_LOGIN": ""})
    assert r.code != 0 and b"the host variable PROXY_LOGIN is not set" in r.err, r
    r = user.run("run", "--yes", "--bottle", "behind", "--", "true", env={"PROXY_LOGIN": "no-colon"})
    assert r.code != 0 and b"USER:PASSWORD" in r.err and b"no-colon" not in r.err, r
    r = user.run("run", "--yes", "--bottle", "behind", "--allow-host", NAME, "--", "true")
    assert r.code != 0 and b"no route and no tcp rule may lead to it" in r.err, r
