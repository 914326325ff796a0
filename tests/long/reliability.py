#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/long/reliability.py BUILDDIR [NAME…]: many of everything, on this machine. Prints figures; exit 1 when one fails.

  fifty_boots       50 boots, 50 of them good (BB_BOOTS)
  starved_boots     20 boots while the host takes the machine's processor away for a tenth of a second again and again, which
                    is what makes the kernel lose its timer (src/guest/clock.h): each is good, at most by another try (BB_STARVED)
  sixteen_bottles   16 machines of 256 MiB at once: all work, none reaches another, all end (BB_BOTTLES)
  start_stop        1,000 starts and stops of the host side (BB_CYCLES): shared memory, processes, mounts and files
                    that are left do not grow. The guest is a stand-in here: in the place of QEMU runs a program that speaks
                    nothing and ends (so each stop is one by failure), because what is counted are the host's parts, once for each start.

BB_SLOW multiplies the deadlines on a crowded machine."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import product  # noqa: E402

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
BB = BUILD + "/bot-bottle"
BOOTS, STARVED, BOTTLES, CYCLES = (int(os.environ.get("BB_" + k, d)) for k, d in (
    ("BOOTS", "50"), ("STARVED", "20"), ("BOTTLES", "16"), ("CYCLES", "1000")))
SLOW = int(os.environ.get("BB_SLOW", "1"))


def run(*argv, timeout=120, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * SLOW, check=False, **kw)


def bottles():
    return json.loads(run(BB, "list", "--json").stdout)


def check(good, text):
    if not good:
        raise AssertionError(text)


def retries(n):
    """How many of the newest @n bottles were started a second time."""
    return sum(b'"boot_retry"' in run(BB, "audit", b["identity"], "--json").stdout for b in bottles()[:n])


def fifty_boots():
    times = []
    for i in range(BOOTS):
        t = time.time()
        r = run(BB, "run", "--yes", "--", "echo", "boot", str(i))
        check(r.returncode == 0 and r.stdout == b"boot %d\n" % i, "boot %d: %d %s" % (i, r.returncode, r.stderr.decode()[-1500:]))
        times.append(time.time() - t)
    times.sort()
    print("fifty_boots: %d of %d; %d needed a second try; %.1f s each in the middle, %.1f s the slowest" % (
        BOOTS, BOOTS, retries(BOOTS), times[len(times) // 2], times[-1]))


def machine_of(pid):
    """The machine that the process @pid has started, or None."""
    for p in (int(p) for p in os.listdir("/proc") if p.isdigit()):
        try:
            name, parent = open("/proc/%d/stat" % p).read().rsplit(")", 1)
        except OSError:
            continue
        parent = int(parent.split()[1])
        if parent == pid and "(qemu-system" in name:
            return p
        if parent == pid and machine_of(p):
            return machine_of(p)
    return None


def starve(p, seconds):
    """Stop the machines of the process @p for a good tenth of a second each time while they boot."""
    end = time.time() + seconds
    while time.time() < end and p.poll() is None:
        machine = machine_of(p.pid)
        try:
            for _ in range(machine and 20 or 0):
                os.kill(machine, signal.SIGSTOP)
                time.sleep(random.uniform(0.11, 0.16))
                os.kill(machine, signal.SIGCONT)
                time.sleep(random.uniform(0.006, 0.03))
        except ProcessLookupError:
            pass


def starved_boots():
    one = os.environ["BOT_BOTTLE_HOME"] + "/bottles"
    os.makedirs(one, exist_ok=True)
    open(one + "/one.md", "w").write("---\nresources: {memory: 256MiB, cpus: 1}\n---\n")
    times = []
    for i in range(STARVED):
        t = time.time()
        # a limit of time inside, and a sleep: what no machine without a timer gets to the end of
        p = subprocess.Popen([BB, "run", "--yes", "--bottle", "one", "--", "timeout", "60", "sh", "-c", "sleep 1; echo %d" % i],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            starve(p, 16)
            out, err = p.communicate(timeout=120 * SLOW)
        finally:
            if p.poll() is None:
                p.kill()
        check(p.returncode == 0 and out == b"%d\n" % i, "boot %d: %s %r %s" % (i, p.returncode, out, err.decode()[-1500:]))
        times.append(time.time() - t)
    print("starved_boots: %d of %d; %d needed a second try; %.1f s the slowest" % (STARVED, STARVED, retries(STARVED), max(times)))


# What a bottle tries with what another one has: its proxy, and the ports of its alias
REACH = r'''
import socket, sys
for host in sys.argv[1:]:
    for port in (9099, 80, 53):
        s = socket.socket()
        s.settimeout(5)
        try:
            s.connect((host, port))
            print("reached", host, port)
        except OSError:
            pass
        s.close()
print("done")
'''


def sixteen_bottles():
    small = os.environ["BOT_BOTTLE_HOME"] + "/bottles"
    os.makedirs(small, exist_ok=True)
    open(small + "/small.md", "w").write("---\nresources: {memory: 256MiB, cpus: 1, disk: 256MiB}\n---\n")
    t = time.time()
    procs = [subprocess.Popen([BB, "run", "--yes", "--bottle", "small", "--", "sh", "-c", "echo $HTTP_PROXY; exec sleep 100000"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(BOTTLES)]
    try:
        aliases = []
        for p in procs:
            line = p.stdout.readline().decode().strip()
            check(line.startswith("http://127."), "a bottle did not start: %r %s" % (line, b"" if line else p.stderr.read()[-1500:]))
            aliases.append(line[7:].split(":")[0])
        started = time.time() - t
        up = [b for b in bottles() if b["status"] == "up"]
        check(len(up) == BOTTLES and len(set(aliases)) == BOTTLES, "%d up, aliases %s" % (len(up), aliases))
        for i, b in enumerate(up):
            own = run(BB, "exec", b["identity"], "--", "sh", "-c", "echo mine-%d >~/mine; cat ~/mine; echo $HTTP_PROXY" % i).stdout.decode()
            check(own.startswith("mine-%d\n" % i), own)
            others = [a for a in aliases if a not in own]
            check(len(others) == BOTTLES - 1, own)
            r = run(BB, "exec", b["identity"], "--", "python3", "-c", REACH, *others, timeout=300)
            check(r.stdout == b"done\n", "%s: %r" % (b["identity"], r))
        for i, b in enumerate(up):  # nobody wrote to somebody else's disk
            check(run(BB, "exec", b["identity"], "--", "sh", "-c", "cat ~/mine").stdout == b"mine-%d\n" % i, b["identity"])
        pss = sum(sum(int(l.split()[1]) for l in open("/proc/%d/smaps_rollup" % pid) if l.startswith("Pss:"))
                  for b in up for pid in b["pids"].values())
        t = time.time()
        for b in up:
            check(run(BB, "stop", b["identity"]).returncode == 0, "stop " + b["identity"])
    finally:
        for p in procs:
            if p.poll() is None:
                p.terminate()
            p.communicate(timeout=60 * SLOW)
    end = time.time() + 5 * SLOW
    while True:
        left = [pid for b in up for pid in b["pids"].values() if product.alive(pid)]
        if not left or time.time() > end:
            break
        time.sleep(0.1)
    check(left == [] and not [b for b in bottles() if b["status"] == "up"], "left running: %s" % left)
    print("sixteen_bottles: %d of %d up at once in %.0f s, %.0f MiB PSS in all; none reached another; stopped in %.1f s" % (
        BOTTLES, BOTTLES, started, pss / 1024, time.time() - t))


def start_stop():
    """bottled starts and ends its processes with each cycle; what may grow is what stays: files in the state and run
    directories, shared memory, processes, mounts, and the memory and descriptors of the one that starts them."""
    d = tempfile.mkdtemp(prefix="bb-fake-", dir="/var/tmp")
    fake = d + "/qemu-system-x86_64"
    open(fake, "w").write("#!/bin/sh\nexit 0\n")
    os.chmod(fake, 0o755)
    env = dict(os.environ, PATH=d + ":" + os.environ["PATH"])

    def sample():
        shm = len(os.listdir("/dev/shm"))
        processes = sum(1 for p in os.listdir("/proc") if p.isdigit() and mine(p))
        files = len(os.listdir(os.environ["XDG_STATE_HOME"] + "/bot-bottle"))
        runtime = os.environ["XDG_RUNTIME_DIR"] + "/bot-bottle"
        return {"shm": shm, "processes": processes, "bottles": files, "mounts": sum(BUILD in l or "bot-bottle" in l or "bb-reliab" in l for l in open("/proc/mounts")),
                "runtime": len(os.listdir(runtime)) if os.path.isdir(runtime) else 0}

    def mine(pid):
        try:
            return BUILD.encode() in open("/proc/%s/cmdline" % pid, "rb").read() and int(pid) != os.getpid()
        except OSError:
            return False

    def cycle():
        r = run(BB, "run", "--yes", "--", "true", env=env)
        check(r.returncode == 125 and b" exited with " in r.stderr, "%d %s" % (r.returncode, r.stderr.decode()[-800:]))

    try:
        for _ in range(10):
            cycle()
        run(BB, "cleanup", "--older-than", "0", "--yes")
        before, t = sample(), time.time()
        for i in range(CYCLES):
            cycle()
            if i % 100 == 99:
                check(run(BB, "cleanup", "--older-than", "0", "--yes").returncode == 0, "cleanup")
        time.sleep(1)
        run(BB, "cleanup", "--older-than", "0", "--yes")
        after = sample()
        check(after == before, "grown: %r -> %r" % (before, after))
        print("start_stop: %d cycles in %.0f s (the machine is a stand-in); before and after: %s" % (
            CYCLES, time.time() - t, " ".join("%s %d" % kv for kv in after.items())))
    finally:
        shutil.rmtree(d, ignore_errors=True)


def main():
    names = sys.argv[2:] or ["fifty_boots", "starved_boots", "sixteen_bottles", "start_stop"]
    d = tempfile.mkdtemp(prefix="bb-reliab-", dir="/var/tmp")
    os.environ.update(XDG_STATE_HOME=d + "/state", XDG_RUNTIME_DIR=d + "/run", BOT_BOTTLE_HOME=d + "/home")
    for sub in ("state", "run", "home"):
        os.makedirs(d + "/" + sub, 0o700)
    failed = 0
    try:
        for name in names:
            try:
                globals()[name]()
            except (AssertionError, subprocess.TimeoutExpired) as e:
                failed += 1
                print("%s FAILED: %s" % (name, e))
            sys.stdout.flush()
    finally:
        shutil.rmtree(d, ignore_errors=True)
    sys.exit(failed != 0)


main()
