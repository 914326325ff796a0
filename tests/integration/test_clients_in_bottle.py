# SPDX-License-Identifier: Apache-2.0
"""Programs of the base image in a real bottle, on both backends, as it sets them up: nothing is said to them about a proxy or
a root certificate. What is listed works to the octet; what is not ends soon and says why."""
import gzip
import hashlib
import os
import subprocess
import time

import pytest

from conftest import both

SIZES = {"size-0": 0, "size-1": 1, "size-64k": 65536, "size-4m": 4 << 20}


@pytest.fixture(scope="module")
def www(internet):
    """Files, a git repository and a Debian archive on allowed.test. Returns name → SHA-256."""
    root = internet.d + "/www"
    digests = {}
    for name, n in SIZES.items():
        data = (hashlib.sha256(name.encode()).digest() * (n // 32 + 1))[:n]
        open("%s/%s" % (root, name), "wb").write(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    open(root + "/made.gz", "wb").write(gzip.compress(b"stored compressed\n" * 1000))
    git(root)
    os.makedirs(root + "/deb", exist_ok=True)
    open(root + "/deb/Packages", "w").write(
        "Package: tiny\nVersion: 1\nArchitecture: all\nFilename: tiny.deb\nSize: 1\nSHA256: %s\n\n"
        % hashlib.sha256(b"x").hexdigest())
    return digests


def git(root):
    env = {"HOME": root, "PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a",
           "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    os.makedirs(root + "/made")
    open(root + "/made/hello.txt", "w").write("hello\n" * 1000)
    for argv in (["-C", root + "/made", "init", "-q", "-b", "main"], ["-C", root + "/made", "add", "."],
                 ["-C", root + "/made", "commit", "-q", "-m", "one"],
                 ["clone", "-q", "--bare", root + "/made", root + "/project.git"],
                 ["-C", root + "/project.git", "update-server-info"]):
        subprocess.run(["git"] + argv, check=True, env=env)


URLLIB = "python3 -c 'import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())'"
CLIENTS = {"curl-http1": "curl -sS -f --http1.1", "curl-http2": "curl -sS -f --http2", "urllib": URLLIB}


@both
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_bottle_downloads_are_identical(bottle, www, client, scheme):
    names = sorted(www)
    script = "set -o pipefail; for f in %s; do %s %s://allowed.test/$f | sha256sum; done" % (
        " ".join(names), CLIENTS[client], scheme)
    r = bottle.sh(script, timeout=120)
    assert r.code == 0 and [line.split()[0] for line in r.out.decode().splitlines()] == [www[n] for n in names], r


@both
def test_bottle_codings_and_ranges(bottle, www):
    r = bottle.sh("cd /tmp; curl -sS -f --compressed https://allowed.test/made.gz | gzip -d | sha256sum;"
                  "curl -sS -r 100-199 https://allowed.test/size-64k | wc -c;"
                  "curl -sS https://allowed.test/size-4m | head -c 1000000 >part; curl -sS -C - -o part https://allowed.test/size-4m;"
                  "sha256sum <part; rm part", timeout=120)
    text, part, whole = r.out.decode().splitlines()
    assert text.split()[0] == hashlib.sha256(b"stored compressed\n" * 1000).hexdigest(), r
    assert part == "100" and whole.split()[0] == www["size-4m"], r


@both
def test_bottle_git(bottle, www):
    r = bottle.sh("cd /tmp; rm -rf clone; git clone -q https://allowed.test/project.git clone && sha256sum <clone/hello.txt")
    assert r.out.split()[0].decode() == hashlib.sha256(b"hello\n" * 1000).hexdigest(), r
    r = bottle.sh("cd /tmp/clone && git push -q origin main")
    assert r.code != 0 and b"403" in r.err, r
    started = time.monotonic()
    r = bottle.sh("cd /tmp; git clone -q https://other.test/project.git no")
    assert r.code != 0 and b"403" in r.err and time.monotonic() - started < 20, r


def test_bottle_apt(bottle, www):
    """Through sudo, which drops the environment: apt has its own settings. A container has no root that could install."""
    r = bottle.sh("echo 'deb [trusted=yes] https://allowed.test/deb ./' | sudo tee /etc/apt/sources.list >/dev/null;"
                  "sudo rm -f /etc/apt/sources.list.d/*; sudo apt-get update -qq && apt-cache show tiny", timeout=60)
    assert b"Package: tiny" in r.out, r
    r = bottle.sh("echo 'deb [trusted=yes] https://other.test/deb ./' | sudo tee /etc/apt/sources.list >/dev/null;"
                  "sudo apt-get update -q", timeout=60)
    assert b"403" in r.out + r.err, r


@both
@pytest.mark.parametrize("command,says", [("curl -sS https://other.test/", b"response 403"),
                                          ("curl -sS http://other.test/ >&2", b'"reason":"not_listed"'),
                                          (URLLIB + " https://other.test/", b"Tunnel connection failed: 403")])
def test_bottle_denials_are_readable(bottle, command, says):
    started = time.monotonic()
    r = bottle.sh(command)
    assert time.monotonic() - started < 20  # of a translated machine, with the start of the program
    assert says in r.err, r
