"""Whether gRPC itself can load a certificate: only it can tell, and it never says so later."""

from concurrent import futures
from datetime import UTC, datetime
from functools import cache, lru_cache

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from node.errors import Unavailable

ROOTS_REMEMBERED = 4096  # a trial takes a millisecond of the event loop, and pins are made anew with every log

_NOBODY_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_NOBODY_UNTIL = datetime(2001, 1, 1, tzinfo=UTC)

_Pair = tuple[bytes, bytes]  # private key and certificate, PEM


@lru_cache(ROOTS_REMEMBERED)
def loads(pem: bytes) -> bool:
    """Whether gRPC itself can read the root; raises Unavailable where that cannot be tried now.

    Its library reads the pool up to the first certificate it cannot parse and drops the rest without
    a word, so one member's odd root would lock out all that sort behind it. `cryptography` is another
    parser, so only gRPC can tell.
    """
    if _binds(pem):
        return True
    if not _binds(nobody()):
        raise Unavailable(
            "cannot open a socket on 127.0.0.1 to try a TLS issuer on",
            next_step="Check the limit of open files and that the loopback interface is up.",
        )
    return False


def _binds(pool: bytes) -> bool:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    try:
        # The credentials are read when a port is bound. The server never starts, so nobody is served.
        server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([_trial()], pool, True))
    except RuntimeError:
        return False
    finally:
        server.stop(None)
    return True


@cache
def nobody() -> bytes:
    """A root that nobody can be under: its key is forgotten, and it expired long ago."""
    return _throw_away()[1]


@cache
def _trial() -> _Pair:
    """What the server shows that tries roots on. Nobody connects to it."""
    return _throw_away()


def _throw_away() -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_NOBODY_FROM)
        .not_valid_after(_NOBODY_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        certificate.public_bytes(serialization.Encoding.PEM),
    )
