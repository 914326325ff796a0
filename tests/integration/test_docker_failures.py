# SPDX-License-Identifier: Apache-2.0
"""The docker backend when something goes wrong: an engine that dies in the middle, an image that vanished, an engine
that does not see this host's files, our own processes killed. A clear error, nothing half-made, and `cleanup` works."""
import os
import signal
import socket
import subprocess
import threading
import time

import product as products
import pytest
from conftest import Evidence
from engine import Engine


@pytest.fixture(scope="module")
def own(product, workdir):
    """An engine that may be killed, and a user of it."""
    e = Engine(workdir, products.make_user().pw_gid, "mortal")
    os.makedirs(e.dir + "/open")
    os.chmod(e.dir + "/open", 0o777)
    p = products.Product(product.exe, workdir + "/mortal-home", product.netns, product.uid, product.env["XDG_CACHE_HOME"])
    p.write("bottles/demo.md", open(product.home + "/.bot-bottle/bottles/demo.md").read())
    p.write("config.yaml", open(product.home + "/.bot-bottle/config.yaml").read())
    p.env.update(BOT_BOTTLE_BACKEND="docker", DOCKER_HOST=e.host)
    p.engine, p.tiny = e, ("--image", e.tiny())
    yield p
    e.close()


def between(p, verb, body):
    """An engine's program that does @body before it passes @verb on. Return: environment that has it used."""
    path = p.engine.dir + "/open/between-" + verb
    with open(path, "w") as f:
        f.write('#!/bin/bash\nif [ "$1" = %s ]; then\nprintf "%%s\\n" "$@" >%s.args\n%s\nfi\nexec docker "$@"\n' % (verb, path, body))
    os.chmod(path, 0o755)
    return {"BOT_BOTTLE_ENGINE": path}


def meanwhile(p, verb, what, *args):
    """`run`, and @what done at the moment when the engine is given @verb."""
    d = p.engine.dir + "/open/"
    for name in ("reached", "done"):
        if os.path.exists(d + name):
            os.unlink(d + name)
    env = between(p, verb, "touch %sreached; until [ -e %sdone ]; do sleep 0.05; done" % (d, d))
    result = []
    t = threading.Thread(target=lambda: result.append(p.run("run", "--bottle", "demo", *(args or p.tiny), "--", "echo", "started", env=env)))
    t.start()
    end = time.time() + 60
    while not os.path.exists(d + "reached"):
        assert time.time() < end and t.is_alive(), result
        time.sleep(0.02)
    what()
    open(d + "done", "w").close()
    t.join(90)
    return result[0]


def half_made(p):
    """What a bottle that did not come up may not leave: directories, processes, containers."""
    run = subprocess.run(["find", p.home + "/.local/state/bot-bottle/run", "-mindepth", "1"], stdout=subprocess.PIPE).stdout
    return run.split(), [b["identity"] for b in p.list() if b["status"] == "up"], p.engine.names()


NOTHING = ([], [], [])


def gone(p, seconds=20):
    end = time.time() + seconds
    while half_made(p) != NOTHING and time.time() < end:
        time.sleep(0.1)
    assert half_made(p) == NOTHING


@pytest.fixture(scope="module")
def silent(dbottle):
    """A stream that says nothing; it takes half a minute, so it is begun first and looked at last."""
    p = dbottle.product.popen("exec", dbottle.identity, "--", "python3", "-c", "import socket, time\n"
                              "s = socket.socket(socket.AF_UNIX); s.connect('/bottle/6003'); s.settimeout(60)\n"
                              "t = time.time(); print(s.recv(9), round(time.time() - t))")
    yield p
    p.kill()
    p.communicate()


@pytest.fixture(scope="module")
def hung(own, workdir):
    """Behind the socket of two bottles' engine there is another one now, which accepts connections and says nothing: it
    stands in for an engine that hangs, as does a program that sleeps at `run` for one that does so between the look-up and
    the start. Every command is waited for at once, and looked at last."""
    at = own.engine.dir + "/open/engine.sock"
    p = products.Product(own.exe, workdir + "/hung-home", own.netns, own.uid, own.env["XDG_CACHE_HOME"])
    p.write("bottles/demo.md", open(own.home + "/.bot-bottle/bottles/demo.md").read())
    p.write("config.yaml", open(own.home + "/.bot-bottle/config.yaml").read())
    p.env.update(BOT_BOTTLE_BACKEND="docker", DOCKER_HOST="unix://" + at)
    p.engine, p.tiny, p.at = own.engine, own.tiny, at
    os.symlink(own.engine.dir + "/docker.sock", at)
    p.left = []
    for _ in range(2):
        p.left.append(left_behind(p))
        p.engine.docker("rm", p.left[-1])
    os.unlink(at)
    s = socket.socket(socket.AF_UNIX)
    s.bind(at)
    s.listen(64)
    os.chmod(at, 0o666)
    program = own.engine.dir + "/open/sleepy"
    with open(program, "w") as f:
        f.write('#!/bin/sh\n[ "$1" != run ] || { touch $0.reached; exec sleep 1000; }\nexec docker "$@"\n')
    os.chmod(program, 0o755)
    start = p.popen("run", *p.tiny, "--", "true", env={"DOCKER_HOST": own.engine.host, "BOT_BOTTLE_ENGINE": program})
    while not os.path.exists(program + ".reached"):  # what it has to ask before has its answer
        assert start.poll() is None, start.communicate()
        time.sleep(0.1)
    p.began = time.time()
    p.waiting = {c[0]: p.popen(*c) for c in (("run", *p.tiny, "--", "true"), ("doctor",), ("cleanup", "--older-than", "0", "--yes"))}
    p.waiting["start"] = start
    yield p
    for w in p.waiting.values():
        w.kill()
        w.communicate()
    s.close()


def test_docker_exec_as_another_user(dbottle, hung, silent):
    r = dbottle.exec("id", user="root")
    assert r.code == 125 and r.out == b"" and b"--user in a container: Operation not permitted" in r.err, r
    assert dbottle.exec("id", "-un", user="node").out == b"node\n"


def test_engine_dies_while_it_takes_the_image(own):
    r = meanwhile(own, "import", own.engine.kill, "--image", "base")
    assert r.code == 1 and b"the engine does not take it" in r.err and b"Cannot connect" in r.err and not r.out, r
    tar = [a for a in open(own.engine.dir + "/open/between-import.args").read().split() if a.endswith("/root.tar")]
    assert len(tar) == 1 and tar[0].startswith("/var/tmp/bot-bottle-import.") and not os.path.exists(os.path.dirname(tar[0])), tar
    r = own.run("run", *own.tiny, "--", "true")
    assert r.code == 1 and b"is not running" in r.err and own.engine.host.encode() in r.err, r
    own.engine.start()
    gone(own)


def test_engine_dies_at_the_start(own):
    assert own.run("run", *own.tiny, "--", "echo", "works").out == b"works\n"
    r = meanwhile(own, "run", own.engine.kill)
    assert r.code == 125 and b"the container did not start" in r.err and b"Cannot connect" in r.err and not r.out, r
    own.engine.start()
    gone(own)
    assert own.run("run", *own.tiny, "--", "echo", "again").out == b"again\n"


def test_image_vanishes(own):
    """Between the look-up and the start; nothing is fetched from anywhere for it."""
    r = meanwhile(own, "run", lambda: own.engine.docker("rmi", "--force", "tiny:1"))
    assert r.code == 125 and b"the container did not start" in r.err and b"tiny:1" in r.err and not r.out, r
    gone(own)
    r = own.run("run", "--image", "own:gone", "--", "true")
    assert r.code == 1 and b"own:gone: neither ours" in r.err, r
    own.engine.tiny()
    assert own.run("run", *own.tiny, "--", "echo", "again").out == b"again\n"


def test_engine_dies_under_a_bottle(own):
    """Its program ends, so the bottle does, with all that runs in the container, though no engine is there to stop it."""
    b = own.bottle("--bottle", "demo", *own.tiny)
    inside = own.engine.pid_of(b.identity)
    command = own.popen("exec", b.identity, "--", "sh", "-c", "echo in; exec sleep 1000")
    assert command.stdout.readline() == b"in\n"
    pids = b.status()["pids"]
    own.engine.kill()
    end = time.time() + 5
    while time.time() < end and (products.alive(inside) or any(products.alive(p) for p in pids.values())):
        time.sleep(0.05)
    assert not products.alive(inside) and [r for r, p in pids.items() if products.alive(p)] in ([], ["bottled"])
    assert command.wait(20) != 0
    assert b.proc.wait(20) == 125
    err = b.proc.stderr.read()
    assert b"the container ended, or its engine" in err, err
    r = own.run("exec", b.identity, "--", "true")
    assert r.code == 1 and b.identity.encode() in r.err, r
    # what may be left with an engine that does not answer is not forgotten
    r = own.run("cleanup", "--older-than", "0", "--yes")
    assert r.code == 1 and b"is not running" in r.err and b"a container may be left" in r.err, r
    assert b.identity in [x["identity"] for x in own.list()]
    own.engine.start()
    assert own.run("cleanup", "--older-than", "0", "--yes").code == 0
    assert own.list() == []
    gone(own)
    b.close()


def test_engine_stands_still_under_a_bottle(own):
    """exec and list go on; stop ends what runs in the container, and does not wait for an engine that says nothing."""
    b = own.bottle("--bottle", "demo", *own.tiny)
    inside = own.engine.pid_of(b.identity)
    os.kill(own.engine.proc.pid, signal.SIGSTOP)
    try:
        assert b.exec("echo", "alive").out == b"alive\n" and b.status()["status"] == "up"
        # whose processes the container's are only the engine could say
        assert b.status()["resident_all"] is False and b.status()["resident_bytes"] > 4 << 20 and "container_pid" not in b.status()
        line = [l for l in own.run("list").out.decode().splitlines() if l.startswith(b.identity)][0].split()
        assert line[5].startswith(">") and line[5].endswith("M"), line
        stop = own.popen("stop", b.identity)
        end = time.time() + 3
        while products.alive(inside) and time.time() < end:
            time.sleep(0.05)
        assert not products.alive(inside)
        out, err = stop.communicate(timeout=30)
        assert (stop.returncode, out.decode().strip(), err) == (0, b.identity, b"") and b.status()["status"] == "ended"
        assert b"has not removed the container" in own.run("logs", "--host", b.identity).out
        b.proc.wait(20)
    finally:
        os.kill(own.engine.proc.pid, signal.SIGCONT)
    assert own.run("cleanup", "--older-than", "0", "--yes").code == 0 and own.list() == []
    gone(own)
    b.close()


def test_all_of_ours_killed(own):
    """SIGKILL for every process of one bottle at once: cleanup takes what is left, and nothing of its neighbour."""
    lives, dies = own.bottle("--bottle", "demo", *own.tiny), own.bottle("--bottle", "demo", *own.tiny)
    try:
        inside = own.engine.pid_of(dies.identity)
        assert products.kill_and_see(list(dies.status()["pids"].values()) + [dies.proc.pid], inside, 2)
        left = own.home + "/.local/state/bot-bottle/run/" + dies.identity
        assert os.path.exists(left + "/bottle/6003") and not os.path.exists(left + "/bottle/config.json")
        assert own.run("cleanup", "--older-than", "0", "--yes").code == 0
        assert not os.path.exists(left) and dies.identity not in [b["identity"] for b in own.list()]
        assert own.engine.names() == [lives.identity]
        assert lives.exec("echo", "alive").out == b"alive\n"
    finally:
        lives.close()
        dies.close()
    gone(own)


def left_behind(p, *args, **kw):
    """A bottle whose processes were all killed, and a container of its name. Return: its identity"""
    b = p.bottle("--bottle", "demo", *p.tiny, *args, **kw)
    inside = p.engine.pid_of(b.identity)
    assert products.kill_and_see(list(b.status()["pids"].values()) + [b.proc.pid], inside, 5)
    end = time.time() + 20
    while p.engine.names() and time.time() < end:  # --rm
        time.sleep(0.1)
    assert p.engine.docker("create", "--name", b.identity, "tiny:1", "true").returncode == 0
    b.close()
    return b.identity


def test_cleanup_asks_the_engine_of_the_start(own, dockerd):
    """Not that of today's environment, which knows no such container; and when that cannot be, nothing is removed."""
    other = {"DOCKER_HOST": dockerd.host, "BOT_BOTTLE_ENGINE": "docker"}
    clean = ("cleanup", "--older-than", "0", "--yes")
    identity = left_behind(own)
    assert own.run(*clean, env=other).code == 0
    assert own.engine.names() == [] and own.list() == []
    # a context that was chosen at the start, and is not any more
    config = own.engine.dir + "/open/config"
    docker = ["docker", "--config", config, "context"]
    subprocess.run(docker + ["create", "mine", "--docker", "host=" + own.engine.host], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(docker + ["use", "mine"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["chmod", "-R", "a+rwX", config], check=True)
    host = own.env.pop("DOCKER_HOST")
    own.env["DOCKER_CONFIG"] = config
    try:
        left_behind(own)
    finally:
        own.env["DOCKER_HOST"] = host
        del own.env["DOCKER_CONFIG"]
    subprocess.run(docker + ["use", "default"], check=True, stdout=subprocess.DEVNULL)
    assert own.run(*clean, env=other).code == 0
    assert own.engine.names() == [] and own.list() == []
    # its program is gone: no other is taken by itself
    path = own.engine.dir + "/open/mine"
    os.symlink("/usr/bin/docker", path)
    identity = left_behind(own, env={"BOT_BOTTLE_ENGINE": path})
    os.unlink(path)
    r = own.run(*clean)
    assert r.code == 1 and path.encode() in r.err and b"not there any more" in r.err, r
    assert own.engine.names() == [x["identity"] for x in own.list()] == [identity]
    assert own.run(*clean, env={"BOT_BOTTLE_ENGINE": "docker"}).code == 0
    assert own.engine.names() == [] and own.list() == []
    # it does not run
    identity = left_behind(own)
    own.engine.kill()
    try:
        r = own.run(*clean, env=other)
    finally:
        own.engine.start()
    assert r.code == 1 and own.engine.host.encode() + b" is not running" in r.err and b"today's is another" in r.err, r
    assert ("rm -r %s/.local/state/bot-bottle/%s" % (own.home, identity)).encode() in r.err, r
    assert own.engine.names() == [x["identity"] for x in own.list()] == [identity]
    assert own.run(*clean, env=other).code == 0
    assert own.engine.names() == [] and own.list() == []


def test_cleanup_beside_starts(own):
    """cleanup without end while bottles start and end: none of them loses its container or its directories."""
    stop = threading.Event()
    codes = []

    def clean():
        while not stop.is_set():
            codes.append(own.run("cleanup", "--older-than", "0", "--yes"))
    t = threading.Thread(target=clean)
    t.start()
    try:
        for i in range(6):
            r = own.run("run", *own.tiny, "--", "sh", "-c", "sleep 0.3; echo %d" % i)
            assert (r.code, r.out) == (0, b"%d\n" % i), r
    finally:
        stop.set()
        t.join()
    # one that came alive or ended meanwhile is named, and left alone
    assert len(codes) > 6 and {c.code for c in codes} <= {0, 1}, codes
    own.run("cleanup", "--older-than", "0", "--yes")
    assert own.list() == []
    gone(own)


def test_files_that_the_engine_does_not_see(own, product, workdir):
    """An engine elsewhere: on another machine, or in a virtual one. It is said at once, not after a time-out."""
    hidden = own.home + "/.local"
    e = Engine(workdir, products.make_user().pw_gid, "elsewhere",
               ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', hidden])
    try:
        e.tiny()
        began = time.time()
        r = own.run("run", *own.tiny, "--", "echo", "started", env={"DOCKER_HOST": e.host})
        assert r.code == 125 and b"does not see this host's files" in r.err and b"on this machine" in r.err and not r.out, r
        assert time.time() - began < 10
        assert e.names() == []
    finally:
        e.close()
    gone(own)


def test_sockets_that_the_engine_does_not_reach(own):
    """A shared directory of a virtual machine: its files are there, what listens on its sockets is not."""
    copy = own.engine.dir + "/open/copy"
    env = between(own, "run", """
        for a; do case $a in *source=*/bottle,target=/bottle,*) s=${a#*source=}; s=${s%%,*};; esac; done
        cp -r "$s" COPY # sockets as well: nobody listens on those
        chmod -R a+rwX COPY
        n=(); for a; do n+=("${a/"$s,"/COPY,}"); done; set -- "${n[@]}"
        """.replace("COPY", copy))
    began = time.time()
    r = own.run("run", *own.tiny, "--", "echo", "started", env=env)
    assert r.code == 125 and b"does not see this host's files and sockets" in r.err and not r.out, r
    assert b"/bottle/5001" in r.err and time.time() - began < 15, r
    gone(own)


def test_gvisor_is_used_when_it_lets_sockets_through(own, workdir):
    """By what the engine says of itself; the program behind the name is Debian's runc here, without that flag."""
    path = own.engine.dir + "/open/runsc"
    with open(path, "w") as f:
        f.write('#!/bin/bash\nn=(); for a; do [ "$a" = --host-uds=open ] || n+=("$a"); done\n'
                'case "$*" in *--host-uds=open*create*) echo used >>%s/open/used;; esac\nexec runc "${n[@]}"\n' % own.engine.dir)
    os.chmod(path, 0o755)
    for args, used in ((["--host-uds=open"], True), ([], False)):
        e = Engine(workdir, products.make_user().pw_gid, "gvisor", runtimes={"runsc": {"path": path, "runtimeArgs": args}})
        try:
            e.tiny()
            r = own.run("run", *own.tiny, "--", "echo", "started", env={"DOCKER_HOST": e.host})
            assert r.out == b"started\n", r
            assert (b"runs under gVisor" in r.err, b"it is not used" in r.err) == (used, not used), r
            assert os.path.exists(own.engine.dir + "/open/used") is used
        finally:
            e.close()
            if used:
                os.unlink(own.engine.dir + "/open/used")


def test_docker_streams_run_out(dbottle, internet):
    """Streams without a word, as many as the container can have: its own exec and requests wait, and work again at once."""
    e = Evidence(internet, dbottle)
    r = dbottle.py(r'''
import os, resource, select, socket, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
def hold(port, n):
    until = time.monotonic() + 10
    for _ in range(n):
        s = socket.socket(socket.AF_UNIX); s.settimeout(2)
        while True:
            try: s.connect("/bottle/%d" % port)
            except BlockingIOError: # those before it are not taken yet
                if time.monotonic() > until: return
                time.sleep(0.01)
            except OSError: return
            else: break
        held.append(s)
for port in (6003, 6002, 5001, 5000):
    hold(port, 3000)
    print(port, len(held), flush=True)
time.sleep(1)
p = select.poll()
for s in held: p.register(s, select.POLLIN | select.POLLHUP)
print("closed", len(p.poll(0)), "of", len(held), flush=True)
for s in held: s.close()
''', timeout=120)
    assert r.code == 0, r
    lines = [l.split() for l in r.out.decode().splitlines()]
    closed, held = int(lines[-1][1]), int(lines[-1][3])
    # what is over the limit is closed, not kept waiting
    assert held > 5000 and closed >= held - 4352, r
    assert dbottle.sh("echo alive").out == b"alive\n"
    e.nothing_left()
    e.control()


def test_docker_silent_streams_end(silent):
    """Status 4: nothing was said in time."""
    out = silent.communicate(timeout=60)[0]
    assert silent.returncode == 0 and out.startswith(b"b'\\x04\\x00\\x00\\x00'") and 5 < int(out.split()[1]) < 60, out


def test_docker_label_with_escape_codes(dproduct, dockerd):
    label = "\033[31mred\033]0;title\a\nsecond"
    p = dproduct.popen("run", "--yes", "--label", label, "--", "sh", "-c", "echo up; exec sleep 1000")
    try:
        line = p.stdout.readline()
        if line == b"":  # refused: with a word, and without a container
            err = p.communicate()[1]
            assert p.returncode in (1, 2) and b"label" in err and b"\033" not in err and b"\a" not in err, err
            return
        r = dproduct.run("list")
        assert r.code == 0 and b"\033" not in r.out and b"\a" not in r.out, r
        mine = [b for b in dproduct.list() if b.get("label") == label]
        assert len(mine) == 1
        assert label not in dockerd.docker("inspect", mine[0]["identity"]).stdout
        assert dproduct.run("stop", mine[0]["identity"]).code == 0
    finally:
        p.kill()
        p.communicate()


def test_engine_hangs(hung):
    """list does not need it; all else says so after half a minute, and what to do. Nothing is removed on that word."""
    began = time.time()
    assert sorted(b["identity"] for b in hung.list() if b["identity"].startswith("demo")) == sorted(hung.left)
    assert time.time() - began < 5
    said = {}
    for name, w in hung.waiting.items():
        out, err = w.communicate(timeout=max(1, hung.began + 90 - time.time()))
        said[name] = (w.returncode, (out + err).decode())
    code, text = said.pop("start")
    assert code == 125 and "has not started the container in time" in text and "restart docker" in text, text
    for name, (code, text) in said.items():
        assert code == 1, (name, said)
        assert "docker: the engine at unix://%s has not answered for 30 s" % hung.at in text and "restart docker" in text, (name, said)
    # that engine is waited for once, not for each of its bottles
    text = said["cleanup"][1]
    assert all(i + ": " in text for i in hung.left) and text.count("for 30 s") == 1 and "no answer either" in text, text
    assert sorted(b["identity"] for b in hung.list() if b["identity"].startswith("demo")) == sorted(hung.left)
    os.unlink(hung.at)
    os.symlink(hung.engine.dir + "/docker.sock", hung.at)
    assert hung.run("doctor").code == 0
    assert hung.run("cleanup", "--older-than", "0", "--yes").code == 0
    assert hung.list() == [] and hung.engine.names() == []
