#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/long/kvm.py BUILDDIR: the bottle's tests with `accel: kvm`, on a host without KVM.

QEMU emulates a processor with SVM (-cpu max,+svm,+npt) that boots Debian's cloud kernel; kvm-amd is
loaded inside, and there the mini internet and a bottle are started as everywhere else. Its root is made
of this system's own packages and this build: erofs, read-only, a tmpfs over it, no network device.
The guest-side accelerator is asserted for each bottle (tests/lib/product.py). Prints pytest's lines and
"kvm: N passed, N failed"; exit 1 when one failed or none ran. BB_KVM_TESTS, BB_KVM_K: other files, -k.
"""
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
from product import ROLES  # noqa: E402
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
SECONDS = int(os.environ.get("BB_KVM_SECONDS", "3600"))
TESTS = os.environ.get("BB_KVM_TESTS", "tests/integration/test_bottle.py tests/integration/test_lifecycle.py")
# Of the life cycle: exit codes and streams, a guard's death, two bottles, the jail below KVM's system calls
SELECT = os.environ.get("BB_KVM_K", "test_bottle or test_run_exit_code or test_guard_death or test_two_bottles or "
                        "test_root_smoke or test_jail or test_vmm_has_no_socket")
# What runs inside; what these depend on follows from dpkg's own records
PACKAGES = """qemu-system-x86 python3 python3-pytest python3-pytest-timeout python3-cryptography python3-dnspython nginx-light
    unbound tcpdump iproute2 bind9-dnsutils bash coreutils util-linux mount kmod e2fsprogs procps curl passwd git sudo uidmap
    libc-bin openssl libevent-core-2.1-7 libjansson4 libyaml-0-2 libc-ares2 libseccomp2 libpsl5 libidn2-0 libvectorscan5
    libnghttp2-14 libpcre2-8-0 libbrotli1 libzstd1 python3-h2 python3-websockets python3-cffi-backend""".split()

# PID 1 of the outer machine: modules, the read-only root below a tmpfs, then /kvm-run in it
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read -r m; do insmod "$m" || echo "kvm: $m does not load"; done </modules.list
i=0; while [ ! -e /dev/vda ] && [ $i -lt 50 ]; do sleep 0.2; i=$((i + 1)); done
mount -t erofs -o ro /dev/vda /lower || echo 'kvm: no root file system'
mount -n -t tmpfs -o size=75% tmpfs /over; mkdir /over/up /over/work
mount -t overlay -o lowerdir=/lower,upperdir=/over/up,workdir=/over/work overlay /root
for d in proc sys dev; do mount -n --move /$d /root/$d; done
exec switch_root /root /kvm-run
"""

# ttyS0 is the console, ttyS1 the pytest output alone
RUN = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
mkdir -p /dev/pts /dev/shm; mount -t devpts -o ptmxmode=666 devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run; mount -t cgroup2 cgroup2 /sys/fs/cgroup
[ -e /dev/ptmx ] || ln -s pts/ptmx /dev/ptmx
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
ip link set lo up
chmod 666 /dev/kvm || echo 'kvm: kvm-amd made no /dev/kvm'
grep -qw svm /proc/cpuinfo || echo 'kvm: the processor shows no svm'
cd /bb
mkdir -p /root/.bot-bottle; printf 'accel: kvm\\nboot_seconds: 300\\n' >/root/.bot-bottle/config.yaml
smoke=0
build/bot-bottle run --yes -- uname -r >/tmp/smoke 2>&1 || smoke=$?
if [ $smoke != 0 ]; then
	(cat /tmp/smoke; build/bot-bottle logs --console; build/bot-bottle audit; dmesg | tail -n 20) >/dev/ttyS1 2>&1
fi
grep 'accelerator: \|^[0-9]' /tmp/smoke >/dev/ttyS1
export BB_BUILD=/bb/build BB_ACCEL=kvm BB_SLOW=6 BOT_BOTTLE_BACKEND=smolmachines  # no engine is in here
python3 -m pytest -p no:cacheprovider -v --color=no --timeout=1800 --tb=short {tests} -k '{select}' >/dev/ttyS1 2>&1
echo "kvm: exit $?, smoke $smoke" >/dev/ttyS1
sync; echo o >/proc/sysrq-trigger; sleep 100
"""


def die(text):
    print("kvm: " + text, file=sys.stderr)
    sys.exit(1)


def run(*argv, **kw):
    kw.setdefault("stdout", subprocess.PIPE)
    p = subprocess.run(argv, check=False, **kw)
    if p.returncode:
        die("%s gave %d" % (" ".join(argv[:3]), p.returncode))
    return p.stdout


def copy(path, root):
    """A file of this system with what it links to, at its place below @root."""
    to = root + path
    if os.path.lexists(to):
        return
    os.makedirs(os.path.dirname(to), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), to)
    elif os.path.isfile(path):
        shutil.copy2(path, to)
    elif os.path.isdir(path):
        os.makedirs(to, exist_ok=True)


def package_files():
    known = [l.split() for l in run("dpkg-query", "-W", "-f=${Package} ${Essential}\n").decode().splitlines()]
    there = {k[0] for k in known}
    closure = run("apt-cache", "depends", "--recurse", "--installed", "--no-recommends", "--no-suggests", "--no-conflicts",
                  "--no-breaks", "--no-replaces", "--no-enhances", *PACKAGES, *[k[0] for k in known if k[1] == "yes"]).decode()
    names = sorted({l for l in closure.splitlines() if re.match(r"[a-z0-9]", l)})
    missing = [p for p in PACKAGES if p not in there]
    if missing:
        die("install these first (scripts/deps run test): " + " ".join(missing))
    files = run("dpkg", "-L", *[n for n in names if n in there]).decode().splitlines()
    skip = re.compile(r"/usr/(share/(doc|man|info|locale|lintian)|lib/modules)(/|$)")
    return [f for f in files if f.startswith("/") and not skip.match(f)]


def canonical(path):
    """With the links of a merged /usr resolved: /bin/sh is /usr/bin/sh."""
    first = "/" + path.split("/")[1]
    return os.path.realpath(first) + path[len(first):] if os.path.islink(first) else path


def make_root(d):
    root = d + "/root"
    os.makedirs(root)
    for name in ("bin", "sbin", "lib", "lib64"):
        copy("/" + name, root)
    for f in package_files():
        copy(canonical(f), root)
    for name in ("etc/alternatives", "etc/ssl"):
        shutil.copytree("/" + name, root + "/" + name, symlinks=True, dirs_exist_ok=True)
    # shared state of packages that their scripts make, and what the system has by installation
    for name in ("passwd", "group", "shadow", "gshadow", "nsswitch.conf", "ld.so.cache", "login.defs", "subuid", "subgid"):
        shutil.copy2("/etc/" + name, root + "/etc/" + name)
    open(root + "/etc/resolv.conf", "w").write("nameserver 127.0.0.1\n")
    open(root + "/etc/hosts", "w").write("127.0.0.1 localhost\n")
    for name in ("proc", "sys", "dev", "run", "tmp", "var/tmp", "root", "home", "var/log", "var/lib"):
        os.makedirs(root + "/" + name, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        os.chmod(root + "/" + name, 0o1777)
    open(root + "/kvm-run", "w").write(RUN.format(tests=TESTS, select=SELECT))
    os.chmod(root + "/kvm-run", 0o755)
    make_product(root)
    return root


def make_product(root):
    """This build, its tests, and the base image in root's cache."""
    bb = root + "/bb"
    for name in ["bot-bottle", "src/guest/bb-guest"] + ["src/proc/%s/%s" % (r, r) for r in ROLES]:
        os.makedirs(os.path.dirname(bb + "/build/" + name), exist_ok=True)
        shutil.copy2(BUILD + "/" + name, bb + "/build/" + name)
    os.makedirs(bb + "/build/meson-private")  # marks a build tree
    for name in ("data", "examples", "tests"):
        shutil.copytree(ROOT + "/" + name, bb + "/" + name, ignore=shutil.ignore_patterns("__pycache__"))
    images = os.path.expanduser(os.environ.get("XDG_CACHE_HOME", "~/.cache")) + "/bot-bottle/images"
    if not os.path.exists(images + "/by-name/base"):
        die("no image: %s/bot-bottle image build base" % BUILD)
    to = root + "/root/.cache/bot-bottle/images"
    digest = os.path.basename(os.readlink(images + "/by-name/base"))
    shutil.copytree(images + "/" + digest, to + "/" + digest)
    os.makedirs(to + "/by-name")
    os.symlink("../" + digest, to + "/by-name/base")


def newc(entries):
    """An initramfs: (name, mode, data)."""
    out = bytearray()
    for i, (name, mode, data) in enumerate(list(entries) + [("TRAILER!!!", 0, b"")]):
        head = "070701" + "".join("%08X" % v for v in (i + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0))
        out += head.encode() + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4)
        out += data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def make_initrd(d, kernel):
    """Shell, insmod, mount and switch_root of this system, with their libraries."""
    files = {"/bin/sh": os.path.realpath("/bin/sh"), "/bin/sleep": "/usr/bin/sleep", "/bin/mount": "/usr/bin/mount",
             "/bin/mkdir": "/usr/bin/mkdir", "/sbin/insmod": os.path.realpath("/usr/sbin/insmod"),
             "/sbin/switch_root": "/usr/sbin/switch_root"}
    for path in list(files.values()):
        for lib in re.findall(r"(/[^ ]+) \(0x", run("ldd", path).decode()):
            files[lib] = os.path.realpath(lib)
    dirs, entries = set(), []
    for name in files:
        for i in range(2, name.count("/") + 1):
            dirs.add("/".join(name.split("/")[1:i]))
    for name in sorted(dirs | {"proc", "sys", "dev", "lower", "over", "root", "modules", "run"}):
        entries.append((name, stat.S_IFDIR | 0o755, b""))
    for name, path in files.items():
        entries.append((name[1:], stat.S_IFREG | 0o755, open(path, "rb").read()))
    for name in os.listdir(kernel + "/modules"):
        entries.append(("modules/" + name, stat.S_IFREG | 0o644, open(kernel + "/modules/" + name, "rb").read()))
    entries.append(("modules.list", stat.S_IFREG | 0o644, open(kernel + "/modules.list", "rb").read()))
    entries.append(("init", stat.S_IFREG | 0o755, INIT.encode()))
    open(d + "/initrd", "wb").write(newc(entries))


def boot(d, kernel):
    out, inside = os.pipe()
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-M", "q35", "-accel",
         "tcg,thread=multi,tb-size=512", "-cpu", "max,+svm,+npt", "-smp", "2", "-m", "5G", "-kernel", kernel + "/vmlinux",
         "-initrd", d + "/initrd", "-append", "console=ttyS0 quiet panic=-1 rdinit=/init no_timer_check tsc=reliable",
         "-drive", "if=virtio,format=raw,readonly=on,file=%s/root.erofs" % d, "-device", "virtio-rng-pci",
         "-serial", "file:%s/console" % d, "-chardev", "file,id=out,path=/dev/fd/%d" % inside, "-serial", "chardev:out"],
        stdin=subprocess.DEVNULL, pass_fds=(inside,))
    os.close(inside)
    timer = threading.Timer(SECONDS, qemu.kill)
    timer.start()
    text = []
    try:
        with os.fdopen(out, "rb") as f:
            for raw in f:
                line = raw.decode("latin-1").rstrip()
                text.append(line)
                print(line, flush=True)
        qemu.wait()
    finally:
        timer.cancel()
        if qemu.poll() is None:
            qemu.kill()
            qemu.wait()
    return text, qemu.returncode


def main():
    if os.geteuid() != 0:
        die("needs root: the root of the outer machine is made of this system's files")
    d = tempfile.mkdtemp(prefix="bb-kvm-", dir="/var/tmp")
    try:
        kernel = d + "/kernel"
        os.makedirs(kernel)
        run(ROOT + "/data/images/kernel.sh", kernel, ROOT + "/tests/long/kvm-modules.txt", stdout=None)
        make_initrd(d, kernel)
        run("mkfs.erofs", "--quiet", "-T0", d + "/root.erofs", make_root(d))
        shutil.rmtree(d + "/root")
        text, code = boot(d, kernel)
        last = [l for l in text if re.search(r"\d+ (passed|failed|error)", l)]
        passed, failed = (sum(int(n) for n in re.findall(r"(\d+) (?:%s)" % what, last[-1] if last else ""))
                          for what in ("passed", "failed|errors?"))
        ended = [l for l in text if l.startswith("kvm: exit ")]
        smoke = re.search(r"smoke (\d+)", ended[0]) if ended else None  # the plain `run` before the tests
        if smoke:
            passed, failed = (passed + 1, failed) if smoke[1] == "0" else (passed, failed + 1)
        print("kvm: %d passed, %d failed" % (passed, failed))
        if ended != ["kvm: exit 0, smoke 0"] or failed or not passed:
            console = open(d + "/console", errors="replace").read() if os.path.exists(d + "/console") else ""
            die("%s; the machine's console:\n%s" % (ended[0] if ended else "the machine ended early (QEMU gave %d, limit %d s)" %
                                                   (code, SECONDS), console[-4000:]))
    finally:
        shutil.rmtree(d, ignore_errors=True)


main()
