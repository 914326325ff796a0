# SPDX-License-Identifier: Apache-2.0
"""`redteam`: every attack is refused by a bottle as it is, and the suite sees when one is not."""
import json
import os
import shutil

import pytest

import product as products
from conftest import both

TREE = "data/redteam/bottle.md"


@pytest.fixture(scope="module")
def weakened(workdir, product):
    """The same build, whose bottle for the suite lists the attacker's host."""
    base = workdir + "/weakened"
    os.makedirs(base)
    exe = products.copy_build(base)
    path = base + "/tree/" + TREE
    text = open(path).read()
    text = text.replace("    - host: api.", "    - host: evil.redteam.test\n"
                        "      upstream: http://127.0.0.1:{PORT}\n    - host: api.")
    open(path, "w").write(text)
    p = products.Product(exe, base + "/home", product.netns, product.uid, product.env["XDG_CACHE_HOME"])
    yield p
    shutil.rmtree(base, ignore_errors=True)


def suite(product, *args):
    r = product.run("redteam", "--json", *args, timeout=400)
    report = json.loads(r.out)
    return r.code, report["score"], {a["class"] + "/" + a["name"]: a for a in report["attacks"]}


@both
def test_every_attack_is_blocked(either, backend):
    code, score, attacks = suite(either, "--backend", backend)
    bad = [a for a in attacks.values() if a["verdict"] not in ("blocked", "skipped")]
    assert not bad and code == 0, [(a["name"], a["verdict"], a["seen"], a["ms"]) for a in bad]
    vsock = {"network/other-vsock-ports", "network/other-cids"} if backend == "docker" else set()
    assert score["blocked"] == score["attacks"] >= 70 - len(vsock) and score["controls_failed"] == 0, score
    skipped = {n for n, a in attacks.items() if a["verdict"] == "skipped"}
    assert vsock <= skipped <= vsock | {"dns/iodine", "dns/dns2tcp", "network/host-addresses"}, skipped
    assert not [b for b in either.list() if b["status"] == "up" and b["identity"].startswith("redteam")]


def test_what_gets_through_is_seen(weakened):
    code, score, attacks = suite(weakened, "--only", "http")
    assert code == 1 and attacks["http/unlisted"]["verdict"] == "THROUGH", attacks["http/unlisted"]
    assert attacks["http/push"]["verdict"] == "blocked" and score["controls_failed"] == 0


def test_an_unknown_class_is_named(product):
    r = product.run("redteam", "--only", "nonsense")
    assert r.code == 2 and b"network, dns, http, secrets, host" in r.err, r
