"""What we remember: four SQLite files, a few plain ones, and no opinions.

ledger        headers, statements, and which of them follow one another
keys          boxes: without them the ledger's payloads are noise
index         plaintext projection of records; made anew by ``tocsin index rebuild``
digests       the index's values, in a file of their own so that bulk never holds up the rest

Records and values of drills stand in tables of their own.

In the ledger's file: payloads and their states, remainders (what is left of those erased in part), relays
(those for peers alone), withheld (those that a restored node may have erased before), left (what is left of
those taken back), arrivals (the order in which content became readable: who reads, reads by cursor), halts
(what is not read on), duties (what others are owed an answer for), deliveries (what they are to be told that it
came), alarms (who is woken), following, ignored, peers, quarantine.

In the index's file: deadlines (until when each record is kept), restrictions (what authors took back),
receipts (what others said they did about it), acknowledgements (what reached whom), opinions (what members
said of each other's entries).

erasures      every address that was erased: a plain file, chained
journal       every signature that was given: likewise
segments      the audit log's files, each erased whole
appending     files that only grow, and their folders
vault         what is under legal hold, sealed to a custodian: a file for each record
staging       items that a caller sent, in a file that nobody else ever sees
snapshot      a ledger without payloads: what a backup has of it

stores        the four files opened, for whoever writes and for whoever reads
driver        SQL inside a SQLAlchemy transaction
schema        the tables
migrations    an older version's files become this version's, step by step (version_2, version_3, version_4, version_5,
              version_6, version_7, version_8)
lookup        where values stand, and what tells records from each other
ends          what is read of whoever says very much
counts        how much the index holds
figures       counts and ages for whoever watches, never content
health        how far behind the stores are

Functions here take a connection and run few statements each. Whoever calls owns the transaction:
the commit order keys, ledger, index is the exchange's business. Rejected: one file (bulk would hold
the writer's lock against the urgent) and an object mapper (three times slower on the hot paths).
"""
