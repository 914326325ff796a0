#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/long/chromium.py BUILDDIR: Chromium through the egress guard, with the policy file that a
bottle has. A listed page is read, with what its script fetches; a host that is not listed is refused."""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
PAGE = b"""<html><title>t</title><body><p id=x>not yet</p><script>
fetch('/data').then(r => r.text()).then(t => { document.getElementById('x').textContent = t; });
</script></body></html>"""


def browse(d, rig, url):
    """Chromium with the bottle's policy at /etc/chromium, in a mount namespace of its own."""
    argv = ["unshare", "-m", "sh", "-c", 'mkdir -p /etc/chromium && mount --bind "$0/etc" /etc/chromium && shift 0 && exec "$@"', d,
            "timeout", "60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--proxy-server=" + rig.proxy,
            "--user-data-dir=" + d + "/profile", "--virtual-time-budget=5000", "--dump-dom", url]
    return subprocess.run(argv, capture_output=True, timeout=90, check=False,
                          env={"HOME": d, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})


def main():
    if os.geteuid() != 0:
        raise SystemExit("chromium: needs root for a mount namespace")
    d = tempfile.mkdtemp(prefix="bb-chromium-", dir="/var/tmp")
    os.chmod(d, 0o755)
    ca = testca.CA("chromium root")
    ca.issue(d + "/good", "page.test")
    nginx = upstreams.Nginx(d + "/nginx", d + "/good.crt", d + "/good.key")
    nginx.put("page.html", PAGE)
    nginx.put("data", b"fetched by the script")
    rig = egressrig.Rig(BUILD + "/src/proc/egress/egress", [egressrig.route("page.test", dlp={"token_patterns": True})],
                        testca.pem(ca.cert))
    rig.targets["page.test", 443] = nginx.h2
    policies = d + "/etc/policies/managed"
    os.makedirs(policies)
    with open(policies + "/bot-bottle.json", "w") as f:
        json.dump({"CACertificates": [base64.b64encode(testca.der(rig.root.cert)).decode()]}, f)
    try:
        r = browse(d, rig, "https://page.test/page.html")
        if b"fetched by the script" not in r.stdout:
            raise SystemExit("chromium: the page was not read: %r %r" % (r.stdout, r.stderr[-1500:]))
        rig.wait_record(kind="end", path="/data", status=200)
        r = browse(d, rig, "https://unlisted.test/")
        if b"ERR_TUNNEL_CONNECTION_FAILED" not in r.stderr or r.stdout:
            raise SystemExit("chromium: not refused: %r %r" % (r.stdout, r.stderr[-1500:]))
        rig.wait_record(kind="verdict", host="unlisted.test", reason="not_listed")
        print("chromium: a listed page is read, another host is refused")
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
