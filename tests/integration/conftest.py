# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))

from engine import Engine  # noqa: E402
from internet import Internet  # noqa: E402
import product as products  # noqa: E402

BOTTLE = """---
resources: {memory: 512MiB, cpus: 2, disk: 1GiB}
env: {GREETING: from the manifest}
egress:
  routes:
    - host: allowed.test
    - host: "*.zone.test"
    - host: private.test
    - host: loop.test
  tcp:
    - {cidr: 203.0.113.20/32, port: 7000}
---
"""


# A file is one piece of work (--dist loadfile): the longest begin first, so that none is left alone at the end
LONGEST = ("test_redteam", "test_providers", "test_lifecycle", "test_docker_failures", "test_bottle", "test_reliability",
           "test_crash", "test_podman")


def pytest_collection_modifyitems(items):
    rank = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def workdir():
    # not below pytest's own directory: that is 0700 and the test user must get in
    path = "/var/tmp/bb-integration-%d" % os.getpid()
    os.makedirs(path)
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def internet(workdir):
    net = Internet(workdir)
    yield net
    net.close()


@pytest.fixture(scope="session")
def exe(workdir):
    return products.copy_build(workdir)


@pytest.fixture(scope="session")
def user_cache(workdir):
    """The image base, for the test user to read."""
    cache = workdir + "/cache"
    products.give_image("base", cache, products.make_user().pw_uid)
    return cache


@pytest.fixture(scope="session")
def product(workdir, internet, exe, user_cache):
    p = products.Product(exe, workdir + "/home", internet.host, products.make_user().pw_uid, user_cache)
    p.write("bottles/demo.md", BOTTLE)
    # one processor, where a manifest (demo's) does not say two: a translated machine starts a third sooner
    p.write("config.yaml", "resources: {cpus: 1}\nresolvers: [203.0.113.53]\nupstream_ca_files: [%s/ca.pem]\n" % workdir +
            ("accel: %s\nboot_seconds: 300\n" % products.ACCEL if products.ACCEL else ""))
    return p


@pytest.fixture(scope="session")
def vm_bottle(product):
    """One boot that many assertions share."""
    b = product.bottle("--bottle", "demo")
    yield b
    b.close()


@pytest.fixture(scope="session")
def dockerd(workdir):
    e = Engine(workdir, products.make_user().pw_gid)
    yield e
    e.close()


@pytest.fixture(scope="session")
def dproduct(product, dockerd):
    """The same user and installation, told by the environment to use docker."""
    p = products.Product(product.exe, product.home, product.netns, product.uid, product.env["XDG_CACHE_HOME"])
    p.env.update(BOT_BOTTLE_BACKEND="docker", DOCKER_HOST=dockerd.host)
    return p


@pytest.fixture(scope="session")
def dbottle(dproduct):
    b = dproduct.bottle("--bottle", "demo")
    yield b
    b.close()


# What does not depend on where a bottle runs is tested on both backends, or on that of BOT_BOTTLE_BACKEND alone. A test
# without this mark is about micro-VMs, or takes dproduct and dbottle and is about docker.
BACKENDS = [os.environ["BOT_BOTTLE_BACKEND"]] if os.environ.get("BOT_BOTTLE_BACKEND") else ["smolmachines", "docker"]
both = pytest.mark.parametrize("backend", BACKENDS, indirect=True)


@pytest.fixture
def backend(request):
    return getattr(request, "param", "smolmachines")


@pytest.fixture
def either(request, backend):
    """The user who has chosen this backend."""
    return request.getfixturevalue({"smolmachines": "product", "docker": "dproduct"}[backend])


@pytest.fixture
def bottle(request, backend):
    return request.getfixturevalue({"smolmachines": "vm_bottle", "docker": "dbottle"}[backend])


@pytest.fixture
def evidence(internet, bottle):
    return Evidence(internet, bottle)


@pytest.fixture(scope="session")
def forwarding(product):
    """The same bottle with `dns: forward`; one boot as well."""
    product.write("bottles/forward.md", "---\nextends: demo\negress:\n  dns: forward\n  tcp: [{host: db.test, port: 7000}]\n---\n")
    b = product.bottle("--bottle", "forward")
    yield b
    b.close()


@pytest.fixture
def forward_evidence(internet, forwarding):
    return Evidence(internet, forwarding)


def ends(packet):
    """Of a line of tcpdump: its two addresses with their ports."""
    words = packet.split()
    at = words.index(">") if ">" in words else 0
    return frozenset((words[at - 1], words[at + 1].rstrip(":"))) if at else packet


class Evidence:
    """The four parts of a denial: the client failed, the wire and the capture server saw nothing, the
    audit has it, and the allowed control still works."""

    def __init__(self, internet, bottle):
        self.internet, self.bottle = internet, bottle
        self.packets = len(internet.quiet())
        self.captured = len(internet.capture())
        self.records = len(bottle.audit())

    def new_records(self):
        return self.bottle.audit()[self.records:]

    def nothing_left(self):
        packets = self.internet.packets()
        before = {ends(p) for p in packets[:self.packets]}
        # a kept connection that ends says nothing, nor does its server that goes on to an address which is gone
        packets = [p for p in packets[self.packets:] if "ARP" not in p and "ICMP6" not in p and "IP6" not in p
                   and not (ends(p) in before and (p.endswith("length 0") or p.split()[2].startswith("203.0.113.")))]
        assert packets == [], packets
        assert self.internet.capture()[self.captured:] == []

    def denied(self, **fields):
        records = self.new_records()
        for r in records:
            if r.get("verdict") == "deny" and all(r.get(k) == v for k, v in fields.items()):
                return r
        raise AssertionError("no denial with %r in the audit: %r" % (fields, records))

    def control(self):
        r = self.bottle.sh("curl -sS -m 20 https://allowed.test/hello")
        assert r.code == 0 and r.out == b"hello from the world\n", (r, self.bottle.audit()[-6:])
