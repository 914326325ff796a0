#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/long/soak.py BUILDDIR: the egress guard under 1,000 connections for BB_SOAK_SECONDS (1800).

Rounds of requests over TLS, each round on connections of its own, searched and with a credential put
in, beside one slow client and clients that leave in the middle. Fails when memory or descriptors
grow after the first quarter, or when a request fails."""
import collections
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
SECONDS = int(os.environ.get("BB_SOAK_SECONDS", "1800"))
CONNS = 1000
ALLOWED_KIB = 4096


def sample(rig):
    return {"kib": rig.memory_kib(), "fds": len(os.listdir("/proc/%d/fd" % rig.proc.pid))}


def reasons(d):
    """Of requests that did not end well, from the audit."""
    seen = collections.Counter()
    for name in sorted(os.listdir(d)):
        for line in open(os.path.join(d, name)) if name.startswith("audit") and name.endswith(".jsonl") else ():
            r = json.loads(line)
            if r.get("verdict") == "deny" or r.get("status", 200) != 200 or r.get("reason") not in ("ok", "route"):
                seen["%s %s %s: %s" % (r["kind"], r.get("reason"), r.get("status", ""), r.get("text", ""))] += 1
    return "".join("\n  %d x %s" % (n, text) for text, n in seen.most_common(20))


def round_of_load(rig, n, d):
    p = subprocess.Popen([BUILD + "/bench/bench-egress_load", str(rig.port), "soak.test:443", "soak.test", str(CONNS), str(n),
                          "get", "/1k"], stdout=subprocess.PIPE)
    for _ in range(20):  # some leave at whatever point they have come to
        s = socket.create_connection(("127.0.0.1", rig.port))
        s.sendall(b"CONNECT soak.test:443 HTTP/1.1\r\n\r\n\x16\x03\x01"[:30 + os.urandom(1)[0] % 20])
        s.close()
    out = json.loads(p.communicate()[0])
    if out["errors"]:
        raise SystemExit("soak: %d requests failed; in the audit, those of clients that left among them:%s" % (out["errors"], reasons(d)))
    return out["requests"]


def main():
    d = tempfile.mkdtemp(prefix="bb-soak-", dir="/var/tmp")
    os.chmod(d, 0o755)
    ca = testca.CA("soak root")
    ca.issue(d + "/good", "soak.test")
    nginx = upstreams.Nginx(d + "/nginx", d + "/good.crt", d + "/good.key")
    nginx.put("1k", os.urandom(1024))
    rig = egressrig.Rig(
        BUILD + "/src/proc/egress/egress",
        [egressrig.route("soak.test", dlp={"known_secrets": True, "token_patterns": True}, credentials="pin",
                         auth={"scheme": "Bearer", "token_ref": "T", "header": ""})],
        testca.pem(ca.cert), tokens=[("T", "the-real-token-0123456789abcdef", "placeholder-x")],
        known=[("K%d" % i, os.urandom(20).hex(), [], False) for i in range(20)],
        recorder=BUILD + "/src/proc/recorder/recorder", state=d)
    rig.targets["soak.test", 443] = nginx.tls
    start, done, samples = time.time(), 0, []
    try:
        while time.time() - start < SECONDS:
            done += round_of_load(rig, 20, d)
            time.sleep(0.5)
            s = sample(rig)
            samples.append(s)
            print("%5d s  %9d requests  %6d KiB  %4d descriptors" % (time.time() - start, done, s["kib"], s["fds"]), flush=True)
        tail = samples[len(samples) // 4:]
        grown = max(s["kib"] for s in tail[-3:]) - tail[0]["kib"]
        fds = max(s["fds"] for s in tail[-3:]) - tail[0]["fds"]
        print("grown after the first quarter: %d KiB, %d descriptors" % (grown, fds))
        if len(samples) < 8:
            raise SystemExit("soak: too short to say")
        if grown > ALLOWED_KIB or fds > 40:
            raise SystemExit("soak: it grows")
        if rig.proc.poll() is not None:
            raise SystemExit("soak: egress has ended")
    finally:
        rig.close()
        nginx.close()
        shutil.rmtree(d, ignore_errors=True)


try:
    main()
    code = 0
except SystemExit as e:
    print(e, file=sys.stderr)
    code = 1
sys.stdout.flush()
os._exit(code)
