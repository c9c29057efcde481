"""Entitling: where a framework asks for nobody, or for those alone whom the rules do not let."""

from collections.abc import Sequence

from node.crisis.frameworks import Framework
from node.policy import parameters
from node.policy.parameters import Rights


def pitfalls(named: parameters.Framework, document: Framework | None, rights: Rights) -> list[str]:
    """What to know of a framework that the rules name; ``document``: None where it is not here."""
    called = f"{named.name} {named.version}"
    if not named.sha256:
        return [f"{called} has no document: whoever may declare does so alone, with nothing filled in"]
    if document is None:
        return []
    found, cosign = [], document.cosign
    if not set(document.declare.roles) & set(rights.declare):
        found.append(
            f"nobody can declare under {called}: it lets {_words(document.declare.roles)} do that, and rights.declare "
            f"{_words(rights.declare)}"
        )
    if cosign.count and not set(cosign.roles) & set(rights.cosign):
        found.append(
            f"nothing under {called} ever becomes active: it asks for co-signatures of {_words(cosign.roles)}, and "
            f"rights.cosign has {_words(rights.cosign)}"
        )
    return found


def _words(roles: Sequence[str]) -> str:
    return " or ".join(role.replace("_", " ") for role in roles) or "nobody"
