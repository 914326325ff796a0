# SPDX-License-Identifier: Apache-2.0
"""A bottle with `egress.dns: forward`: real addresses of listed names, looked up by dialer; nothing else."""

from test_bottle import dig

ANSWERS = "status: [A-Z]*|ANSWER: [0-9]+"


def asked(internet, since):
    return [l.split("info:")[1].lower() for l in internet.queries()[since:]]


def test_forward_listed(forwarding, internet):
    before, records = len(internet.queries()), len(forwarding.audit())
    assert forwarding.sh("dig +short allowed.test; dig +short +tcp x1.zone.test; dig +short wild.zone.test").out == \
        b"203.0.113.10\n203.0.113.10\n"
    assert forwarding.sh("dig +short db.test").out.startswith(b"198.18.")  # a tcp rule by name needs it
    got = dig(forwarding, "x1.zone.test AAAA", *("allowed.test " + k for k in ("HTTPS", "SVCB", "TXT", "MX")),
              "allowed.test ANY +notcp", time=8, show=ANSWERS)
    assert got == ["status: NXDOMAIN", "ANSWER: 0"] + ["status: NOERROR", "ANSWER: 0"] * 4 + ["status: REFUSED", "ANSWER: 0"], got
    seen = asked(internet, before)
    assert any("allowed.test. a in" in l for l in seen) and not any(" db.test." in l for l in seen)
    assert not any(k in l for l in seen for k in ("https", "svcb", "txt", "mx", "any")), seen
    made = [r for r in forwarding.audit()[records:] if r.get("reason") == "forwarded"]
    assert [r["host"] for r in made][:1] == ["allowed.test"] and all(r["verdict"] == "allow" for r in made)


def test_forward_unlisted_stays_here(forwarding, forward_evidence, internet):
    before = internet.packets("port 53")
    got = dig(forwarding, *("@%s %s" % (server, name) for server in ("127.0.0.1", "8.8.8.8") for name in (
        "secret-data.evil.test", "zone.test", "sub.allowed.test", "allowed.test.evil.test")), time=8)
    assert got == ["status: NXDOMAIN"] * 8, got
    assert internet.packets("port 53") == before
    forward_evidence.nothing_left()
    forward_evidence.denied(kind="dns", reason="not_listed", host="secret-data.evil.test")
    forward_evidence.control()


def test_forward_letters_are_ours(forwarding, internet):
    """The case of the letters, the id and options of the guest's query would be a way out below a wildcard."""
    before = len(internet.queries())
    assert forwarding.sh("dig +short" + " aLLoWeD.tEsT" * 6).out == b"203.0.113.10\n" * 6
    names = {w for l in internet.queries()[before:] for w in l.split() if w.lower() == "allowed.test."}
    assert len(names) > 2, names


def test_forward_rebinding(forwarding, forward_evidence, internet):
    """Private, loopback and the host's own addresses are taken out of answers, and lead nowhere."""
    for name, reason in (("private.test", "private_range"), ("loop.test", "floor")):
        assert dig(forwarding, name, show=ANSWERS) == ["status: NOERROR", "ANSWER: 0"]
        forward_evidence.denied(kind="dns", reason=reason, host=name)
        assert forwarding.sh("curl -sS -m 10 -o /dev/null -w '%%{http_code}' http://%s/" % name).out in (b"403", b"502")
    assert internet.packets("host 10.1.2.3") == []
    forward_evidence.control()


def test_forward_grants_no_connect(forwarding, forward_evidence):
    """The true address of a listed name is an address like any other."""
    r = forwarding.sh("curl -sS -m 10 --noproxy '*' https://allowed.test/hello 2>&1")
    assert r.code != 0 and b"hello from" not in r.out
    r = forwarding.py("import socket, struct\n"  # past the guest's own rules
                      "s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); s.settimeout(10); s.connect((2, 6003))\n"
                      "s.sendall(struct.pack('>HBBBBH16s', 0x4246, 1, 4, 6, 0, 443, bytes([203, 0, 113, 10]).ljust(16, b'\\0')))\n"
                      "print(s.recv(4)[0])")
    assert r.out == b"1\n", r
    forward_evidence.denied(kind="flow", reason="default_deny", addr="203.0.113.10")
    forward_evidence.control()


def test_forward_rate(forwarding, forward_evidence, internet):
    script = ("import socket, struct\n"
              "s = socket.create_connection(('127.0.0.1', 53), 20)\n"
              "q = b'\\0\\0\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7allowed\\4test\\0\\0\\1\\0\\1'\n"
              "for i in range(900): s.sendall(struct.pack('>HH', len(q), i) + q[2:])\n"
              "seen = [0] * 16; f = s.makefile('rb')\n"
              "for i in range(900):\n"
              "    n = struct.unpack('>H', f.read(2))[0]; seen[f.read(n)[3] & 15] += 1\n"
              "print(seen[0], seen[2])")
    before = len(internet.queries())
    r = forwarding.py(script, timeout=60)
    good, servfail = map(int, r.out.split())
    assert good + servfail == 900 and servfail > 300, r
    assert len(internet.queries()) - before < 600
    forward_evidence.denied(kind="dns", reason="limit", host="allowed.test")
    assert forwarding.sh("sleep 1; dig +short allowed.test").out == b"203.0.113.10\n"
    forward_evidence.control()
