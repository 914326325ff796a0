# SPDX-License-Identifier: Apache-2.0
"""A registry for npm and an index for pip, as files for a web server: one package in each."""
import hashlib
import io
import json
import os
import tarfile
import zipfile


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def npm_registry(www, url):
    """left-pad-ish, which is 42, in the registry `url`/, which is the directory `www`."""
    package = {"name": "left-pad-ish", "version": "1.0.0", "main": "index.js"}
    with tarfile.open(www + "/left-pad-ish-1.0.0.tgz", "w:gz") as t:
        for name, data in (("package.json", json.dumps(package).encode()), ("index.js", b"module.exports = 42\n")):
            info = tarfile.TarInfo("package/" + name)
            info.size, info.mode = len(data), 0o644
            t.addfile(info, io.BytesIO(data))
    data = open(www + "/left-pad-ish-1.0.0.tgz", "rb").read()
    meta = {"name": package["name"], "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": dict(package, dist={
        "shasum": hashlib.sha1(data).hexdigest(), "tarball": url + "/left-pad-ish-1.0.0.tgz"})}}
    write(www + "/left-pad-ish", json.dumps(meta).encode())


def pip_index(www):
    """tiny-thing, whose VALUE is 42, in the index simple/ of the directory `www`."""
    wheel = www + "/tiny_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("tiny_thing.py", "VALUE = 42\n")
        z.writestr("tiny_thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        z.writestr("tiny_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("tiny_thing-1.0.dist-info/RECORD", "")
    write(www + "/simple/tiny-thing/index.html",
          b'<a href="/tiny_thing-1.0-py3-none-any.whl">tiny_thing-1.0-py3-none-any.whl</a>')
