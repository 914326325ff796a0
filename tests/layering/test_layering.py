# SPDX-License-Identifier: Apache-2.0
"""The shape of the source: layers include only downwards, files and functions stay small, banned
functions stay out, public headers say what they are."""
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAYERS = ["base", "wire", "coding", "content", "policy", "scan", "manifest", "ipc", "jail", "state", "workspace", "oci", "image", "vmm", "backend", "proc",
          "guest"]
BANNED = ("strcpy strcat sprintf vsprintf gets strncpy strncat atoi atol alloca system popen mktemp tmpnam "
          "gethostbyname inet_addr").split()
# What pure layers must not call: allocation, I/O, clock
IMPURE = ("malloc calloc realloc free open openat read write socket send recv time clock_gettime gettimeofday printf "
          "fprintf getenv fopen").split()
FILE_MAX, FUNCTION_MAX, WAIVED_MAX = 1000, 60, 120


def files(*endings):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "src"], cwd=ROOT,
                         check=True, stdout=subprocess.PIPE)
    return sorted(f for f in out.stdout.decode().split() if f.endswith(endings))


def text(path):
    return open(os.path.join(ROOT, path), encoding="utf-8").read()


def without_comments(source):
    source = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), source, flags=re.S)
    source = re.sub(r'"(\\.|[^"\\\n])*"', '""', source)
    return re.sub(r"//[^\n]*", "", source)


def layer_of(path):
    return path.split("/")[1]


def test_layers_include_only_downwards():
    bad = []
    for path in files(".c", ".h"):
        mine = LAYERS.index(layer_of(path))
        for name in re.findall(r'^#include "([^"]+)"', text(path), re.M):
            theirs = name.split("/")[0]
            assert theirs in LAYERS, "%s includes %s: paths are relative to src/" % (path, name)
            # the guest is a program of its own: base and wire only
            limit = LAYERS.index("wire") if layer_of(path) == "guest" and theirs != "guest" else mine
            if LAYERS.index(theirs) > limit:
                bad.append("%s includes %s" % (path, name))
    assert bad == []


def test_processes_do_not_include_each_other():
    bad = []
    for path in files(".c", ".h"):
        if layer_of(path) != "proc":
            continue
        for name in re.findall(r'^#include "proc/([^/"]+)/', text(path), re.M):
            if name != path.split("/")[2]:
                bad.append("%s includes proc/%s" % (path, name))
    assert bad == []


def waivers():
    """path:function reason, one a line"""
    path = os.path.join(ROOT, "tests/layering/long_functions.txt")
    lines = [l.split(None, 1) for l in open(path) if l.strip() and not l.startswith("#")]
    assert all(len(l) == 2 for l in lines), "every waiver has a reason"
    return {l[0] for l in lines}


def functions(path):
    """(name, lines of body) of each function: from '{' to '}' in column 0"""
    lines = text(path).splitlines()
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
            head = " ".join(lines[max(0, i - 4):i])
            names = re.findall(r"(\w+)\(", head)
        elif line == "}" and start is not None:
            yield names[0] if names else "?", i - start - 1
            start = None


def test_sizes():
    waived, used, bad = waivers(), set(), []
    for path in files(".c", ".h"):
        n = text(path).count("\n")
        if n > FILE_MAX:
            bad.append("%s: %d lines" % (path, n))
        for name, length in functions(path):
            key = "%s:%s" % (path, name)
            if length > (WAIVED_MAX if key in waived else FUNCTION_MAX):
                bad.append("%s: %d lines" % (key, length))
            if key in waived and length > FUNCTION_MAX:
                used.add(key)
    assert bad == []
    assert used == waived, "waivers that nothing needs"


def test_banned_functions():
    bad = []
    for path in files(".c", ".h"):
        code = without_comments(text(path))
        for name in BANNED:
            if re.search(r"(?<![\w.>])%s\(" % name, code):
                bad.append("%s: %s" % (path, name))
        if layer_of(path) in ("wire", "policy") and not path.endswith("policy/policy.c"):
            for name in IMPURE:
                if re.search(r"(?<![\w.>])%s\(" % name, code):
                    bad.append("%s: %s in a pure layer" % (path, name))
    assert bad == []


def test_headers_are_documented():
    bad = []
    for path in files(".h"):
        source = text(path)
        if "DOC:" not in source and not path.startswith("src/base/") and "private to" not in source \
                and not re.search(r"_(int|private)\.h$", path):
            bad.append("%s has no DOC block" % path)
        if not source.startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"):
            bad.append("%s: no licence line" % path)
    assert bad == []
