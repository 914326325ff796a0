# SPDX-License-Identifier: Apache-2.0
"""Programs as people use them, through the egress guard: what is listed works to the octet, what is
not ends soon and says why. Real clients, nginx and git over TLS; stand-ins for the guard's peers."""
import base64
import gzip
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
from clients import CLIENTS, PYTHON, Clients  # noqa: E402
import egressrig  # noqa: E402
from packages import npm_registry, pip_index, write  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
EXE = os.path.join(BUILD, "src/proc/egress/egress")
ON = {"token_patterns": True, "known_secrets": True}
SIZES = {"empty": 0, "one": 1, "64k": 65536, "big": 30 << 20}


class World:
    def __init__(self, tmp):
        self.tmp = tmp
        self.ca = testca.CA("upstream root")
        self.ca.issue(tmp + "/good", "files.test", "echo.test")
        os.makedirs(tmp + "/nginx")
        self.nginx = upstreams.Nginx(tmp + "/nginx", tmp + "/good.crt", tmp + "/good.key")
        self.www = self.nginx.root
        self._files()
        self.rig = egressrig.Rig(EXE, [egressrig.route(h, dlp=ON, credentials="minted") for h in ("files.test", "echo.test")],
                                 testca.pem(self.ca.cert), known=[("K", "kX9vQ2mB7rT4pL8wZ5hN3jC6", [], False)])
        self.rig.targets["files.test", 443] = self.nginx.tls
        self.rig.targets["files.test", 80] = self.nginx.plain
        self.echo = upstreams.EchoServer((tmp + "/good.crt", tmp + "/good.key"))
        self.rig.targets["echo.test", 443] = self.echo.server_address
        self.root = tmp + "/root.pem"
        write(self.root, testca.pem(self.rig.root.cert))
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": tmp + "/home", "LANG": "C.UTF-8",
                    "http_proxy": self.rig.proxy, "https_proxy": self.rig.proxy, "HTTP_PROXY": self.rig.proxy,
                    "HTTPS_PROXY": self.rig.proxy, "SSL_CERT_FILE": self.root, "CURL_CA_BUNDLE": self.root,
                    "REQUESTS_CA_BUNDLE": self.root, "GIT_SSL_CAINFO": self.root, "NODE_EXTRA_CA_CERTS": self.root,
                    "PIP_CERT": self.root, "GIT_TERMINAL_PROMPT": "0"}
        write(tmp + "/home/.wgetrc", b"ca_certificate = %s\n" % self.root.encode())
        self.clients = Clients(tmp + "/compiled", self.env, self.root, self.rig.port)

    def _files(self):
        self.digest = {}
        for name, n in SIZES.items():
            data = (hashlib.sha256(name.encode()).digest() * (n // 32 + 1))[:n]
            self.nginx.put(name, data)
            self.digest[name] = hashlib.sha256(data).hexdigest()
        self.nginx.put("made.gz", gzip.compress(b"stored compressed\n" * 1000))
        self._git()
        npm_registry(self.www, "https://files.test")
        pip_index(self.www)

    def _git(self):
        work, bare = self.tmp + "/work", self.www + "/project.git"
        env = {"HOME": self.tmp, "PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null",
               "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        write(work + "/hello.txt", b"hello\n" * 1000)
        for argv in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "one"]):
            subprocess.run(["git", "-C", work] + argv, check=True, env=env)
        subprocess.run(["git", "clone", "-q", "--bare", work, bare], check=True, env=env)
        subprocess.run(["git", "-C", bare, "update-server-info"], check=True, env=env)

    def run(self, *argv, timeout=60, **env):
        return subprocess.run(argv, env=dict(self.env, **env), capture_output=True, timeout=timeout, check=False,
                              cwd=self.tmp)


@pytest.fixture(scope="module")
def w(tmp_path_factory):
    world = World(str(tmp_path_factory.mktemp("clients")))
    yield world
    assert world.rig.proc.poll() is None, "egress died"
    world.rig.close()
    world.nginx.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_downloads_are_identical(w, client):
    for name, want in w.digest.items():
        r = w.run(*w.clients.argv(client, "files.test", name))
        assert r.returncode == 0 and hashlib.sha256(r.stdout).hexdigest() == want, (client, name, r.stderr[-500:])
    r = w.run(*w.clients.argv(client, "files.test", "made.gz"))
    assert gzip.decompress(r.stdout) == b"stored compressed\n" * 1000


@pytest.mark.parametrize("client", ["curl", "wget", "undici", "requests", "httpx", "aiohttp", "go"])
def test_plain_http_too(w, client):
    for name, want in w.digest.items():
        r = w.run(*w.clients.argv(client, "files.test", name, scheme="http"))
        assert r.returncode == 0 and hashlib.sha256(r.stdout).hexdigest() == want, (client, name, r.stderr[-500:])


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_not_listed_ends_soon_and_says_so(w, client):
    def timed(host, name):
        argv = w.clients.argv(client, host, name)
        started = time.monotonic()
        r = w.run(*argv)
        return r, time.monotonic() - started
    allowed, usual = timed("files.test", "one")
    r, took = timed("unlisted.test", "x")
    assert allowed.returncode == 0 and r.returncode != 0 and took < usual + 5, (took, usual)
    assert b"403" in r.stdout + r.stderr or b"Forbidden" in r.stderr, (client, r)


def test_ranges_resume_and_upload(w):
    r = w.run("curl", "-sS", "-r", "100-199", "https://files.test/64k")
    assert len(r.stdout) == 100
    part = w.tmp + "/part"
    write(part, open(w.www + "/big", "rb").read(1000000))
    r = w.run("curl", "-sS", "-C", "-", "-o", part, "https://files.test/big")
    assert r.returncode == 0 and hashlib.sha256(open(part, "rb").read()).hexdigest() == w.digest["big"]
    r = w.run("curl", "-sS", "-T", part, "https://echo.test/put")
    assert r.stdout.split() == [w.digest["big"].encode(), b"%d" % SIZES["big"]], r
    r = w.run("curl", "-sS", "-T", part, "https://files.test/put")
    assert b"413 Request Entity Too Large" in r.stdout, r  # the server's own word, before it has all


def test_git_clone(w):
    r = w.run("git", "clone", "-q", "https://files.test/project.git", w.tmp + "/clone")
    assert r.returncode == 0 and open(w.tmp + "/clone/hello.txt").read() == "hello\n" * 1000, r
    r = w.run("git", "-C", w.tmp + "/clone", "push", "-q", "origin", "main")
    assert r.returncode != 0 and b"403" in r.stderr, r
    r = w.run("git", "clone", "-q", "https://unlisted.test/project.git", w.tmp + "/no")
    assert r.returncode != 0 and b"403" in r.stderr, r


def test_npm_install(w):
    os.makedirs(w.tmp + "/app")
    r = w.run("npm", "install", "--prefix", w.tmp + "/app", "--no-audit", "--no-fund", "left-pad-ish",
              npm_config_registry="https://files.test/", npm_config_cafile=w.root, npm_config_update_notifier="false",
              timeout=120)
    assert r.returncode == 0, r.stderr[-1500:]
    assert w.run("node", "-p", "require('%s/app/node_modules/left-pad-ish')" % w.tmp).stdout == b"42\n"


def test_pip_install(w):
    r = w.run(PYTHON, "-m", "pip", "install", "-q", "--no-input", "--target", w.tmp + "/site", "--index-url",
              "https://files.test/simple/", "tiny-thing", timeout=120)
    assert r.returncode == 0 and os.path.exists(w.tmp + "/site/tiny_thing.py"), r.stderr[-1500:]


REGISTRY = """
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %(dir)s/store}}
http: {addr: 127.0.0.1:%(port)d%(tls)s}
%(auth)s
"""


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def registry(d, port, tls="", auth=""):
    write(d + "/registry.yml", (REGISTRY % {"dir": d, "port": port, "tls": tls, "auth": auth}).encode())
    proc = subprocess.Popen(["docker-registry", "serve", d + "/registry.yml"], stdout=subprocess.DEVNULL,
                            stderr=open(d + "/registry.log", "w"))
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return proc
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the registry did not start")


def oci_layout(d):
    """An image of one layer with one file. Returns the layer's digest."""
    def blob(data):
        name = hashlib.sha256(data).hexdigest()
        write("%s/blobs/sha256/%s" % (d, name), data)
        return {"digest": "sha256:" + name, "size": len(data)}

    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as t:
        t.addfile(tarfile.TarInfo("hello"), io.BytesIO(b""))
    base = "application/vnd.oci.image."
    layer = blob(gzip.compress(tar.getvalue()))
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar.getvalue()).hexdigest()]}}).encode())
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": base + "manifest.v1+json",
                                "config": dict(config, mediaType=base + "config.v1+json"),
                                "layers": [dict(layer, mediaType=base + "layer.v1.tar+gzip")]}).encode())
    write(d + "/index.json", json.dumps({"schemaVersion": 2, "manifests": [
        dict(manifest, mediaType=base + "manifest.v1+json", annotations={"org.opencontainers.image.ref.name": "v1"})]}).encode())
    write(d + "/oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    return layer["digest"].split(":")[1]


def token_server(w, key, cert):
    """Gives whoever asks a token for pulling. Returns it and the list of tokens given."""
    given = []

    def script(c):
        while c.head():
            now = int(time.time())
            head = {"alg": "ES256", "typ": "JWT", "x5c": [base64.b64encode(testca.der(cert)).decode()]}
            claims = {"iss": "auth.test", "aud": "registry.test", "sub": "", "exp": now + 300, "nbf": now - 10, "iat": now,
                      "jti": os.urandom(8).hex(), "access": [{"type": "repository", "name": "tiny", "actions": ["pull"]}]}
            text = b64(json.dumps(head).encode()) + b"." + b64(json.dumps(claims).encode())
            r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
            given.append((text + b"." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode())
            body = json.dumps({"token": given[-1]}).encode()
            c.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    server = upstreams.Raw(script, (w.tmp + "/oci.crt", w.tmp + "/oci.key"))
    return server, given


def test_image_pull_with_a_token(w):
    """A registry sends its client for a token to another host; that token passes, others do not."""
    d, port = w.tmp + "/registry", upstreams.free_port()
    layer = oci_layout(d + "/oci")
    first = registry(d, port)
    r = subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "oci:%s/oci:v1" % d,
                        "docker://127.0.0.1:%d/tiny:v1" % port], capture_output=True, check=False, timeout=60)
    first.terminate()
    first.wait(timeout=10)
    assert r.returncode == 0, r.stderr
    w.ca.issue(w.tmp + "/oci", "registry.test", "auth.test")
    signer = testca.CA("auth.test")
    write(d + "/signer.pem", testca.pem(signer.cert))
    server, given = token_server(w, signer.key, signer.cert)
    proc = registry(d, port, ", tls: {certificate: %s/oci.crt, key: %s/oci.key}" % (w.tmp, w.tmp),
                    "auth: {token: {realm: 'https://auth.test/token', service: registry.test, issuer: auth.test, "
                    "rootcertbundle: %s/signer.pem}}" % d)
    rig = egressrig.Rig(EXE, [egressrig.route("registry.test", dlp=ON, credentials="minted", minted_by=["auth.test"]),
                              egressrig.route("auth.test", dlp=ON, credentials="minted")], testca.pem(w.ca.cert))
    rig.targets["registry.test", 443] = ("127.0.0.1", port)
    rig.targets["auth.test", 443] = server.address
    write(w.tmp + "/oci-root.pem", testca.pem(rig.root.cert))
    env = {"HTTPS_PROXY": rig.proxy, "https_proxy": rig.proxy, "SSL_CERT_FILE": w.tmp + "/oci-root.pem",
           "CURL_CA_BUNDLE": w.tmp + "/oci-root.pem"}
    try:
        r = w.run("skopeo", "--insecure-policy", "copy", "docker://registry.test/tiny:v1", "dir:" + d + "/pulled", **env)
        assert r.returncode == 0 and len(given) == 1, r.stderr
        assert hashlib.sha256(open(d + "/pulled/" + layer, "rb").read()).hexdigest() == layer
        r = w.run("curl", "-sS", "-H", "Authorization: Bearer " + given[0][:-8] + "AAAAAAAA",
                  "https://registry.test/v2/tiny/manifests/v1", **env)
        assert json.loads(r.stdout)["reason"] == "foreign_credential", r
        r = w.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Authorization: Bearer " + given[0],
                  "https://registry.test/v2/tiny/manifests/v1", **env)
        assert r.stdout == b"200" or r.stdout == b"404", r
    finally:
        rig.close()
        proc.terminate()
        proc.wait(timeout=10)
        server.close()


def test_apt_update(w):
    packages = b"Package: tiny\nVersion: 1\nArchitecture: all\nFilename: tiny.deb\nSize: 1\n" \
               b"SHA256: %s\n\n" % hashlib.sha256(b"x").hexdigest().encode()
    write(w.www + "/deb/Packages", packages)
    base = w.tmp + "/apt"
    for d in ("lists/partial", "cache/archives/partial", "state"):
        os.makedirs(base + "/" + d)
    write(base + "/sources", b"deb [trusted=yes] https://files.test/deb ./\n")
    opts = ["-o", "Dir::State=%s/state" % base, "-o", "Dir::State::lists=%s/lists" % base, "-o",
            "Dir::Cache=%s/cache" % base, "-o", "Dir::Etc::sourcelist=%s/sources" % base, "-o",
            "Dir::Etc::sourceparts=-", "-o", "Acquire::https::Proxy=" + w.rig.proxy, "-o",
            "Acquire::https::CAInfo=" + w.root, "-o", "APT::Sandbox::User=root", "-o", "Dir::Etc::parts=-",
            "-o", "Dir::State::status=/dev/null"]
    r = w.run("apt-get", *opts, "update")
    assert r.returncode == 0, r
    r = w.run("apt-cache", *opts, "show", "tiny")
    assert b"Package: tiny" in r.stdout, r


def test_a_secret_in_an_upload_is_explained(w):
    r = w.run("curl", "-sS", "-d", "it is kX9vQ2mB7rT4pL8wZ5hN3jC6", "https://echo.test/notes")
    told = json.loads(r.stdout)
    assert told["reason"] == "known_secret" and "secret K" in told["detail"] and told["hint"]
    r = w.run(PYTHON, "-c", "import requests; print(requests.post('https://echo.test/n', "
              "data=b'x' * 5000000 + b'kX9vQ2mB7rT4pL8wZ5hN3jC6' + b'y' * 5000000).json()['reason'])")
    assert r.stdout == b"known_secret\n", r
