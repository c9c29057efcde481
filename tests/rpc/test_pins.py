"""Which roots may go into the pool."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.x509.oid import NameOID

from node.custody import issuer
from node.errors import Refused, Unavailable
from node.rpc import trial
from node.rpc.tls import ROOTS_PER_MEMBER_MAX, Pins, TlsState
from tests.rpc.door import NOW, ask, opened, party, pinned, server

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
KEY = issuer.create_key()
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def root(
    *,
    key: Key = KEY,
    signer: Key | None = None,
    name: str = "some root",
    ends: timedelta = timedelta(days=1),
    key_id: x509.SubjectKeyIdentifier | None = None,
    is_issuer: bool = True,
    usage: x509.KeyUsage = issuer._KEY_USAGE_OF_ISSUER,
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = signer or key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(NOW + ends)
        .add_extension(x509.BasicConstraints(ca=is_issuer, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(key_id or x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    ).public_bytes(serialization.Encoding.DER)


def of_version_1(der: bytes) -> bytes:
    """The same certificate with its version left out, and signed again: extensions in an X.509 v1."""
    to_sign = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    content = to_sign[4:].removeprefix(bytes.fromhex("a003020102"))
    body = _sequence(content)
    signature = KEY.sign(body, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return _sequence(body + algorithm + b"\x03" + bytes((len(signature) + 1, 0)) + signature)


def _sequence(content: bytes) -> bytes:
    return b"\x30\x82" + len(content).to_bytes(2) + content


A, B, X = party("a"), party("b"), party("f")
ED25519 = ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize("der", [root(), root(key=ED25519)], ids=["P-256", "Ed25519"])
def test_a_root_with_a_key_that_grpc_can_use_is_pinned(der: bytes) -> None:
    assert len(Pins().pin(A.member_id, der, NOW).of(A.member_id)) == 1


@pytest.mark.parametrize(
    ("der", "fault"),
    [
        (b"junk", "cannot be read"),
        (b"", "cannot be read"),
        (root()[:-1], "cannot be read"),
        (root() + b"x", "cannot be read"),
        (root(key=ec.generate_private_key(ec.SECP384R1())), "neither P-256 nor Ed25519"),
        (root(key_id=x509.SubjectKeyIdentifier(bytes(20))), "not the hash of its key"),
        (root(is_issuer=False), "not the certificate of an issuer"),
        (root(usage=USAGE), "may not sign"),
        (root(ends=timedelta(days=-1)), "expired on"),
        (root(signer=issuer.create_key()), "cannot be read"),
        (of_version_1(root()), "cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_root_that_would_not_do_is_refused_with_its_fault(der: bytes, fault: str) -> None:
    with pytest.raises(Refused, match=fault) as caught:
        Pins().pin(A.member_id, der, NOW)
    assert caught.value.next_step
    assert caught.value.field == "tls_issuer"


def test_where_no_root_can_be_tried_the_root_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_binds", lambda pool: False)
    with pytest.raises(Unavailable, match="cannot open a socket"):
        Pins().pin(A.member_id, root(name="never tried before"), NOW)


def test_a_root_with_the_subject_or_the_key_of_another_members_is_refused() -> None:
    pins = Pins().pin(A.member_id, root(), NOW)
    same_name = root(key=issuer.create_key())
    hardly_another_name = root(key=issuer.create_key(), name="SOME  root")
    same_key = root(name="another name")
    another_end = root(ends=timedelta(days=2))
    for hostile in (same_name, hardly_another_name, same_key, another_end):
        with pytest.raises(Refused, match=f"pinned for member {A.member_id.hex()}"):
            pins.pin(B.member_id, hostile, NOW)


def signed_otherwise(der: bytes) -> bytes:
    """The same certificate under the other signature that anybody can make of an ECDSA one."""
    certificate = x509.load_der_x509_certificate(der)
    r, s = utils.decode_dss_signature(certificate.signature)
    signature = utils.encode_dss_signature(r, P256_ORDER - s)
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    bits = b"\x03" + bytes((len(signature) + 1, 0)) + signature
    return _sequence(certificate.tbs_certificate_bytes + algorithm + bits)


@pytest.mark.parametrize("copied", [A.nodes.der, signed_otherwise(A.nodes.der)], ids=["copied", "signed otherwise"])
async def test_who_copies_a_root_takes_it_from_nobody(copied: bytes) -> None:
    for pins in (pinned(A).pin(B.member_id, copied, NOW), Pins().pin(B.member_id, copied, NOW)):
        both = pins.pin(A.member_id, A.nodes.der, NOW)
        assert both.of(A.member_id)
        assert both.of(B.member_id)
        async with opened(X) as door:
            serving = server(door)
            door.state = TlsState(X.leaf, both)
            door.port = serving.add_secure_port("127.0.0.1:0", door.state.server_credentials())
            await serving.start()
            async with door.channel(A.leaf) as knocking:
                assert repr(A.member_id) in (await ask(knocking)).decode()
            await serving.stop(None)


def test_a_name_that_is_made_of_a_key_is_that_keys_whoever_came_first() -> None:
    (name,) = A.nodes.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    fake, other = root(key=issuer.create_key(), name=str(name.value)), issuer.create_issuer(NOW).der
    pins = Pins().pin(B.member_id, fake, NOW).pin(B.member_id, other, NOW).pin(A.member_id, A.nodes.der, NOW)
    assert [one.der for one in pins.of(A.member_id)] == [A.nodes.der]
    assert [one.der for one in pins.of(B.member_id)] == [other]
    with pytest.raises(Refused, match=f"pinned for member {A.member_id.hex()}"):
        pins.pin(B.member_id, fake, NOW)


def test_a_member_may_renew_its_root_with_the_same_name_and_key() -> None:
    renewed = root(ends=timedelta(days=30))
    pins = Pins().pin(A.member_id, root(), NOW).pin(A.member_id, renewed, NOW)
    assert len(pins.of(A.member_id)) == 2


def test_pinning_the_same_root_again_changes_nothing() -> None:
    pins = pinned(A)
    assert pins.pin(A.member_id, A.nodes.der, NOW) is pins


def test_a_member_cannot_fill_the_pool() -> None:
    pins = Pins()
    for _ in range(ROOTS_PER_MEMBER_MAX):
        pins = pins.pin(A.member_id, issuer.create_issuer(NOW).der, NOW)
    with pytest.raises(Refused, match="has 16 pinned roots already"):
        pins.pin(A.member_id, issuer.create_issuer(NOW).der, NOW)
    assert pins.pin(B.member_id, B.nodes.der, NOW).of(B.member_id)


def test_pins_are_snapshots() -> None:
    before = pinned(A)
    after = before.pin(B.member_id, B.nodes.der, NOW)
    assert before.of(B.member_id) == ()
    assert after.unpin(A.member_id).of(A.member_id) == ()
    assert after.of(A.member_id)


def test_the_pool_does_not_depend_on_the_order_of_pinning() -> None:
    assert pinned(A, B).pool == pinned(B, A).pool
    assert Pins().pool == b""
