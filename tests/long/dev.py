#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/long/dev.py BUILD: `image build dev` from nothing and again, each with its time and what it fetched; then in a
bottle of it compilers, node, npm and pip, the last two from a registry and an index in the mini internet. As root; fetches
some 200 MB from Debian."""
import os
import shutil
import subprocess
import sys
import time

os.environ["BB_BUILD"] = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import packages  # noqa: E402
import product as products  # noqa: E402
from internet import Internet  # noqa: E402
from mirror import Mirror  # noqa: E402

BOTTLE = """---
image: dev
resources: {memory: 1GiB, cpus: 2, disk: 2GiB}
egress: {routes: [{host: allowed.test}]}
---
"""
# (what, command, output)
STEPS = [
    ("compilers", "echo 'int main(void) { return 42; }' >a.c && gcc -O2 -o a a.c && { ./a; echo $?; } && "
                  "echo '#include <iostream>\nint main() { std::cout << 43 << std::endl; }' >b.cc && g++ -o b b.cc && ./b", b"42\n43\n"),
    ("cmake, make", "mkdir c && cd c && printf 'project(x C)\\nadd_executable(x ../a.c)\\n' >CMakeLists.txt && cmake . >/dev/null && "
                    "make -s >/dev/null && { ./x; echo $?; }", b"42\n"),
    ("node", "node -p '6 * 7'", b"42\n"),
    ("npm", "mkdir n && cd n && npm install --silent --no-audit --no-fund --registry https://allowed.test/ left-pad-ish >&2 && "
            "node -p 'require(\"left-pad-ish\")'", b"42\n"),
    ("pip", "python3 -m venv v && v/bin/pip install -q --no-input --index-url https://allowed.test/simple/ tiny-thing >&2 && "
            "v/bin/python -c 'import tiny_thing; print(tiny_thing.VALUE)'", b"42\n"),
    ("terminals", "infocmp tmux-256color | head -n 2 | tail -n 1 | cut -d'|' -f1", b"tmux-256color\n"),
]
# a registry that is not listed: refused soon, with a reason that a person can read (pip tells it where it tries again)
REFUSED = [("npm", "cd n && npm install --no-audit --no-fund --fetch-retries 0 --registry https://other.test/ left-pad-ish"),
           ("pip", "v/bin/pip download --no-deps --no-input --retries 1 --index-url https://other.test/simple/ tiny-thing")]


def build(mirror, env, *args):
    start, mirror.debs, mirror.octets = time.monotonic(), 0, 0
    subprocess.run([os.environ["BB_BUILD"] + "/bot-bottle", "image", "build", "--mirror", mirror.url, *args, "dev"], env=env, check=True)
    print("dev: build%s: %.0f s, %d packages and %.1f MB in all fetched" % (
        "".join(" " + a for a in args), time.monotonic() - start, mirror.debs, mirror.octets / 1e6), flush=True)
    return mirror.debs


def in_bottle(top, cache):
    net, bottle = Internet(top), None
    try:
        packages.npm_registry(net.d + "/www", "https://allowed.test")
        packages.pip_index(net.d + "/www")
        uid = products.make_user().pw_uid
        subprocess.run(["chown", "-R", "%d:%d" % (uid, uid), cache], check=True)
        product = products.Product(products.copy_build(top), top + "/home", net.host, uid, cache)
        product.write("bottles/dev.md", BOTTLE)
        product.write("config.yaml", "resolvers: [203.0.113.53]\nupstream_ca_files: [%s/ca.pem]\n" % top)
        bottle = product.bottle("--bottle", "dev")
        for what, script, want in STEPS:
            start = time.monotonic()
            r = bottle.sh(script, timeout=900)  # an emulated machine is slow with programs that compile themselves
            assert r.code == 0 and r.out == want, (what, r)
            print("dev: in a bottle: %s: %.1f s" % (what, time.monotonic() - start), flush=True)
        for what, script in REFUSED:
            start = time.monotonic()
            r = bottle.sh(script, timeout=600)
            assert r.code != 0 and b"403" in r.err + r.out, (what, r)
            print("dev: in a bottle: %s from a host that is not listed: refused after %.1f s" % (what, time.monotonic() - start), flush=True)
        denied = [x for x in bottle.audit() if x.get("reason") == "not_listed" and x["host"] == "other.test"]
        assert denied and not [l for l in open(net.d + "/access.log") if "other.test" in l], denied
    finally:
        if bottle:
            bottle.close()
        net.close()


def main():
    top = "/var/tmp/bb-dev-%d" % os.getpid()
    cache = top + "/cache"
    os.makedirs(cache)
    os.chmod(top, 0o755)
    env = dict(os.environ, XDG_CACHE_HOME=cache)
    try:
        mirror = Mirror()
        assert build(mirror, env) > 200
        assert build(mirror, env, "--rebuild") == 0  # what was fetched is used again
        in_bottle(top, cache)
    finally:
        shutil.rmtree(top, ignore_errors=True)


main()
