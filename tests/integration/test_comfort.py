# SPDX-License-Identifier: Apache-2.0
"""commit and --from, edit, the question which agent, labels, what list shows, and slips of the finger."""
import json
import os
import pty
import select
import signal
import termios
import time

import pytest

from test_attach import Terminal
from test_resume import ident


@pytest.fixture(scope="module")
def labelled(product):
    """A bottle with a label, a refusal in its audit and something on its disk."""
    b = product.bottle("--bottle", "demo", "--keep", "--label", "fix für #12", "--color", "green")
    r = b.sh("curl -s -o /dev/null https://not.listed.test/; echo first >~/note; sync; "
             "for i in 1 2 3; do dig +tries=1 +short q$i.evil.test; done")
    assert r.code == 0, r
    yield b
    b.close()


def test_list_shows(product, labelled):
    b = labelled.status()
    assert b["label"] == "fix für #12" and b["resident_bytes"] > 64 << 20, b
    denied = len([x for x in labelled.audit() if x.get("verdict") == "deny"]) - 2  # the probe's own
    assert b["denied"] == denied >= 4, (b, denied)
    r = product.run("list")
    line = [l for l in r.out.decode().splitlines() if l.startswith(labelled.identity)][0]
    assert line.endswith("  fix für #12") and " up " in line and "smolmachines" in line and int(line.split()[6]) == denied, line
    assert r.out.decode().splitlines()[0].split() == ["IDENTITY", "STATUS", "BACKEND", "ACCEL", "UP", "MEMORY", "DENIED", "LABEL"]
    assert b"\033" not in r.out
    out = on_terminal(product, "list")
    assert "\033[32mfix für #12\033[0m" in out.decode(), out
    assert b"\033" not in on_terminal(product, "list", env={"NO_COLOR": "1"})


def test_bad_labels(product):
    for label in ("", "x" * 61, "\033[31m", "a\nb", "\u202etxt", "\u200b", "tab\t"):
        r = product.run("run", "--label", label, "--", "true")
        assert r.code == 2 and b"--label" in r.err and b"\033" not in r.err, (label, r)
    r = product.run("run", "--label", "x", "--color", "\033", "--", "true")
    assert r.code == 2 and b"red, green" in r.err, r


def on_terminal(product, *args, answers=(), env=None, timeout=100):
    """Run with a terminal; answers: (what is waited for, what is typed)."""
    master, slave = pty.openpty()
    p = product.popen(*args, stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    out, answers, end = b"", list(answers), time.time() + timeout
    while time.time() < end:
        ready, _, _ = select.select([master], [], [], 0.2)
        if ready:
            try:
                out += os.read(master, 65536)
            except OSError:
                break
        elif p.poll() is not None:
            break
        if answers and answers[0][0] in out:
            os.write(master, answers.pop(0)[1])
    p.wait(10)
    os.close(master)
    assert not answers, (answers, out)
    on_terminal.code = p.returncode
    return out


def test_commit_and_start_from_it(product, labelled, internet):
    r = product.run("commit", labelled.identity, "first-try")
    assert r.code == 0 and r.out == b"first-try\n" and b"--from first-try" in r.err, r
    assert labelled.sh("echo second >~/note; echo still up").out == b"still up\n"
    disk = product.home + "/.local/state/bot-bottle/commits/first-try/disk.ext4"
    assert os.stat(disk).st_blocks * 512 < os.stat(disk).st_size / 4  # holes stay holes
    names = json.loads(product.run("commit", "ls", "--json").out)
    assert names[0]["name"] == "first-try" and names[0]["of"] == labelled.identity and len(names[0]["image_digest"]) == 64
    assert b"first-try" in product.run("commit", "ls").out
    # another policy, the disk of then
    r = product.run("run", "--from", "first-try", "--", "sh", "-c", "cat ~/note; curl -s -o /dev/null -m 20 -w '%{http_connect}' https://allowed.test/; true")
    assert r.code == 0 and r.out == b"first\n403", r
    r = product.run("commit", labelled.identity, "first-try")
    assert r.code == 1 and b"commit rm first-try" in r.err, r
    for args, code in ((("--from", "nothing"), 1), (("--from", "first-try", "--cwd"), 2), (("--from", "../x"), 1)):
        r = product.run("run", *args, "--", "true")
        assert r.code == code and b"commit" in r.err + b"commit" and r.err.startswith(b"bot-bottle: "), r
    for name in ("../x", "-x", "A", "a/b", ".new", ""):
        r = product.run("commit", labelled.identity, "--", name)
        assert r.code == 2 and b"is no name" in r.err, r
    assert product.run("commit", "rm", "first-try").code == 0
    assert product.run("commit", "rm", "first-try").code == 1
    r = product.run("run", "--yes", "--", "true")
    ended = product.list()[0]["identity"]
    r = product.run("commit", ended)
    assert r.code == 1 and b"--keep" in r.err, r


def test_a_commit_of_a_kept_bottle(product):
    """Its copy of the directory goes along, and what comes of it can be pulled."""
    src = product.home + "/comfort"
    os.makedirs(src)
    open(src + "/f", "w").write("1\n")
    product._own()
    r = product.run("run", "--yes", "--keep", "--cwd", "--", "sh", "-c", "echo 2 >>f", cwd=src)
    kept = ident(r)
    r = product.run("commit", kept)
    assert r.out.decode() == kept + "\n", r
    r = product.run("run", "--yes", "--keep", "--from", kept, "--", "sh", "-c", "pwd; echo 3 >>f; cat f")
    assert r.code == 0 and r.out == b"/workspace\n1\n2\n3\n", r
    r = product.run("pull", "--yes", ident(r))
    assert r.code == 0 and open(src + "/f").read() == "1\n2\n3\n", r
    # whoever is about to throw such a disk away is told
    out = on_terminal(product, "cleanup", "--older-than", "0", answers=[(b"[y/N] ", b"n\n")])
    assert on_terminal.code == 1 and b"with a disk that resume could go on with" in out and kept.encode() in out, out
    assert [b["status"] for b in product.list() if b["identity"] == kept] == ["kept"]


def test_edit(product):
    product.write("bottles/edited.md", "---\nenv: {A: b}\n---\n")
    path = product.home + "/.bot-bottle/bottles/edited.md"
    r = product.run("edit", "edited", env={"EDITOR": "sed -i s/A:/B:/"})
    assert r.code == 0 and "B: b" in open(path).read(), r
    r = product.run("edit", "edited", env={"EDITOR": "true", "VISUAL": "sed -i s/env:/enf:/"})
    assert r.code == 1 and b"edited.md:2:1: " in r.err and b"did you mean 'env'" in r.err, r
    out = on_terminal(product, "edit", "edited", env={"EDITOR": "sed -i -e s/envi:/env:/ -e s/enf:/envi:/"},
                      answers=[(b"again? [y/N] ", b"y\n")])
    assert on_terminal.code == 0 and "env:" in open(path).read(), out
    r = product.run("edit", "edited", env={"EDITOR": "false"})
    assert r.code == 1 and b"editor" in r.err, r
    r = product.run("edit", "edted")
    assert r.code == 1 and b"did you mean 'edited'" in r.err, r
    r = product.run("edit", "../../x")
    assert r.code == 2, r
    product.write("agents/edited-agent.md", "---\nbottle: demo\n---\nx\n")
    assert product.run("edit", "edited-agent", env={"EDITOR": "grep -q bottle"}).code == 0
    os.unlink(path)
    os.unlink(product.home + "/.bot-bottle/agents/edited-agent.md")


def test_which_agent(product):
    product.write("agents/first.md", "---\nbottle: demo\n---\nx\n")
    src = product.home + "/repo"
    os.makedirs(src + "/.bot-bottle/agents")
    open(src + "/.bot-bottle/agents/second.md", "w").write("---\nbottle: demo\n---\nx\n")
    open(src + "/.bot-bottle/agents/\033[31m.md", "w").write("x")
    product._own()

    def ask(answer):
        master, slave = pty.openpty()
        p = product.popen("start", stdin=slave, stdout=slave, stderr=slave, cwd=src)
        os.close(slave)
        out = b""
        while b"Which? (number or name) " not in out:
            out += os.read(master, 4096)
        os.write(master, answer)
        try:
            while True:
                out += os.read(master, 4096)
        except OSError:
            pass
        os.close(master)
        return p.wait(20), out
    code, out = ask(b"second\n")  # it has no credential: that is what ends it
    assert code == 1 and b"needs a credential" in out and b"\033" not in out and b"second  (of this directory)" in out, out
    code, out = ask(b"1\n")
    assert code == 1 and b"needs a credential" in out, out
    code, out = ask(b"frist\n")
    assert code == 2 and b"did you mean first?" in out, out
    code, out = ask(b"\n")
    assert code == 1 and b"no agent was chosen" in out, out
    r = product.run("start", "frist", "--yes")
    assert r.code == 1 and b"did you mean 'first'" in r.err, r


def test_more_than_this_host_has(product):
    product.write("bottles/big.md", "---\nresources: {memory: 1000GiB, cpus: 64}\n---\n")
    out = on_terminal(product, "run", "--bottle", "big", "--", "true", answers=[(b"Start? [y/N] ", b"n\n")]).decode()
    assert "warning: 1024000 MiB of memory: this host has " in out and "warning: 64 cpus: this host has " in out, out
    out = on_terminal(product, "run", "--", "true", answers=[(b"Start? [y/N] ", b"n\n")]).decode()
    assert "this host has" not in out, out


def test_a_question(product):
    """What is asked for is not shown; Ctrl-C ends the command there as anywhere, and echo is on again."""
    product.write("bottles/asks.md", "---\nenv:\n  PW: ?Which password\n  N: \"?\"\n---\n")
    t = Terminal(product, "run", "--bottle", "asks", "--", "sh", "-c", 'echo "$PW/$N"')
    try:
        t.expect(b"Which password: ")
        assert not termios.tcgetattr(t.master)[3] & termios.ECHO
        t.type(b"hush-hush-hush\n")
        while b"Value of N: " not in t.out:
            assert t.read(1) and b"hush" not in t.out, t.out
        t.type(b"two\n")
        t.expect(b"Start? [y/N] ")
        t.type(b"y\n")
        t.expect(b"hush-hush-hush/two")
        assert t.ended() == 0
    finally:
        t.end()
    for typed, code in ((b"\x03", -signal.SIGINT), (b"\n", 1), (b"\x04", 1)):
        t = Terminal(product, "run", "--bottle", "asks", "--", "true")
        try:
            t.expect(b"Which password: ")
            t.type(b"\x1a" + typed)  # Ctrl-Z would come back with what is typed in sight
            assert t.ended() == code, (typed, t.out)
            assert termios.tcgetattr(t.master)[3] & termios.ECHO, typed
        finally:
            t.end()


def test_slips(product, labelled):
    r = product.run("run", "--bottle", "dmo", "--", "true")
    assert r.code == 1 and b"did you mean 'demo'" in r.err, r
    r = product.run("run", "--lable", "x", "--", "true")
    assert r.code == 2 and b"did you mean --label" in r.err, r
    for words in (("comit",), ("help", "comit")):
        r = product.run(*words)
        assert r.code == 2 and b"did you mean commit" in r.err, r
    wrong = labelled.identity[:-1] + ("x" if labelled.identity[-1] != "x" else "y")
    r = product.run("exec", wrong, "--", "true")
    assert r.code == 1 and labelled.identity.encode() in r.err, r
