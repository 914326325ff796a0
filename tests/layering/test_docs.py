# SPDX-License-Identifier: Apache-2.0
"""Documents name only what exists: paths, links, tests, manifest keys, commands."""
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def listed(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT,
                         check=True, stdout=subprocess.PIPE)
    return sorted(f for f in out.stdout.decode().split("\n") if f and os.path.exists(os.path.join(ROOT, f)))


def text(path):
    return open(os.path.join(ROOT, path), encoding="utf-8").read()


DOCS = listed("*.md", "docs/*.md")


def test_links_lead_somewhere():
    bad = []
    for doc in DOCS:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(doc)):
            if re.match(r"[a-z]+:", target):
                continue
            if not os.path.exists(os.path.join(ROOT, os.path.dirname(doc), target)):
                bad.append("%s: %s" % (doc, target))
    assert bad == []


def test_paths_exist():
    """`src/…`, `docs/…` and the like in backquotes; NAME and * stand for anything."""
    bad = []
    for doc in DOCS:
        for path in re.findall(r"`((?:src|tests|docs|scripts|fuzz|bench|data|examples)/[^`\s]*)`", text(doc)):
            if re.search(r"[*{<…]|NAME", path):
                continue
            if not os.path.exists(os.path.join(ROOT, path)):
                bad.append("%s: %s" % (doc, path))
    assert bad == []


def test_tests_that_are_named_exist():
    source = "".join(text(f) for f in listed("tests/*.py", "tests/*.c"))
    bad = []
    for doc in DOCS:
        for name in re.findall(r"`(test_[a-z0-9_]+)`", text(doc)):
            if "def %s(" % name not in source:
                bad.append("%s: %s" % (doc, name))
    for row in re.findall(r"^\| [^|]+ \| (`[^|]+) \|$", text("SECURITY.md"), re.M):
        for name in re.findall(r"`([a-z0-9_]+)`", row):
            if not re.search(r"\b%s\(" % name, source):
                bad.append("SECURITY.md: %s" % name)
    assert bad == []


def test_every_promise_names_a_test():
    table = text("SECURITY.md").split("## Promises")[1].split("\n## ")[0]
    rows = [r for r in table.splitlines() if r.startswith("|")][2:]
    assert len(rows) > 20
    for row in rows:
        assert "`" in row.split("|")[2], row


def test_every_manifest_key_is_documented():
    doc = text("docs/manifest.md")
    keys = set()
    for path in ("bottle.c", "egress.c", "config.c", "agent.c"):
        for block in re.findall(r"\bkeys\[\] = \{([^}]*)\}", text("src/manifest/" + path)):
            keys.update(re.findall(r'"([^"]+)"', block))
    assert len(keys) > 40
    missing = [k for k in sorted(keys) if not re.search(r"\b%s\b" % re.escape(k), doc)]
    assert missing == []


def test_every_command_is_in_the_readme():
    names = re.findall(r'^\t\{ "([a-z]+)"', text("src/proc/cli/commands.c"), re.M)
    assert len(names) >= 13, names
    readme = text("README.md")
    assert [n for n in names if "`%s" % n not in readme and "bot-bottle %s" % n not in readme] == []


def test_nothing_refers_outside():
    for path in listed("*.md", "src/*", "tests/*", "scripts/*", "data/*", "fuzz/*.md", "bench/*", "examples/*"):
        if path.endswith("test_docs.py"):
            continue
        body = open(os.path.join(ROOT, path), "rb").read()
        assert b"/work/" not in body and b"../shared" not in body, path


def test_every_reason_has_a_test():
    """Each word that stands as `reason` in answers and in the audit is what some test waits for."""
    table = text("src/policy/reason.c").split("policy_reason_str[] = {")[1].split("};")[0]
    names = re.findall(r'\[(REASON_\w+)\]\s*=\s*"(\w+)"', table)
    assert len(names) > 40
    tests = "\n".join(text(f) for f in listed("tests/unit/*.c", "tests/integration/*.py"))
    assert [n for e, n in names if not re.search(r"\b%s\b|[\"']%s[\"']" % (e, n), tests)] == []
