# SPDX-License-Identifier: Apache-2.0
"""What runs out: processes, disk, inodes and memory in the guest; room, time and the audit on the host."""
import json
import os
import signal
import subprocess
import tempfile
import time

import pytest

import product as products
from conftest import both

SMALL = """---
resources: {memory: 512MiB, cpus: 2, disk: 64MiB, pids: 200}
egress: {routes: [{host: allowed.test}]}
---
"""

FORKS = r'''
import os, sys, time
n = 0
try:
    while n < 5000:
        if os.fork() == 0:
            time.sleep(1000)
        n += 1
except BlockingIOError:
    pass
print(n, flush=True)
os.kill(0, 9)
'''


@pytest.fixture(scope="module")
def small(product):
    product.write("bottles/small.md", SMALL)
    b = product.bottle("--bottle", "small")
    yield b
    b.close()


def works(bottle):
    r = bottle.sh("curl -sS -m 20 https://allowed.test/hello")
    assert r.code == 0 and r.out == b"hello from the world\n", r


def guest_memory(bottle):
    """KiB of the guest's RAM that the host holds for it: QEMU's mapping of the memfd."""
    kib, inside = 0, False
    for line in open("/proc/%d/smaps" % bottle.status()["pids"]["vmm"]):
        first = line.split(None, 1)[0]
        if "-" in first and not first.endswith(":"):
            inside = "memfd:" in line
        elif inside and first == "Pss:":
            kib += int(line.split()[1])
    return kib


# Denied flows past the courtesy rules, and denied requests with long paths; each is waited for
STORM = r"""
import os, socket, struct, sys
PROCS, FLOWS, REQUESTS = 4, 300, 100
proxy = os.environ["HTTP_PROXY"].split("//")[1].rstrip("/").split(":")
header = struct.pack(">HBBBBH", 0x4246, 1, 4, 6, 0, 443) + socket.inet_aton("203.0.113.99").ljust(16, b"\0")
def flow():
    s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); s.settimeout(30); s.connect((2, 6003)); s.sendall(header)
    assert s.recv(4)[0] == 1
    s.close()
def ask(s, n):
    s.sendall(b"GET http://storm.test/%s HTTP/1.1\r\nHost: storm.test\r\n\r\n" % (b"p" * 7000))
    got = b""
    while b"\r\n\r\n" not in got:
        d = s.recv(65536)
        assert d, got
        got += d
    assert got.startswith(b"HTTP/1.1 403"), got
    s.close()
def work(n):
    for i in range(max(FLOWS, REQUESTS)):
        if i < FLOWS:
            flow()
        if i < REQUESTS:
            s = socket.create_connection((proxy[0], int(proxy[1])), 60)
            ask(s, i)
    os._exit(0)
print("go", flush=True)
for n in range(PROCS):
    if os.fork() == 0:
        work(n)
bad = sum(os.wait()[1] != 0 for _ in range(PROCS))
print(PROCS * (FLOWS + REQUESTS) if not bad else "failed", flush=True)
"""


def cpu(pid):
    f = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def used(pids, seconds):
    """Seconds of processor time that each has used in the next @seconds."""
    before = {r: cpu(p) for r, p in pids.items()}
    time.sleep(seconds)
    return {r: round(cpu(p) - before[r], 2) for r, p in pids.items()}


def denials(records):
    return sum(r.get("verdict") == "deny" for r in records) + sum(r.get("denied", 0) for r in records if r["kind"] in ("dropped", "summary"))


def test_storm_of_denials(bottle):
    """More denials than recorder writes, recorder standing still for three seconds among them: the guest waits
    for it, at no cost, the bottle lives, and each denial is counted."""
    time.sleep(1.5)  # counts of earlier seconds
    before, listed = denials(bottle.audit()), bottle.status()["denied"]
    pids = {r: p for r, p in bottle.status()["pids"].items() if r != "vmm"}
    p = bottle.product.popen("exec", "--user", "root", bottle.identity, "--", "python3", "-c", STORM)
    assert p.stdout.readline() == b"go\n"
    time.sleep(1)
    os.kill(pids["recorder"], signal.SIGSTOP)
    try:
        time.sleep(1.5)
        waiting = used(pids, 1.5)
    finally:
        os.kill(pids["recorder"], signal.SIGCONT)
    out, err = p.communicate(timeout=240)
    assert out == b"1600\n", (out, err)
    assert max(waiting.values()) < 0.5, waiting
    time.sleep(1.5)
    assert denials(bottle.audit()) - before == 1600
    assert bottle.status()["denied"] - listed == 1600
    idle = used(pids, 1)
    assert max(idle.values()) < 0.2, idle
    works(bottle)


FLOOD = r"""
import collections, os, socket, struct, threading
unix = os.path.exists("/bottle/6002")
s = socket.socket(socket.AF_UNIX if unix else socket.AF_VSOCK)
s.connect("/bottle/6002" if unix else (2, 6002))
query = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + b"\7allowed\4test\0" + struct.pack(">2H", 1, 1)
threading.Thread(target=s.sendall, args=((struct.pack(">H", len(query)) + query) * 20000,)).start()
f = s.makefile("rb")
codes = collections.Counter(f.read(struct.unpack(">H", f.read(2))[0])[3] & 15 for _ in range(20000))
print(codes[0], codes[2])
"""


@both
def test_flood_of_queries(bottle):
    """Above gate's rate a query is answered unread. How many those were is in the audit, a record a second."""
    before = len(bottle.audit())
    began = time.time()
    r = bottle.py(FLOOD, user=bottle.root, timeout=240)
    seconds = time.time() - began
    answered, over = map(int, r.out.split())
    assert answered + over == 20000 and 3000 <= answered <= 4000 + 1000 * (seconds + 1), (r, seconds)
    assert over > 1000, (r, seconds)
    time.sleep(1.5)
    records = [x for x in bottle.audit()[before:] if x["kind"] == "dns" and x.get("reason") == "limit"]
    assert sum(x["denied"] for x in records) == over and len(records) <= seconds + 2, (records, over, seconds)
    assert all((x["verdict"], x["method"], x["port"]) == ("deny", "queries", 53) for x in records), records
    assert bottle.sh("dig +short +tries=3 allowed.test").out.startswith(b"198.1")


# --- in the guest -----------------------------------------------------------------------------------

def test_pids_are_bounded(small):
    """`resources.pids` holds for all sessions together; exec and stop still work in the middle of a fork bomb."""
    r = small.py(FORKS, timeout=60)
    n = int(r.out.split()[0])
    assert 150 <= n < 200, r
    bomb = small.product.popen("exec", small.identity, "--", "bash", "-c", "bomb() { bomb | bomb & }; bomb; sleep 1000")
    try:
        end = time.time() + 60
        while True:  # at its bound
            r = small.exec("cat", "/sys/fs/cgroup/s/pids.current", "/sys/fs/cgroup/s/pids.max")
            assert r.code == 0 and r.out.endswith(b"\n200\n"), r
            if int(r.out.split()[0]) > 190:
                break
            assert time.time() < end, r
        assert small.exec("true").code == 0
        assert all(products.alive(p) for p in small.status()["pids"].values())
    finally:
        bomb.kill()  # who waits for it is gone: so is all that it started
        bomb.wait()
    end = time.time() + 60
    while int(small.exec("cat", "/sys/fs/cgroup/s/pids.current").out) > 20:
        assert time.time() < end
        time.sleep(0.2)
    works(small)


def test_guest_disk_and_inodes_run_out(small):
    """The guest is told, nothing on the host ends, and all is well when there is room again."""
    r = small.sh("head -c 1G /dev/zero >~/fill; df --output=avail ~ | tail -1; rm ~/fill")
    assert b"No space left on device" in r.err and int(r.out.split()[-1]) < 1024, r
    # the image's own root is an overlay on the same disk: its inodes are what runs out here
    r = small.py("import os\nos.mkdir('/home/node/i')\nn = 0\ntry:\n  while n < 10**6:\n    os.close(os.open('/home/node/i/%d' % n, "
                 "os.O_CREAT)); n += 1\nexcept OSError as e: print(n, e.errno)", timeout=240)
    assert r.code == 0 and r.out.split()[1] == b"28", r
    works(small)
    assert small.sh("rm -rf ~/i && echo x >~/again && cat ~/again", timeout=240).out == b"x\n"
    assert all(products.alive(p) for p in small.status()["pids"].values())
    assert not [x for x in small.audit() if x.get("method") == "vm_block_io_error"]


def test_balloon_gives_memory_back(small):
    """Free pages are reported, and the host's memory is free again."""
    before = guest_memory(small)
    r = small.py("import time; x = bytearray(b'x') * (300 << 20); print(len(x), flush=True); time.sleep(1)")
    assert r.code == 0, r
    # while it ran the host held it: what is measured is not the guest's view
    p = small.product.popen("exec", small.identity, "--", "python3", "-c",
                            "import time; x = bytearray(b'x') * (300 << 20); print('has', flush=True); time.sleep(3)")
    assert p.stdout.readline() == b"has\n"
    full = guest_memory(small)
    assert full > before + (150 << 10) or full > 350 << 10, (before, full)
    assert p.wait(60) == 0
    end = time.time() + 60
    while guest_memory(small) > full - (200 << 10):
        assert time.time() < end, (before, full, guest_memory(small))
        time.sleep(0.5)


def test_clock_jump(small):
    """A guest whose clock is wrong, and a machine that stood still as on a laptop that slept: right again."""
    def skew():
        return abs(float(small.exec("date", "+%s.%N").out) - time.time())

    def becomes_right():
        end = time.time() + 25
        while skew() > 2:
            assert time.time() < end, skew()
            time.sleep(0.5)
    for step in ("+3 hours", "-40 days"):
        r = small.exec("date", "-s", step, user="root")
        assert r.code == 0, r
        becomes_right()
    pids = small.status()["pids"]
    stopped = [pids[r] for r in ("vmm", "gate", "egress", "dialer", "keyd", "recorder")]
    for p in stopped:
        os.kill(p, signal.SIGSTOP)
    time.sleep(4)
    for p in stopped:
        os.kill(p, signal.SIGCONT)
    becomes_right()
    works(small)


def test_gate_without_time(small):
    """A connect waits for a host that has no time for gate longer than the guest kernel's own two seconds."""
    p = small.product.popen("exec", small.identity, "--", "bash", "-c", "echo go; sleep 1; curl -sS -m 40 https://allowed.test/hello")
    assert p.stdout.readline() == b"go\n"
    gate = small.status()["pids"]["gate"]
    os.kill(gate, signal.SIGSTOP)
    time.sleep(5)
    os.kill(gate, signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0 and out == b"hello from the world\n", (out, err)


def test_machine_without_time(small):
    """The same the other way: a command waits for a machine that has no time to take it."""
    vmm = small.status()["pids"]["vmm"]
    os.kill(vmm, signal.SIGSTOP)
    p = small.product.popen("exec", small.identity, "--", "echo", "late")
    time.sleep(7)
    os.kill(vmm, signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0 and out == b"late\n", (out, err)


@pytest.mark.skipif(bool(products.ACCEL), reason="boot_seconds are others there")
def test_guard_that_is_late(product, workdir):
    """boot_seconds is also how long the guard processes may take: keyd begins 17 seconds late."""
    exe = products.copy_build(workdir + "/late")
    keyd = os.path.dirname(exe) + "/src/proc/keyd/keyd"
    os.rename(keyd, keyd + ".real")
    with open(keyd, "w") as f:
        f.write("#!/bin/sh\nsleep 17\nexec %s.real\n" % keyd)
    os.chmod(keyd, 0o755)
    late = products.Product(exe, workdir + "/late-home", product.netns, product.uid, product.env["XDG_CACHE_HOME"])
    patient = products.Product(exe, workdir + "/patient-home", product.netns, product.uid, product.env["XDG_CACHE_HOME"])
    patient.write("config.yaml", "boot_seconds: 60\n")
    first = late.popen("run", "--", "echo", "up")
    r = patient.run("run", "--", "echo", "up")
    assert r.code == 0 and r.out == b"up\n", r
    out, err = first.communicate(timeout=60)
    assert first.returncode == 125 and b"a guard process did not get ready in time" in err, (out, err)


# --- on the host ------------------------------------------------------------------------------------

LONG_RECORDS = r"""
import os, socket, sys, threading
proxy = os.environ["HTTP_PROXY"].split("//")[1].rstrip("/").split(":")
request = b"GET http://allowed.test/hello?%s HTTP/1.1\r\nHost: allowed.test\r\n\r\n" % (b"p" * 2040)
done = []
def work():
    s = socket.create_connection((proxy[0], int(proxy[1])), 60)
    for _ in range(int(sys.argv[1]) // 80):
        s.sendall(request * 10)
        got = b""
        while got.count(b"\r\n\r\nhello from the world\n") < 10:
            d = s.recv(65536)
            assert d, got
            got += d
        done.append(got.count(b"HTTP/1.1 200 "))
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(sum(done))
"""


def long_records(b, n):
    """Requests whose records are as long as they get, 3 KiB each; several under way, for in turn they wait for each other."""
    r = b.py(LONG_RECORDS, str(n), timeout=240)
    assert r.out == b"%d\n" % n, r


def test_audit_goes_on_in_another_file(product):
    """Past 16 MiB there is a second file. Both are one audit, also to who follows; and what is done to either shows."""
    product.write("bottles/chatty.md", "---\negress: {routes: [{host: allowed.test, limits: {requests_per_minute: 100000}}]}\n---\n")
    b = product.bottle("--bottle", "chatty")
    d = os.path.join(product.home, ".local/state/bot-bottle", b.identity)
    said = tempfile.TemporaryFile()
    follow = product.popen("audit", "--follow", "--json", b.identity, stdout=said)
    try:
        end = time.time() + 240
        while not os.path.exists(d + "/audit.1.jsonl"):
            assert time.time() < end, os.listdir(d)
            long_records(b, 800)
        long_records(b, 80)
        live = product.run("audit", "verify", b.identity)
        assert live.code == 0 and b"ok so far" in live.out, live
    finally:
        b.close()
    assert follow.wait(timeout=60) == 0  # it ends with the bottle
    first, last = (open(d + "/" + n).read().splitlines() for n in ("audit.1.jsonl", "audit.jsonl"))
    r = product.run("audit", "verify", b.identity, "--json")
    v = json.loads(r.out)
    assert r.code == 0 and v["ok"] and v["signed"] and v["records"] == len(first) + len(last), v
    shown = product.audit(b.identity)
    said.seek(0)
    assert [json.loads(l) for l in said.read().splitlines()] == shown
    assert len(shown) == v["records"] and shown[0]["kind"] == "life" and shown[-1]["kind"] == "life"
    assert 16 << 20 <= os.path.getsize(d + "/audit.1.jsonl") < 17 << 20

    def refused(file, line):
        r = product.run("audit", "verify", b.identity, "--json")
        v = json.loads(r.out)
        assert r.code == 3 and v["fault"] == "changed" and (v["file"], v["line"]) == (file, line), v
    open(d + "/audit.1.jsonl", "w").write("\n".join(first[:-1]) + "\n")
    refused("audit.jsonl", 1)
    open(d + "/audit.1.jsonl", "w").write("\n".join(first[:5] + [first[5].replace('"kind"', '"kinD"')] + first[6:]) + "\n")
    refused("audit.1.jsonl", 6)
    os.unlink(d + "/audit.1.jsonl")
    refused("audit.jsonl", 1)


@pytest.fixture
def full_state(product, workdir):
    """A file system of 96 MiB for the state, and an environment that uses it."""
    path = workdir + "/little"
    os.makedirs(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=0700,uid=%d,gid=%d" % (product.uid, product.uid), "bb-little", path],
                   check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)
        os.rmdir(path)


def ends_for_lack_of_room(product, path, script):
    env = {"XDG_STATE_HOME": path}
    p = product.popen("run", "--allow-host", "allowed.test", "--", "bash", "-c", "echo up; " + script, env=env)
    assert p.stdout.readline() == b"up\n", p.communicate(timeout=60)
    yield p
    err = p.communicate(timeout=120)[1].decode()
    identity = json.loads(product.run("list", "--json", env=env).out)[0]["identity"]
    assert p.returncode == 125, err
    # nothing runs on, frozen or not
    assert not [x for x in json.loads(product.run("list", "--json", env=env).out) if x["status"] == "up"]
    yield err.splitlines()[-1], identity, env


def test_host_disk_full(product, full_state):
    """The guest writes more than the host has room for: the bottle ends, says why, and what was recorded is
    there. With room again it goes on."""
    steps = ends_for_lack_of_room(product, full_state, "head -c 200M /dev/urandom >~/fill; sync; sleep 1000")
    next(steps)
    last, identity, env = next(steps)
    assert "full" in last or "No space left on device" in last, last
    r = product.run("audit", "verify", identity, "--json", env=env)
    v = json.loads(r.out)
    assert v.get("fault") in (None, "unsigned") and v["records"] > 5, v
    assert [x for x in json.loads(product.run("list", "--json", env=env).out)][0]["status"] == "kept"
    subprocess.run(["mount", "-o", "remount,size=400m", full_state], check=True)
    r = product.run("resume", identity, "--", "sh", "-c", "echo again", env=env)
    assert r.code == 0 and r.out == b"again\n", r


def test_audit_that_cannot_be_written(product, full_state):
    """The audit has no room: nothing more is let through, and the bottle ends with the place in its message."""
    steps = ends_for_lack_of_room(
        product, full_state, "for i in $(seq 10000); do curl -s -m 5 https://allowed.test/hello >/dev/null; done; sleep 1000")
    p = next(steps)
    with open(full_state + "/filler", "wb") as f:
        try:
            while True:
                f.write(b"x" * 65536)
                f.flush()
        except OSError:
            pass
    last, identity, env = next(steps)
    place = [f for f in ("audit.jsonl", "guest.log", "console.log") if f in last]  # whichever is written to first
    assert p.returncode == 125 and place and "No space left on device" in last, last
    v = json.loads(product.run("audit", "verify", identity, "--json", env=env).out)
    assert v.get("fault") in (None, "unsigned") and v["records"] > 5, v
