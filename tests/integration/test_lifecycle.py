# SPDX-License-Identifier: Apache-2.0
"""Starting, ending, dying; choosing a backend; manifests that must not start."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import inject
import product as products
from conftest import both
from test_bottle import RAW_FLOW, proxy_of


def test_backend_choice(product):
    def chosen(*args, env=None):
        r = product.run("run", *args, "--", "true", env=dict({"PATH": "/nonexistent"}, **(env or {})))
        return r.err.decode()
    docker, smol = "docker backend cannot run here", "smolmachines backend cannot run here"
    # without QEMU in PATH the choice shows in what is missed, and nothing falls back
    assert smol in chosen()
    assert smol in chosen(env={"BOT_BOTTLE_BACKEND": ""})
    assert docker in chosen(env={"BOT_BOTTLE_BACKEND": "docker"})
    assert docker in chosen("--backend=docker")
    assert smol in chosen("--backend", "smolmachines", env={"BOT_BOTTLE_BACKEND": "docker"})
    text = chosen("--backend=podman")
    assert "podman" in text and "smolmachines" in text and "docker" in text
    text = chosen(env={"BOT_BOTTLE_BACKEND": "x"})
    assert "BOT_BOTTLE_BACKEND" in text


def test_backend_choice_from_config(product, internet):
    path = product.home + "/.bot-bottle/config.yaml"
    old = open(path).read()
    try:
        product.write("config.yaml", old + "backend: docker\n")
        r = product.run("run", "--", "true", env={"PATH": "/nonexistent"})
        assert r.code == 1 and b"docker backend cannot run" in r.err, r
        r = product.run("run", "--", "true", env={"BOT_BOTTLE_BACKEND": "smolmachines", "PATH": "/nonexistent"})
        assert b"smolmachines backend cannot run" in r.err, r
    finally:
        product.write("config.yaml", old)


def test_init(product):
    """A first bottle of each kind is valid as it is, and nothing that is there is written over."""
    home = {"BOT_BOTTLE_HOME": product.home + "/first"}
    for name, words in (("claude", b"image build claude"), ("codex", b"start --bottle codex"), ("dev", b"run --bottle dev")):
        r = product.run("init", *([] if name == "claude" else [name]), env=home)
        assert r.code == 0 and words in r.err and r.out.decode() == product.home + "/first/bottles/%s.md\n" % name, r
        r = product.run("check", name, env=home)
        assert r.code == 0 and b"ok" in r.out, r
    r = product.run("init", env=home)
    assert r.code == 1 and b"there already" in r.err, r
    for name in ("nothing", "../../etc/passwd", "-"):
        r = product.run("init", "--", name, env=home)
        assert r.code == 2 and b"claude, codex" in r.err, r


def test_preflight_missing_engine(product):
    r = product.run("run", "--", "true", env={"PATH": "/nonexistent"})
    text = r.err.decode()
    assert r.code == 1
    for part in ("qemu-system-x86", "apt-get install", "curl -sSL https://smolmachines.com/install.sh | sh",
                 "BOT_BOTTLE_BACKEND=docker", "legacy"):
        assert part in text, (part, text)


@both
def test_run_exit_code_and_streams(either):
    before = {b["identity"] for b in either.list()}
    r = either.run("run", "--bottle", "demo", "--", "sh", "-c", "echo out; echo err >&2; exit 42")
    assert r.code == 42 and r.out == b"out\n" and b"err\n" in r.err, r
    new = [b for b in either.list() if b["identity"] not in before]
    assert [b["status"] for b in new] == ["ended"], new


@both
def test_run_without_rules_lets_nothing_out(either, internet):
    n = len(internet.packets())
    r = either.run("run", "--", "sh", "-c", "curl -sS -m 10 https://allowed.test/; curl -m 5 203.0.113.20:7000; true")
    assert r.code == 0 and b"nothing may leave" in r.err, r
    assert [p for p in internet.packets()[n:] if " IP " in p] == []


@both
def test_budgets_of_a_route(either, internet):
    """`limits`: what is over them is refused with the reason, and the server never sees it; the rest goes on."""
    either.write("bottles/budget.md", "---\negress:\n  routes:\n    - {host: allowed.test, limits: {requests_per_minute: 3}}\n"
                 "    - {host: wild.zone.test, limits: {request_bytes: 1000, upload_per_session: 1500}}\n---\n")
    n = len(internet.packets())
    r = either.run("run", "--bottle", "budget", "--yes", "--", "bash", "-c", """
        for i in 1 2 3 4 5 6 7 8 9; do curl -sS -m 20 -o /dev/null -w '%{http_code} ' http://allowed.test/hello?n=$i; done; echo
        for size in 900 1001 700 100; do
            head -c $size /dev/zero | tr '\\0' x | curl -sS -m 20 -o /dev/null -w '%{http_code} ' -d @- http://wild.zone.test/up?$size; done""")
    often, sizes = r.out.decode().splitlines()
    often = often.split()
    # three, and three more of a minute that may have begun behind any of them
    assert 3 <= often.count("200") <= 6 and often.count("429") == 9 - often.count("200"), r
    assert sizes.split() == ["404", "403", "403", "404"], r
    seen = "\n".join(internet.packets()[n:])
    assert seen.count("HTTP: GET /hello?n=") == often.count("200"), seen
    assert [s for s in (900, 1001, 700, 100) if "HTTP: POST /up?%d " % s in seen] == [900, 100], seen
    records = either.audit(either.list()[0]["identity"])
    denied = [(x["host"], x["status"]) for x in records if x.get("verdict") == "deny" and x.get("reason") == "budget"]
    assert denied == [("allowed.test", 429)] * often.count("429") + [("wild.zone.test", 403)] * 2, records


def test_allow_flags(product):
    r = product.run("run", "--allow-host", "other.test:443", "--allow-cidr", "203.0.113.20/32:7000", "--",
                    "bash", "-c", "curl -sS -m 20 https://other.test/hello; curl -s -o /dev/null -m 20 -w '%{http_connect}' "
                    "https://allowed.test/; exec 3<>/dev/tcp/203.0.113.20/7000; echo tcp >&3; head -1 <&3")
    assert r.out == b"hello from the world\n403tcp\n", r


@both
def test_cwd_is_copied(either, workdir):
    src = either.home + "/project-" + either.env.get("BOT_BOTTLE_BACKEND", "vm")
    os.makedirs(src + "/sub", exist_ok=True)
    open(src + "/sub/file", "w").write("content")
    open(src + "/.env", "w").write("SECRET=1")
    subprocess.run(["git", "init", "-q", src], check=True)
    either._own()
    r = either.run("run", "--cwd", "--", "sh", "-c", "pwd; cat sub/file; git status --short", cwd=src)
    assert r.code == 0 and r.out.startswith(b"/workspace\ncontent"), r
    assert b"?? sub/" in r.out, r
    assert b"stays behind because it looks like secrets: .env (" in r.err, r
    r = either.run("run", "--cwd", "--", "true", cwd="/")
    assert r.code == 1 and b"go to a project's directory" in r.err, r


@both
def test_cp(either):
    b = either.bottle()
    try:
        src = either.home + "/a.bin"
        open(src, "wb").write(os.urandom(3000000))
        either._own()
        assert either.run("cp", src, b.identity + ":/tmp/b.bin").code == 0
        out = either.home + "/out-" + b.identity
        os.makedirs(out)
        either._own()
        r = either.run("cp", b.identity + ":/tmp/b.bin", out)
        assert r.code == 0, r
        assert open(out + "/b.bin", "rb").read() == open(src, "rb").read()
        # the content of a directory goes into one that is empty, or where a '/' says that it may go beside what is there
        assert b.sh("mkdir /tmp/d && echo 1 >/tmp/d/.profile").code == 0
        r = either.run("cp", b.identity + ":/tmp/d", out)
        assert r.code == 1 and b"d is a directory in the bottle" in r.err and os.listdir(out) == ["b.bin"], r
        assert either.run("cp", b.identity + ":/tmp/d/", out).code == 0
        assert sorted(os.listdir(out)) == [".profile", "b.bin"]
        os.makedirs(out + "2")
        either._own()
        assert either.run("cp", b.identity + ":/tmp/d", out + "2").code == 0
        assert os.listdir(out + "2") == [".profile"]
        r = either.run("cp", "/nonexistent", b.identity + ":/tmp/x")
        assert r.code == 1 and b"No such file" in r.err, r
    finally:
        b.close()


@both
def test_two_bottles_isolated(either, bottle):
    other = either.bottle("--bottle", "demo")
    try:
        mine, theirs = proxy_of(bottle), proxy_of(other)
        assert mine != theirs
        script = RAW_FLOW + "print(flow(%r, 9099), flow(%r, 80), flow('203.0.113.20', 7000, b'c'), flow(%r, 9099))"
        r = other.py(script % (mine, mine, theirs), user=other.root)
        assert r.out == b"1 1 0 0\n", r
        assert [x for x in other.audit() if x.get("verdict") == "deny" and x["kind"] == "flow"]
    finally:
        other.close()


def pids_of(bottle):
    return bottle.status()["pids"]


@pytest.mark.parametrize("role", ["vmm", "gate", "egress", "dialer", "keyd", "recorder", "bottled"])
def test_guard_death_kills_vm(product, role):
    b = product.bottle("--bottle", "demo")
    try:
        pids = pids_of(b)
        assert set(pids) >= {"vmm", "gate", "egress", "dialer", "keyd", "recorder", "bottled"}, pids
        # what parses hostile octets ends by its own filter, as it would when taken over
        if role in ("gate", "egress", "dialer", "keyd", "recorder"):
            inject.socket_call(pids[role])
        else:
            os.kill(pids[role], signal.SIGKILL)
        end = time.time() + 1.0
        while time.time() < end and any(products.alive(p) for p in pids.values()):
            time.sleep(0.02)
        left = {r: p for r, p in pids.items() if products.alive(p)}
        assert left == {}, left
        assert b.proc.wait(10) == 125
        err = b.proc.stderr.read().decode()
        assert (role if role != "bottled" else "went away") in err.splitlines()[-1], err
        if role in ("gate", "egress", "dialer", "keyd", "recorder"):
            assert "a system call it must not make" in err, err
        assert [x for x in product.list() if x["identity"] == b.identity][0]["status"] == "kept"
    finally:
        b.close()


@both
def test_cleanup_finds_the_rest(either, backend, bottle):
    assert either.run("run", "--", "true").code == 0
    ended = [b["identity"] for b in either.list() if b["status"] != "up" and b["backend"] == backend]
    assert ended
    r = either.run("cleanup", "--older-than", "0", "--yes")
    assert r.code == 0, r
    left = {b["identity"] for b in either.list()}
    assert not left & set(ended), (left, ended)
    assert bottle.identity in left  # never a live one
    assert bottle.sh("echo alive").out == b"alive\n"


def test_policy_missing_refuses_start(exe, tmp_path):
    """Each deciding role without a policy blob says why and does not start."""
    import socket
    import struct
    for role in ("gate", "egress", "dialer", "keyd"):
        path = os.path.join(os.path.dirname(exe), "src/proc", role, role)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # START and no policy before it; fd 3 is the socket
        p = subprocess.Popen([path], pass_fds=(theirs.fileno(), 3), stderr=subprocess.DEVNULL,
                             preexec_fn=lambda fd=theirs.fileno(): os.dup2(fd, 3)) if theirs.fileno() != 3 else None
        theirs.close()
        ours.send(struct.pack("<HHIQ", 4, 1, 0, 0))
        ours.settimeout(10)
        reply = ours.recv(65536)
        assert struct.unpack("<H", reply[:2])[0] == 6 and b"policy" in reply, (role, reply)  # FAILED
        assert p.wait(10) != 0
        ours.close()


@both
def test_ctrl_c_while_booting_leaves_nothing(either):
    p = either.popen("run", "--", "sleep", "1000", start_new_session=True)
    time.sleep(0.7)
    os.killpg(p.pid, signal.SIGINT)
    p.wait(15)
    time.sleep(1)
    assert not [b for b in either.list() if b["status"] == "up" and not b.get("bottles")]


@both
def test_second_ctrl_c_ends(either):
    p = either.popen("run", "--", "sh", "-c", "trap '' INT; echo ready; sleep 1000", start_new_session=True)
    assert p.stdout.readline() == b"ready\n"
    p.send_signal(signal.SIGINT)
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)
    # the signal goes to setpriv's child, which is bot-bottle itself (exec)
    assert p.wait(15) == 130


def test_bad_manifest_does_not_start(product):
    product.write("bottles/bad.md", "---\negress:\n  routes: null\n  tpc: []\n---\n")
    r = product.run("run", "--bottle", "bad", "--", "true")
    assert r.code == 1 and b"bad.md:3:" in r.err and b"did you mean 'tcp'" in r.err, r
    r = product.run("check", "bad")
    assert r.code == 1 and re.search(rb"bad\.md:\d+:\d+: ", r.out), r


def test_missing_token_names_only_the_variable(product):
    product.write("bottles/token.md", "---\nenv: {KEY: \"${BB_NO_SUCH_TOKEN}\"}\n---\n")
    r = product.run("run", "--bottle", "token", "--", "true")
    assert r.code == 1 and b"BB_NO_SUCH_TOKEN" in r.err, r


def test_not_built_keys_refuse_start(product):
    for text in ("git-gate: {user: {name: n, email: e@e.test}}", "supervise: true"):
        product.write("bottles/later.md", "---\n%s\n---\n" % text)
        r = product.run("run", "--bottle", "later", "--", "true")
        assert r.code == 1 and b"not built yet" in r.err, (text, r)


def test_unreadable_image(product):
    r = product.run("run", "--image", "nothing", "--", "true")
    assert r.code == 1 and b"image 'nothing' is not there" in r.err and b"image import ARCHIVE --name nothing" in r.err, r


@pytest.mark.parametrize("n", range(5))  # fifty: tests/long/reliability.py
def test_every_boot_is_the_first(product, n):
    r = product.run("run", "--yes", "--bottle", "demo", "--", "echo", "boot", str(n))
    assert r.code == 0 and r.out == b"boot %d\n" % n, r
    newest = product.list()[0]["identity"]
    assert not [x for x in product.audit(newest) if x.get("method") == "boot_retry" or x.get("event") == "boot_retry"]


def test_root_smoke(exe, internet, workdir):
    """The same as root, with root's own image."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    p = products.Product(exe, workdir + "/root-home", internet.host, 0, cache)
    p.write("config.yaml", "resolvers: [203.0.113.53]\nupstream_ca_files: [%s/ca.pem]\n" % workdir)
    r = p.run("run", "--allow-host", "allowed.test", "--", "curl", "-sS", "-m", "20", "https://allowed.test/hello")
    assert r.code == 0 and r.out == b"hello from the world\n", r


def proc_status(pid):
    return dict(l.split(":\t", 1) for l in open("/proc/%d/status" % pid).read().splitlines() if ":\t" in l)


def test_jail(product, bottle):
    """Every process that meets hostile octets is filtered; no process of the bottle listens on TCP."""
    pids = pids_of(bottle)
    for role in ("vmm", "gate", "egress", "dialer", "keyd", "recorder"):
        status = proc_status(pids[role])
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", (role, status)
        assert status["CapEff"] == "0000000000000000", (role, status)
    for role in ("gate", "egress", "dialer", "keyd", "recorder"):
        # nothing of the operator's is open, nobody of the same user may look in, no core is written
        kinds = {re.sub(r":.*", "", os.readlink("/proc/%d/fd/%s" % (pids[role], fd)))
                 for fd in os.listdir("/proc/%d/fd" % pids[role])}
        files = {k for k in kinds if k.startswith("/")}
        state = product.home + "/.local/state/bot-bottle/" + bottle.identity
        mine = {state + "/" + f for f in ("audit.jsonl", "audit.head", "guest.log", "console.log")} if role == "recorder" else set()
        assert files - {f for f in files if f.startswith("/memfd")} <= {"/dev/null", state + "/host.log"} | mine, (role, files)
        assert os.stat("/proc/%d/status" % pids[role]).st_uid == 0 != product.uid, role
        limits = dict((l[:25].strip(), l[25:].split()[:2]) for l in open("/proc/%d/limits" % pids[role]))
        assert limits["Max core file size"] == ["0", "0"], (role, limits)
        assert len(set(limits["Max open files"])) == 1, (role, limits)
    children = open("/proc/%d/task/%d/children" % (pids["bottled"], pids["bottled"])).read().split()
    porters = [p for p in children if open("/proc/%s/comm" % p).read() == "porter\n"]
    assert len(porters) >= 2  # the clock's and that of the bottle's command
    for pid in porters:
        assert proc_status(int(pid))["Seccomp"] == "2", pid
    inodes = set()
    for pid in pids.values():
        for fd in os.listdir("/proc/%d/fd" % pid):
            target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    listening = subprocess.run([products.IP, "netns", "exec", product.netns, "cat", "/proc/net/tcp", "/proc/net/tcp6"],
                               stdout=subprocess.PIPE, check=True).stdout.decode()
    for line in listening.splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[3] == "0A":
            assert fields[9] not in inodes, line


def test_second_layer(bottle):
    """Namespaces of their own for all that meet hostile octets; a network for the one that dials."""
    pids = pids_of(bottle)
    assert bottle.status()["jail"] == {"seccomp": True, "namespaces": True, "landlock": True}

    def ns(role, kind):
        return os.readlink("/proc/%d/ns/%s" % (pids[role], kind))
    for role in ("vmm", "gate", "egress", "keyd", "recorder"):
        for kind in ("user", "net", "ipc", "uts"):
            assert ns(role, kind) != ns("bottled", kind), (role, kind)
        devices = open("/proc/%d/net/dev" % pids[role]).read().splitlines()[2:]
        assert [l.split(":")[0].strip() for l in devices] == ["lo"] and devices[0].split()[1] == "0", (role, devices)
    assert ns("dialer", "net") == ns("bottled", "net") and ns("dialer", "user") != ns("bottled", "user")
    assert [r["text"] for r in bottle.audit() if r.get("method") == "jail"] == ["seccomp, namespaces, landlock"]


# where a host refuses user namespaces
REFUSED = ["unshare", "-r", "sh", "-c", 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" "$@"']


def test_a_host_without_namespaces(product, workdir):
    """Without them the first layer holds alone, and doctor says so; with jail: strict nothing starts."""
    os.makedirs(workdir + "/own")
    exe = products.copy_build(workdir + "/own")
    # in the namespace that refuses further ones there is no root's file
    subprocess.run(["chown", "-R", "%d:%d" % (product.uid, product.uid), workdir + "/own"], check=True)
    p = products.Product(exe, workdir + "/home-nons", product.netns, product.uid, product.env["XDG_CACHE_HOME"])
    real = p.argv
    at = real().index(p.exe)
    p.argv = lambda *a: real()[:at] + REFUSED + [p.exe] + list(a)
    r = p.run("doctor")
    assert b"refused by this host" in r.out, r
    r = p.run("run", "--", "echo", "up")
    assert r.code == 0 and r.out == b"up\n", r
    p.write("config.yaml", "jail: strict\n")
    r = p.run("run", "--", "echo", "up")
    assert r.code == 125 and b"jail: strict" in r.err and b"user namespaces" in r.err and not r.out, r
    p.argv = real
    r = p.run("run", "--", "echo", "up")
    assert r.code == 0 and r.out == b"up\n", r


def test_a_guest_that_finds_a_way_out(product, workdir):
    """The guest's own probe has another answer than it should: nothing of the image runs, and the reason is said."""
    os.makedirs(workdir + "/open")
    exe = products.copy_build(workdir + "/open")
    build = os.environ.get("BB_BUILD", products.ROOT + "/build")
    shutil.copy2(build + "/tests/unit/guest/bb-guest-probe-fails", os.path.dirname(exe) + "/src/guest/bb-guest")
    p = products.Product(exe, workdir + "/home-open", product.netns, product.uid, product.env["XDG_CACHE_HOME"])
    r = p.run("run", "--", "echo", "up")
    assert r.code == 125 and not r.out, r
    assert b"guest probe: probe fail dns: rcode 0 for an unlisted name (bot-bottle-probe.invalid)" in r.err, r
    [ended] = p.list()
    assert ended["status"] == "ended", ended
    events = {e["method"]: e for e in p.audit(ended["identity"]) if e["kind"] == "life"}
    assert "hello" in events and not {"guest_probe", "up"} & set(events), events


def test_apparmor_profile(product, workdir):
    """Where AppArmor refuses them, doctor of an installation that is root's prints what loads our profile, whose paths
    are those of what is installed; for one that others can write, it does not."""
    top = workdir + "/apparmor"
    subprocess.run(["meson", "install", "-C", os.environ.get("BB_BUILD", products.ROOT + "/build"), "--no-rebuild", "--quiet",
                    "--destdir", top], check=True, stdout=subprocess.DEVNULL)
    os.makedirs(top + "/sysctl")
    at = "/usr/local/share/bot-bottle/apparmor/bot-bottle"

    def doctor(exe="/usr/local/bin/bot-bottle", restricted=1):
        open(top + "/sysctl/apparmor_restrict_unprivileged_userns", "w").write("%d\n" % restricted)
        # a namespace in which root is root, further ones are refused, and the rest is bound to its place
        script = ('mount --bind "$0/usr/local" /usr/local && mount --bind "$0/sysctl" /proc/sys/kernel && '
                  'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --reuid %d --regid %d --clear-groups "$1" doctor')
        p = subprocess.Popen(["unshare", "--user", "--mount", "sh", "-c", 'echo apart; read go; exec sh -c "$@"', "sh",
                              script % (product.uid, product.uid), top, exe], env=product.env, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert p.stdout.readline() == b"apart\n"
        for which in ("uid_map", "gid_map"):
            open("/proc/%d/%s" % (p.pid, which), "w").write("0 0 65536")
        out = p.communicate(b"go\n")[0].decode()
        assert "seccomp" in out, out
        return out[out.index("namespaces"):]

    command = ("sudo install -m 644 %s /etc/apparmor.d/ && sudo apparmor_parser -r /etc/apparmor.d/bot-bottle\n" % at)
    assert command in doctor()
    other = doctor(restricted=0)
    assert "max_user_namespaces" in other and "AppArmor" not in other, other
    in_tree = doctor(product.exe)
    assert "sudo make install" in in_tree and "apparmor_parser" not in in_tree, in_tree
    os.chmod(top + "/usr/local/libexec/bot-bottle/bottled", 0o775)
    writable = doctor()
    assert "sudo make install" in writable and "apparmor_parser" not in writable, writable
    profile = open(top + at).read()
    named = re.search(r'^@\{bot_bottle\} = "(.+)" "(.+)"$', profile, re.M).groups()
    assert named == ("/usr/local/bin/bot-bottle", "/usr/local/libexec/bot-bottle/bottled")
    assert all(os.access(top + f, os.X_OK) for f in named) and "\tuserns,\n" in profile and "@DATADIR@" not in profile
    data = top + "/usr/local/share/bot-bottle/data"
    assert not os.path.exists(data + "/apparmor") and os.path.exists(data + "/images/base.sh")


def test_vmm_has_no_socket(bottle):
    """QEMU holds the UNIX sockets it was given, no other, and its filter is the one the jail tests prove."""
    pid, bottled = pids_of(bottle)["vmm"], pids_of(bottle)["bottled"]
    # they were made by bottled: QEMU's own network namespace has none
    unix = {l.split()[6] for l in open("/proc/%d/net/unix" % bottled).read().splitlines()[1:]}
    for fd in os.listdir("/proc/%d/fd" % pid):
        target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        if target.startswith("socket:["):
            assert target[8:-1] in unix, target
        assert "/dev/vhost" not in target and "/dev/net" not in target, target


@both
def test_secret_values_stay_inside(either):
    secret = "bb-canary-5f2a7c90d1"
    either.write("bottles/secret.md", "---\nenv: {KEY: \"${BB_TEST_SECRET}\"}\n---\n")
    p = either.popen("run", "--bottle", "secret", "--", "sh", "-c", "printf '%s\\n' \"$KEY\"; sleep 1000",
                      env={"BB_TEST_SECRET": secret})
    try:
        assert p.stdout.readline().decode() == secret + "\n"
        up = [b for b in either.list() if b["status"] == "up" and b["bottles"] == ["secret"]]
        assert len(up) == 1, up
        for role, pid in up[0]["pids"].items():
            assert secret.encode() not in open("/proc/%d/cmdline" % pid, "rb").read(), role
            assert secret.encode() not in open("/proc/%d/environ" % pid, "rb").read(), role
        assert secret.encode() not in open("/proc/%d/cmdline" % p.pid, "rb").read()
        # disk.ext4 holds what the guest wrote, which is its own business; it wrote nothing here
        found = subprocess.run(["grep", "-rlF", secret, either.home], stdout=subprocess.PIPE).stdout.decode()
        assert found == "", found
        assert either.run("stop", up[0]["identity"]).code == 0
        _, err = p.communicate(timeout=20)
        assert p.returncode == 125 and err.splitlines()[-1] == b"bot-bottle: the bottle was stopped", (p.returncode, err)
    finally:
        p.kill()
        p.stdout.close()
        p.stderr.close()


@both
def test_terminal_goes_away(either):
    """The window is closed: SIGHUP, the command's bottle ends, nothing is left."""
    import fcntl
    import pty
    import termios
    before = {b["identity"] for b in either.list()}
    master, slave = pty.openpty()

    def own_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    p = either.popen("run", "--yes", "--", "sh", "-c", "echo ready; sleep 1000", stdin=slave, stdout=slave, stderr=slave,
                      start_new_session=True, preexec_fn=own_terminal)
    os.close(slave)
    out = b""
    while b"ready" not in out:
        out += os.read(master, 4096)
    os.close(master)
    assert p.wait(15) == 128 + signal.SIGHUP
    new = [b for b in either.list() if b["identity"] not in before]
    assert [b["status"] for b in new] == ["ended"], new


@pytest.mark.timeout(900)
def test_image_as_a_plain_user(workdir):
    """Root, kernel and file system built with subordinate ids only; the bottle boots from it. Fewer packages than
    "base" has: what is shown here does not depend on them."""
    os.makedirs(workdir + "/fewer")
    exe = products.copy_build(workdir + "/fewer")
    for name, lines, instead in (("base", r"(?m)^packages=(curl,.*|\$packages,.*nano)", "packages=ca-certificates,sudo"),
                                 ("dev", r"(?m)^more=.*", "")):
        recipe = workdir + "/fewer/tree/data/images/%s.sh" % name
        text, n = re.subn(lines, instead, open(recipe).read())
        assert n == 2
        open(recipe, "w").write(text)
    cache = workdir + "/user-image-cache"
    os.makedirs(cache)
    pw = products.make_user()
    os.chown(cache, pw.pw_uid, pw.pw_gid)
    p = products.Product(exe, workdir + "/user-image-home", None, pw.pw_uid, cache)
    p.write("config.yaml", "resolvers: [203.0.113.53]\n")
    r = p.run("image", "build", "base", timeout=600)
    assert r.code == 0 and r.out.startswith(b"base "), r
    r = p.run("run", "--", "sh", "-c", "id -un; ls -ld /root /home/node | cut -d' ' -f3")
    assert r.code == 0 and r.out == b"node\nnode\nroot\n", r
    # of the same packages, and built within the hour: they are not installed once more
    r = p.run("image", "build", "dev", timeout=120)
    assert r.code == 0 and b"packages as they were installed for base" in r.err, r
    again = p.run("image", "build", "base")
    assert again.code == 0 and b"--rebuild" in again.err, again
