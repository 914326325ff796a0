# SPDX-License-Identifier: Apache-2.0
import glob
import os
import shutil
import subprocess

from common import DECOY, LOG_PORT, MARK, PUBLIC, Through, direct, flows_denied, refused, request, stream


def devices():
    nets = sorted(os.listdir("/sys/class/net"))
    if set(nets) - {"lo", "dummy0"}:
        raise Through("network devices: %s" % ", ".join(nets))
    shared = [l.split()[2] for l in open("/proc/mounts") if l.split()[2] in ("9p", "virtiofs", "nfs", "fuse.sshfs")]
    if shared:
        raise Through("shared with the host: %s" % ", ".join(shared))
    return "%s; nothing is shared" % ", ".join(nets)


def image():
    for device in sorted(glob.glob("/sys/block/vd*")):
        if open(device + "/ro").read().strip() == "1":
            try:
                fd = os.open("/dev/" + os.path.basename(device), os.O_RDWR)
                os.pwrite(fd, MARK.encode(), 0)
                os.fsync(fd)
            except OSError as e:
                return os.strerror(e.errno)
            raise Through("the image was written")
    try:
        open("/usr/bin/bot-bottle-mark", "w").close()  # above the image, in this bottle alone
        return "the bottle's own layer takes it"
    except OSError as e:
        return os.strerror(e.errno)


def log_flood():
    s = stream(LOG_PORT)
    sent = 0
    try:
        for _ in range(1000):
            s.sendall(b"\x1b]0;%s\x07\x1b[2Jroot: a line\n" % MARK.encode() * 100)
            sent += 100
    except OSError:
        pass
    return "%d lines taken or dropped" % sent


def terminal():
    return refused(request(path="/\x1b]0;" + MARK + "\x07"), 400)


def flush_rules():
    if shutil.which("nft"):
        subprocess.run(["nft", "flush", "ruleset"], check=False, stderr=subprocess.DEVNULL)
    for a, p in PUBLIC:
        direct(a, p, 2)
    return flows_denied(list(PUBLIC) + [("127.0.0.1", DECOY)])
