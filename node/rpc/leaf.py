"""Reading a leaf that somebody shows: whose it says it is, and which root issued it. Raises what UNREADABLE names."""

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from node.rpc.tls import SCOPES, SCOPES_OID, UNREADABLE, Claim, Root, read_uri


def claim_of(leaf: x509.Certificate) -> Claim | None:
    """What its one URI claims; None where it has none, several, or another's."""
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return read_uri(uris[0]) if len(uris) == 1 else None


def is_for_clients(leaf: x509.Certificate) -> bool:
    """Whether it may dial."""
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages


def issuer_of(leaf: x509.Certificate, roots: tuple[Root, ...]) -> Root | None:
    """The root that issued the leaf itself, the longest-lived if a member renewed one with its key."""
    issuers = [root for root in roots if _issued(leaf, root)]
    return max(issuers, key=lambda root: root.certificate.not_valid_after_utc, default=None)


def _issued(leaf: x509.Certificate, root: Root) -> bool:
    try:
        leaf.verify_directly_issued_by(root.certificate)
    except UNREADABLE:
        return False
    return True


def scopes_of(leaf: x509.Certificate) -> frozenset[str]:
    """What a tool's leaf opens here; a newer program's scopes open nothing."""
    extension = leaf.extensions.get_extension_for_oid(SCOPES_OID).value
    assert isinstance(extension, x509.UnrecognizedExtension)  # noqa: S101 - a private OID has no other class
    kind, size, *_ = extension.value
    if kind != 0x0C or size != len(extension.value) - 2:
        raise ValueError("its scopes are no short UTF8String")
    return SCOPES.intersection(extension.value[2:].decode().split(" "))
