#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/long/debian13.py: build and unit tests on Debian 13, whatever this host is.

A root file system of trixie is made with mmdebstrap, with what `scripts/deps build run` installs there. In it, with its gcc,
glibc and libraries: the build (warnings are errors), every unit test and corpus (among them the jail tests, which hold each
role's list of system calls and try each role under it), the AppArmor profile as Debian 13's parser reads it, and eight
bottles under its QEMU. Mounts are in a namespace that ends with the test. Prints meson's lines and "debian13: N passed,
N failed"; exit 1 when one failed or none ran. BB_DEBIAN13: a directory that is used and kept, so that a second run is
fast."""
import contextlib
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUITE = "trixie"
# what unit tests call besides the build's own packages
TOOLS = "nftables,gnutls-bin,libnss3-tools,openssl,apparmor,iproute2,python3,procps"
ENV = ["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
MOUNTS = ('mount --bind "$0" "$0"; mount -t proc proc "$0/proc"; mount --rbind /sys "$0/sys"; mount --rbind /dev "$0/dev"; '
          'cp /etc/resolv.conf "$0/etc/resolv.conf"; r=$0; exec chroot "$r" "$@"')


def die(text):
    print("debian13: " + text, file=sys.stderr)
    sys.exit(1)


def mirror():
    """The host's own, when it is one of Debian's."""
    for path in ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"):
        found = re.search(r"https?://\S+/debian/?(?=\s)", open(path).read()) if os.path.exists(path) else None
        if found:
            return found.group()
    return "http://deb.debian.org/debian"


def make(root):
    made = subprocess.run(["mmdebstrap", "--quiet", "--variant=apt", "--skip=cleanup/apt/lists", "--include=" + TOOLS, SUITE, root,
                           mirror()], check=False)
    if made.returncode:
        die("no root file system of %s: mmdebstrap gave %d" % (SUITE, made.returncode))


def inside(root, script, **kw):
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNTS, root] + ENV + ["sh", "-c", script],
                          stdin=subprocess.DEVNULL, check=False, **kw)


def copy_tree(root):
    """What has changed gets the time of now, so that a kept directory builds it again."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"], stdout=subprocess.PIPE, check=True)
    names = {n for n in listed.stdout.decode().split("\0") if n and os.path.isfile(ROOT + "/" + n)}
    for top, _, files in os.walk(root + "/bb/src"):
        for path in (os.path.join(top, f) for f in files):
            if os.path.relpath(path, root + "/bb") not in names:
                os.unlink(path)
    for name in names:
        to = root + "/bb/" + name
        if os.path.exists(to) and filecmp.cmp(ROOT + "/" + name, to, shallow=False):
            continue
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(ROOT + "/" + name, to)


STEPS = (
    ("packages", "scripts/deps build run"),
    ("build", "gcc --version | head -n 1; ldd --version | head -n 1; "
     "{ [ -f build/build.ninja ] || meson setup build; } >/dev/null; "
     "ninja -C build >/tmp/ninja.log || { grep -v '^\\[' /tmp/ninja.log | tail -n 60; exit 1; }"),
    ("installed", "meson install -C build --no-rebuild --quiet"),
    # the parser of Debian 12 does not know user namespaces
    ("AppArmor's parser", "[ \"$(apparmor_parser -Q -K -N /usr/local/share/bot-bottle/apparmor/bot-bottle)\" = bot-bottle ]"),
    ("doctor", "/usr/local/bin/bot-bottle doctor | grep seccomp"),
    ("image", "/usr/local/bin/bot-bottle image build base >/tmp/image.log 2>&1 || { tail -n 40 /tmp/image.log; exit 1; }"),
    # its QEMU is three years younger
    ("bottles", "for i in 1 2 3 4 5 6 7 8; do [ \"$(/usr/local/bin/bot-bottle run --yes -- echo hi)\" = hi ]; done"),
)


@contextlib.contextmanager
def root_file_system():
    """The directory of one that has this tree in /bb."""
    if os.geteuid() != 0:
        die("needs root: it makes a root file system and changes into it")
    kept = os.environ.get("BB_DEBIAN13")
    # not in a home: apt's own user has to get in
    root = os.path.abspath(kept) if kept else tempfile.mkdtemp(prefix="bb-debian13-", dir="/var/tmp")
    os.makedirs(root, exist_ok=True)
    os.chmod(root, 0o755)
    try:
        if not os.path.exists(root + "/etc/debian_version"):
            make(root)
        copy_tree(root)
        yield root
    finally:
        if not kept:
            shutil.rmtree(root, ignore_errors=True)


def run_steps(root, steps):
    """Up to the first one without which the others mean nothing. Return: passed, failed"""
    passed = failed = 0
    for name, script in steps:
        good = inside(root, "set -e; cd /bb; " + script).returncode == 0
        print("debian13: %s: %s" % (name, "ok" if good else "failed"), flush=True)
        passed, failed = passed + good, failed + (not good)
        if name in ("packages", "build") and not good:
            break
    return passed, failed


def main():
    with root_file_system() as root:
        passed, failed = run_steps(root, STEPS)
        if passed + failed == len(STEPS):
            tests = inside(root, "cd /bb && meson test -C build --suite unit --print-errorlogs", stdout=subprocess.PIPE)
            text = tests.stdout.decode(errors="replace")
            counts = {k: int(n) for k, n in re.findall(r"^(Ok|Fail|Timeout): *(\d+)", text, re.M)}
            print(text if tests.returncode else "debian13: %d unit tests" % counts.get("Ok", 0))
            passed += counts.get("Ok", 0)
            failed += counts.get("Fail", 0) + counts.get("Timeout", 0) + (not counts.get("Ok"))
        print("debian13: %d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
