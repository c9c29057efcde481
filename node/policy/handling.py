"""Marks of what is shared, as people write them: TLP, PAP, and Europol's handling codes."""

from node.v1 import record_pb2

TLP = ("not marked", "TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")
PAP = ("", "PAP:CLEAR", "PAP:GREEN", "PAP:AMBER", "PAP:RED")


def words(handling: record_pb2.Handling) -> str:
    """A mark as people write it; a number that this program does not know counts as the strictest."""
    codes = [f"H{bit}" for bit in range(4) if handling.europol_codes >> bit & 1]
    pap = PAP[min(handling.pap, len(PAP) - 1)]
    return ", ".join(filter(None, (TLP[min(handling.tlp, len(TLP) - 1)], *codes, pap)))
