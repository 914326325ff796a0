# SPDX-License-Identifier: Apache-2.0
"""podman in docker's place: the same backend, driven by another program, here root's, without a daemon."""
import os
import subprocess
import time

import product as products
import pytest
from conftest import Evidence
from engine import Podman, RootlessPodman
from test_bottle import RAW_FLOW
from test_images import context, made  # noqa: F401


@pytest.fixture(scope="module")
def podman(workdir):
    e = Podman(workdir)
    yield e
    e.close()


@pytest.fixture(scope="module")
def pproduct(product, podman, workdir):
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    p = products.Product(product.exe, workdir + "/podman-home", product.netns, 0, cache)
    for name in ("bottles/demo.md", "config.yaml"):
        p.write(name, open(product.home + "/.bot-bottle/" + name).read())
    p.env.update(BOT_BOTTLE_BACKEND="docker", BOT_BOTTLE_ENGINE=podman.path)
    return p


@pytest.fixture(scope="module")
def pbottle(pproduct):
    b = pproduct.bottle("--bottle", "demo")
    yield b
    b.close()


def test_podman_is_what_runs(pbottle, podman):
    assert pbottle.status()["backend"] == "docker" and podman.names() == [pbottle.identity]
    seen = podman.podman("inspect", "--format", "{{.HostConfig.NetworkMode}} {{.EffectiveCaps}} {{.HostConfig.PidsLimit}}",
                         pbottle.identity).stdout.split()
    assert seen == ["none", "[]", "4096"], seen
    r = pbottle.sh("id -un; hostname; grep -E 'CapEff|NoNewPrivs' /proc/self/status; ls /sys/class/net; cat /etc/resolv.conf")
    assert r.out.decode().split() == ["node", pbottle.identity, "CapEff:", "0" * 16, "NoNewPrivs:", "1", "lo", "nameserver",
                                      "127.0.0.1"], r
    r = pbottle.sh("for f in /etc/passwd /etc/resolv.conf /bottle/hosts /bottle-guest; do (echo x >>$f) 2>/dev/null && echo $f; "
                   "done; cat /proc/1/environ >/dev/null 2>&1 && echo read; echo $GREETING")
    assert r.out == b"from the manifest\n", r


def test_podman_allowed_and_denied(pbottle, internet):
    Evidence(internet, pbottle).control()
    e = Evidence(internet, pbottle)
    for url in ("https://denied.test/", "http://203.0.113.12/"):
        r = pbottle.sh("curl -k -sS -m 15 -o /dev/null -w '%%{http_connect} %%{http_code}' %s" % url)
        assert b"403" in r.out, (url, r)
    r = pbottle.sh("dig +tries=1 +time=5 secret.evil.test | grep -o 'status: [A-Z]*'; dig +short allowed.test")
    assert r.out.startswith(b"status: NXDOMAIN\n198.1"), r
    r = pbottle.sh("dig +tries=1 +time=2 @8.8.8.8 leak.evil.test | grep status; timeout 5 bash -c 'exec 3<>/dev/tcp/8.8.8.8/53' || echo no")
    assert r.out == b"no\n", r
    r = pbottle.py(RAW_FLOW + "print(flow('203.0.113.12', 443), flow('127.0.0.1', 22))")
    assert r.out == b"1 1\n", r
    e.nothing_left()
    e.denied(kind="verdict", host="denied.test", reason="not_listed")
    e.denied(kind="dns", reason="not_listed")
    e.denied(kind="flow", reason="default_deny")
    assert pbottle.py(RAW_FLOW + "print(flow('203.0.113.20', 7000))").out == b"0\n"
    e.control()


def test_podman_exec_and_copies(pproduct, pbottle):
    r = pbottle.sh("echo out; echo err >&2; exit 7")
    assert (r.code, r.out, r.err) == (7, b"out\n", b"err\n"), r
    assert pbottle.exec("wc", "-c", input=b"x" * 3000000).out.split() == [b"3000000"]
    assert pbottle.sh("kill -TERM $$").code == 128 + 15
    open(pproduct.home + "/there", "w").write("and back")
    assert pproduct.run("cp", pproduct.home + "/there", pbottle.identity + ":/workspace/back").code == 0
    assert pproduct.run("cp", pbottle.identity + ":/workspace/back", pproduct.home).code == 0
    assert open(pproduct.home + "/back").read() == "and back"


def test_podman_ends(pproduct, podman, pbottle):
    """stop, a command that ends, a guard killed, all of ours killed: no container stays, and no neighbour goes."""
    tiny = ("--image", podman.tiny())
    r = pproduct.run("run", *tiny, "--", "sh", "-c", "echo out; exit 3")
    assert (r.code, r.out) == (3, b"out\n") and podman.names() == [pbottle.identity], r
    r = pproduct.run("run", "--image", "tiny:2", "--", "true")
    assert r.code == 1 and b"tiny:2: neither ours" in r.err, r
    b = pproduct.bottle(*tiny)
    assert pproduct.run("stop", b.identity).code == 0
    b.proc.wait(20)
    assert podman.names() == [pbottle.identity]
    for roles in (["gate"], ["vmm"], None):
        b = pproduct.bottle(*tiny)
        inside = int(podman.podman("inspect", "--format", "{{.State.Pid}}", b.identity).stdout)
        pids = b.status()["pids"]
        assert products.kill_and_see([p for r, p in pids.items() if roles is None or r in roles], inside, 3), roles
        assert b.proc.wait(20) == 125
        b.close()
    end = time.time() + 20
    while [x for x in pproduct.list() if x["status"] == "up" and x["identity"] != pbottle.identity] and time.time() < end:
        time.sleep(0.1)
    assert pproduct.run("cleanup", "--older-than", "0", "--yes").code == 0
    assert [x["identity"] for x in pproduct.list()] == [pbottle.identity] == podman.names()
    assert pbottle.sh("echo alive").out == b"alive\n"


def test_podman_of_a_plain_user(product, workdir, internet):
    """Rootless: no daemon, no root, no way out but gate's sockets; what it cannot limit is said."""
    p = products.Product(product.exe, workdir + "/rootless-home", product.netns, product.uid, product.env["XDG_CACHE_HOME"])
    for name in ("bottles/demo.md", "config.yaml"):
        p.write(name, open(product.home + "/.bot-bottle/" + name).read())
    e = RootlessPodman(p)
    try:
        tiny = ("--bottle", "demo", "--image", e.tiny())
        b = p.bottle(*tiny)
        inside = int(e.podman("inspect", "--format", "{{.State.Pid}}", b.identity).stdout)
        assert os.stat("/proc/%d" % inside).st_uid != 0  # nor on the host
        assert b.status()["container_pid"] == inside and "resident_all" not in b.status(), b.status()

        def get(host):
            return b.exec("sh", "-c", "p=${http_proxy#http://}; printf 'GET http://%s/hello HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' | "
                          "nc -w 20 ${p%%:*} ${p#*:}" % (host, host)).out
        assert b"HTTP/1.1 200" in get("allowed.test") and b"hello from the world\n" in get("allowed.test")
        evidence = Evidence(internet, b)
        for host in ("denied.test", "203.0.113.12"):
            assert b"HTTP/1.1 403" in get(host), host
        assert b.exec("sh", "-c", "nc -w 5 203.0.113.10 80 </dev/null || echo no").out == b"no\n"
        r = b.exec("sh", "-c", "nslookup secret.evil.test; nslookup secret.evil.test 8.8.8.8; ls /sys/class/net; id -u")
        assert b"NXDOMAIN" in r.out and r.out.split()[-2:] == [b"lo", b"1000"], r
        evidence.nothing_left()
        evidence.denied(kind="verdict", host="denied.test", reason="not_listed")
        evidence.denied(kind="dns", reason="not_listed")
        assert b"hello from the world\n" in get("allowed.test")
        pids = b.status()["pids"]
        assert products.kill_and_see([pids["gate"]], inside, 3) and b.proc.wait(20) == 125
        b.close()
        b = p.bottle(*tiny)
        inside = int(e.podman("inspect", "--format", "{{.State.Pid}}", b.identity).stdout)
        assert products.kill_and_see(list(b.status()["pids"].values()), inside, 3)
        b.close()
        r = p.run("cleanup", "--older-than", "0", "--yes")
        assert r.code == 0 and p.list() == [] and e.names() == [], r
        assert p.run("run", *tiny, "--", "sh", "-c", "echo out; exit 3").code == 3 and e.names() == []
    finally:
        e.close()


def test_dockerfile_by_podman(pproduct, podman, context, user_cache, workdir):  # noqa: F811
    """Built by podman, kept as an image of ours, run by podman."""
    cache = workdir + "/podman-cache"
    # a store of its own with the kernel that every image is given
    subprocess.run(["cp", "-rl", user_cache, cache], check=True)
    subprocess.run(["find", cache, "-type", "d", "-exec", "chown", "0:0", "{}", "+"], check=True)
    env = {"BB_IMAGE_BUILDER": podman.path, "XDG_CACHE_HOME": cache}
    r = pproduct.run("image", "build", context + "/Dockerfile", "--name", "by-podman", env=env, timeout=300)
    assert r.code == 0 and r.out.startswith(b"by-podman ") and b"building with" in r.err, r
    r = pproduct.run("run", "--image", "by-podman", "--", "sh", "-c", "echo $FROM_DOCKERFILE", env=env, timeout=200)
    assert r.code == 0 and r.out == b"yes\n", r
