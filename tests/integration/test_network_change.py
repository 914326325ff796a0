# SPDX-License-Identifier: Apache-2.0
"""A VPN comes up and goes down under a running bottle: another link, another resolv.conf."""
import os
import shutil
import subprocess
import time

import pytest

import product as products

VPN_DNS = """
server:
  directory: "{d}"
  chroot: ""
  username: ""
  pidfile: "{d}/vpn.pid"
  do-daemonize: no
  use-syslog: no
  logfile: "{d}/vpn.log"
  interface: 10.8.0.1
  access-control: 0.0.0.0/0 allow
  module-config: "iterator"
  local-zone: "." static
  local-data: "vpn.zone.test. 60 IN A 203.0.113.10"
remote-control:
  control-enable: no
"""


class Vpn:
    def __init__(self, internet, d):
        self.net, self.d = internet, d
        self.etc = "/etc/netns/" + internet.host
        os.makedirs(self.etc)
        self.resolv(b"203.0.113.53")

    def resolv(self, server):
        with open(self.etc + "/resolv.conf", "wb") as f:  # in place: `ip netns exec` has mounted this very file
            f.write(b"search zone.test\nnameserver %s\n" % server)

    def ip(self, ns, *args):
        subprocess.run(["ip", "-n", ns] + list(args), check=True)

    def up(self):
        host, world = self.net.host, self.net.world
        subprocess.run(["ip", "link", "add", "bbvpn", "netns", host, "type", "veth", "peer", "name", "bbvpn", "netns", world], check=True)
        for ns, last in ((host, "2"), (world, "1")):
            self.ip(ns, "addr", "add", "10.8.0.%s/24" % last, "dev", "bbvpn")
            self.ip(ns, "link", "set", "bbvpn", "up")
        with open(self.d + "/vpn.conf", "w") as f:
            f.write(VPN_DNS.format(d=self.d))
        self.dns = self.net.spawn(world, ["unbound", "-d", "-c", self.d + "/vpn.conf"])
        self.net._wait("10.8.0.1", 53)
        self.resolv(b"10.8.0.1")

    def down(self):
        self.dns.terminate()
        self.dns.wait(10)
        self.net.procs.remove(self.dns)
        self.ip(self.net.host, "link", "del", "bbvpn")
        self.resolv(b"203.0.113.53")


@pytest.fixture
def vpn(internet, workdir):
    v = Vpn(internet, workdir)
    yield v
    shutil.rmtree(v.etc)


def changes(bottle):
    return [r for r in bottle.audit() if r.get("method") == "network_changed"]


def wait_for(bottle, n):
    end = time.monotonic() + 20
    while len(changes(bottle)) < n:
        assert time.monotonic() < end, bottle.audit()[-5:]
        time.sleep(0.3)


def test_vpn_up_and_down(vpn, exe, workdir, internet, user_cache, product):
    p = products.Product(exe, workdir + "/home-vpn", internet.host, products.make_user().pw_uid, user_cache)
    p.write("bottles/demo.md", open(product.home + "/.bot-bottle/bottles/demo.md").read())
    p.write("config.yaml", "upstream_ca_files: [%s/ca.pem]\n" % workdir)
    bottle = p.bottle("--bottle", "demo")

    def get(name):
        return bottle.sh("curl -sS -m 30 -w '%%{http_code}' http://%s/hello" % name).out[-3:]
    try:
        assert get("allowed.test") == b"200" and get("vpn.zone.test") == b"502"
        vpn.up()
        wait_for(bottle, 1)
        assert get("vpn.zone.test") == b"200" and get("x1.zone.test") == b"502"
        vpn.down()
        wait_for(bottle, 2)
        assert get("wild.zone.test") == b"200"
        assert {r.get("text") for r in changes(bottle)} == {"/etc/resolv.conf"}
    finally:
        bottle.close()


def test_connections_of_a_lost_address_are_not_used_again(vpn, exe, workdir, internet, user_cache, product):
    """The address that the host spoke from is taken away (as of a VPN that goes down): what is kept for the
    next request, HTTP/1.1 and HTTP/2, would wait for ever; the next request comes over a new connection."""
    def route(*how):
        vpn.ip(internet.host, "route", "replace", "default", "via", "198.51.100.1", *how)
    p = products.Product(exe, workdir + "/home-lost", internet.host, products.make_user().pw_uid, user_cache)
    p.write("bottles/demo.md", open(product.home + "/.bot-bottle/bottles/demo.md").read())
    p.write("config.yaml", "upstream_ca_files: [%s/ca.pem]\n" % workdir)
    vpn.ip(internet.host, "addr", "add", "198.51.100.77/24", "dev", "bbv")
    route("src", "198.51.100.77")
    bottle = p.bottle("--bottle", "demo")

    def get(url, *more):
        r = bottle.exec("curl", "-sS", "-m", "20", "-w", "%{http_code}", *more, url)
        assert r.out == b"hello from the world\n200", r

    def sources():
        return [q.split()[2].rsplit(".", 1)[0] for q in internet.packets(
            "dst host 203.0.113.10 and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn")]
    try:
        before = len(sources())
        urls = (("http://allowed.test/hello",), ("https://allowed.test/hello", "--http1.1"), ("https://wild.zone.test/hello", "--http2"))
        for url in urls * 2:
            get(*url)
        used = sources()[before:]
        assert used == ["198.51.100.77"] * 3, used              # the second round needed no new one
        vpn.ip(internet.host, "addr", "del", "198.51.100.77/24", "dev", "bbv")
        route()
        for url in urls:
            get(*url)
        assert sources()[before + 3:] == ["198.51.100.2"] * 3
    finally:
        route()
        bottle.close()
