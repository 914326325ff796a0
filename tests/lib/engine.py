# SPDX-License-Identifier: Apache-2.0
"""A container engine of the tests' own."""
import os
import signal
import subprocess
import time


class Engine:
    """dockerd with a socket and directories of its own, no bridge and no rules in the host's firewall."""

    def __init__(self, workdir, gid):
        self.dir = workdir + "/engine"
        os.makedirs(self.dir)
        self.host = "unix://%s/docker.sock" % self.dir
        self.log = open(self.dir + "/log", "wb")
        self.proc = subprocess.Popen(
            ["dockerd", "--host", self.host, "--data-root", self.dir + "/data", "--exec-root", self.dir + "/exec",
             "--pidfile", self.dir + "/pid", "--group", str(gid), "--iptables=false", "--ip6tables=false",
             "--bridge=none", "--ip-forward=false", "--ip-masq=false"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.time() + 60
        while self.docker("version").returncode != 0:
            assert time.time() < end and self.proc.poll() is None, open(self.dir + "/log").read()[-3000:]
            time.sleep(0.2)

    def docker(self, *args):
        return subprocess.run(["docker", "--host", self.host] + list(args), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)

    def containers(self):
        return self.docker("ps", "--all", "--quiet").stdout.split()

    def pid_of(self, name):
        return int(self.docker("inspect", "--format", "{{.State.Pid}}", name).stdout)

    def close(self):
        self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(30)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.log.close()
        subprocess.run(["sh", "-c", 'umount -R "$0"/exec/netns/* "$0"/data/*/*/merged "$0"/data 2>/dev/null; rm -rf "$0"',
                        self.dir], stderr=subprocess.DEVNULL)
