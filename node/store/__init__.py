"""What we remember: four SQLite files, a few plain ones, and no opinions.

ledger    headers, statements, sealed payloads, their states, arrivals, peers
keys      boxes: without them the ledger's payloads are noise
index     plaintext projection of records; made anew by ``tocsin index rebuild``
digests   the index's values, in a file of their own so that bulk never holds up the rest

erasures    every address that was erased: a plain file, chained
journal     every signature that was given: likewise
vault       what is under legal hold, sealed to a custodian: a file for each record

migrations  an older version's files become this version's; another's are refused by name
version_2   what the second version needed

Functions here take a connection and run few statements each. Whoever calls owns the transaction:
the commit order keys, ledger, index is the exchange's business. Rejected: one file (bulk would hold
the writer's lock against the urgent) and an object mapper (three times slower on the hot paths).
"""
