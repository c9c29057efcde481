"""Rules that name a framework without a document: whoever may declare does so alone, with nothing filled in."""

import re

from node.policy import parameters

PLAIN, _REPLACED = re.subn(
    r"(?m)^\[\[frameworks\]\](?:.|\n)*(?=^# Words)",
    '[[frameworks]]\nname = "eu-ocrf"\nversion = "1"\n\n',
    parameters.TEMPLATE,
)
assert _REPLACED == 1
