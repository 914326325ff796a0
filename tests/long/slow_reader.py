#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/long/slow_reader.py BUILDDIR: a guest that stops reading for longer than a connection may be idle.

All of the response is with the guard by then, and its record is written; the guest still gets the last octets,
over HTTP/1.1 and HTTP/2. Takes four minutes and a half."""
import os
import shutil
import ssl
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import h2client  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
STILL = 260  # two rounds of EGRESS_KEEP_ALIVE_MS, and some more
DATA = os.urandom(48 << 10)


def connect(rig, host, alpn, root):
    s = rig.connect(host, 443, room=4096)
    ctx = ssl.create_default_context(cadata=root)
    ctx.set_alpn_protocols([alpn])
    s = ctx.wrap_socket(s, server_hostname=host)
    assert s.selected_alpn_protocol() == alpn
    return s


def main():
    d = tempfile.mkdtemp(prefix="bb-slow-", dir="/var/tmp")
    os.chmod(d, 0o755)
    ca = testca.CA("upstream root")
    ca.issue(d + "/good", "h1.test", "h2.test")
    nginx = upstreams.Nginx(d + "/nginx", d + "/good.crt", d + "/good.key")
    nginx.put("slow", DATA)
    rig = egressrig.Rig(BUILD + "/src/proc/egress/egress", [egressrig.route(h) for h in ("h1.test", "h2.test")],
                        testca.pem(ca.cert))
    rig.targets["h1.test", 443] = nginx.tls
    rig.targets["h2.test", 443] = nginx.h2
    root = testca.pem(rig.root.cert).decode()
    try:
        one = connect(rig, "h1.test", "http/1.1", root)
        one.sendall(b"GET /slow HTTP/1.1\r\nHost: h1.test\r\n\r\n")
        two = h2client.Client(connect(rig, "h2.test", "h2", root), "h2.test")
        stream = two.begin(two.head("/slow"))
        for host in ("h1.test", "h2.test"):
            rig.wait_record(kind="end", host=host)
        print("slow_reader: all is with the guard; nothing is read for %d s" % STILL, flush=True)
        time.sleep(STILL)
        got = b""
        while len(got.split(b"\r\n\r\n", 1)[-1]) < len(DATA):
            piece = one.recv(1 << 16)
            if not piece:
                break
            got += piece
        answer = two.wait(stream)
        for what, body in (("HTTP/1.1", got.split(b"\r\n\r\n", 1)[1]), ("HTTP/2", answer.body)):
            if body != DATA:
                raise SystemExit("slow_reader: %s: %d octets of %d" % (what, len(body), len(DATA)))
        print("slow_reader: all of both")
    finally:
        rig.close()
        nginx.close()
        shutil.rmtree(d, ignore_errors=True)


main()
