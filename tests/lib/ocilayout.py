# SPDX-License-Identifier: Apache-2.0
"""Images as archives: layers, OCI layouts and docker archives, also such as no tool would write."""
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def entry(name, data=b"", kind=tarfile.REGTYPE, mode=0o644, uid=0, gid=0, link="", mtime=1700000000, xattrs=None,
          size=None):
    """One member: (TarInfo, data). @size: what the header says, when that is not the truth."""
    t = tarfile.TarInfo(name)
    t.type, t.mode, t.uid, t.gid, t.linkname, t.mtime = kind, mode, uid, gid, link, mtime
    t.size = len(data) if size is None else size
    t.pax_headers = {"SCHILY.xattr." + k: v for k, v in (xattrs or {}).items()}
    return t, data


def directory(name, mode=0o755, **kw):
    return entry(name, kind=tarfile.DIRTYPE, mode=mode, **kw)


def symlink(name, target, **kw):
    return entry(name, kind=tarfile.SYMTYPE, mode=0o777, link=target, **kw)


def hardlink(name, target, **kw):
    return entry(name, kind=tarfile.LNKTYPE, link=target, **kw)


def device(name, kind=tarfile.CHRTYPE):
    return entry(name, kind=kind)


def layer(*entries, form=tarfile.PAX_FORMAT):
    """A layer as octets, exactly these members in this order."""
    out = io.BytesIO()
    for info, data in entries:
        out.write(info.tobuf(form, "utf-8", "surrogateescape"))
        out.write(data + b"\0" * (-len(data) % 512))
    out.write(b"\0" * 1024)
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


CODINGS = {"": lambda d: d, "gzip": lambda d: gzip.compress(d, 1), "zstd": zstd}
TYPES = {"": "", "gzip": "+gzip", "zstd": "+zstd"}


def config(layers, env=(), arch="amd64", system="linux"):
    return {"architecture": arch, "os": system, "config": {"Env": list(env)},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(l) for l in layers]}}


def descriptor(media, data, **kw):
    return dict({"mediaType": media, "digest": "sha256:" + sha256(data), "size": len(data)}, **kw)


def layout(layers, coding="gzip", env=(), change=None, arch="amd64"):
    """Files of an OCI layout by name. @change: called with what is described before it is digested."""
    files, blobs = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}, []
    parts = {"config": config(layers, env, arch), "layers": [CODINGS[coding](l) for l in layers]}

    def blob(data):
        files["blobs/sha256/" + sha256(data)] = data
        return data

    text = blob(json.dumps(parts["config"]).encode())
    for data in parts["layers"]:
        blobs.append(descriptor("application/vnd.oci.image.layer.v1.tar" + TYPES[coding], blob(data)))
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": descriptor("application/vnd.oci.image.config.v1+json", text), "layers": blobs}
    if change:
        change(manifest, files)
    text = blob(json.dumps(manifest).encode())
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [
        descriptor("application/vnd.oci.image.manifest.v1+json", text)]}).encode()
    return files


def docker(layers, env=(), tags=("demo:latest",)):
    """Files of what `docker save` writes."""
    text = json.dumps(config(layers, env)).encode()
    files = {sha256(text) + ".json": text}
    names = []
    for i, data in enumerate(layers):
        names.append("%d/layer.tar" % i)
        files[names[-1]] = data
    files["manifest.json"] = json.dumps([{"Config": sha256(text) + ".json", "RepoTags": list(tags),
                                          "Layers": names}]).encode()
    return files


def write_tar(path, files):
    with open(path, "wb") as f:
        f.write(layer(*[entry(name, data) for name, data in files.items()]))
    return path


def write_dir(path, files):
    for name, data in files.items():
        os.makedirs(os.path.dirname(path + "/" + name), exist_ok=True)
        with open(path + "/" + name, "wb") as f:
            f.write(data)
    return path
