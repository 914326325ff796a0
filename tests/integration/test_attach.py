# SPDX-License-Identifier: Apache-2.0
"""start --detach, attach, ~d and ~.: a session that outlives its command line program, on a real terminal."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pytest
from conftest import both

# says what it hears, and what size its terminal has got
SHELL = ["python3", "-c", """
import os, signal, sys
def size(*_):
    s = os.get_terminal_size()
    os.write(1, b"size %d %d\\n" % (s.lines, s.columns))  # print() may be what it interrupts
signal.signal(signal.SIGWINCH, size)
print("ready", flush=True)
for line in sys.stdin:
    if line.startswith("end"):
        sys.exit(int(line[3:]))
    if line.startswith("ask"):
        line = "\\033[6n\\033[c\\033]11;?\\007\\033P$qm\\033\\\\\\005 \\033[1masked\\033[m"
    print("heard", line.strip(), flush=True)
"""]

ASKED = b"\x1b[6n\x1b[c\x1b]11;?\x07\x1bP$qm\x1b\\\x05"


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, product, *args, rows=24, cols=80):
        self.master, slave = pty.openpty()
        self.size(rows, cols)
        # the terminal becomes its controlling one, as a terminal program does it
        self.proc = product.popen(*args, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                  preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.out = b""

    def size(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def read(self, seconds):
        end = time.time() + seconds
        while time.time() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    return False
                self.out += data
                return True
        return True

    def expect(self, text, seconds=60):
        end = time.time() + seconds
        while text not in self.out:
            assert time.time() < end, (text, self.out)
            assert self.read(1) or text in self.out, (text, self.out)
        self.out = self.out[self.out.index(text) + len(text):]

    def type(self, text):
        os.write(self.master, text)

    def ended(self, seconds=40):
        while self.read(0.2) and self.proc.poll() is None and seconds > 0:
            seconds -= 0.2
        return self.proc.wait(10)

    def close(self):
        """As closing a window does."""
        os.close(self.master)
        self.master = -1

    def end(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait(10)
        if self.master >= 0:
            os.close(self.master)


@pytest.fixture(scope="module", autouse=True)
def manifest(product):
    product.write("bottles/attached.md", "---\nagent_provider: {template: command}\n---\n")


@pytest.fixture()
def terminal(either):
    made = []
    others = [b["identity"] for b in either.list()]

    def make(*args, **kw):
        made.append(Terminal(either, *args, **kw))
        return made[-1]
    yield make
    for t in made:
        t.end()
    for b in either.list():
        if b["status"] == "up" and b["identity"] not in others:
            either.run("stop", b["identity"])


def newest(product):
    return product.list()[0]


def session(product, identity):
    return [b for b in product.list() if b["identity"] == identity][0].get("session")


def until(what, seconds=20):
    end = time.time() + seconds
    while not what():
        assert time.time() < end
        time.sleep(0.1)


def start(terminal, product, *args, **kw):
    t = terminal("start", "--bottle", "attached", "--yes", *args, "--", *SHELL, **kw)
    t.expect(b"ready\r\n")
    return t, newest(product)["identity"]


@both
def test_leave_and_come_back(either, terminal):
    """~d, a killed command line program and a closed window leave it running; attach finds it as it was."""
    t, identity = start(terminal, either)
    assert session(either, identity) == {"tty": True, "attached": True}
    assert b" up " in [l for l in either.run("list").out.splitlines() if identity.encode() in l][0]
    t.type(b"ask\r")
    t.expect(b"heard " + ASKED + b" \x1b[1masked\x1b[m\r\n")   # by a program, of its terminal
    t.type(b"first\r")
    t.expect(b"heard first\r\n")
    t.type(b"~d")
    t.expect(b"bot-bottle attach " + identity.encode())
    assert t.ended() == 0 and session(either, identity) == {"tty": True, "attached": False}
    assert b" detached " in [l for l in either.run("list").out.splitlines() if identity.encode() in l][0]

    t = terminal("attach", identity, rows=33, cols=101)
    t.expect(b"heard  \x1b[1masked\x1b[m\r\n")  # what was said last, and nothing that this terminal would answer
    t.expect(b"heard first\r\n")
    t.expect(b"size 33 101\r\n")       # and it drew its screen anew
    t.type(b"second\r")
    t.expect(b"heard second\r\n")
    t.proc.send_signal(signal.SIGKILL)
    t.proc.wait(10)
    until(lambda: session(either, identity) == {"tty": True, "attached": False})

    t = terminal("attach")             # the newest
    t.expect(b"heard second\r\n")
    t.close()
    t.proc.wait(20)
    until(lambda: session(either, identity) == {"tty": True, "attached": False})

    t = terminal("attach", identity, rows=20, cols=70)
    t.expect(b"heard second\r\n")
    t.expect(b"size 20 70\r\n")
    t.size(21, 71)
    t.expect(b"size 21 71\r\n")
    t.type(b"~~d\r")
    t.expect(b"heard ~d\r\n")
    t.type(b"end7\r")
    assert t.ended() == 7              # the exit code of what ran
    assert newest(either)["status"] == "ended"
    r = either.run("attach", identity)
    assert r.code == 7 and b"has ended, with 7" in r.err, r
    events = [x["method"] for x in either.audit(identity) if x["kind"] == "life"]
    assert events.count("attach") == 3 and events.count("detach") == 3 and events[-1] == "stop", events


@both
def test_who_attaches_last_has_it(either, terminal):
    a, identity = start(terminal, either)
    b = terminal("attach", identity)
    a.expect(b"attached from elsewhere")
    assert a.ended() == 0
    b.expect(b"ready\r\n")
    b.type(b"hello\r")
    b.expect(b"heard hello\r\n")
    assert session(either, identity) == {"tty": True, "attached": True}
    b.type(b"~.")                      # the end, as ever
    assert b.ended() == 130
    assert newest(either)["status"] == "ended"


def test_detached_from_the_start(product, terminal):
    """--detach: no terminal is needed; much output with nobody there costs no memory and does not stop it."""
    r = product.run("start", "--bottle", "attached", "--yes", "--detach", "--keep", "--", "bash", "-c",
                    "seq -f 'line %.0f of many' 50000; echo all said; sync; read x; sleep 3; echo kept $x >note; exit 3")
    identity = newest(product)["identity"]
    assert r.code == 0 and r.out.decode() == identity + "\n" and b"attach " + identity.encode() in r.err, r
    r = product.run("attach", identity)
    assert r.code == 1 and b"terminal" in r.err, r
    t = terminal("attach", identity)
    t.expect(b"all said\r\n", 100)
    t.type(b"~d")
    assert t.ended() == 0
    pids = newest(product)["pids"]
    t = terminal("attach", identity)
    t.expect(b"all said\r\n")
    assert t.out.count(b"line") == 0
    t.type(b"~d")
    t.ended()
    # at most so much is said again, from the beginning of a line
    t = terminal("attach", identity)
    t.expect(b"line ")
    t.expect(b"all said\r\n")
    t.type(b"well\r")
    t.expect(b"well\r\n")              # the guest has it
    t.close()                          # nobody is there at the end
    t.proc.wait(20)
    until(lambda: not session(product, identity), 40)
    r = product.run("attach", identity)                       # also while the machine still writes to its disk
    assert r.code == 3 and b"has ended, with 3" in r.err, r
    until(lambda: newest(product)["status"] == "kept", 40)
    until(lambda: parent_and_name(pids["bottled"])[1] is None)
    assert product.audit(identity)[-1]["method"] == "exit"
    r = product.run("attach", identity)
    assert r.code == 3, r
    r = product.run("resume", identity, "--", "cat", "note")  # what was in memory went to the disk
    assert r.code == 0 and r.out == b"kept well\n", r
    assert product.run("attach", identity).code == 1          # of that life nothing is known

    r = product.run("resume", identity, "--detach", "--no-tty", "--", "sh", "-c",
                    "cat note; until [ -e go ]; do sleep 0.2; done; echo gone >>note; exit 4")
    assert r.code == 0 and r.out.decode() == identity + "\n" and b"attach " + identity.encode() in r.err, r
    assert session(product, identity) == {"tty": False, "attached": False}
    p = product.popen("attach", identity)
    until(lambda: session(product, identity)["attached"])
    product.run("exec", identity, "--", "touch", "go")  # the bottle may have ended before that is told
    out, err = p.communicate(timeout=60)
    assert (p.returncode, out) == (4, b"kept well\n"), err
    assert newest(product)["status"] == "kept"
    r = product.run("resume", identity, "--", "cat", "note")
    assert r.out == b"kept well\ngone\n", r


ASKS = """
import os, select, termios, tty
tty.setraw(0)
def ask(what, end):
    os.write(1, what)
    got = b""
    while not got.endswith(end) and select.select([0], [], [], 20)[0]:
        got += os.read(0, 100)
    return got
before = [ask(b"\\033[?u\\033[c", b"c"), ask(b"\\033]11;?\\007\\033[>q\\033[6n", b"R")]
open("/tmp/asked", "w")
os.write(1, b"go on\\r\\n")
os.read(0, 1)
print(before, ask(b"\\033[c", b"c"), end="\\r\\n", flush=True)
"""


@both
def test_asks_its_terminal_while_nobody_is_there(either, terminal):
    """As agents' programs do before they begin; of a terminal that is there, only that one's answers come."""
    r = either.run("start", "--bottle", "attached", "--yes", "--detach", "--", "python3", "-c", ASKS)
    assert r.code == 0, r
    identity = r.out.decode().strip()
    until(lambda: either.run("exec", identity, "--", "test", "-e", "/tmp/asked").code == 0, 60)
    t = terminal("attach", identity)
    t.expect(b"go on\r\n", 100)
    t.type(b"x")
    t.expect(b"\033[c")
    t.type(b"\033[?1;2c")
    t.expect(repr([b"\033[?62;22c", b"\033[1;1R"]).encode() + b" " + repr(b"\033[?1;2c").encode())
    assert t.ended() == 0


@both
def test_headless_and_detached(either):
    """Pipes: attach needs no terminal, and ends with the command."""
    r = either.run("start", "--bottle", "attached", "--headless", "--detach", "--", "sh", "-c",
                    "echo out; echo err >&2; cat; until [ -e /tmp/go ]; do sleep 0.2; done; echo gone; exit 5")
    identity = r.out.decode().strip()
    assert r.code == 0 and session(either, identity) == {"tty": False, "attached": False}, r
    p = either.popen("attach", identity)
    until(lambda: session(either, identity)["attached"])
    either.run("exec", identity, "--", "touch", "/tmp/go")
    out, err = p.communicate(timeout=60)
    assert p.returncode == 5 and out == b"out\ngone\n" and b"err\n" in err, (p.returncode, out, err)
    assert newest(either)["status"] == "ended"


def test_what_cannot_be_attached_to(product, terminal):
    b = product.bottle()
    r = product.run("attach", b.identity)
    assert r.code == 1 and b"was not made by start: bot-bottle exec" in r.err, r
    b.close()
    r = product.run("attach", b.identity)
    assert r.code == 1 and b"no such running bottle: %s has ended" % b.identity.encode() in r.err, r
    # the window of a `run` takes its bottle along, as before
    t = terminal("run", "--yes", "--", "sh", "-c", "echo ready; sleep 1000")
    t.expect(b"ready\r\n")
    identity = newest(product)["identity"]
    t.type(b"~d\r")
    assert t.read(1) and t.proc.poll() is None
    t.close()
    t.proc.wait(20)
    until(lambda: newest(product)["status"] == "ended")
    assert newest(product)["identity"] == identity


@both
def test_a_lost_session_ends_its_bottle(either, backend):
    """Its porter killed with nobody there: nothing could come back, so nothing is left running."""
    r = either.run("start", "--bottle", "attached", "--yes", "--detach", "--", "sleep", "1000")
    identity = r.out.decode().strip()
    bottled = newest(either)["pids"]["bottled"]
    porters = [int(p) for p in os.listdir("/proc") if p.isdigit() and parent_and_name(p) == (bottled, "porter")]
    assert len(porters) == 2           # the clock's and ours, which came later
    os.kill(max(porters), signal.SIGKILL)
    until(lambda: newest(either)["status"] == ("ended" if backend == "docker" else "kept"), 10)
    assert "lost" in either.audit(identity)[-1].get("text", ""), either.audit(identity)[-1]


# The process of the guest's agent that would switch it off is the clock's; without it the host waits in vain for a while
DEAF = "agent=$(ps -o ppid= -p $PPID); sudo kill -STOP $(pgrep -P $agent | grep -vx $PPID); exit 4"


def test_a_guard_killed_while_the_guest_switches_itself_off(product):
    """That is the reason then, and not the command's end."""
    r = product.run("start", "--bottle", "attached", "--yes", "--headless", "--keep", "--detach", "--", "sh", "-c", DEAF)
    identity = r.out.decode().strip()
    pids = newest(product)["pids"]
    until(lambda: os.path.exists(product.home + "/.local/state/bot-bottle/" + identity + "/exit"))
    assert newest(product)["status"] == "up"
    os.kill(pids["egress"], signal.SIGKILL)
    until(lambda: newest(product)["status"] == "kept", 3)
    last = product.audit(identity)[-1]
    assert last["method"] == "failed" and "egress was killed by signal 9" in last["text"], last
    assert product.run("attach", identity).code == 4  # it had ended before


def parent_and_name(pid):
    try:
        status = open("/proc/%s/status" % pid).read()
    except (FileNotFoundError, ProcessLookupError):
        return None, None
    if "\nState:\tZ" in status:
        return None, None
    return int(status.split("\nPPid:\t", 1)[1].split()[0]), status.split("\n", 1)[0][6:].strip()
