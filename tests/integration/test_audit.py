# SPDX-License-Identifier: Apache-2.0
"""The audit of a bottle that ran: it verifies, and whatever is done to it shows."""
import json
import os
import signal

import pytest

import product as products


@pytest.fixture(scope="module")
def ended(product):
    """A bottle with something in its audit, ended."""
    b = product.bottle("--bottle", "demo")
    assert b.sh("for i in 1 2 3; do curl -sS -m 20 https://allowed.test/hello; curl -sS https://denied.test/; done").code
    live = product.run("audit", "verify", b.identity)
    assert live.code == 0 and b"ok so far" in live.out, live
    b.close()
    return b.identity


def directory(product, identity):
    return os.path.join(product.home, ".local/state/bot-bottle", identity)


def verify(product, identity):
    r = product.run("audit", "verify", identity, "--json")
    return r.code, json.loads(r.out)


def test_audit_verifies(product, ended):
    r = product.run("audit", "verify", ended)
    assert r.code == 0 and r.out.startswith(b"ok: "), r
    code, v = verify(product, ended)
    records = open(directory(product, ended) + "/audit.jsonl").read().splitlines()
    assert code == 0 and v["ok"] and v["signed"] and not v["running"] and v["records"] == len(records) > 10, v
    assert json.loads(records[-1])["kind"] == "life"


@pytest.mark.parametrize("how, fault", [("change", "changed"), ("remove", "changed"), ("swap", "changed"),
                                        ("truncate", "truncated"), ("append", "changed"), ("head", "bad_signature"),
                                        ("other head", "bad_signature"), ("no head", "unsigned")])
def test_audit_that_was_changed(product, ended, how, fault):
    d = directory(product, ended)
    log, head = open(d + "/audit.jsonl").read(), open(d + "/audit.head").read()
    lines = log.splitlines()
    n = next(i for i, l in enumerate(lines) if '"deny"' in l)
    if how == "change":
        lines[n] = lines[n].replace('"deny"', '"allow"', 1)
    elif how == "remove":
        del lines[n]
    elif how == "swap":
        lines[n], lines[n + 1] = lines[n + 1], lines[n]
    elif how == "truncate":
        del lines[-2:]
    elif how == "append":
        lines.append(lines[-1])
    new_head = head
    if how == "head":
        new_head = head.replace('"records":%d' % len(lines), '"records":%d' % (len(lines) - 2))
        assert new_head != head
    elif how == "no head":
        new_head = ""
    try:
        if how == "other head":  # that of another bottle of this user: signed, but not for this one
            before = {x["identity"] for x in product.list()}
            assert product.run("run", "--", "true").code == 0
            other = [x["identity"] for x in product.list() if x["identity"] not in before]
            new_head = open(directory(product, other[0]) + "/audit.head").read()
        open(d + "/audit.jsonl", "w").write("\n".join(lines) + "\n")
        open(d + "/audit.head", "w").write(new_head)
        code, v = verify(product, ended)
        assert code == 3 and not v["ok"] and v["fault"] == fault, v
        if fault == "changed" and how != "append":
            assert v["line"] == n + 1
        r = product.run("audit", "verify", ended)
        assert r.code == 3 and (b"BROKEN" in r.out or b"not signed" in r.out), r
    finally:
        open(d + "/audit.jsonl", "w").write(log)
        open(d + "/audit.head", "w").write(head)
    assert verify(product, ended)[0] == 0


def test_audit_of_a_killed_bottle(product):
    """Nobody could sign; what is there still follows from itself, also behind a line that was cut."""
    b = product.bottle("--bottle", "demo")
    pids = b.status()["pids"]
    os.kill(pids["recorder"], signal.SIGKILL)
    assert b.proc.wait(20) == 125
    b.close()
    code, v = verify(product, b.identity)
    assert code == 3 and v["fault"] == "unsigned" and not v["signed"] and v["records"] > 3, v
    with open(directory(product, b.identity) + "/audit.jsonl", "a") as f:
        f.write('{"time":"2026')
    code, v = verify(product, b.identity)
    assert v["fault"] == "unsigned" and v["cut_lines"] == 1, v
    assert not any(products.alive(p) for p in pids.values())
