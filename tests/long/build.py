#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An image build that is killed, again and again, at random moments: tests/long/build.py BUILD [SEED]. Each time nothing of it
runs on and there is no image; each next one fetches only what is missing; the last gives the image that an undisturbed one
gives. As root, for a plain user of its own; fetches some 150 MB from Debian."""
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

os.environ["BB_BUILD"] = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import product as products  # noqa: E402
from crash import free_user  # noqa: E402
from mirror import Mirror  # noqa: E402

# what two builds never have in common: times, and what is made from them
VOLATILE = re.compile(r"^(var/log/|var/cache/(apt/|debconf/|ldconfig/)|var/lib/(dpkg/|apt/|systemd/catalog)|etc/(ld.so.cache|machine-id|shadow|group|passwd)-?$)")


class Build:
    def __init__(self, top, mirror, rng):
        user = free_user()
        self.uids = [(user.pw_uid, 1)]
        for line in open("/etc/subuid"):
            name, first, n = line.strip().split(":")
            if name == user.pw_name:
                self.uids.append((int(first), int(n)))
        assert len(self.uids) > 1, "no subordinate ids for " + user.pw_name
        cache = top + "/cache"
        os.makedirs(cache)
        os.chown(cache, user.pw_uid, user.pw_gid)
        self.product = products.Product(products.copy_build(top), top + "/home", None, user.pw_uid, cache)
        self.uid, self.mirror, self.random, self.store = user.pw_uid, mirror, rng, cache + "/bot-bottle/images"

    def processes(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                uid = os.stat("/proc/" + pid).st_uid
                ruid = int(open("/proc/%s/status" % pid).read().split("\nUid:\t", 1)[1].split()[0])
                cmdline = open("/proc/%s/cmdline" % pid).read()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if cmdline and any(first <= u < first + n for u in (uid, ruid) for first, n in self.uids):
                found.append(int(pid))
        return sorted(found)

    def outside(self):
        """What builds of this user have in /var/tmp."""
        return {n for n in os.listdir("/var/tmp") if n.startswith("bot-bottle-build.") and os.stat("/var/tmp/" + n).st_uid == self.uid}

    def kept(self):
        debs = self.store + "/.downloads/debs"
        return {n: os.stat(debs + "/" + n).st_size for n in os.listdir(debs) if n.endswith(".deb")} if os.path.isdir(debs) else {}

    def begin(self, *args):
        self.mirror.debs, self.mirror.octets = 0, 0
        p = self.product.popen("image", "build", "--mirror", self.mirror.url, *args, "base", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = []
        reader = threading.Thread(target=lambda: self.said.extend(iter(p.stderr.readline, b"")), daemon=True)
        reader.start()
        return p, reader

    def says(self, text):
        return any(text in line for line in list(self.said))

    def whole(self, *args):
        began = time.monotonic()
        p, reader = self.begin(*args)
        p.wait(1200)
        reader.join(20)
        assert p.returncode == 0, b"".join(self.said)
        print("build: whole%s: %.0f s, %d packages fetched" % ("".join(" " + a for a in args), time.monotonic() - began, self.mirror.debs),
              flush=True)

    def killed(self, what, reached, delay, how):
        before = self.kept()
        p, reader = self.begin()
        end = time.time() + 600
        while not reached() and p.poll() is None:
            assert time.time() < end, (what, self.said)
            time.sleep(0.01)
        time.sleep(delay)
        assert p.poll() is None, (what, p.returncode, b"".join(self.said))
        ours = self.processes()
        name, hit = "", ours if how == "all" else [p.pid]
        if how == "one":  # of those without which it cannot go on
            named = [(x, open("/proc/%d/comm" % x).read().strip()) for x in ours if os.path.exists("/proc/%d" % x)]
            pid, name = self.random.choice([x for x in named if x[1] not in ("sleep", "sh", "bot-bottle")])
            hit = [pid]
        for pid in hit:
            try:
                os.kill(pid, signal.SIGINT if how == "int" else signal.SIGKILL)
            except ProcessLookupError:
                pass
        p.wait(60)
        reader.join(20)
        end = time.time() + 20
        while self.processes() and time.time() < end:
            time.sleep(0.05)
        left = self.processes()
        assert left == [], (what, how, [open("/proc/%d/cmdline" % x).read() for x in left])
        after = self.kept()
        print("build: %s + %.1f s, %s %s: %d packages kept, %d fetched" % (what, delay, how, name, len(after), self.mirror.debs), flush=True)
        # what was there is there; no image, not even in part
        assert all(after.get(n) == size for n, size in before.items()), (what, set(before) - set(after))
        assert [n for n in os.listdir(self.store) if not n.startswith(".")] == [], (what, os.listdir(self.store))
        r = self.product.run("image", "ls")
        assert r.code == 0 and b"there is no image yet" in r.err, (what, r)

    def tree(self, top, name):
        root = top + "/" + name
        subprocess.run(["fsck.erofs", "--extract=" + root, self.store + "/by-name/base/root.erofs"], check=True, stdout=subprocess.DEVNULL)
        found = {}
        for path, dirs, files in os.walk(root):
            for n in dirs + files:
                full = os.path.join(path, n)
                rel, st = os.path.relpath(full, root), os.lstat(full)
                body = b""
                if stat.S_ISLNK(st.st_mode):
                    body = os.readlink(full)
                elif stat.S_ISREG(st.st_mode) and not rel.endswith(".pyc"):
                    body = open(full, "rb").read()
                if not VOLATILE.match(rel):
                    found[rel] = (oct(st.st_mode), st.st_uid, st.st_gid, body)
        status = open(root + "/var/lib/dpkg/status").read()
        assert status.count("\nStatus: ") == status.count("\nStatus: install ok installed\n") > 100, "packages that are not installed"
        shutil.rmtree(root)
        return found


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1000000
    rng = random.Random(seed)
    top = "/var/tmp/bb-build-%d" % os.getpid()
    os.makedirs(top)
    os.chmod(top, 0o755)
    mirror = Mirror()
    try:
        b = Build(top, mirror, rng)
        before = b.outside()
        print("build: seed %d" % seed, flush=True)
        octets, debs = rng.randrange(1, 30 << 20), rng.randrange(10, 90)
        b.killed("%d octets" % octets, lambda: mirror.octets >= octets, 0, "kill")
        b.killed("%d packages" % debs, lambda: mirror.debs >= debs, 0, "all")
        b.killed("installing", lambda: b.says(b"installing packages"), rng.random() * 20, "int")
        b.killed("installing", lambda: b.says(b"installing packages"), rng.random() * 20, "one")
        b.killed("writing", lambda: b.says(b"writing the file system"), rng.random(), "kill")
        kept = b.kept()
        b.whole()
        # only what was missing
        assert mirror.debs == len(b.kept()) - len(kept), (mirror.debs, len(kept), len(b.kept()))
        store = sorted(os.listdir(b.store))
        assert len([n for n in store if not n.startswith(".") and n != "by-name"]) == 1 and ".stage" not in store, store
        left = b.outside() - before
        assert not left, left
        went_on = b.tree(top, "went-on")
        b.whole("--rebuild")
        undisturbed = b.tree(top, "undisturbed")
        differ = [n for n in sorted(set(went_on) | set(undisturbed)) if went_on.get(n) != undisturbed.get(n)]
        assert differ == [], differ
        print("build: killed 5 times, nothing left, %d files and directories the same" % len(went_on))
    finally:
        shutil.rmtree(top, ignore_errors=True)


main()
