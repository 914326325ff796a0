# SPDX-License-Identifier: Apache-2.0
"""What the real keyd signs, in front of the libraries that programs verify it with: each takes the chain for
the listed name and refuses it for another, and the limits in the intermediate hold in each of them."""
import os
import re
import socket
import ssl
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
from clients import BUILD, CLIENTS, Clients  # noqa: E402
import egressrig  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

EXE, KEYD = (os.path.join(BUILD, "src/proc/%s/%s" % (r, r)) for r in ("egress", "keyd"))
SIGNS = x509.KeyUsage(key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
                      key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False)
LONG = "a-name-that-is-longer-than-a-common-name-may-be.in-a-zone-of-some-length.test"


class World:
    def __init__(self, tmp):
        self.tmp = tmp
        ca = testca.CA("upstream root")
        ca.issue(tmp + "/good", "a.test", "*.wild.test", LONG)
        self.nginx = upstreams.Nginx(tmp + "/nginx", tmp + "/good.crt", tmp + "/good.key")
        self.nginx.put("k", b"k" * 1000)
        self.rig = egressrig.Rig(EXE, [egressrig.route("a.test"), egressrig.route("wild.test", wildcard=True),
                                       egressrig.route(LONG)], testca.pem(ca.cert), keyd=KEYD)
        for name in ("a.test", "x.wild.test", LONG):
            self.rig.targets[name, 443] = self.nginx.tls
        self.root = tmp + "/root.pem"
        with open(self.root, "wb") as f:
            f.write(self.rig.root_pem)
        os.makedirs(tmp + "/home")
        with open(tmp + "/home/.wgetrc", "w") as f:
            f.write("ca_certificate = %s\n" % self.root)
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": tmp + "/home", "LANG": "C.UTF-8",
                    "https_proxy": self.rig.proxy, "HTTPS_PROXY": self.rig.proxy, "SSL_CERT_FILE": self.root,
                    "CURL_CA_BUNDLE": self.root, "REQUESTS_CA_BUNDLE": self.root, "NODE_EXTRA_CA_CERTS": self.root}
        self.clients = Clients(tmp + "/compiled", self.env, self.root, self.rig.port)

    def run(self, *argv):
        return subprocess.run(argv, env=self.env, capture_output=True, timeout=60, check=False)

    def chain(self, name):
        """What egress shows for the name, written to files. Returns (leaf, intermediate)."""
        r = subprocess.run(["openssl", "s_client", "-proxy", self.rig.proxy[7:], "-connect", name + ":443", "-servername", name,
                            "-showcerts"], env=self.env, input=b"", capture_output=True, timeout=30, check=False)
        pems = re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", r.stdout, re.S)
        assert len(pems) == 2, r
        for file, pem in zip(("leaf", "intermediate"), pems):
            with open("%s/%s.pem" % (self.tmp, file), "wb") as f:
                f.write(pem)
        return [x509.load_pem_x509_certificate(p) for p in pems]


@pytest.fixture(scope="module")
def w(tmp_path_factory):
    world = World(str(tmp_path_factory.mktemp("certificates")))
    yield world
    assert world.rig.proc.poll() is None, "egress died"
    world.rig.close()
    world.nginx.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_take_the_chain(w, client):
    """OpenSSL (curl, Python), GnuTLS (wget), Go, Java, Node."""
    for name in ("a.test", "x.wild.test", LONG):
        r = w.run(*w.clients.argv(client, name, "k"))
        assert r.returncode == 0 and r.stdout == b"k" * 1000, (name, r)


def quiet(*argv):
    return subprocess.run(argv, capture_output=True, timeout=60, check=False)


def openssl(d, name):
    return quiet("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name, "-CAfile",
                 d + "/root.pem", "-no-CApath", "-untrusted", d + "/intermediate.pem", d + "/leaf.pem").returncode == 0


def gnutls(d, name):
    with open(d + "/both.pem", "wb") as f:
        for path in ("/leaf.pem", "/intermediate.pem"):
            f.write(open(d + path, "rb").read())
    return quiet("certtool", "--verify", "--verify-hostname", name, "--verify-purpose", "1.3.6.1.5.5.7.3.1",
                 "--load-ca-certificate", d + "/root.pem", "--infile", d + "/both.pem").returncode == 0


def nss(d, _name):
    """vfychain compares no names; the leaf's own is in test_name_is_the_only_one."""
    db = "sql:" + d + "/nssdb"
    if not os.path.exists(d + "/nssdb"):
        os.makedirs(d + "/nssdb")
        subprocess.run(["certutil", "-N", "-d", db, "--empty-password"], check=True)
        subprocess.run(["certutil", "-A", "-d", db, "-n", "bottle", "-t", "C,,", "-i", d + "/root.pem"], check=True)
    r = quiet("vfychain", "-d", db, "-pp", "-u", "1", "-a", d + "/leaf.pem", d + "/intermediate.pem")
    return r.returncode == 0 and b"Chain is good" in r.stdout + r.stderr


LIBRARIES = [openssl, gnutls, nss]  # directory with root, intermediate and leaf, host → is it good?


@pytest.mark.parametrize("verify", LIBRARIES)
def test_libraries_take_the_chain(w, verify):
    w.chain("a.test")
    assert verify(w.tmp, "a.test")
    if verify is not nss:
        assert not verify(w.tmp, "b.test")


def forged(intermediate, name, key):
    """What keyd would sign, were it to sign for a name that is not listed. Only the signature is another's: the
    intermediate's key never leaves keyd, so the intermediate is made again around a key of ours, with all that it says."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in root")])
    def build(subject, issuer, public, signer, extensions, like):
        b = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public).serial_number(
            x509.random_serial_number()).not_valid_before(like.not_valid_before).not_valid_after(like.not_valid_after)
        for e, critical in extensions:
            b = b.add_extension(e, critical)
        return b.sign(signer, hashes.SHA256())
    def ids(public, signer):
        return [(x509.SubjectKeyIdentifier.from_public_key(public), False),
                (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), False)]
    kept = [(e.value, e.critical) for e in intermediate.extensions
            if not isinstance(e.value, (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier))]
    root = build(root_name, root_name, root_key.public_key(), root_key,
                 [(x509.BasicConstraints(True, 1), True), (SIGNS, True), (x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), False)],
                 intermediate)
    mid = build(intermediate.subject, root_name, key.public_key(), root_key, kept + ids(key.public_key(), root_key.public_key()),
                intermediate)
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    leaf = build(x509.Name([]), intermediate.subject, leaf_key.public_key(), key,
                 [(x509.SubjectAlternativeName([x509.DNSName(name)]), True), (x509.BasicConstraints(False, None), True),
                  (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False)]
                 + ids(leaf_key.public_key(), key.public_key()), intermediate)
    return root, mid, leaf


@pytest.mark.parametrize("verify", LIBRARIES)
def test_limits_of_the_intermediate_hold(w, verify, tmp_path):
    """The name constraints that keyd writes: a leaf for a listed name verifies, one for another does not."""
    _leaf, intermediate = w.chain("a.test")
    key = ec.generate_private_key(ec.SECP256R1())
    for name, good in (("a.test", True), ("x.wild.test", True), ("other.test", False), ("xa.test", False)):
        here = tmp_path / name
        here.mkdir()
        for file, cert in zip(("root", "intermediate", "leaf"), forged(intermediate, name, key)):
            (here / (file + ".pem")).write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        assert verify(str(here), name) is good, name


def test_name_is_the_only_one(w):
    """A leaf has one name, never a wildcard; what the certificates say about themselves."""
    for name in ("a.test", "x.wild.test", LONG):
        leaf, intermediate = w.chain(name)
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [n.value for n in san] == [name]
        common = [a.value for a in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        assert common == ([name] if len(name) <= 64 else [])
        basic = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
        assert basic.critical and not basic.value.ca
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
        limits = intermediate.extensions.get_extension_for_class(x509.NameConstraints)
        assert limits.critical and {str(n.value) for n in limits.value.excluded_subtrees} == {"0.0.0.0/0", "::/0"}
        assert {n.value for n in limits.value.permitted_subtrees} >= {"a.test", LONG}
        assert intermediate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
        assert (leaf.not_valid_after - leaf.not_valid_before).days <= 90


def test_no_leaf_for_other_names(w):
    for name in ("b.test", "wild.test", "x.a.test"):
        s = socket.create_connection(("127.0.0.1", w.rig.port))
        s.sendall(b"CONNECT %s:443 HTTP/1.1\r\n\r\n" % name.encode())
        assert b" 403 " in s.recv(4096).split(b"\r\n")[0]
        s.close()
    # in a tunnel for a listed name another SNI is an alert
    s = socket.create_connection(("127.0.0.1", w.rig.port))
    s.sendall(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
    assert b" 200 " in s.recv(4096).split(b"\r\n")[0]
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        ssl.create_default_context(cafile=w.root).wrap_socket(s, server_hostname="b.test")
