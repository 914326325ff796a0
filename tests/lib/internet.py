# SPDX-License-Identifier: Apache-2.0
"""The mini internet: real servers in a network namespace of their own.

    host  198.51.100.2 ── veth ── 198.51.100.1  world
                                  203.0.113.10  allowed.test, 203.0.113.11 other.test (nginx, TLS by a test CA)
                                  203.0.113.13  api.test, which notes the credentials that it is sent
                                  203.0.113.30  the vendors' APIs, where a test starts llm.py
                                  203.0.113.53  DNS (unbound); also as 8.8.8.8 and 1.1.1.1
                                  203.0.113.20  TCP echo on 7000; 203.0.113.21 its neighbour
                                  everything else of 203.0.113.0/24: the capture server

The host side of a bottle runs in `host`; a packet capture on the veth is the evidence of what left it.
Needs root (the product itself runs as an unprivileged user, see product.py).
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from testca import CA, pem

WORLD_ADDRESSES = ["198.51.100.1/24"]
NAMES = {"allowed.test": "203.0.113.10", "other.test": "203.0.113.11",
         "denied.test": "203.0.113.12", "api.test": "203.0.113.13", "wild.zone.test": "203.0.113.10",
         "db.test": "203.0.113.20", "proxy.zone.test": "203.0.113.40", "private.test": "10.1.2.3", "loop.test": "127.0.0.1",
         "api.anthropic.com": "203.0.113.30", "api.openai.com": "203.0.113.30",
         "chatgpt.com": "203.0.113.30"}

SERVERS = r'''
import socket, sys, threading
log = open(sys.argv[1], "ab", buffering=0)
def note(kind, me, peer, data):
    log.write(b"%s %s:%d %s %s\n" % (kind, me[0].encode(), me[1], peer[0].encode(), data.hex().encode()))
def one(s, me, peer, echo):
    note(b"connect", me, peer, b"")
    try:
        while True:
            d = s.recv(65536)
            if not d:
                break
            note(b"data", me, peer, d)
            if echo:
                s.sendall(d)
    except OSError:
        pass
    s.close()
def tcp(addr, port, echo):
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind((addr, port)); l.listen(128)
    def run():
        while True:
            s, p = l.accept()
            threading.Thread(target=one, args=(s, (addr, port), p, echo), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
def udp(addr, port):
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind((addr, port))
    def run():
        while True:
            d, p = u.recvfrom(65536)
            note(b"udp", (addr, port), p, d)
    threading.Thread(target=run, daemon=True).start()
tcp("203.0.113.20", 7000, True)
tcp("203.0.113.20", 7001, True)
tcp("203.0.113.21", 7000, True)
for a in ("203.0.113.12", "203.0.113.99", "8.8.8.8", "1.1.1.1"):
    for p in (22, 80, 443, 853, 5353, 9999):
        tcp(a, p, False)
    for p in (443, 853, 5353, 9999):
        udp(a, p)
print("ready", flush=True)
threading.Event().wait()
'''

NGINX = """
daemon off; pid {d}/nginx.pid; error_log {d}/error.log; worker_processes 1; user root;
events {{ worker_connections 512; }}
http {{
  access_log {d}/access.log; client_body_temp_path {d}/body; proxy_temp_path {d}/p1;
  fastcgi_temp_path {d}/p2; uwsgi_temp_path {d}/p3; scgi_temp_path {d}/p4;
  # What a server was sent, where only the test can read it: the guard masks it on the way back
  log_format sent '$http_authorization|$http_x_api_key|$request_uri';
  default_type application/octet-stream; root {d}/www; client_max_body_size 0;
  server {{ listen 203.0.113.10:80; listen 203.0.113.10:443 ssl;
    ssl_certificate {d}/allowed.crt; ssl_certificate_key {d}/allowed.key; }}
  server {{ listen 203.0.113.13:80; listen 203.0.113.13:443 ssl;
    ssl_certificate {d}/allowed.crt; ssl_certificate_key {d}/allowed.key;
    access_log {d}/sent.log sent;
    location / {{ return 200 "you sent $http_authorization\n"; }} }}
  server {{ listen 203.0.113.11:80; listen 203.0.113.11:443 ssl;
    ssl_certificate {d}/other.crt; ssl_certificate_key {d}/other.key; }}
}}
"""

UNBOUND = """
server:
  directory: "{d}"
  chroot: ""
  username: ""
  pidfile: "{d}/unbound.pid"
  do-daemonize: no
  use-syslog: no
  logfile: "{d}/dns.log"
  log-queries: yes
  interface: 203.0.113.53
  interface: 8.8.8.8
  interface: 1.1.1.1
  access-control: 0.0.0.0/0 allow
  module-config: "iterator"
  local-zone: "." static
{data}
remote-control:
  control-enable: no
"""


def run(*argv, **kw):
    return subprocess.run(argv, check=True, **kw)


class Internet:
    def __init__(self, directory):
        self.d = str(directory)
        tag = "%d" % os.getpid()
        self.world, self.host = "bbw" + tag, "bbh" + tag
        self.procs = []
        try:
            self._namespaces()
            self._servers()
        except BaseException:
            self.close()
            raise

    def _namespaces(self):
        for ns in (self.world, self.host):
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        run("ip", "link", "add", "bbv", "netns", self.host, "type", "veth", "peer", "name", "bbv",
            "netns", self.world)
        run("ip", "-n", self.host, "addr", "add", "198.51.100.2/24", "dev", "bbv")
        run("ip", "-n", self.world, "addr", "add", "198.51.100.1/24", "dev", "bbv")
        for ns in (self.host, self.world):
            run("ip", "-n", ns, "link", "set", "bbv", "up")
        for last in (10, 11, 12, 13, 20, 21, 30, 53, 99):
            run("ip", "-n", self.world, "addr", "add", "203.0.113.%d/32" % last, "dev", "lo")
        for addr in ("8.8.8.8", "1.1.1.1"):
            run("ip", "-n", self.world, "addr", "add", addr + "/32", "dev", "lo")
        run("ip", "-n", self.host, "route", "add", "default", "via", "198.51.100.1")

    def spawn(self, ns, argv, **kw):
        p = subprocess.Popen(["ip", "netns", "exec", ns] + argv, **kw)
        self.procs.append(p)
        return p

    def _servers(self):
        d = self.d
        os.makedirs(d + "/www/.well-known", exist_ok=True)
        self.ca = CA("mini internet root")
        self.ca.issue(d + "/allowed", "allowed.test", "api.test", "*.zone.test")
        self.ca.issue(d + "/other", "other.test")
        open(d + "/ca.pem", "wb").write(pem(self.ca.cert))
        open(d + "/www/hello", "w").write("hello from the world\n")
        with open(d + "/www/big", "wb") as f:
            for i in range(1600):
                f.write(bytes([i % 251]) * 65536)
        open(d + "/nginx.conf", "w").write(NGINX.format(d=d))
        self.spawn(self.world, ["nginx", "-c", d + "/nginx.conf", "-p", d])
        data = "".join('  local-data: "%s. 60 IN A %s"\n' % kv for kv in NAMES.items())
        open(d + "/unbound.conf", "w").write(UNBOUND.format(d=d, data=data))
        self.spawn(self.world, ["unbound", "-d", "-c", d + "/unbound.conf"])
        self.pcap = d + "/veth.pcap"
        self.tcpdump = self.spawn(self.world, ["tcpdump", "-i", "bbv", "--immediate-mode", "-U", "-n", "-s", "256", "-w", self.pcap],
                                  stderr=subprocess.PIPE)
        self.tcpdump.stderr.readline()
        self.captured = d + "/captured"
        cap = self.spawn(self.world, [sys.executable, "-c", SERVERS, self.captured],
                         stdout=subprocess.PIPE)
        assert cap.stdout.readline() == b"ready\n"
        self._wait("203.0.113.10", 443)
        self._wait("203.0.113.53", 53)

    def _wait(self, addr, port):
        for _ in range(100):
            if subprocess.run(["ip", "netns", "exec", self.host, sys.executable, "-c",
                               "import socket;socket.create_connection((%r,%d),1)" % (addr, port)],
                              stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("%s:%d does not answer" % (addr, port))

    def packets(self, expression=""):
        """What the wire saw between host and world, one line a packet. A marker of our own goes the same
        way first: when the capture has it, it has everything from before."""
        self._mark()
        argv = ["tcpdump", "-n", "-r", self.pcap, "not (udp and dst host 198.51.100.1 and dst port 9) "
                "and not (icmp and src host 198.51.100.1)" + (" and (%s)" % expression if expression else "")]
        out = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return out.stdout.decode("latin-1").splitlines()

    def _mark(self):
        mark = "mark-%d-%f" % (os.getpid(), time.time())
        run("ip", "netns", "exec", self.host, sys.executable, "-c", "import socket, sys;"
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), ('198.51.100.1', 9))", mark)
        end = time.time() + 10
        while mark.encode() not in open(self.pcap, "rb").read():
            if time.time() > end:
                raise RuntimeError("the packet capture stands still")
            time.sleep(0.02)

    def quiet(self):
        """Wait until nothing more of earlier work is on the wire; returns the packets so far."""
        before = self.packets()
        for _ in range(50):
            time.sleep(0.2)
            after = self.packets()
            if len(after) == len(before):
                return after
            before = after
        raise RuntimeError("the wire does not become quiet")

    def capture(self):
        """Lines of the capture and echo servers."""
        return open(self.captured, "rb").read().decode().splitlines()

    def queries(self):
        """Names that the world's DNS server was asked for."""
        try:
            text = open(self.d + "/dns.log").read()
        except FileNotFoundError:
            return []
        return [l for l in text.splitlines() if " IN" in l and "info:" in l]

    def close(self):
        for p in reversed(self.procs):
            p.terminate()
        for p in self.procs:
            try:
                p.wait(5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        for ns in (self.host, self.world):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)
