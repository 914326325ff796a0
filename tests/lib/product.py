# SPDX-License-Identifier: Apache-2.0
"""bot-bottle as a user has it: a copy of the build that the user can read, a home of its own, run in
the mini internet's `host` namespace."""
import json
import os
import pwd
import shutil
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROLES = ("bottled", "gate", "egress", "dialer", "keyd", "recorder", "porter", "unpacker")
USER = "bbtest"
# make check-kvm: the accelerator that every bottle must have, and how much slower everything is there
ACCEL, SLOW = os.environ.get("BB_ACCEL", ""), int(os.environ.get("BB_SLOW", "1"))
# by path: a test may give bot-bottle a PATH without anything
IP, SETPRIV = shutil.which("ip") or "/usr/sbin/ip", shutil.which("setpriv") or "/usr/bin/setpriv"


def make_user(name=USER):
    """The unprivileged user that tests run as; useradd gives it subordinate ids."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        # 9: somebody else made it meanwhile
        made = subprocess.run(["useradd", "-m", "-s", "/bin/bash", name], check=False)
        assert made.returncode in (0, 9), made
        return pwd.getpwnam(name)


def copy_build(directory):
    """build tree with what runs, readable by everybody; meson-private marks it as one."""
    build = os.environ.get("BB_BUILD", ROOT + "/build")
    to = str(directory) + "/tree"
    for name in ["bot-bottle", "src/guest/bb-guest"] + ["src/proc/%s/%s" % (r, r) for r in ROLES]:
        os.makedirs(os.path.dirname(to + "/build/" + name), exist_ok=True)
        shutil.copy2(build + "/" + name, to + "/build/" + name)
    os.makedirs(to + "/build/meson-private")
    shutil.copytree(ROOT + "/data", to + "/data")
    shutil.copytree(ROOT + "/examples", to + "/examples")
    subprocess.run(["chmod", "-R", "a+rX", to], check=True)
    return to + "/build/bot-bottle"


def give_image(name, cache, uid):
    """A copy of the image @name, built before the tests, in a store of that user's below @cache."""
    built = (os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) + "/bot-bottle/images/"
    store = cache + "/bot-bottle/images/"
    digest = os.path.basename(os.path.realpath(built + "by-name/" + name))
    os.makedirs(store + "by-name", exist_ok=True)
    os.chmod(store, 0o700)
    if not os.path.exists(store + digest):
        shutil.copytree(built + digest, store + digest)
    os.symlink("../" + digest, store + "by-name/" + name)
    subprocess.run(["chown", "-hR", "%d:%d" % (uid, uid), cache], check=True)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return "code %d\n--- stdout\n%s\n--- stderr\n%s" % (
            self.code, self.out[-4000:].decode("latin-1"), self.err[-4000:].decode("latin-1"))


class Product:
    """One user's installation."""

    def __init__(self, exe, home, netns, uid, cache):
        self.exe, self.home, self.netns, self.uid = exe, str(home), netns, uid
        self.enter = [IP, "netns", "exec", str(netns)]
        os.makedirs(self.home + "/.bot-bottle/bottles", exist_ok=True)
        os.makedirs(self.home + "/.bot-bottle/agents", exist_ok=True)
        self.env = {"HOME": self.home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "USER": USER if uid else "root",
                    "XDG_CACHE_HOME": cache, "LANG": "C.UTF-8", "TERM": "xterm"}
        self._own()

    def _own(self):
        subprocess.run(["chown", "-R", "%d:%d" % (self.uid, self.uid), self.home], check=True)

    def write(self, name, text):
        path = self.home + "/.bot-bottle/" + name
        open(path, "w").write(text)
        self._own()
        return path

    def argv(self, *args):
        # the namespace first, then the user: to enter it needs root
        return (self.enter if self.netns else []) + [
            SETPRIV, "--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups", "--",
            self.exe] + list(args)

    def popen(self, *args, env=None, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        kw.setdefault("cwd", self.home)
        return subprocess.Popen(self.argv(*args), env=dict(self.env, **(env or {})), **kw)

    def run(self, *args, input=None, timeout=120, env=None, **kw):
        if input is not None:
            kw["stdin"] = subprocess.PIPE
        p = self.popen(*args, env=env, **kw)
        try:
            out, err = p.communicate(input, timeout * SLOW)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            raise AssertionError("timed out: %r\n%s" % (args, Result(-1, out or b"", err or b"")))
        return Result(p.returncode, out or b"", err or b"")

    def list(self):
        return json.loads(self.run("list", "--json").out)

    def audit(self, identity):
        r = self.run("audit", identity, "--json")
        assert r.code == 0, r
        return [json.loads(l) for l in r.out.splitlines()]

    def bottle(self, *args, env=None):
        return Bottle(self, *args, env=env)


class Bottle:
    """A running bottle: `run … -- sleep`, and commands in it by exec."""

    def __init__(self, product, *args, env=None):
        self.product = product
        before = {b["identity"] for b in product.list()}
        self.proc = product.popen("run", "--yes", *args, "--", "sh", "-c", "echo up; exec sleep 100000", env=env)
        line = self.proc.stdout.readline()
        if line != b"up\n":
            out, err = self.proc.communicate(timeout=30)
            raise AssertionError("the bottle did not start\n%s" % Result(self.proc.returncode, line + out, err))
        new = [b["identity"] for b in product.list() if b["identity"] not in before and b["status"] == "up"]
        assert len(new) == 1, new
        self.identity = new[0]
        # who may do most in it: a container has one user
        self.root = None if self.status()["backend"] == "docker" else "root"
        assert not ACCEL or self.status()["accel"] == ACCEL, self.status()

    def status(self):
        return [b for b in self.product.list() if b["identity"] == self.identity][0]

    def exec(self, *argv, user=None, **kw):
        opts = ["--user", user] if user else []
        return self.product.run("exec", *opts, self.identity, "--", *argv, **kw)

    def sh(self, script, **kw):
        return self.exec("bash", "-c", script, **kw)

    def py(self, script, *args, **kw):
        return self.exec("python3", "-c", script, *args, **kw)

    def audit(self):
        return self.product.audit(self.identity)

    def close(self):
        self.product.run("stop", self.identity)
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
        self.proc.stdout.close()
        self.proc.stderr.close()


def kill_and_see(pids, last, seconds):
    """SIGKILL for all of @pids; has process @last ended so many seconds later?"""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it saw the other ones go
    end = time.time() + seconds
    while alive(last) and time.time() < end:
        time.sleep(0.02)
    return not alive(last)


def in_memory(pid, text):
    """How often these octets stand in a process's memory; root may look."""
    n = 0
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb") as mem:
        for line in maps:
            where, flags = line.split()[:2]
            start, end = (int(x, 16) for x in where.split("-"))
            if "r" in flags and "[v" not in line:  # not what the kernel maps
                mem.seek(start)
                n += mem.read(end - start).count(text)
    return n


def alive(pid):
    try:
        state = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0]
        return state != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
