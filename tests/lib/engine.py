# SPDX-License-Identifier: Apache-2.0
"""Container engines of the tests' own."""
import json
import os
import shutil
import signal
import subprocess
import time


def tiny_image(directory, engine):
    """An image of a shell and a user: taken in no time, where it does not matter what is in it. Return: its name"""
    root = directory + "/tiny"
    for d in ("bin", "etc/ssl/certs", "tmp", "home/node", "workspace", "proc", "dev"):
        os.makedirs(root + "/" + d)
    shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
    for name in ("sh", "echo", "sleep", "true", "id", "cat", "ls", "nc", "wget", "nslookup"):
        os.symlink("busybox", root + "/bin/" + name)
    with open(root + "/etc/passwd", "w") as f:
        f.write("root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n")
    subprocess.run("chown -R 1000:1000 home/node workspace; chmod 1777 tmp; tar -c . >../tiny.tar", shell=True, check=True, cwd=root)
    subprocess.run(engine + ["import", directory + "/tiny.tar", "tiny:1"], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return "tiny:1"


class Engine:
    """dockerd with a socket and directories of its own, no bridge and no rules in the host's firewall."""

    def __init__(self, workdir, gid, name="engine", before=(), runtimes=None):
        self.dir, self.gid, self.before = workdir + "/" + name, gid, list(before)
        os.makedirs(self.dir)
        self.host = "unix://%s/docker.sock" % self.dir
        self.log = open(self.dir + "/log", "wb")
        with open(self.dir + "/daemon.json", "w") as f:
            json.dump({"runtimes": runtimes or {}}, f)
        self.start()

    def start(self):
        self.proc = subprocess.Popen(
            self.before + ["dockerd", "--config-file", self.dir + "/daemon.json", "--host", self.host,
                           "--data-root", self.dir + "/data", "--exec-root", self.dir + "/exec", "--pidfile", self.dir + "/pid",
                           "--group", str(self.gid), "--iptables=false", "--ip6tables=false", "--bridge=none",
                           "--ip-forward=false", "--ip-masq=false"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.time() + 60
        while self.docker("version").returncode != 0:
            assert time.time() < end and self.proc.poll() is None, open(self.dir + "/log").read()[-3000:]
            time.sleep(0.2)

    def kill(self):
        """It and its containerd at once, as a crash takes them; what runs in containers stays."""
        children = open("/proc/%d/task/%d/children" % (self.proc.pid, self.proc.pid)).read().split()
        names = {int(c): open("/proc/%s/comm" % c).read().strip() for c in children}
        os.kill(self.proc.pid, signal.SIGKILL)
        for pid, name in names.items():
            if name == "containerd":
                os.kill(pid, signal.SIGKILL)
        self.proc.wait()
        # whose parent is gone may stay as a zombie, which dockerd would take for a containerd that runs
        os.unlink(self.dir + "/exec/containerd/containerd.pid")

    def tiny(self):
        return tiny_image(self.dir, ["docker", "--host", self.host])

    def docker(self, *args):
        return subprocess.run(["docker", "--host", self.host] + list(args), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)

    def containers(self):
        return self.docker("ps", "--all", "--quiet").stdout.split()

    def names(self):
        return self.docker("ps", "--all", "--format", "{{.Names}}").stdout.split()

    def pid_of(self, name):
        return int(self.docker("inspect", "--format", "{{.State.Pid}}", name).stdout)

    def close(self):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(30)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.log.close()
        subprocess.run(["sh", "-c", 'umount -R "$0"/exec/netns/* "$0"/data/*/*/merged "$0"/data 2>/dev/null; rm -rf "$0"',
                        self.dir], stderr=subprocess.DEVNULL)


class Podman:
    """Root's podman with directories of its own. It has no daemon: @path is a program that says so to Debian's."""

    def __init__(self, workdir):
        self.dir = workdir + "/podman"
        os.makedirs(self.dir)
        self.path = self.dir + "/podman"  # the name is how a builder is told from another
        # `ip netns exec` has a /sys of its own, without control groups: podman is to see what we see.
        # Without CAP_SYS_RESOURCE root cannot have the limits that podman sets for it
        can = int(open("/proc/self/status").read().split("CapEff:")[1].split()[0], 16) >> 24 & 1
        limits = "" if can else "--ulimit=nofile=4096:4096 --ulimit=nproc=4096:4096"
        with open(self.path, "w") as f:
            f.write("""#!/bin/sh
p="nsenter --target {me} --mount -- /usr/bin/podman --root {d}/root --runroot {d}/run --tmpdir {d}/tmp --storage-driver overlay --cgroup-manager cgroupfs --events-backend file"
verb=$1; shift
case $verb in
run) exec $p run {limits} "$@" ;;
build) exec $p build --network=none {limits} "$@" ;;
esac
exec $p "$verb" "$@"
""".format(d=self.dir, limits=limits, me=os.getpid()))
        os.chmod(self.path, 0o755)

    @property
    def command(self):
        return [self.path]

    def podman(self, *args):
        return subprocess.run(self.command + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def names(self):
        return self.podman("ps", "--all", "--format", "{{.Names}}").stdout.split()

    def tiny(self):
        return tiny_image(self.dir, self.command)

    def close(self):
        self.podman("rm", "--all", "--force")
        subprocess.run(["sh", "-c", 'umount -R "$0"/root/overlay "$0"/root 2>/dev/null; rm -rf "$0"', self.dir],
                       stderr=subprocess.DEVNULL)


class RootlessPodman(Podman):
    """A plain user's podman, with its files in @product's home. No limits are to be had: that takes control groups."""

    def __init__(self, product):
        self.product, self.dir = product, product.home
        # `ip netns exec` has a /sys of its own, without control groups
        product.enter = ["nsenter", "--net=/run/netns/" + product.netns, "--"]
        product.env.update(BOT_BOTTLE_BACKEND="docker", BOT_BOTTLE_ENGINE="podman")

    @property
    def command(self):
        return ["env", "-i", "-C", self.product.home] + ["%s=%s" % kv for kv in self.product.env.items()] + \
            self.product.argv()[:-1] + ["/usr/bin/podman"]

    def close(self):
        self.podman("rm", "--all", "--force")
        self.podman("system", "migrate")  # ends the process that keeps the user's namespace
        subprocess.run(["sh", "-c", 'rm -rf "$0" 2>/dev/null || { sleep 2; rm -rf "$0"; }', self.dir])
