# SPDX-License-Identifier: Apache-2.0
"""`--keep` and `resume`: what a bottle wrote is there again, under the policy of today; what is not
kept, or runs, is refused."""
import os
import signal
import time

import product as products
import pytest


def ident(result):
    """The identity in `kept: ID; to go on: …`."""
    lines = [l for l in result.err.decode().splitlines() if l.startswith("kept: ")]
    assert lines, result
    return lines[0].split()[1].rstrip(";")


@pytest.fixture(scope="module")
def kept(product):
    r = product.run("run", "--yes", "--keep", "--bottle", "demo", "--", "sh", "-c",
                    "echo mine >~/note; sudo sh -c 'echo above >/opt/above'; seq 300000 >~/much")
    assert r.code == 0, r
    return ident(r)


def test_what_was_written_is_there_again(product, kept, internet):
    before = len(internet.quiet())
    r = product.run("resume", kept, "--", "sh", "-c", "cat ~/note /opt/above; tail -1 ~/much; echo $GREETING")
    assert r.code == 0 and r.out == b"mine\nabove\n300000\nfrom the manifest\n", r
    assert ident(r) == kept
    assert [b["status"] for b in product.list() if b["identity"] == kept] == ["kept"]
    r = product.run("resume", kept, "--", "sh", "-c",
                    "curl -sS -m 20 https://allowed.test/hello; curl -sS -m 20 -o /dev/null -w '%{http_code}' http://denied.test/;"
                    "dig +tries=1 leak.evil.test | grep -o 'status: [A-Z]*'; timeout 5 bash -c 'exec 3<>/dev/tcp/203.0.113.12/443' || echo no")
    assert r.out == b"hello from the world\n403status: NXDOMAIN\nno\n", r
    assert not [p for p in internet.packets()[before:] if "203.0.113.12" in p]
    records = product.audit(kept)
    assert [x["reason"] for x in records if x.get("host") == "denied.test"] == ["not_listed"]
    assert len([x for x in records if x["kind"] == "life" and x.get("method") == "up"]) == 3  # one file goes on
    r = product.run("audit", "verify", kept)
    assert r.code == 0, r


def test_a_shell_is_the_default(product, kept):
    # on the backend it was made with, and under its own name
    r = product.run("resume", kept, input=b"cat note; exit 7\n", env={"BOT_BOTTLE_BACKEND": "docker"})
    assert r.code == 7 and r.out == b"mine\n" and b"bot-bottle: %s, backend smolmachines" % kept.encode() in r.err, r


def test_its_image_is_gone(product, kept, workdir):
    """A store without it: said as what it is, and nothing is forgotten."""
    for args in (("resume", kept, "--", "true"), ("resume", kept)):
        r = product.run(*args, env={"XDG_CACHE_HOME": workdir + "/no-store"})
        assert r.code == 1 and b"was removed" in r.err and b"image build" not in r.err, r
    r = product.run("resume", kept, "--", "cat", "note")
    assert r.code == 0 and r.out == b"mine\n", r
    r = product.run("commit", kept, "of-kept")
    assert r.code == 0 and product.run("run", "--yes", "--from", "of-kept", "--", "cat", "note").out == b"mine\n", r
    # nor does it go with a word that does not mean that
    r = product.run("image", "rm", "base")
    assert r.code == 1 and kept.encode() in r.err and b"commit of-kept" in r.err and b"--force" in r.err, r
    assert product.run("commit", "rm", "of-kept").code == 0
    r = product.run("image", "rm", "base")
    assert r.code == 1 and kept.encode() in r.err and b"of-kept" not in r.err, r
    r = product.run("resume", kept, "--", "cat", "note")
    assert r.code == 0 and r.out == b"mine\n", r


def test_cleanup_takes_what_it_was_told_to(product, kept):
    """Ages before the clock began, and a question that nobody answers, remove nothing."""
    for days in ("30000", "213503982335", "9" * 30):
        r = product.run("cleanup", "--yes", "--older-than", days)
        assert (r.code, r.out) == (0, b""), (days, r)
    r = product.run("cleanup", "--older-than", "0")
    assert r.code == 1 and kept.encode() in r.out and b"--yes" in r.err, r
    assert [b["status"] for b in product.list() if b["identity"] == kept] == ["kept"]


def test_the_manifest_of_today_counts(product, kept):
    path = product.home + "/.bot-bottle/bottles/demo.md"
    before = open(path).read()
    product.write("bottles/demo.md", before.replace("    - host: allowed.test\n", ""))
    try:
        r = product.run("resume", kept, "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://allowed.test/hello")
        assert r.out == b"403", r
    finally:
        product.write("bottles/demo.md", before)


def test_one_at_a_time(product, kept):
    p = product.popen("resume", kept, "--", "sh", "-c", "echo up; exec sleep 1000")
    assert p.stdout.readline() == b"up\n"
    try:
        r = product.run("resume", kept, "--", "true")
        assert r.code == 1 and b"runs" in r.err, r
        r = product.run("cleanup", "--yes", "--older-than", "0")
        assert kept not in r.out.decode() and product.run("exec", kept, "--", "true").code == 0
    finally:
        product.run("stop", kept)
        p.communicate(timeout=20)


def test_two_at_once(product, kept):
    """However close they come, one gets it, and the other takes nothing away."""
    both = [product.popen("resume", kept, "--", "sh", "-c", "cat ~/note; sleep 3") for _ in range(2)]
    out = [p.communicate(timeout=60) for p in both]
    codes = sorted(p.returncode for p in both)
    assert codes[0] == 0 and codes[1] in (1, 125), (codes, out)
    assert sorted(o for o, _ in out) == [b"", b"mine\n"], out
    r = product.run("resume", kept, "--", "cat", "note")
    assert r.code == 0 and r.out == b"mine\n", r


@pytest.mark.parametrize("victim", ["egress", "bottled"])
def test_after_a_failure(product, victim):
    """A guard or bottled killed: the work is still there."""
    b = products.Bottle(product, "--bottle", "demo")
    assert b.sh("echo work >~/work; sync").code == 0
    os.kill(b.status()["pids"][victim], signal.SIGKILL)
    b.proc.communicate(timeout=20)
    assert b.proc.returncode == 125
    for _ in range(100):
        if b.status()["status"] != "up":
            break
        time.sleep(0.1)
    r = product.run("resume", b.identity, "--", "cat", "work")
    assert r.code == 0 and r.out == b"work\n", r


def test_what_cannot_go_on(product):
    r = product.run("run", "--yes", "--", "true")
    assert r.code == 0, r
    gone = product.list()[0]["identity"]
    r = product.run("resume", gone)
    assert r.code == 1 and b"--keep" in r.err, r
    r = product.run("resume", "nothing-00000")
    assert r.code == 1 and b"nothing-00000" in r.err, r
    r = product.run("resume", gone, "true")
    assert r.code == 2 and b"--" in r.err, r
