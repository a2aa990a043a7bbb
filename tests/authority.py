# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of a test's own, which signs one for a server."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=2)
"""Before and after now: clocks of guests differ."""
_USES = (
    *("content_commitment", "crl_sign", "data_encipherment", "decipher_only", "digital_signature"),
    *("encipher_only", "key_agreement", "key_cert_sign", "key_encipherment"),
)


class Authority:
    """Who trusts its certificate trusts those that it signs."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        only = x509.BasicConstraints(ca=True, path_length=0)
        unsigned = self._unsigned(self._name, self._key.public_key(), "key_cert_sign")
        self._own = unsigned.add_extension(only, critical=True).sign(self._key, hashes.SHA256())

    @property
    def certificate(self) -> str:
        """For those who are to trust it, in PEM."""
        return self._own.public_bytes(form.Encoding.PEM).decode()

    def server(self, address: str, place: Path) -> ssl.SSLContext:
        """For a server at the IP ``address``; its key and certificate lie in a file at ``place``."""
        key = ec.generate_private_key(ec.SECP256R1())
        reached = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        signed = self._unsigned(_named(address), key.public_key(), "digital_signature")
        signed = signed.add_extension(reached, critical=False)
        certificate = signed.sign(self._key, hashes.SHA256()).public_bytes(form.Encoding.PEM)
        plain = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        place.touch(0o600)
        place.write_bytes(plain + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place)
        return context

    def _unsigned(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, use: str
    ) -> x509.CertificateBuilder:
        """With what RFC 5280 asks of each certificate; Python insists on it since 3.13."""
        now, own = datetime.now(UTC), self._key.public_key()
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        made = made.serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - _VALID).not_valid_after(now + _VALID)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(own)
        uses = {each: each == use for each in _USES}
        return (
            made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(x509.KeyUsage(**uses), critical=True)
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
