"""What the node does, synchronously: the daemon and the simulator run this same code.

One door in: ``verification.verify`` is pure and can run anywhere, ``ingest.admit`` is the only caller of
the ledger's append; our own entries (``publish``) take the same door. One way out: whoever reads,
reads arrivals by cursor; the projection is one of those readers.

Commit order, in: keys, ledger, then the projection in its own time. Own entry: boxes and staged
ciphertext first, then the sign journal, then the header. Rejected: journal first, because a crash
behind it would leave a signed header whose only key never reached the disk.
"""
