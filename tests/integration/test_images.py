# SPDX-License-Identifier: Apache-2.0
"""Images that are not ours: archives of every kind, Dockerfiles, and archives that attack."""
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time

import pytest

import ocilayout as oci
import product as products
from engine import Engine

BUSYBOX = open("/bin/busybox", "rb").read()
TOOLS = "cat echo env find grep id ls mount readlink sleep stat wc".split()
ENV = ["PATH=/bin:/opt/bin", "FROM_IMAGE=a=b c", "HOME=/nonsense", "1BAD=x"]


# cap_net_raw+ep, as the kernel keeps it
CAPABILITY = "\1\0\0\2\0\x20" + "\0" * 14
ATTRIBUTES = rb"""
#include <stdio.h>
#include <sys/xattr.h>
int main(void)
{
	char v[64], names[256];
	int n = getxattr("/attr", "user.note", v, sizeof(v)), len = listxattr("/attr", names, sizeof(names));
	printf("%.*s\n", n, v);
	for (int i = 0, n = getxattr("/attr", "security.capability", v, sizeof(v)); i < n; i++)
		printf("%02x", v[i]);
	for (int i = 0; i < len; i += printf(" %s", names + i))
		;
}
"""


def static_program(source):
    """Linked statically: it runs in an image that has nothing."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["cc", "-static", "-x", "c", "-o", d + "/it", "-"], input=source, check=True)
        return open(d + "/it", "rb").read()


def shell(*more):
    """The least that runs: one static program. No bash, no user node, no home, no certificates."""
    return [oci.directory("bin"), oci.entry("bin/sh", BUSYBOX, mode=0o755)] + [
        oci.hardlink("bin/" + t, "bin/sh") for t in TOOLS] + list(more)


LOWER = oci.layer(*shell(
    oci.directory("etc"), oci.entry("etc/gone", b"x"), oci.entry("etc/stays", b"stays"),
    oci.directory("d/old/deep"), oci.entry("d/old/deep/file", b"x"), oci.entry("d/f", b"1"),
    oci.hardlink("d/hard", "d/f"), oci.symlink("way", "d"), oci.symlink("out", "../../../etc/stays"),
    oci.entry("bin/set-id", b"#!", mode=0o4755, uid=1234, gid=70000), oci.device("dev/null"),
    oci.entry("long/" + "n" * 200 + "/" + "m" * 200, b"long"), oci.entry("block", b"b" * 4096),
    oci.entry("tail", b"t" * 10000), oci.entry("attr", b"a", xattrs={"user.note": "kept", "trusted.overlay.opaque": "y",
                                                                           "security.capability": CAPABILITY}),
    oci.entry("bin/attributes", static_program(ATTRIBUTES), mode=0o755),
    *[oci.entry("many/%04d" % i, b"%d" % i) for i in range(2000)]))
UPPER = oci.layer(oci.entry("etc/.wh.gone"), oci.entry("d/old/.wh..wh..opq"), oci.entry("d/old/new", b"new"),
                  oci.entry("way/through-link", b"t"), oci.entry("d/f", b"22"), form=tarfile.GNU_FORMAT)


@pytest.fixture(scope="module")
def made(workdir):
    path = workdir + "/images"
    os.makedirs(path)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def store(user_cache):
    return user_cache + "/bot-bottle/images"


def imported(product, path, name, **kw):
    subprocess.run(["chmod", "-R", "a+rX", path], check=True)
    r = product.run("image", "import", path, "--name", name, **kw)
    assert r.code == 0, r
    assert r.out.decode().split()[0] == name
    return r.out.decode().split()[1]


@pytest.fixture(scope="module")
def image(product, made):
    return imported(product, oci.write_tar(made + "/demo.tar", oci.layout([LOWER, UPPER], env=ENV)), "demo")


def test_every_form_is_the_same_image(product, made, image, store):
    docker = oci.write_tar(made + "/docker.tar", oci.docker([LOWER, UPPER], env=ENV))
    with open(docker + ".gz", "wb") as f:
        f.write(gzip.compress(open(docker, "rb").read(), 1))
    forms = {"dir-zstd": oci.write_dir(made + "/layout", oci.layout([LOWER, UPPER], "zstd", ENV)),
             "tar-plain": oci.write_tar(made + "/plain.tar", oci.layout([LOWER, UPPER], "", ENV)),
             "docker": docker, "docker-gz": docker + ".gz"}
    for name, path in forms.items():
        assert imported(product, path, name) == image
    # skopeo wrote none of these and reads them; what it writes is read here
    skopeo = made + "/by-skopeo.tar"
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "docker-archive:" + docker, "oci-archive:" + skopeo],
                   check=True)
    assert imported(product, skopeo, "skopeo") == image
    ls = {l.split()[0]: l for l in product.run("image", "ls").out.decode().splitlines()}
    assert re.match(r"demo +%s +\d+ MiB +\d+ (second|minute)s? .*%s$" % (image[:12], skopeo), ls["demo"]), ls
    assert ls["base"].split()[1] != image[:12]
    for name in list(forms) + ["skopeo"]:
        assert product.run("image", "rm", name).code == 0
    names = [l.split()[0] for l in product.run("image", "ls").out.decode().splitlines()]
    assert os.path.exists(store + "/" + image) and "demo" in names and "skopeo" not in names


def test_erofs_is_what_the_layers_say(image, store, made):
    tree = made + "/tree"
    subprocess.run(["fsck.erofs", "--extract=" + tree, "%s/%s/root.erofs" % (store, image)], check=True,
                   stdout=subprocess.DEVNULL)

    def text(name):
        return open(tree + "/" + name, "rb").read()

    assert not os.path.exists(tree + "/etc/gone") and os.listdir(tree + "/d/old") == ["new"]
    assert (text("d/f"), text("d/hard"), text("d/through-link"), text("etc/stays")) == (b"22", b"1", b"t", b"stays")
    assert (text("block"), text("tail")) == (b"b" * 4096, b"t" * 10000)
    assert [text("many/%04d" % i) for i in range(2000)] == [b"%d" % i for i in range(2000)]
    assert os.readlink(tree + "/out") == "../../../etc/stays" and os.listdir(tree + "/dev") == []
    st = os.lstat(tree + "/bin/set-id")
    # the set-id bit is looked for in the bottle: fsck.erofs of Debian 12 loses it
    assert (oct(st.st_mode & 0o777), st.st_uid, st.st_gid, st.st_mtime) == ("0o755", 1234, 70000, 1700000000)
    assert text("etc/passwd").splitlines()[-1] == b"node:*:1000:1000::/home/node:/bin/sh"


def test_foreign_image_runs(product, image):
    product.write("bottles/foreign.md", "---\nimage: demo\nresources: {memory: 512MiB, disk: 1GiB}\n---\n")
    b = product.bottle("--bottle", "foreign")
    try:
        def sh(script, **kw):
            r = b.exec("sh", "-c", script, **kw)
            assert r.code == 0, r
            return r.out.decode()

        assert sh("id; pwd; echo $HOME $PATH '|' $FROM_IMAGE; readlink /proc/$$/exe") == (
            "uid=1000(node) gid=1000(node) groups=1000(node)\n/home/node\n/home/node /bin:/opt/bin | a=b c\n/bin/sh\n")
        assert sh("cat /d/f /d/hard /d/old/new /d/through-link; ls /d/old; ls /many | wc -l") == "221newtnew\n2000\n"
        assert b.exec("sh", "-c", "cat /etc/gone").code == 1
        assert sh("stat -c '%a %u %g' /bin/set-id; stat -c %h /bin/cat; cat /out; wc -c </tail") == (
            "4755 1234 70000\n%d\nstays10000\n" % (len(TOOLS) + 1))
        assert sh("attributes").split() == ["kept", CAPABILITY.encode().hex(), "user.note", "security.capability"]
        # its files are the image's, its own disk takes what it writes
        assert sh("echo 2 >/workspace/a; echo 3 >/tmp/b; echo 4 >~/c; echo 5 >/d/f && cat /d/f", user="root") == "5\n"
        assert sh("id -u; grep -c . /proc/mounts >/dev/null; echo $HTTPS_PROXY | grep -c 9099", user="root") == "0\n1\n"
        # no certificates of its own: then ours alone are trusted
        assert sh("grep -c BEGIN $SSL_CERT_FILE") == "1\n"
    finally:
        b.close()
    assert open(os.path.dirname(product.home) + "/images/demo.tar", "rb").read(1)  # untouched


def absolute(name):
    info, data = oci.entry("x")
    info.name = name
    return info, data


def many(n):
    """@n empty files: headers made by hand, else it would take minutes."""
    head = bytearray(oci.entry("m/0000000")[0].tobuf(tarfile.USTAR_FORMAT))
    head[148:156] = b" " * 8
    rest, total = bytes(head[9:148]), sum(head) - 7 * ord("0")
    out = io.BytesIO()
    for i in range(n):
        name = b"%07d" % i
        out.write(b"m/" + name + rest + b"%06o\0 " % (total + sum(name)) + bytes(head[156:]))
    return out.getvalue() + b"\0" * 1024


def one(*entries, **kw):
    return lambda: oci.layout([oci.layer(*entries, form=tarfile.GNU_FORMAT)], **kw)


def changed(change, entries=None):
    return lambda: oci.layout([LOWER], change=change)


def swap_layer(manifest, files):
    digest = manifest["layers"][0]["digest"][7:]
    files["blobs/sha256/" + digest] = gzip.compress(oci.layer(oci.entry("other", b"x")))


def cut_layer(manifest, files):
    name = "blobs/sha256/" + manifest["layers"][0]["digest"][7:]
    files[name] = files[name][:-100]


def other_content(manifest, files):
    """A layer whose own digest is right, with another content than the configuration says."""
    data = gzip.compress(oci.layer(oci.entry("other", b"x")))
    files["blobs/sha256/" + oci.sha256(data)] = data
    manifest["layers"] = [oci.descriptor("application/vnd.oci.image.layer.v1.tar+gzip", data)]


def twice(files, name):
    parts = [oci.entry(n, d) for n, d in files.items()] + [oci.entry(name, b"{}")]
    return oci.layer(*parts)


HOSTILE = {
    "absolute": (one(absolute("/etc/passwd")), "layer 1: behind its start: unsafe name"),
    "dotdot": (one(absolute("a/../../etc/passwd")), "unsafe name"),
    "through a link": (one(oci.symlink("x", "../../.."), oci.entry("x/etc/passwd", b"!")),
                       "x/etc/passwd: a symbolic link on its way leads out of the image"),
    "link loop": (one(oci.symlink("x", "y"), oci.symlink("y", "x"), oci.entry("x/z")), "too many symbolic links"),
    "device": (one(oci.device("etc/sda", tarfile.BLKTYPE)), "etc/sda: a device or fifo outside of dev/"),
    "fifo": (one(oci.entry("pipe", kind=tarfile.FIFOTYPE)), "a device or fifo"),
    "hard link out": (one(oci.hardlink("x", "../etc/shadow")), "bad link target"),
    "hard link to nothing": (one(oci.hardlink("x", "etc/shadow")), "a hard link to what is no file"),
    "name twice": (one(oci.entry("x", b"1"), oci.entry("x", b"2")), "x: stands twice in this layer"),
    "below a file": (one(oci.entry("x", b"1"), oci.entry("x/y", b"2")), "below something that is no directory"),
    "whiteout of ..": (one(oci.entry("d/.wh...")), "a whiteout of no name"),
    "proc is a link": (one(oci.symlink("proc", "/etc")), "preparing /proc"),
    "100 GiB": (one(oci.entry("x", size=100 << 30)), "the image is too large"),
    "sparse": (one(oci.entry("x", kind=b"S")), "entry type not allowed"),
    "half a million names": (lambda: oci.layout([many(500001)], "zstd"), "the image is too large"),
    "bomb": (lambda: oci.layout([oci.layer(oci.entry("x", bytes(600 << 20)))], "zstd"), "more than 200 times its size"),
    "bomb behind the end": (lambda: oci.layout([oci.layer(oci.entry("x")) + bytes(3 << 20)]), "behind its end"),
    "layer swapped": (changed(swap_layer), "layer 1: not what its digest says"),
    "layer of another digest": (changed(other_content), "layer 1: not what its digest says"),
    "layer cut": (changed(cut_layer), "layer 1: decompressing it"),
    "layer missing": (changed(lambda m, f: f.pop("blobs/sha256/" + m["layers"][0]["digest"][7:])), "not in the archive"),
    "digest with a path": (changed(lambda m, f: m["layers"][0].update(digest="sha256:../../../../etc/passwd")),
                           "a digest that is no sha256"),
    "more layers": (changed(lambda m, f: m["layers"].append(m["layers"][0])), "2 layers, and digests of 1"),
    "encrypted": (changed(lambda m, f: m["layers"][0].update(mediaType="application/x")), "of a type that is not known"),
    "other machine": (one(oci.entry("x"), arch="riscv64"), "the image is for linux/riscv64"),
}
FILES = {
    "two images": (json.dumps([{}, {}]).encode(), "2 images in the archive"),
    "not json": (b"[{]", "not JSON"),
    "key twice": (b'[{"Config": "a", "Config": "b"}]', "a key twice"),
    "config is a path": (json.dumps([{"Config": "../x", "Layers": []}]).encode(), "not in the archive"),
}


def leftovers(store):
    return sorted(os.listdir(store)) + sorted(os.listdir(store + "/by-name"))


def refused(product, store, path, why, code=1):
    before = leftovers(store)
    r = product.run("image", "import", path, "--name", "hostile", timeout=300)
    assert r.code == code and why in r.err.decode(), (why, r)
    last = r.err.decode().splitlines()[-1]
    assert last.startswith("bot-bottle: ") and path in last and r.out == b"", r
    assert leftovers(store) == before


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives_are_refused(product, store, made, image, what):
    make, why = HOSTILE[what]
    path = oci.write_tar(made + "/hostile.tar", make())
    os.chmod(path, 0o644)
    refused(product, store, path, why)
    os.unlink(path)


def test_hostile_descriptions_are_refused(product, store, made, image):
    path = made + "/hostile.tar"
    for text, why in FILES.values():
        refused(product, store, oci.write_tar(path, {"manifest.json": text}), why)
    open(path, "wb").write(twice(oci.layout([LOWER]), "index.json"))
    refused(product, store, path, "index.json stands twice in the archive")
    open(path, "wb").write(oci.layer(oci.symlink("manifest.json", "../../../etc/passwd")))
    refused(product, store, path, "neither an OCI layout")
    for data, why in (b"", "cut short"), (os.urandom(5000), "no image archive"), (b"\x1f\x8b junk", "decompressing it"), (
            oci.layer(oci.entry("a"))[:-700], "cut short"):
        open(path, "wb").write(data)
        refused(product, store, path, why)
    refused(product, store, made + "/not-there.tar", "No such file")
    refused(product, store, "/dev/null", "neither a file nor a directory")


def test_layout_is_not_left(product, store, made, image):
    """In a directory a blob that is a link leads nowhere, whatever stands at its end."""
    path = oci.write_dir(made + "/leaves", oci.layout([LOWER]))
    big = max((os.path.join(path, "blobs/sha256", n) for n in os.listdir(path + "/blobs/sha256")), key=os.path.getsize)
    os.rename(big, made + "/outside")
    os.symlink(made + "/outside", big)
    subprocess.run(["chmod", "-R", "a+rX", made], check=True)
    refused(product, store, path, "not in the archive: Too many levels of symbolic links")
    os.unlink(path + "/index.json")
    os.symlink("/etc/passwd", path + "/index.json")
    refused(product, store, path, "index.json is not in the archive")


def test_interrupted_import_leaves_nothing(product, store, made, image):
    path = oci.write_tar(made + "/big.tar", oci.layout([oci.layer(oci.entry("x", os.urandom(200 << 20)))], ""))
    os.chmod(path, 0o644)
    before = leftovers(store)
    p = product.popen("image", "import", path, "--name", "hostile")
    assert b"layer 1 of 1" in p.stderr.readline()
    os.kill(p.pid, signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 130 and out == b"" and b"interrupted" in err, err
    assert leftovers(store) == before
    os.unlink(path)


def test_names_of_images(product, made, image, store):
    path = made + "/demo.tar"
    for name, why in ("base", "the name of a recipe"), ("Bad", "names are lower-case"), ("../x", "names are lower-case"):
        r = product.run("image", "import", path, "--name", name)
        assert r.code == 1 and why in r.err.decode(), r
    r = product.run("image", "import", path)
    assert r.code == 0 and r.out.decode().split()[0] == "demo", r
    r = product.run("run", "--image", "never-imported", "--", "id")
    assert r.code != 0 and "never-imported" in r.err.decode(), r


# ---- Dockerfiles ----

DOCKERFILE = """FROM scratch
COPY bin/ /bin/
ENV PATH=/bin FROM_DOCKERFILE=yes
"""


@pytest.fixture(scope="module")
def context(made):
    path = made + "/context"
    os.makedirs(path + "/bin")
    for name in ["sh"] + TOOLS:
        shutil.copy("/bin/busybox", path + "/bin/" + name)
    open(path + "/Dockerfile", "w").write(DOCKERFILE)
    subprocess.run(["chmod", "-R", "a+rX", path], check=True)
    return path


def test_without_a_builder(product, context, made):
    os.makedirs(made + "/empty")
    r = product.run("image", "build", context + "/Dockerfile", env={"PATH": made + "/empty"})
    assert r.code == 1 and "buildah, podman or docker" in r.err.decode() and "apt-get install buildah" in r.err.decode(), r


def test_dockerfile_by_buildah(product, context, store):
    """As a plain user, named by a bottle; built once, and again when it has changed."""
    product.write("Dockerfile", DOCKERFILE + 'RUN ["/bin/sh", "-c", "echo built >/built"]\n')
    shutil.copytree(context + "/bin", product.home + "/.bot-bottle/bin")
    product.write("bottles/own.md", "---\nimage: ../Dockerfile\nresources: {memory: 512MiB, disk: 1GiB}\n---\n")
    env = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs", "BB_IMAGE_BUILDER": "buildah"}
    argv = ["run", "--bottle", "own", "--", "sh", "-c", "cat /built; echo $FROM_DOCKERFILE; id -un"]
    r = product.run(*argv, env=env, timeout=300)
    assert r.code == 0 and r.out == b"built\nyes\nnode\n", r
    assert b"building with buildah" in r.err
    r = product.run(*argv, env={"BB_IMAGE_BUILDER": "none"}, timeout=120)
    assert r.code == 0 and r.out == b"built\nyes\nnode\n" and b"building" not in r.err, r
    before = leftovers(store)
    product.write("Dockerfile", DOCKERFILE + 'RUN ["/bin/sh", "-c", "exit 7"]\n')
    r = product.run(*argv, env=env, timeout=300)
    assert r.code == 1 and b"the build failed" in r.err and r.out == b"", r
    assert leftovers(store) == before


@pytest.fixture(scope="module")
def engine(workdir):
    e = Engine(workdir + "/images", products.make_user().pw_gid)
    yield e
    e.close()


def test_same_image_on_docker(product, image, engine, context):
    env = {"DOCKER_HOST": engine.host, "BB_IMAGE_BUILDER": "docker", "DOCKER_BUILDKIT": "0"}
    script = "cat /d/f /d/hard /d/old/new; echo $FROM_IMAGE; id -un; pwd; ls /etc/gone"
    r = product.run("run", "--backend", "docker", "--image", "demo", "--", "sh", "-c", script, env=env, timeout=300)
    assert r.code == 1 and r.out == b"221newa=b c\nnode\n/home/node\n", r
    r = product.run("image", "build", context + "/Dockerfile", "--name", "by-docker", env=env, timeout=300)
    assert r.code == 0 and r.out.startswith(b"by-docker "), r
    r = product.run("run", "--backend", "docker", "--image", "by-docker", "--", "sh", "-c", "echo $FROM_DOCKERFILE",
                    env=env, timeout=300)
    assert r.code == 0 and r.out == b"yes\n", r
