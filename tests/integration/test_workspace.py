# SPDX-License-Identifier: Apache-2.0
"""--cwd, diff and pull: what goes into the copy, what comes back, and what a hostile bottle cannot do with it."""
import json
import os
import subprocess

import pytest

from conftest import both


def put(root, path, text, mode=None):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w") as f:
        f.write(text)
    if mode:
        os.chmod(full, mode)


def text(root, path):
    return open(os.path.join(root, path)).read()


class Copy:
    """A bottle with a copy of a directory of its own."""

    def __init__(self, product, name, *args):
        self.product, self.src = product, product.home + "/" + name
        os.makedirs(self.src)
        git = ["git", "-C", self.src, "-c", "user.name=t", "-c", "user.email=t@t.test"]
        subprocess.run(git + ["init", "-q"], check=True)
        put(self.src, ".gitignore", "build/\n*.log\n!keep.log\n")
        put(self.src, "main.c", "int main;\n")
        put(self.src, "Makefile", "all:\n")
        put(self.src, "gone.c", "bye\n")
        put(self.src, "both.c", "as it was\n")
        put(self.src, "sub/run.sh", "#!/bin/sh\n", 0o755)
        put(self.src, "tracked.log", "in spite of the rule\n")
        os.symlink("../main.c", self.src + "/sub/link")
        subprocess.run(git + ["add", "-f", "."], check=True)
        subprocess.run(git + ["commit", "-q", "-m", "start"], check=True)
        put(self.src, ".env", "TOKEN=hush\n")
        put(self.src, "deep/.aws/credentials", "hush\n")
        put(self.src, "deep/id_rsa", "hush\n")
        put(self.src, ".env.example", "TOKEN=\n")
        put(self.src, "build/out.o", "object\n")
        put(self.src, "x.log", "noise\n")
        put(self.src, "keep.log", "kept\n")
        product._own()
        before = {b["identity"] for b in product.list()}
        keep = [] if product.env.get("BOT_BOTTLE_BACKEND") else ["--keep"]
        self.proc = product.popen("run", "--yes", *keep, "--cwd", *args, "--", "sh", "-c", "echo up; exec sleep 100000",
                                  cwd=self.src)
        line = self.proc.stdout.readline()
        assert line == b"up\n", (line, self.proc.stderr.read())
        self.identity = [b["identity"] for b in product.list() if b["identity"] not in before][0]

    def sh(self, script, **kw):
        return self.product.run("exec", self.identity, "--", "bash", "-c", script, **kw)

    def stop(self):
        r = self.product.run("stop", self.identity)
        out, err = self.proc.communicate(timeout=30)
        return r, err.decode()

    def diff(self):
        r = self.product.run("diff", "--json", self.identity)
        assert r.code == 0, r
        return {x["path"]: x for x in json.loads(r.out)}


def copied(product, name):
    c = Copy(product, name, "--gitignore")
    yield c
    c.proc.kill()
    c.proc.stdout.close()
    c.proc.stderr.close()


@pytest.fixture(scope="module")
def vm_copy(product):
    yield from copied(product, "copied")


@pytest.fixture(scope="module")
def docker_copy(dproduct):
    yield from copied(dproduct, "copied-docker")


@pytest.fixture
def copy(request, backend):
    return request.getfixturevalue({"smolmachines": "vm_copy", "docker": "docker_copy"}[backend])


@both
def test_what_stays_behind(copy):
    r = copy.sh("find . -path ./.git -prune -o -type f -print | sort; git status --short; readlink sub/link; test -x sub/run.sh")
    assert r.code == 0 and r.out.decode().split("\n")[:-1] == [
        "./.env.example", "./.gitignore", "./Makefile", "./both.c", "./gone.c", "./keep.log", "./main.c", "./sub/run.sh",
        "./tracked.log", "?? .env.example", "?? keep.log", "../main.c"], r


@both
def test_nothing_changed(copy):
    # `git status` above refreshed its index
    assert set(copy.diff()) <= {".git/index"}


@both
def test_changes_come_back(copy, either):
    """One session's work: summary with what the host runs first, conflicts and hostile names and links left alone."""
    r = copy.sh("""set -e
        echo 'int x;' >>main.c; rm gone.c; echo theirs >both.c; echo 'all: evil' >Makefile
        mkdir new; echo new >new/file; chmod 755 new/file; ln -s ../main.c new/link
        git config core.fsmonitor ./evil; printf '#!/bin/sh\\n' >.git/hooks/pre-commit; echo evil >.envrc
        git -c user.name=a -c user.email=a@a.test commit -q -a -m work
        mkdir -p bare common/objects common/refs; touch common/objects/x common/refs/x; printf '[core]\nfsmonitor=./evil\n' >common/config
        echo ../common >bare/commondir; echo 'ref: refs/heads/x' >bare/HEAD
        ln -s /etc/passwd out; ln -s ../../.ssh/authorized_keys new/up; ln -s new/../../x new/twisted
        echo x >$'bell\\a\\033[31m'; printf 'TOKEN=theirs\\n' >.env; mkfifo pipe; touch build""")
    assert r.code == 0, r
    put(copy.src, "both.c", "mine\n")
    either._own()
    changes = copy.diff()
    assert changes["main.c"]["change"] == "modified" and changes["gone.c"]["change"] == "deleted"
    assert changes["both.c"]["state"] == "conflict"
    assert changes[".env"]["state"] == "conflict" and changes["build"]["state"] == "conflict"  # they stayed behind
    assert [changes[p]["state"] for p in ("out", "new/up", "new/twisted")] == ["link_outside"] * 3
    assert changes["new/link"]["state"] == "wanted" and "pipe" not in changes
    assert {p for p, c in changes.items() if c["runs"] == "self"} == {".git/config", ".git/hooks/pre-commit", ".envrc", "bare/HEAD"}
    assert changes["Makefile"]["runs"] == "build"

    r = either.run("diff", copy.identity)
    out = r.out.decode()
    assert r.code == 0 and out.startswith("Run or obeyed by programs on this host, by themselves:\n  A .envrc\n"), r
    assert out.index(".git/hooks/pre-commit") < out.index("Run by whoever builds") < out.index("M Makefile") < out.index("Other:")
    assert "\033" not in out and "\a" not in out and "bell\\x07\\x1b[31m" in out, out
    assert "out → /etc/passwd" in out[out.index("Refused"):]

    r = either.run("pull", copy.identity)  # nobody to ask
    assert r.code == 1 and b"--yes" in r.err and text(copy.src, "main.c") == "int main;\n", r
    r = either.run("pull", "--yes", copy.identity)
    assert r.code == 3 and b"\033" not in r.out + r.err, r
    assert text(copy.src, "main.c") == "int main;\nint x;\n" and text(copy.src, "new/file") == "new\n"
    assert os.access(copy.src + "/new/file", os.X_OK) and os.readlink(copy.src + "/new/link") == "../main.c"
    assert os.stat(copy.src + "/new/file").st_uid == either.uid
    assert not os.path.exists(copy.src + "/gone.c") and text(copy.src, "both.c") == "mine\n"
    assert text(copy.src, ".env") == "TOKEN=hush\n" and text(copy.src, "build/out.o") == "object\n"
    assert text(copy.src, "Makefile") == "all: evil\n"
    for name in ("out", "new/up", "new/twisted", ".envrc", ".git/hooks/pre-commit", "bare/HEAD"):
        assert not os.path.lexists(copy.src + "/" + name), name
    # a repository without .git, whose configuration git would obey, is none without its HEAD
    top = subprocess.run(["git", "-c", "safe.directory=*", "-C", copy.src + "/bare", "rev-parse", "--show-toplevel"], stdout=subprocess.PIPE)
    assert top.stdout.decode().strip() == os.path.realpath(copy.src), top
    assert "fsmonitor" not in text(copy.src, ".git/config")
    # what it committed is a commit here
    log = subprocess.run(["git", "-c", "safe.directory=*", "-C", copy.src, "log", "--format=%s"], stdout=subprocess.PIPE, check=True)
    assert log.stdout == b"work\nstart\n"


@both
def test_only_the_rest_is_left(copy, either):
    left = copy.diff()
    assert "main.c" not in left and "new/file" not in left and "gone.c" not in left, left
    assert left["both.c"]["state"] == "conflict" and left[".envrc"]["state"] == "wanted"
    r = either.run("pull", "--yes", "--host-executed", copy.identity)
    assert r.code == 3 and text(copy.src, ".envrc") == "evil\n" and "fsmonitor" in text(copy.src, ".git/config"), r
    assert not os.path.lexists(copy.src + "/out")


def test_a_kept_bottle(copy, product):
    """Its machine is started for this; what it was made with stays noted for resume."""
    assert copy.sh("echo later >later; sync").code == 0
    meta = product.home + "/.local/state/bot-bottle/%s/metadata.json" % copy.identity
    before = open(meta).read()
    r, err = copy.stop()
    assert r.code == 0, r
    assert copy.diff()["later"]["change"] == "added"
    r = product.run("pull", "--yes", copy.identity)
    assert text(copy.src, "later") == "later\n", r
    assert open(meta).read() == before
    assert [b["status"] for b in product.list() if b["identity"] == copy.identity] == ["kept"]
    assert os.listdir(os.path.dirname(meta)).count("pull") == 0


def test_what_is_not_possible(product, bottle):
    r = product.run("diff", bottle.identity)
    assert r.code == 1 and b"without --cwd" in r.err and b"cp" in r.err, r
    r = product.run("run", "--yes", "--", "true")
    ended = product.list()[0]["identity"]
    r = product.run("pull", ended)
    assert r.code == 1 and b"disk was removed" in r.err and b"--keep" in r.err, r
    src = product.home + "/plain"
    os.makedirs(src)
    put(src, "secret.pem", "hush\n")
    put(src, "\033]0;x.pem", "hush\n")
    product._own()
    r = product.run("run", "--yes", "--cwd", "--gitignore", "--", "true", cwd=src)
    assert r.code == 1 and b"git" in r.err, r
    r = product.run("run", "--yes", "--cwd", "--include-secrets", "--", "cat", "secret.pem", cwd=src)
    assert r.code == 0 and r.out == b"hush\n" and b"copied although it looks like secrets" in r.err and b"\033]0" not in r.err, r


@both
def test_too_much_is_refused(either, copy_of_little):
    """More files than the host takes, and more octets than it has room for: nothing half-made, nothing left behind."""
    c = copy_of_little
    assert c.sh("truncate -s 900T huge 2>/dev/null || truncate -s 15T huge").code == 0
    r = either.run("pull", "--yes", c.identity)
    assert r.code == 1 and b"too large" in r.err, r
    assert c.sh("rm huge; echo x >ok; mkdir $'d\\n\\033[2J'; mkdir -p $(seq -s/ 70)").code == 0
    r = either.run("pull", "--yes", c.identity)
    assert r.code == 1 and b"\033" not in r.out + r.err and not os.path.exists(c.src + "/ok"), r
    assert c.sh("rm -r 1").code == 0
    r = either.run("pull", "--yes", c.identity)
    assert r.code == 0 and text(c.src, "ok") == "x\n", r


@pytest.fixture
def copy_of_little(either, backend):
    c = Copy(either, "little-" + backend)
    yield c
    c.stop()
