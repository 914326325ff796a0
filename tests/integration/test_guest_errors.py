# SPDX-License-Identifier: Apache-2.0
"""What a program in a bottle sees when it may not: an error at once, which says so; the same in a network
of its own inside the guest, as containers have. And what the user sees of it outside."""
import json

from conftest import both

# Where it may not connect to. Prints errno, the fastest, the middle and the slowest of 40 attempts, and the middle of as
# many connects to a server in the guest made in turn with them: what the machine takes for one. All in milliseconds
TRY = r'''
import errno, json, socket, sys, time
def attempt(family, kind, address):
    s = socket.socket(family, kind)
    s.settimeout(10)
    t = time.perf_counter()
    try:
        if kind == socket.SOCK_STREAM:
            s.connect(address)
            # a listed range: the relay takes it, and the host's refusal ends it
            e = "closed" if s.recv(1) == b"" else "open"
        else:
            s.connect(address)
            s.send(b"leak")
            s.recv(1)
            e = "answered"
    except socket.timeout:
        e = "timeout"
    except OSError as x:
        e = errno.errorcode[x.errno]
    t = (time.perf_counter() - t) * 1000
    s.close()
    return e, t
server = socket.create_server(("127.0.0.1", 0))
def control():
    t = time.perf_counter()
    s = socket.create_connection(server.getsockname(), 10)
    t = (time.perf_counter() - t) * 1000
    server.accept()[0].close()
    s.close()
    return t
out = {}
for name, family, kind, address in (
        ("tcp4", socket.AF_INET, socket.SOCK_STREAM, ("203.0.113.12", 443)),
        ("tcp4-range", socket.AF_INET, socket.SOCK_STREAM, ("198.18.200.200", 443)),
        ("tcp6", socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8:ffff::1", 443)),
        ("udp4", socket.AF_INET, socket.SOCK_DGRAM, ("8.8.8.8", 9999)),
        ("udp6", socket.AF_INET6, socket.SOCK_DGRAM, ("2001:4860:4860::8888", 9999))):
    got = [attempt(family, kind, address) + (control(),) for _ in range(40)]
    took = sorted(t for _, t, _ in got)
    out[name] = [sorted({str(e) for e, _, _ in got}), took[0], took[20], took[-1], sorted(c for _, _, c in got)[20]]
print(json.dumps(out))
'''

NESTED = """
set -e
ip netns add box
ip link add v0 type veth peer name v1 netns box
ip addr add 10.9.0.1/24 dev v0
ip addr add fd09::1/64 dev v0 nodad
ip link set v0 up
ip -n box link set lo up
ip -n box addr add 10.9.0.2/24 dev v1
ip -n box addr add fd09::2/64 dev v1 nodad
ip -n box link set v1 up
ip -n box route add default via 10.9.0.1
ip -n box -6 route add default via fd09::1
"""


def errors(r):
    assert r.code == 0, r
    got = json.loads(r.out)
    print({k: "%s %.1f %.1f %.1f ms, beside %.1f ms" % tuple(v) for k, v in got.items()})
    return {k: v[0] for k, v in got.items()}, got


def at_once(got):
    # Nothing waits for a timer or a second try: the fastest is within 10 ms. The middle one is, beyond what this machine
    # takes for ten connects inside the guest: QEMU translates here, others run beside us, and a listed range is asked of
    # the host
    for name, (_, fastest, median, slowest, control) in got.items():
        assert fastest < 10 and median < 10 + 10 * control and slowest < 2000, (name, fastest, median, slowest, control)


def test_denied_is_an_error_at_once(bottle, evidence):
    names, got = errors(bottle.py(TRY))
    assert set(names.pop("tcp4-range")) <= {"closed", "ECONNRESET"}, names
    assert names == {"tcp4": ["ECONNREFUSED"], "tcp6": ["ECONNREFUSED"], "udp4": ["EPERM"], "udp6": ["EPERM"]}, names
    at_once(got)
    # what the fence sent to the host was denied there, with a record that says why
    evidence.nothing_left()
    evidence.denied(kind="flow", addr="198.18.200.200", reason="default_deny")
    evidence.control()


def test_denied_in_a_nested_network(bottle, evidence):
    """IPv4 and IPv6 in a network namespace of the guest, with veth and forwarding, as a container has."""
    r = bottle.sh(NESTED, user="root")
    assert r.code == 0, "is the image older than data/guest-modules.txt? %r" % r
    try:
        names, got = errors(bottle.exec("ip", "netns", "exec", "box", "python3", "-c", TRY, user="root"))
        assert set(names["tcp4-range"]) <= {"closed", "ECONNRESET"}, names
        assert names["tcp4"] == names["tcp6"] == ["ECONNREFUSED"], names
        # the refusal comes as a packet there, so it is what the kernel makes of that
        assert names["udp4"] == ["EHOSTUNREACH"] and names["udp6"] == ["EACCES"], names
        at_once(got)
        for server in ("8.8.8.8", "2001:4860:4860::8888"):
            for proto in ("+notcp", "+tcp"):
                r = bottle.exec("ip", "netns", "exec", "box", "dig", "+tries=1", "+time=5", proto, "@" + server,
                                "secret.evil.test", user="root")
                assert b"status: NXDOMAIN" in r.out, (server, proto, r)
        evidence.nothing_left()
        evidence.denied(kind="dns", host="secret.evil.test", reason="not_listed")
        # control: what is allowed is allowed from there as well
        r = bottle.exec("ip", "netns", "exec", "box", "python3", "-c",
                        "import socket;s=socket.create_connection(('203.0.113.20',7000),15);"
                        "s.sendall(b'from the box');print(s.recv(99))", user="root")
        assert r.out == b"b'from the box'\n", r
        # and what stays among the guest's own devices is the guest's affair
        r = bottle.sh("ip netns exec box python3 -c \"import socket;s=socket.create_server(('10.9.0.2',8000));"
                      "print('up',flush=True);c,_=s.accept();c.sendall(b'inside')\" & sleep 2; "
                      "python3 -c \"import socket;print(socket.create_connection(('10.9.0.2',8000),9).recv(9))\"",
                      user="root")
        assert b"b'inside'" in r.out, r
    finally:
        bottle.exec("ip", "netns", "del", "box", user="root")


@both
def test_messages_are_understood(bottle, evidence):
    r = bottle.sh("env -i PATH=$PATH curl -sS -m 9 https://203.0.113.12/")
    assert r.code == 7 and b"Couldn't connect to server" in r.err, r
    r = bottle.sh("curl -sS -m 9 https://denied.test/")
    assert r.code == 56 and b"CONNECT tunnel failed, response 403" in r.err, r
    r = bottle.sh("curl -sS -m 9 http://denied.test/")
    assert json.loads(r.out)["reason"] == "not_listed", r
    r = bottle.sh("env -i PATH=$PATH curl -sS -m 9 https://denied.test/")
    assert r.code == 6 and b"Could not resolve host: denied.test" in r.err, r
    r = bottle.sh("cd /tmp && timeout 20 git clone https://denied.test/x.git")
    assert r.code == 128 and b"CONNECT tunnel failed, response 403" in r.err, r
    r = bottle.sh("cd /tmp && timeout 20 git clone ssh://git@denied.test/x.git")
    assert r.code == 128 and b"denied.test" in r.err, r
    r = bottle.sh("time -p getent hosts slow.evil.test; dig +tries=1 slow.evil.test | grep 'Query time'")
    assert float(r.err.split(b"real ")[1].split()[0]) < 2, r
    evidence.nothing_left()
    # the user's side of it: one line each, which names what, where to and why
    said = bottle.product.run("audit", bottle.identity).out.decode()
    for what in ("denied.test", "not_listed", "slow.evil.test", "CONNECT denied.test:443"):
        assert what in said, (what, said[-2000:])
    evidence.control()
