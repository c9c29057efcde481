"""Asyncio: the only tasks. What they do with news is in ``growth``, which needs none.

link        one stream to one peer, and what waits to be sent over it
peering     all links: frames to the machines, effects out
dialing     call the peers that the machine names
growth      from what the store took in to what gossip has to tell
writer      the one writer of ledger and keys, the more urgent lane first
projecting  index and digests, each on a thread of its own
reading     the stores beside their writers, for whoever asks
tail        subscribers: from a cursor on, live and replay alike
publishing  what our own tools have to say
sweeping    what is over, or was taken back, is erased
holding     what is under legal hold goes into the vault
mirroring   the erasure journal has a copy elsewhere
profiling   our own profile, and where those of members say that they are dialled
work        what goes on to its end when its caller leaves
"""
