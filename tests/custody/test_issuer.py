"""Certificates: what stands in them, and that they fit."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.custody import issuer
from node.errors import ConfigError, Refused
from node.feed.keys import MemberId
from node.rpc import tls
from node.rpc.tls import Pins

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MEMBER = MemberId(bytes(range(32)))
ROOT = issuer.create_issuer(NOW)
KEY = issuer.create_key()


def names(leaf: x509.Certificate) -> x509.SubjectAlternativeName:
    return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def usages(leaf: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_an_issuer_fits_where_the_format_has_room_for_it() -> None:
    # The signature and the serial number vary by a few bytes.
    sizes = {len(issuer.create_issuer(NOW).der) for _ in range(100)}
    assert max(sizes) <= tls.ISSUER_BYTES_MAX


def test_an_issuer_stays_within_its_room_even_when_its_times_take_the_long_form() -> None:
    assert len(issuer.create_issuer(datetime(2045, 1, 1, tzinfo=UTC)).der) <= tls.ISSUER_BYTES_MAX


def test_an_issuer_can_be_pinned_for_ten_years_and_not_longer() -> None:
    assert Pins().pin(MEMBER, ROOT.der, NOW + timedelta(days=3650)).of(MEMBER)
    with pytest.raises(Refused, match="expired on"):
        Pins().pin(MEMBER, ROOT.der, NOW + issuer.ISSUER_LIFE)


def test_no_two_issuers_share_subject_or_key_id() -> None:
    made = [issuer.create_issuer(NOW).certificate for _ in range(20)]
    assert len({each.subject for each in made}) == 20
    (name,) = made[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert len(name.value) == tls.NAME_CHARACTERS


def test_an_issuer_signs_leaves_and_nothing_below_them() -> None:
    constraints = ROOT.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca
    assert constraints.value.path_length == 0


def test_a_node_serves_and_dials_under_the_name_of_its_member() -> None:
    leaf = issuer.issue_node(ROOT, MEMBER, bytes(16), KEY.public_key(), NOW)
    leaf.verify_directly_issued_by(ROOT.certificate)
    uris = names(leaf).get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [f"spiffe://{MEMBER.hex()}/node/{bytes(16).hex()}"]
    assert names(leaf).get_values_for_type(x509.DNSName) == [f"{MEMBER.hex()[:32]}.tocsin"]
    assert set(usages(leaf)) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert leaf.not_valid_before_utc == NOW - issuer.CLOCKS_APART
    assert leaf.not_valid_after_utc == NOW + issuer.NODE_LIFE


def test_a_tool_only_dials_and_has_no_name_to_serve_under() -> None:
    scopes = ["match", "read", "match"]
    leaf = issuer.issue_tool(ROOT, MEMBER, "scanner-1", scopes, KEY.public_key(), NOW)
    uris = names(leaf).get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [f"spiffe://{MEMBER.hex()}/tool/scanner-1"]
    assert names(leaf).get_values_for_type(x509.DNSName) == []
    assert usages(leaf) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    listed = leaf.extensions.get_extension_for_oid(tls.SCOPES_OID)
    assert not listed.critical
    assert isinstance(listed.value, x509.UnrecognizedExtension)
    assert listed.value.value == b"\x0c\x0amatch read"


def test_all_scopes_together_fit_the_short_form() -> None:
    leaf = issuer.issue_tool(ROOT, MEMBER, "everything", tls.SCOPES, KEY.public_key(), NOW)
    listed = leaf.extensions.get_extension_for_oid(tls.SCOPES_OID).value
    assert isinstance(listed, x509.UnrecognizedExtension)
    assert len(listed.value) < 130


@pytest.mark.parametrize(
    ("name", "scopes", "reason"),
    [
        ("scanner", ["reed"], "there is no scope reed"),
        ("scanner", [], "can do nothing"),
        ("Scanner", ["read"], "cannot be the name"),
        ("a/b", ["read"], "cannot be the name"),
        ("", ["read"], "cannot be the name"),
        ("x" * 64, ["read"], "cannot be the name"),
    ],
)
def test_a_tool_that_cannot_be_is_refused(name: str, scopes: list[str], reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        issuer.issue_tool(ROOT, MEMBER, name, scopes, KEY.public_key(), NOW)
    assert caught.value.next_step


def test_a_leaf_ends_with_its_issuer() -> None:
    end = ROOT.certificate.not_valid_after_utc
    leaf = issuer.issue_node(ROOT, MEMBER, bytes(16), KEY.public_key(), end - timedelta(hours=1))
    assert leaf.not_valid_after_utc == end
    with pytest.raises(ConfigError, match="this TLS issuer expired on"):
        issuer.issue_node(ROOT, MEMBER, bytes(16), KEY.public_key(), end)


def test_a_leaf_has_a_key_that_grpc_can_use() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(ConfigError, match="must be P-256"):
        issuer.issue_node(ROOT, MEMBER, bytes(16), other, NOW)


def test_an_issuer_comes_back_from_its_files() -> None:
    again = issuer.read_issuer(ROOT.pem, issuer.key_pem(ROOT.key))
    assert again.certificate == ROOT.certificate
    assert again.key.private_numbers() == ROOT.key.private_numbers()
    with pytest.raises(ConfigError, match="do not belong together"):
        issuer.read_issuer(ROOT.pem, issuer.key_pem(KEY))
    with pytest.raises(ConfigError, match="cannot be read"):
        issuer.read_issuer(b"junk", issuer.key_pem(KEY))
