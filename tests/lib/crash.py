# SPDX-License-Identifier: Apache-2.0
"""kill -9 of one of our processes at a random moment of start, run, stop, resume or cleanup: nothing of the bottle is
left after a second, and what is on disk can be listed, resumed or cleaned up. On docker the engine's program and the
container's process 1 are among them, nothing is kept, and cleanup leaves the engine no container."""
import fcntl
import os
import random
import signal
import time

from engine import Engine
import product as products

USERS = 16  # bbcrash, bbcrash1, …: every process of the one that is taken is ours
locks = []  # hold until this process ends

# how long the operation takes, roughly: the moment is chosen within it
OPERATIONS = {"run": 5.0, "keep": 5.0, "stop": 1.0, "resume": 5.0, "cleanup": 0.2}
ON_DOCKER = {"run": 2.0, "stop": 0.5, "cleanup": 0.15}
LATE = b"in time"  # what a start says on a machine that is too busy


def processes_of(uid):
    """pid → name of all processes of bot-bottle that this user has."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            # what is setpriv yet is not ours; a process without a command line is a zombie
            status = open("/proc/%s/status" % pid).read()
            cmdline = open("/proc/%s/cmdline" % pid, "rb").read()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        name = status.split("\n", 1)[0][6:].strip()
        if int(status.split("\nUid:\t", 1)[1].split()[0]) == uid and cmdline and name != "setpriv":
            found[int(pid)] = name
    return found


def free_user():
    """A user that no other run has, which would take our processes for its own."""
    for i in range(USERS):
        name = "bbcrash%s" % (i or "")
        lock = open("/run/lock/" + name, "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        user = products.make_user(name)
        if not processes_of(user.pw_uid):
            locks.append(lock)
            return user
        lock.close()
    raise AssertionError("each of bbcrash, bbcrash1, … has processes or is in use")


def product_for(exe, directory):
    """An installation of a user that nobody else has, on an image that it can read."""
    uid = free_user().pw_uid
    cache = directory + "/crash-cache"
    products.give_image("base", cache, uid)
    return products.Product(exe, directory + "/crash-home", None, uid, cache)


def product_on_docker(exe, directory):
    """As product_for(), with an engine of its own, which has a tiny image; the caller closes product.engine."""
    user = free_user()
    p = products.Product(exe, directory + "/crash-docker-home", None, user.pw_uid, directory + "/crash-docker-cache")
    os.makedirs(p.env["XDG_CACHE_HOME"])
    os.chown(p.env["XDG_CACHE_HOME"], user.pw_uid, user.pw_gid)
    p.engine = Engine(directory, user.pw_gid, "crash-engine")
    p.engine.tiny()
    p.env.update(BOT_BOTTLE_BACKEND="docker", DOCKER_HOST=p.engine.host)
    return p


class Crash:
    """One user whose processes nobody else has: each of them is ours."""

    def __init__(self, product, seed):
        self.product, self.random, self.seed = product, random.Random(seed), seed
        self.state = product.home + "/.local/state/bot-bottle"
        self.engine = getattr(product, "engine", None)
        self.operations = ON_DOCKER if self.engine else OPERATIONS
        self.image = ["--image", "tiny:1"] if self.engine else []
        # an engine that is at it takes longer to remove a container, and is waited for
        self.seconds = 15.0 if self.engine else 1.0

    def processes(self):
        return processes_of(self.product.uid)

    def targets(self):
        """Who may be hit: ours, and what is process 1 of a container."""
        found = self.processes()
        for name in self.engine.names() if self.engine else []:
            pid = self.engine.docker("inspect", "--format", "{{.State.Pid}}", name).stdout.strip()
            if pid.isdigit() and int(pid) > 1:
                found[int(pid)] = "the container"
        return sorted(found.items())

    def run(self, *args, **kw):
        """A machine that is too busy to boot a guest in ten seconds is not what is looked at here."""
        for _ in range(5):
            r = self.product.run(*args, timeout=120, **kw)
            if LATE not in r.err:
                break
        return r

    def up(self, *args):
        """A bottle that runs, as a popen; its CLI is killed by nobody but us."""
        for _ in range(5):
            p = self.product.popen("run", "--yes", *self.image, *args, "--", "sh", "-c", "echo up; exec sleep 100000")
            if p.stdout.readline() == b"up\n":
                return p
            err = p.communicate()[1]
            assert LATE in err, err
        raise AssertionError(err)

    def begin(self, operation):
        """What there has to be before, and the operation. Return: processes of ours to wait for."""
        if operation in ("run", "keep"):
            return [self.product.popen("run", "--yes", *self.image, *(["--keep"] if operation == "keep" else []), "--", "sh", "-c",
                                       "echo work >~/work; sync; sleep 1")]
        if operation == "stop":
            p = self.up(*([] if self.engine else ["--keep"]))
            return [self.product.popen("stop"), p]
        r = self.run("run", "--yes", *(self.image or ["--keep"]), "--", "true")
        assert r.code == 0, r
        if operation == "resume":
            return [self.product.popen("resume", "--", "sleep", "1")]
        return [self.product.popen("cleanup", "--older-than", "0", "--yes")]

    def point(self, i):
        operation = self.random.choice(sorted(self.operations))
        delay = self.random.random() * self.operations[operation]
        pick = self.random.random()
        what = "seed %d, point %d: %s, after %.3f s" % (self.seed, i, operation, delay)
        waits = self.begin(operation)
        try:
            time.sleep(delay)
            there = self.targets()
            if there:
                pid, name = there[int(pick * len(there))]
                what += ", kill %s" % name
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    what += " (gone meanwhile)"
            self.settle(waits, what)
            self.judge(what)
        finally:
            for p in waits:
                p.kill()
                p.wait()
                p.stdout.close()
                p.stderr.close()
        return what

    def settle(self, waits, what):
        """The command that was hit, or whose bottle was, ends; then nothing is left after one second (see __init__)."""
        end = time.time() + 60
        for p in waits:
            while p.poll() is None and time.time() < end:
                # `stop` was killed before it had said it: that bottle runs, and is ended by its user
                if len(waits) > 1 and p is waits[1] and waits[0].poll() is not None and waits[0].returncode != 0:
                    self.run("stop")
                time.sleep(0.02)
            assert p.poll() is not None, "%s: the command does not end" % what
        end = time.time() + self.seconds
        while self.processes() and time.time() < end:
            time.sleep(0.02)
        assert self.processes() == {}, "%s: left: %r" % (what, self.processes())

    def judge(self, what):
        r = self.run("list")
        assert r.code == 0, (what, r)
        for b in self.product.list():
            assert b["status"] in (("ended",) if self.engine else ("kept", "ended")), (what, b)
            r = self.run("resume", b["identity"], "--", "echo", "again")
            if b["status"] == "kept":
                assert r.code == 0 and r.out == b"again\n", (what, r)
            else:
                assert r.code == 1 and r.err.startswith(b"bot-bottle: "), (what, r)
        r = self.run("cleanup", "--older-than", "0", "--yes")
        assert r.code == 0, (what, r)
        assert self.product.list() == [], what
        assert not self.engine or self.engine.names() == [], (what, self.engine.names())
        left = [n for n in os.listdir(self.state) if n not in ("run", "commits")]
        left += os.listdir(self.state + "/run") if os.path.isdir(self.state + "/run") else []
        assert [n for n in left if n.count("-")] == [], (what, left)
