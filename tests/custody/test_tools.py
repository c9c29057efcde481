"""A tool's bundle: made by the second issuer, trusting the first, and for its owner's eyes."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from node.custody import files, folder, issuer, tools
from node.errors import ConfigError, Refused
from node.feed.pae import FederationId
from node.policy.reporting import Caller
from node.rpc import bundle, tls
from node.rpc.tls import Leaf
from tests.custody.federations import NOW, create


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return create(tmp_path / "acme").data


def test_a_tool_shows_its_own_leaf_and_trusts_the_nodes_issuer(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "scanner.pem"
    files.create_secret(path, tools.issue(data, "scanner", ["read", "match"], NOW, timedelta(days=30)))
    leaf, root_pem, member_id, ends, federation_id, address = bundle.read_bundle(path)
    assert (ends, federation_id, address) == (NOW + timedelta(days=30), None, "")
    keys = folder.read_keys(data)
    certificate = x509.load_pem_x509_certificate(leaf.certificate_pem)
    certificate.verify_directly_issued_by(keys.tools.certificate)
    assert root_pem == keys.issuer.pem
    assert member_id == keys.member_id
    assert certificate.not_valid_after_utc == NOW + timedelta(days=30)
    assert tls.channel_credentials(root_pem, leaf)


def test_a_bundle_has_the_key_then_the_leaf_then_the_root(data: Path) -> None:
    text = tools.issue(data, "scanner", ["match"], NOW).decode()
    labels = [line for line in text.splitlines() if line.startswith("-----BEGIN")]
    assert labels == ["-----BEGIN PRIVATE KEY-----"] + ["-----BEGIN CERTIFICATE-----"] * 2
    assert text.endswith(folder.read_keys(data).issuer.pem.decode())


def test_a_bundle_says_the_federation_and_the_address(data: Path) -> None:
    federation = FederationId(bytes(range(32)))
    whole = tools.issue(data, "officer", ["read"], NOW, federation_id=federation, address="[2001:db8::1]:7444")
    text = whole.decode().splitlines()
    assert text[:2] == [f"Federation: {federation.hex()}", "Node: [2001:db8::1]:7444"]
    read = bundle.decode(whole)
    assert (read.federation_id, read.address) == (federation, "[2001:db8::1]:7444")
    for odd in (b"Node: other:1\n" + whole, b"# a note\n" + whole[:70] + whole[72:], b"Federation: x\n" + whole):
        with pytest.raises(ConfigError, match="cannot be read"):
            bundle.decode(odd)
    noted = bundle.decode(b"# Issued to the officer on duty.\r\n" + whole.replace(b"\n", b"\r\n"))
    assert (noted.federation_id, noted.address) == (federation, "[2001:db8::1]:7444")


def test_a_bundle_that_others_could_read_is_refused(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "scanner.pem"
    files.create_secret(path, tools.issue(data, "scanner", ["match"], NOW))
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="0640") as caught:
        bundle.read_bundle(path)
    assert f"chmod 600 {path}" in caught.value.next_step


def test_what_is_no_bundle_is_named(data: Path, tmp_path: Path) -> None:
    keys = folder.read_keys(data)
    whole = tools.issue(data, "scanner", ["match"], NOW)
    key = issuer.create_key()
    node = issuer.issue_node(keys.issuer, keys.member_id, keys.node_id, key.public_key(), NOW)
    nodes = bundle.encode(Leaf(issuer.key_pem(key), issuer.certificate_pem(node)), keys.issuer.pem)
    other = tools.issue(data, "other", ["match"], NOW)
    cut = whole.index(b"-----BEGIN CERTIFICATE")
    for content, reason in (
        (b"", "cannot be read"),
        (b"junk", "cannot be read"),
        (whole[: len(whole) // 2], "cannot be read"),
        (whole[cut:], "cannot be read"),
        (whole + keys.issuer.pem, "cannot be read"),
        (nodes, "not a tool's"),
        (whole[:cut] + other[other.index(b"-----BEGIN CERTIFICATE") :], "do not belong together"),
    ):
        path = tmp_path / "bundle.pem"
        files.replace_secret(path, content)
        with pytest.raises(ConfigError, match=reason) as caught:
            bundle.read_bundle(path)
        assert str(path) in caught.value.reason
    with pytest.raises(ConfigError, match="No such file"):
        bundle.read_bundle(tmp_path / "absent")


@pytest.mark.parametrize("days", [0, -1, 367])
def test_a_tool_lives_a_year_at_most(data: Path, days: int) -> None:
    with pytest.raises(Refused, match="cannot live"):
        tools.issue(data, "scanner", ["match"], NOW, timedelta(days=days))


def test_a_tool_that_cannot_be_is_refused(data: Path) -> None:
    with pytest.raises(Refused, match="there is no scope"):
        tools.issue(data, "scanner", ["mach"], NOW)
    with pytest.raises(Refused, match="cannot be the name"):
        tools.issue(data, "../scanner", ["match"], NOW)


def test_who_was_given_a_certificate_is_on_record_with_its_scopes(data: Path) -> None:
    assert tools.issued(data) == []
    tools.issue(data, "scanner", ["read", "match"], NOW, timedelta(days=30))
    tools.issue(data, "anna", ["audit"], NOW, timedelta(days=1), is_person=True)
    with pytest.raises(Refused):
        tools.issue(data, "scanner", ["everything"], NOW)
    path = data / tools.ISSUED
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes() + b'{"name": "torn')
    ends_ms = [int((NOW + timedelta(days=days)).timestamp() * 1000) for days in (30, 1)]
    assert tools.issued(data) == [
        Caller("scanner", ("match", "read"), ends_ms[0]),
        Caller("anna", ("audit",), ends_ms[1], is_person=True),
    ]


def test_no_certificate_is_made_that_is_not_on_record(data: Path) -> None:
    (data / tools.ISSUED).mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        tools.issue(data, "scanner", ["match"], NOW)
