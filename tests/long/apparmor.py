#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/long/apparmor.py BUILDDIR: the AppArmor profile in a kernel that lets AppArmor decide about user namespaces.

An emulated machine boots Debian 13 with its kernel and the installed build. Only Ubuntu's kernel has the switch that refuses
user namespaces to whoever is unconfined; here a profile that may do everything else stands in for it, and the plain user is
in that. Shown: the profile loads, both programs come into it by being executed, have their namespaces (`doctor`, and a bottle
with `jail: strict`), and what is no program of it has none. Prints what was seen; exit 1 when something else was.
BB_DEBIAN13: as in debian13.py, whose root file system this is."""
import os
import shutil
import subprocess
import sys
import tempfile
import threading

import debian13

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
SECONDS = 1800
SEEN = """control: a user namespace
restricted: no user namespace
profile: restricted
doctor: ok
doctor of another path: refused
strict: hi
bottled: bot-bottle (unconfined)
strict, another path: 125, user namespaces
end"""

INIT = r"""#!/bin/bash
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm; mount -t devpts -o ptmxmode=666 devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp; chmod 1777 /tmp /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup; mount -t securityfs securityfs /sys/kernel/security
ip link set lo up
exec >/dev/ttyS1 2>&1
cat >/etc/apparmor.d/restricted <<EOF
abi <abi/4.0>,
profile restricted {
	capability, network, mount, umount, pivot_root, signal, ptrace, unix, dbus, mqueue, io_uring, change_profile,
	/** rwlkm,
	/** pix,
}
EOF
install -m 644 /usr/local/share/bot-bottle/apparmor/bot-bottle /etc/apparmor.d/ && apparmor_parser -r /etc/apparmor.d/bot-bottle
apparmor_parser -r /etc/apparmor.d/restricted
user() { setpriv --reuid tester --regid tester --clear-groups env HOME=/home/tester "$@"; }
# what a shell that is restricted starts: the profile of a program applies to who executes it
restricted() { user aa-exec -p restricted -- sh -c '"$0" "$@"; exit $?' "$@"; }
user unshare --user true && echo 'control: a user namespace'
restricted unshare --user true 2>/dev/null || echo 'restricted: no user namespace'
echo "profile: $(restricted cat /proc/self/attr/current | cut -d' ' -f1)"
cd /home/tester
echo "doctor: $(restricted bot-bottle doctor | awk '$2 == "namespaces" { print $1 }')"
echo "doctor of another path: $(restricted /bb/build/bot-bottle doctor | awk '$2 == "namespaces" { print $3 }')"
restricted bot-bottle run --yes -- sh -c 'echo hi; sleep 3' >/tmp/out 2>/tmp/err &
until [ -s /tmp/out ] || ! kill -0 $!; do sleep 1; done
bottled=$(for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" != bottled ] || cat $p/attr/current; done | sort -u)
wait $!
echo "strict: $(cat /tmp/out)"
[ -s /tmp/out ] || tail -n 20 /tmp/err
echo "bottled: $bottled"
restricted /bb/build/bot-bottle run --yes -- echo hi >/tmp/out 2>/tmp/err
echo "strict, another path: $?, $(grep -o 'user namespaces' /tmp/err | head -n 1)$(cat /tmp/out)"
dmesg | grep 'apparmor="DENIED"' | grep -v userns_create | head -n 5
echo end
sync; echo o >/proc/sysrq-trigger; sleep 100
"""


def make_user(root):
    home = root + "/home/tester"
    if debian13.inside(root, "id tester >/dev/null 2>&1 || useradd -m tester; apt-get install -y -qq linux-image-cloud-amd64 "
                             "initramfs-tools >/tmp/kernel.log 2>&1").returncode:
        debian13.die("no kernel: " + open(root + "/tmp/kernel.log").read()[-2000:])
    os.makedirs(home + "/.bot-bottle", exist_ok=True)
    open(home + "/.bot-bottle/config.yaml", "w").write("jail: strict\nboot_seconds: 600\n")
    images = os.path.expanduser(os.environ.get("XDG_CACHE_HOME", "~/.cache")) + "/bot-bottle/images"
    if not os.path.exists(images + "/by-name/base"):
        debian13.die("no image: %s/bot-bottle image build base" % BUILD)
    digest = os.path.basename(os.readlink(images + "/by-name/base"))
    to = home + "/.cache/bot-bottle/images"
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(images + "/" + digest, to + "/" + digest)
    os.makedirs(to + "/by-name")
    os.symlink("../" + digest, to + "/by-name/base")
    debian13.inside(root, "chown -R tester:tester /home/tester; chmod -R go-w /usr/local; chmod 755 /bb /bb/build")
    open(root + "/bb-init", "w").write(INIT)
    os.chmod(root + "/bb-init", 0o755)


def boot(root, d):
    disk = d + "/disk"
    with open(disk, "wb") as f:
        f.truncate(6 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-d", root, disk], check=True)
    kernel, initrd = (next(root + "/boot/" + n for n in sorted(os.listdir(root + "/boot")) if n.startswith(what))
                      for what in ("vmlinuz-", "initrd.img-"))
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-M", "q35", "-accel",
         "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", "2", "-m", "3G", "-kernel", kernel, "-initrd", initrd, "-append",
         "console=ttyS0 quiet panic=-1 root=/dev/vda rw init=/bb-init tsc=reliable apparmor=1 security=apparmor",
         "-drive", "if=virtio,format=raw,file=" + disk, "-device", "virtio-rng-pci", "-serial", "file:%s/console" % d,
         "-serial", "file:%s/seen" % d], stdin=subprocess.DEVNULL)
    timer = threading.Timer(SECONDS, qemu.kill)
    timer.start()
    try:
        qemu.wait()
    finally:
        timer.cancel()
        if qemu.poll() is None:
            qemu.kill()
            qemu.wait()
    return open(d + "/seen", errors="replace").read().replace("\r", "")


def main():
    with debian13.root_file_system() as root, tempfile.TemporaryDirectory(prefix="bb-apparmor-", dir="/var/tmp") as d:
        if debian13.run_steps(root, debian13.STEPS[:3])[1]:
            sys.exit(1)
        make_user(root)
        seen = boot(root, d)
        print(seen, end="")
        if seen.strip() != SEEN:
            console = open(d + "/console", errors="replace").read()
            debian13.die("expected:\n%s\nthe machine's console:\n%s" % (SEEN, console[-3000:]))
    print("apparmor: as expected")


main()
