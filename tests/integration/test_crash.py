# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments (100 of them: tests/long/crash.py), and cleanup while bottles begin."""
import os
import subprocess
import threading
import time

import pytest

from conftest import both
from crash import Crash, product_for, product_on_docker

POINTS = 6
SEED = int(os.environ.get("BB_CRASH_SEED") or time.time_ns() % 1000000)


@pytest.fixture(scope="module")
def alone(exe, workdir):
    return product_for(exe, workdir)


@pytest.fixture(scope="module")
def alone_on_docker(exe, workdir):
    p = product_on_docker(exe, workdir)
    yield p
    p.engine.close()


@both
@pytest.mark.timeout(900)
def test_random_kill_points(request, backend):
    crash = Crash(request.getfixturevalue("alone_on_docker" if backend == "docker" else "alone"), SEED)
    print("seed", SEED)
    for i in range(POINTS):
        print(crash.point(i))


def test_cleanup_while_bottles_begin(alone):
    """cleanup in a loop with an age of nothing, while bottles are made, run and end: it never takes a live one."""
    done, ends = threading.Event(), []

    def clean():
        while not done.is_set():
            r = alone.run("cleanup", "--older-than", "0", "--yes")
            ends.append((r.code, r.err))
            done.wait(0.1)
    cleaner = threading.Thread(target=clean)
    cleaner.start()
    try:
        for i in range(4):
            r = alone.run("run", "--yes", *(["--keep"] if i % 2 else []), "--", "sh", "-c", "echo %d >~/x; sleep 0.5; cat ~/x" % i)
            assert r.code == 0 and r.out == b"%d\n" % i, r
    finally:
        done.set()
        cleaner.join()
    assert len(ends) > 4
    # what it meets while it begins it says, and leaves alone
    assert all(code == 0 or b"is running" in err or b"No such file" in err for code, err in ends), ends
    assert alone.run("cleanup", "--older-than", "0", "--yes").code == 0 and alone.list() == []


def test_two_users(alone, product, bottle):
    """Neither sees or reaches what the other has, with the same directories in /tmp and the same names."""
    other = alone.bottle("--allow-host", "allowed.test")
    try:
        assert bottle.identity not in [b["identity"] for b in alone.list()]
        assert other.identity not in [b["identity"] for b in product.list()]
        r = alone.run("exec", bottle.identity, "--", "true")
        assert r.code == 1 and b"no such" in r.err, r
        # not even with the other's directory as one's own
        theirs = {"XDG_STATE_HOME": product.home + "/.local/state"}
        for args in (("exec", bottle.identity, "--", "true"), ("stop", bottle.identity), ("cleanup", "--older-than", "0", "--yes"),
                     ("list",), ("audit", bottle.identity)):
            r = alone.run(*args, env=theirs)
            assert r.code == 1 and r.err.startswith(b"bot-bottle: "), (args, r)
        assert bottle.sh("echo alive").out == b"alive\n" and other.sh("echo alive").out == b"alive\n"
    finally:
        other.close()


def test_directories_of_ones_own(alone):
    """BOT_BOTTLE_HOME and the XDG directories: nothing is written anywhere else."""
    home = alone.home + "/elsewhere"
    os.makedirs(home)
    subprocess.run(["chown", "%d:%d" % (alone.uid, alone.uid), home], check=True)
    env = {"BOT_BOTTLE_HOME": home + "/config", "XDG_STATE_HOME": home + "/state", "XDG_RUNTIME_DIR": home + "/run"}
    os.makedirs(home + "/run", 0o700)
    os.chown(home + "/run", alone.uid, alone.uid)
    before = {p: sorted(os.listdir(p)) for p in (alone.home, alone.home + "/.bot-bottle", alone.home + "/.local/state/bot-bottle")}
    assert alone.run("init", "dev", env=env).code == 0 and os.path.exists(home + "/config/bottles/dev.md")
    p = alone.popen("run", "--yes", "--keep", "--", "sh", "-c", "echo up; exec sleep 1000", env=env)
    assert p.stdout.readline() == b"up\n"
    assert len(os.listdir(home + "/run/bot-bottle")) == 1
    assert b" up " not in alone.run("list").out and b" up " in alone.run("list", env=env).out
    assert alone.run("stop", env=env).code == 0
    p.communicate(timeout=30)
    assert os.listdir(home + "/run/bot-bottle") == []
    r = alone.run("resume", "--", "echo", "again", env=env)
    assert r.code == 0 and r.out == b"again\n", r
    assert alone.run("cleanup", "--older-than", "0", "--yes", env=env).code == 0
    assert {p: sorted(os.listdir(p)) for p in before} == before


def test_the_guest_reboots(alone):
    """Its root says reboot: the bottle ends, is kept, and resume goes on with what was written."""
    p = alone.popen("run", "--yes", "--keep", "--", "sh", "-c", "echo work >~/work; sync; sudo sh -c 'echo b >/proc/sysrq-trigger'; sleep 100")
    out, err = p.communicate(timeout=100)
    assert p.returncode == 125 and b"bot-bottle: " in err, (p.returncode, err)
    assert alone.list()[0]["status"] == "kept"  # the newest
    r = alone.run("resume", "--", "cat", "work")
    assert r.code == 0 and r.out == b"work\n", r
    assert alone.run("cleanup", "--older-than", "0", "--yes").code == 0
