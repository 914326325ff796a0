# SPDX-License-Identifier: Apache-2.0
"""Throw-away certificate authorities for tests."""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)] if cn else [])


class CA:
    """A root, or with @parent an intermediate."""

    def __init__(self, cn, parent=None, days=30):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.parent = parent
        self.days = days
        signer = parent or self
        b = self._builder(_name(cn), self.key.public_key(),
                          signer.cert.subject if parent else _name(cn), days)
        b = b.add_extension(x509.BasicConstraints(True, 0 if parent else 1), True)
        b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
        b = b.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False,
                                          False), True)
        if parent:
            b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                parent.key.public_key()), False)
        self.cert = b.sign(signer.key, hashes.SHA256())

    @staticmethod
    def _builder(subject, public_key, issuer, days):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
                .public_key(public_key).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1 if days > 0 else 999))
                .not_valid_after(now + datetime.timedelta(days=days)))

    def sign(self, public_key, *names, days=7):
        """Leaf for these names or addresses."""
        alt = []
        for n in names:
            try:
                alt.append(x509.IPAddress(ipaddress.ip_address(n)))
            except ValueError:
                alt.append(x509.DNSName(n))
        b = self._builder(_name(names[0][:64]), public_key, self.cert.subject, days)
        b = b.add_extension(x509.SubjectAlternativeName(alt), False)
        b = b.add_extension(x509.BasicConstraints(False, None), True)
        b = b.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self.key.public_key()), False)
        return b.sign(self.key, hashes.SHA256())

    def issue(self, path, *names, days=7):
        """Write path.crt and path.key."""
        key = ec.generate_private_key(ec.SECP256R1())
        chain = pem(self.sign(key.public_key(), *names, days=days))
        if self.parent:
            chain += pem(self.cert)
        open(path + ".crt", "wb").write(chain)
        open(path + ".key", "wb").write(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


def load_csr(data):
    return x509.load_der_x509_csr(data)
