# SPDX-License-Identifier: Apache-2.0
"""What needs no machine: completion, images that are removed, and what a new user is told."""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

import product as products


def complete(product, script, *words, **env):
    text = script + "\nCOMP_WORDS=(%s); COMP_CWORD=%d; _bot_bottle; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
        " ".join("'%s'" % w for w in words), len(words) - 1)
    r = subprocess.run(["bash", "-c", text], env=dict(product.env, **env), capture_output=True, check=True)
    assert r.stderr == b"", r
    return r.stdout.decode().split()


def test_completion(product, workdir):
    r = product.run("completion", "bash")
    assert r.code == 0, r
    script = r.out.decode()
    assert complete(product, script, "bot-bottle", "re") == ["resume", "reload", "redteam"]
    assert complete(product, script, "bot-bottle", "run", "--allow") == ["--allow-host", "--allow-cidr"]
    assert complete(product, script, "bot-bottle", "run", "--bottle", "de") == ["demo"]
    assert complete(product, script, "bot-bottle", "run", "--backend", "d") == ["docker"]
    os.makedirs(workdir + "/complete/bot-bottle/demo-zzzzz")
    assert complete(product, script, "bot-bottle", "audit", "demo-z", XDG_STATE_HOME=workdir + "/complete") == ["demo-zzzzz"]
    os.makedirs(workdir + "/complete/bot-bottle/commits/tried")
    state = {"XDG_STATE_HOME": workdir + "/complete"}
    for words in (("run", "--from", ""), ("start", "--from", "t"), ("commit", "rm", "")):
        assert complete(product, script, "bot-bottle", *words, **state) == ["tried"], words
    os.makedirs(workdir + "/complete/bot-bottle/run")
    open(workdir + "/complete/bot-bottle/audit.key", "w").close()
    assert complete(product, script, "bot-bottle", "attach", "", **state) == ["demo-zzzzz"]  # and nothing else that is there
    for words, want in ((("image", ""), ["ls", "build", "import", "rm"]), (("image", "rm", "ba"), ["base"]), (("run", "--image", "ba"), ["base"]),
                        (("info", "dem"), ["demo"]), (("edit", "dem"), ["demo"]), (("completion", "z"), ["zsh"])):
        assert complete(product, script, "bot-bottle", *words, **state) == want, words
    r = product.run("completion", "tcsh")
    assert r.code == 2 and b"bash, zsh or fish" in r.err, r


@pytest.fixture(scope="module")
def offered(product, workdir):
    """What there is to be offered: a bottle, one that ran, a commit, an image."""
    home = workdir + "/offered"
    for name in (".bot-bottle/bottles", ".local/state/bot-bottle/demo-zzzzz", ".local/state/bot-bottle/commits/tried",
                 ".local/state/bot-bottle/run", ".cache/bot-bottle/images/by-name/base", "bin"):
        os.makedirs(home + "/" + name)
    open(home + "/.bot-bottle/bottles/demo.md", "w").close()
    for name in (".local/state/bot-bottle/audit.key", "saved.tar"):
        open(home + "/" + name, "w").close()
    os.symlink(product.exe, home + "/bin/bot-bottle")
    return home, {"HOME": home, "PATH": home + "/bin:/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"}


# (what stands on the line, what is offered behind it: all, in the order of the alphabet)
OFFERS = (("re", "redteam reload resume"), ("run --allow", "--allow-cidr --allow-host"), ("run --bottle ", "demo"),
          ("run --backend d", "docker"), ("run --from ", "tried"), ("commit rm ", "tried"), ("attach ", "demo-zzzzz"),
          ("exec demo", "demo-zzzzz"), ("info ", "demo"), ("image ", "build import ls rm"), ("image rm ", "base"), ("run --image ba", "base"),
          ("audit v", "verify"), ("stop --h", "--help"), ("--v", "--version"), ("scan sav", "saved.tar"), ("completion ", "bash fish zsh"))


def test_completion_in_fish(offered):
    home, env = offered
    r = subprocess.run(["fish", "--no-config", "-c", "bot-bottle completion fish | source; for l in $argv; complete -C \"bot-bottle $l\"; echo ==; end"] +
                       [line for line, _ in OFFERS], env=env, cwd=home, capture_output=True, check=True, timeout=100)
    assert r.stderr == b"", r
    got = [" ".join(l.split("\t")[0] for l in part.splitlines()) for part in r.stdout.decode().split("==\n")[:-1]]
    assert dict(zip([line for line, _ in OFFERS], got)) == dict(OFFERS)


def test_completion_in_zsh(offered):
    """With its own line editor on a terminal: the line after TAB, and where there are several what a second one lists."""
    home, env = offered
    master, slave = pty.openpty()
    p = subprocess.Popen(["zsh", "-f", "-i"], env=env, cwd=home, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen = b""

    def until(what):
        nonlocal seen
        end = time.time() + 60
        while what not in seen:
            ready, _, _ = select.select([master], [], [], max(0, end - time.time()))
            assert ready, (what, seen)
            seen += os.read(master, 65536)
        before, seen = seen.split(what, 1)
        return before.decode()
    try:
        # ^X says what is on the line and empties it; no question when there is much to list
        os.write(master, b"PS1=; RPS1=; LISTMAX=1000; unsetopt beep automenu; source <(bot-bottle completion zsh); show() { print -r -- \"<<$BUFFER>>\"; BUFFER=; }; "
                         b"zle -N show; bindkey '^X' show; echo rea''dy\n")
        until(b"ready")
        for line, want in OFFERS:
            words = want.split()
            os.write(master, b"bot-bottle " + line.encode() + b"\t" * min(2, len(words)) + b"\x18")
            before = until(b"<<")
            after = until(b">>")
            if len(words) == 1:
                head = line[:line.rfind(" ") + 1]
                assert after.rstrip() == "bot-bottle " + head + words[0], (line, after)
            else:
                listed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", before)
                assert set(words) <= set(listed.split()), (line, before)
                assert "demo" not in listed and "saved.tar" not in listed, (line, listed)
    finally:
        p.kill()
        p.wait()
        os.close(master)


def test_image_rm(product, workdir):
    cache = workdir + "/rmcache"
    products.give_image("base", cache, product.uid)
    images = cache + "/bot-bottle/images"
    digest = os.path.basename(os.path.realpath(images + "/by-name/base"))
    os.symlink("../" + digest, images + "/by-name/other")
    env = {"XDG_CACHE_HOME": cache, "XDG_STATE_HOME": product.home + "/rmstate"}  # no bottle needs it
    r = product.run("image", "rm", "base", env=env)
    assert r.code == 0 and r.out == b"base\n" and os.path.exists(images + "/" + digest + "/root.erofs"), r
    r = product.run("image", "rm", "other", env=env)
    assert r.code == 0 and not os.path.exists(images + "/" + digest), r
    for name in ("base", "../by-name", "..", "nothing"):
        r = product.run("image", "rm", name, env=env)
        assert r.code == 1 and b"is not there" in r.err, (name, r)
    r = product.run("run", "--", "true", env=env)
    assert r.code == 1 and b"image build base" in r.err, r


def test_image_that_is_needed(product, workdir):
    """What a kept bottle, or a commit, goes on with: it stays, unless that is said in so many words."""
    cache, state = workdir + "/neededcache", workdir + "/neededstate"
    products.give_image("base", cache, product.uid)
    images = cache + "/bot-bottle/images"
    digest = os.path.basename(os.path.realpath(images + "/by-name/base"))
    env = {"XDG_CACHE_HOME": cache, "XDG_STATE_HOME": state}
    for name, text in (("kept-aaaaa", "metadata.json"), ("ended-bbbbb", "metadata.json"), ("commits/tried", "commit.json")):
        os.makedirs(state + "/bot-bottle/" + name)
        json.dump({"version": 1, "identity": name, "of": name, "backend": "smolmachines", "bottles": [], "image": "base",
                   "image_digest": digest, "created_ms": 1}, open("%s/bot-bottle/%s/%s" % (state, name, text), "w"))
        if name != "ended-bbbbb":
            open("%s/bot-bottle/%s/disk.ext4" % (state, name), "w").close()
    subprocess.run("chmod -R go= '%s'; chown -R %d:%d '%s'" % (state, product.uid, product.uid, state), shell=True, check=True)
    os.symlink("../" + digest, images + "/by-name/other")
    r = product.run("image", "rm", "other", env=env)  # takes nothing away
    assert r.code == 0, r
    for name in ("base", digest[:12]):
        r = product.run("image", "rm", name, env=env)
        assert r.code == 1 and r.out == b"", r
        if name == "base":
            assert b"kept-aaaaa, commit tried;" in r.err and b"ended-bbbbb" not in r.err and b"--force" in r.err, r
    assert os.path.exists(images + "/by-name/base") and os.path.exists(images + "/" + digest + "/root.erofs")
    [listed] = json.loads(product.run("image", "ls", "--json", env=env).out)
    assert listed["name"] == "base" and listed["digest"] == digest and listed["ok"] and listed["bytes"] > 1 << 20, listed
    os.unlink(images + "/by-name/base")  # as after --rebuild
    [listed] = json.loads(product.run("image", "ls", "--json", env=env).out)
    assert listed["name"] is None and listed["digest"] == digest, listed
    r = product.run("image", "rm", digest[:12], env=env)
    assert r.code == 1 and b"kept-aaaaa, commit tried;" in r.err, r
    r = product.run("image", "rm", "--force", digest[:12], env=env)
    assert r.code == 0 and not os.path.exists(images + "/" + digest), r
    r = product.run("resume", "kept-aaaaa", "--", "true", env=env)
    assert r.code == 1 and b"was removed" in r.err, r
    assert product.run("image", "ls", "--force", env=env).code == product.run("image", "rm", "--json", "x", env=env).code == 2


def test_info(product):
    """The effective bottle: each value, and the file and line that it comes from."""
    product.write("bottles/below.md", "---\nimage: dev\nresources: {memory: 1GiB, cpus: 3}\negress:\n  log: 2\n"
                  "  routes: [{host: a.test, auth: {scheme: Bearer, token_ref: TOK}, matches: [{methods: [GET]}]}]\n---\n")
    product.write("bottles/above.md", "---\nextends: below\nenv:\n  A: b\n  C: ${HOST_C}\n  D: ?Which\nresources: {memory: 2GiB}\n"
                  "egress:\n  routes: [{host: b.test, dlp: false}]\n---\n")
    product.write("agents/of-above.md", "---\nbottle: above\n---\nx\n")
    at = product.home + "/.bot-bottle/bottles/"
    want = {"  image: dev  (%sbelow.md:2)" % at, "  resources.memory: 2GiB  (%sabove.md:7)" % at,
            "  resources.cpus: 3  (%sbelow.md:3)" % at, "  egress.log: 2  (%sbelow.md:5)" % at,
            "  env.A: b  (%sabove.md:4)" % at, "  env.C: the host's HOST_C  (%sabove.md:5)" % at,
            "  env.D: asked for: Which  (%sabove.md:6)" % at,
            "  route a.test 443, with the credential of TOK, only what its matches admit  (%sbelow.md:6)" % at,
            "  route b.test 443 80, not searched for secrets  (%sabove.md:9)" % at}
    for name in ("above", "of-above"):
        r = product.run("info", name)
        lines = r.out.decode().splitlines()
        assert r.code == 0 and "bottle above" in lines and not want - set(lines), (want - set(lines), r)
    said = json.loads(product.run("info", "of-above", "--json").out)
    assert said["ok"] and said["bottle"] == "above" and {"key": "resources.cpus", "value": "3", "source": at + "below.md:3"} in said["values"], said
    assert [(e["name"], e["from"], e["value"]) for e in said["env"]] == [("A", "manifest", "b"), ("C", "host", "HOST_C"), ("D", "asked", "Which")]
    assert [x["host"] for x in said["routes"]][:2] == ["a.test", "b.test"] and said["env"][0]["source"] == at + "above.md:4", said
    assert lines[0] == "agent of-above (%s/.bot-bottle/agents/of-above.md)" % product.home, lines


def test_what_builds_had_kept_goes(product, workdir):
    """What was installed for one recipe and is too old for another: gone with cleanup and image rm; no image for image ls."""
    cache = workdir + "/keptcache"
    downloads = cache + "/bot-bottle/images/.downloads"
    env = {"XDG_CACHE_HOME": cache}
    for command, code in (("cleanup --yes", 0), ("image rm nothing", 1)):
        os.makedirs(downloads, exist_ok=True)
        for name, hours in (("installed-00-base", 0), ("installed-00-dev", 2), ("kernel.deb", 2)):
            with open(downloads + "/" + name, "wb") as f:
                f.truncate(3 << 20)
            os.utime(f.name, (time.time() - hours * 3600,) * 2)
        subprocess.run(["chown", "-R", "%d:%d" % (product.uid, product.uid), cache], check=True)
        assert b"installed" not in product.run("image", "ls", env=env).out
        r = product.run(*command.split(), env=env)
        assert r.code == code and b"3 MiB" in r.err, r
        assert sorted(os.listdir(downloads)) == ["installed-00-base", "kernel.deb"]
        assert b"MiB" not in product.run(*command.split(), env=env).err


NEW = (  # what a new user tries first, its exit code, and the way out that is named
    ("list", 0, "bot-bottle run -- CMD"), ("image ls", 0, "bot-bottle image build base"), ("commit ls", 0, "bot-bottle commit ID"),
    ("check", 0, "bot-bottle init"), ("cleanup", 0, "nothing to remove: of 0 ended"), ("attach", 1, "bot-bottle start"),
    ("audit", 1, "bot-bottle run -- CMD"), ("stop", 1, "bot-bottle run -- CMD"), ("exec x -- ls", 1, "bot-bottle list"),
    ("run -- true", 1, "bot-bottle image build base"), ("run --image mine -- true", 1, "image import ARCHIVE --name mine"),
    ("run --image ubuntu:22.04 -- true", 1, "FROM in a Dockerfile"),
    ("image rm base", 1, "bot-bottle image ls"), ("image build nothing", 1, "base, claude, codex, dev"),
    ("run --bottle nothing -- true", 1, "bot-bottle init"), ("start nothing", 1, "bot-bottle start --bottle NAME"),
    ("start", 1, "ANTHROPIC_API_KEY"), ("edit", 2, "bot-bottle init"), ("run --alow-host x -- true", 2, "did you mean --allow-host?"),
    ("lsit", 2, "did you mean list?"), ("ps", 2, "did you mean list?"), ("version", 2, "did you mean --version?"),
    ("scan /", 1, "git ls-files -z | xargs -0 bot-bottle scan"), ("run --workdir src -- true", 2, "--workdir src: a path of the bottle"), ("help lsit", 2, "did you mean list?"), ("run", 2, "usage: bot-bottle run"),
    ("run --backend vm -- true", 2, "smolmachines, docker"), ("commit x --json", 2, "--json goes with ls"), ("scan", 2, "usage:"),
    ("run --allow-host https://a.test -- true", 2, "HOST[:PORT], without a scheme or a path"),
    ("run --allow-host 192.0.2.1 -- true", 2, "--allow-cidr"), ("run --allow-host *.co.uk -- true", 2, "below the public suffix co.uk"),
    ("run --allow-host b\u00fccher.test -- true", 2, "xn--bcher-kva.test"))


@pytest.fixture
def newcomer(product, workdir):
    home = workdir + "/newcomer"
    yield products.Product(product.exe, home, product.netns, product.uid, home + "/.cache")
    shutil.rmtree(home)


def test_first_steps(newcomer):
    """Each says what to do, on stderr, and leaves stdout alone."""
    for command, code, text in NEW:
        r = newcomer.run(*command.split())
        assert r.code == code and text in r.err.decode() and r.out == b"", (command, text, r)
        assert r.err.startswith(b"bot-bottle: "), (command, r)
    newcomer.write("bottles/docs.md", "---\negress: {routes: [{host: a.test}]}\n---\n")
    newcomer.write("bottles/My_Docs.md", "---\n---\n")
    r = newcomer.run("check")
    assert r.code == 0 and r.err.count(b"\n") == 1 and b"bottles/My_Docs.md is passed over: names are small letters" in r.err, r
    for command, text in (("start docs", "--bottle docs"), ("check docs.md", "'docs.md' is no name: small letters"), ("run --bottle dosc -- true", "did you mean 'docs'?"),
                          ("check x", "there are: docs")):
        r = newcomer.run(*command.split())
        assert r.code == 1 and text in r.err.decode(), (command, r)
    newcomer.write("bottles/docs.md", "---\negress: {routs: []}\n---\n")
    r = newcomer.run("run", "--bottle", "docs", "--", "true")
    assert r.code == 1 and b"docs.md:2:10: egress: unknown key 'routs' (did you mean 'routes'?)" in r.err, r
    os.makedirs(newcomer.home + "/.local/state/bot-bottle/old-aaaaa", 0o700)
    os.chmod(newcomer.home + "/.local/state/bot-bottle", 0o700)
    newcomer.write("config.yaml", "")
    r = newcomer.run("cleanup")
    assert r.code == 0 and b"of 1 ended bottles none is 30 days old (--older-than DAYS)" in r.err, r
    r = newcomer.run("cleanup", "--older-than", "0")
    assert r.code == 1 and r.out == b"old-aaaaa\n" and b"--yes" in r.err, r
    r = newcomer.run("cleanup", "--older-than", "0", "--yes")
    assert r.code == 0 and newcomer.list() == [], r


def test_output_that_is_not_written(newcomer):
    """A full disk is said and no success; a reader that went is neither."""
    for command in ("list --json", "check", "--help", "--version", "help --man", "completion bash"):
        newcomer.write("bottles/docs.md", "---\negress: {routes: [{host: a.test}]}\n---\n")
        with open("/dev/full", "wb") as full:
            r = newcomer.run(*command.split(), stdout=full)
        why = b"not all of it was written" if command == "help --man" else b"No space left on device"  # more than stdio keeps
        assert r.code == 1 and r.err.endswith(b"standard output: " + why + b"\n"), (command, r)
        read, write = os.pipe()
        os.close(read)
        r = newcomer.run(*command.split(), stdout=write)
        os.close(write)
        assert r.code == 0 and b"standard output" not in r.err, (command, r)


def test_json_is_json(newcomer):
    """With --json stdout is JSON or empty, whatever else is wrong; its shapes are those of docs/json.md."""
    def got(*args, code=0):
        r = newcomer.run(*args, "--json")
        assert r.code == code, r
        return json.loads(r.out) if r.out else None
    assert got("list") == [] and got("commit", "ls") == [] and got("check") == [] and got("image", "ls") == []
    doctor = got("doctor", code=1)
    assert not doctor["ok"] and doctor["commands"] == ["bot-bottle image build base"], doctor
    checks = {c["name"]: c for c in doctor["checks"]}
    assert checks["image base"]["status"] == "missing" and checks["seccomp"]["status"] == "ok", doctor
    table = newcomer.run("doctor").out.decode()
    for c in doctor["checks"]:
        assert "%-8s %-18s %s\n" % (c["status"], c["name"], c["text"].splitlines()[0]) in table, (c, table)
    missing = got("info", "nothing", code=1)
    assert not missing["ok"] and "bot-bottle init" in missing["errors"][0] and "values" not in missing, missing
    for command in ("diff", "audit", "audit verify", "redteam"):
        assert got(*command.split(), code=1) is None
    [none] = got("check", "nothing", code=1)
    assert none["name"] == "nothing" and not none["ok"] and none["routes"] == none["tcp"] == []
    assert len(none["errors"]) == 1 and "bot-bottle init" in none["errors"][0]
    newcomer.write("bottles/bad.md", "---\negress: {routs: []}\nresources: {memory: lots}\n---\n")
    newcomer.write("bottles/docs.md", "---\negress: {routes: [{host: '*.a.test', port: 443}], tcp: [{cidr: 192.0.2.0/24, port: 5432}]}\n---\n")
    newcomer.write("agents/fixer.md", "---\nname: fixer\ndescription: fixes\nbottle: docs\n---\nFix it.\n")
    newcomer.write("agents/lone.md", "---\nname: lone\ndescription: alone\n---\nFix it.\n")
    bad, docs, fixer, lone = got("check", code=1)
    assert [len(x["errors"]) for x in (bad, docs, fixer, lone)] == [2, 0, 0, 0]
    assert [x["ok"] for x in (bad, docs, fixer, lone)] == [False, True, True, True]
    file = newcomer.home + "/.bot-bottle/bottles/docs.md:2"
    [route], [tcp] = docs["routes"], docs["tcp"]
    assert route["host"] == "*.a.test" and route["ports"] == [443] and route["source"].startswith(file), docs
    assert tcp["to"] == "192.0.2.0/24" and tcp["port"] == 5432 and tcp["source"].startswith(file) and docs["not_built"] == [], docs
    newcomer.write("bottles/env.md", "---\nenv: {A: $B, C: '${UNSET_HERE}', D: '${HOME}'}\negress:\n  routes:\n"
                   "    - host: a.test\n      auth: {scheme: Bearer, token_ref: NO_TOKEN}\n---\n")
    [env] = got("check", "env")
    here = newcomer.home + "/.bot-bottle/bottles/env.md:"
    assert env["ok"] and [n.replace(here, "") for n in env["notes"]] == [
        "2:10: env.A stays this text; the value of a variable of this host is ${NAME}, alone",
        "2: UNSET_HERE is not set on this host; without it this bottle does not start",
        "5: NO_TOKEN is not set on this host; requests of this route need it"], env
    assert newcomer.run("check", "env").out.decode().count("  note: ") == 3 and docs["notes"] == []
    for name, code, verdict in (("docs", 0, "allow"), ("fixer", 0, "allow"), ("docs", 3, "deny")):
        url = "https://x.a.test/" if code == 0 else "https://x.b.test/"
        v = got("check", name, "--url", url, code=code)
        assert v["verdict"] == verdict and v["steps"] and v["reason"] == ("route" if code == 0 else "not_listed"), v
    for url, reason, text in (("https://192.0.2.10:5432/", "ip_literal", "egress.tcp"), ("https://", "bad_name", "no host name"),
                              ("http://x.a.test/", "port", "no route lists x.a.test port 80")):
        v = got("check", "docs", "--url", url, code=3)
        assert v["reason"] == reason and text in v["steps"][0] and len(v["steps"]) == 1, v
    for name in ("bad", "lone", "nothing"):
        [x] = got("check", name, "--url", "https://x.a.test/", code=1)
        assert x["name"] == name and not x["ok"] and x["errors"], x
    newcomer.write("config.yaml", "backnd: x\n")
    config = got("check", "docs", code=1)[0]
    assert config["name"] == "config.yaml" and "did you mean 'backend'?" in config["errors"][0], config
    secret = newcomer.write("secret\xff\n.txt", "github_pat_" + "aB3dE5fG7hJ9kL1mN3pQ5r_" + "aB3dE5fG7hJ" * 5 + "k9Lm")
    r = newcomer.run("scan", "--json", secret, "/nothing")
    assert r.code == 1 and b"/nothing" in r.err, r
    assert r.out.count(b"\n") >= 1, r
    for line in r.out.splitlines():
        assert set(json.loads(line)) == {"file", "line", "column", "offset", "length", "rule", "view"}, line


def test_a_repository_does_not_write_to_the_terminal(product, workdir):
    """What stands in a working directory's agents, or in their names, is said with its control characters escaped."""
    repo = workdir + "/says"
    os.makedirs(repo + "/.bot-bottle/agents")
    for name, front in (("bottle", 'bottle: "x\\e]52;c;ZXZpbA==\\a\\u009b2J"'), ("key", '"\\u009b2J\\e[1m": 1'),
                        ("skill", 'skills: ["\\u202ecod"]'), ("n\x1b]0;pwn\x07\u009b2J", "foo: 1")):
        with open(repo + "/.bot-bottle/agents/" + name + ".md", "w") as f:
            f.write("---\n%s\n---\nhello\n" % front)
        for words in (("check", name), ("start", name, "--yes")):
            r = product.run(*words, cwd=repo)
            said = (r.out + r.err).decode()
            assert r.code != 0 and said, r
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", said), (words, said)
    with open(repo + "/\x1b[2Jkeys", "w") as f:
        f.write("key = AKIA" + "QYLPMN5HFIQR7XYA\n")
    r = product.run("scan", repo + "/\x1b[2Jkeys", cwd=repo)
    assert r.out and b"\x1b" not in r.out + r.err, r
    r = product.run("check", "bottle", cwd=repo)
    assert b"x\\x1b]52;c;ZXZpbA==\\x07\\xc2\\x9b2J" in r.out + r.err, r
