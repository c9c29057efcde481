"""Rules that name a framework without a document, and no words: declare and publish with nothing filled in."""

import re

from node.policy import parameters

PLAIN, _REPLACED = re.subn(
    r"(?m)^\[\[frameworks\]\](?:.|\n)*(?=^# Words)((?:.|\n)*\[vocabularies\]\n)labels = .*\nexemptions = .*\n",
    r'[[frameworks]]\nname = "eu-ocrf"\nversion = "1"\n\n\1',
    parameters.TEMPLATE,
)
assert _REPLACED == 1
