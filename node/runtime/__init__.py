"""Asyncio: the only tasks. What they do with news is in ``growth``, which needs none.

link        one stream to one peer, and what waits to be sent over it
peering     all links: frames to the machines, effects out
dialing     call the peers that the machine names
copies      the same entry comes from every peer: all but the first wait for its verdict
intake      what peers sent, verified and admitted
growth      from what the store took in to what gossip has to tell
answering   what a peer wants, sent as fast as it reads
carrying    chunks of payloads out of the store and into it
limiting    what the administrator allows each peer
convicting  hang up on a peer that alone could have known
embargo     nothing is signed before peers have shown what they hold of ours
succession  a feed opened anew ends those before it

writer      the one writer of ledger and keys, the more urgent lane first
projecting  index and digests, each on a thread of its own
reading     the stores beside their writers, for whoever asks
threads     for look-ups, whose operations run whole in one of them
tail        subscribers: from a cursor on, live and replay alike
work        what goes on to its end when its caller leaves

saying      something of our own, as far as this member may
publishing  what our own tools have to say
staging     items that a caller sends, on disk until all are here
listing     lists of our own: published, changed, taken back
matching    look-ups beside each other, answered in order
following   lists of all members, as they are offered, fetched and let go again
opining     what we make of things of others, for all members
ignoring    what counts as no match here, for nobody else
profiling   our own profile, and where those of members say that they are dialled
acknowledging  a person here has seen a crisis, and all members are told
amending    the rules in force, and our own signature under other ones
leaving     what is our own is taken back first, then the root's word is told

sweeping    what is over, or was taken back, is erased
duties      what others are owed is said: answers, that it came, opinions of what was written anew
alarming    somebody here is woken when a crisis is declared, way after way until one is heard
reporting   what is said of crises goes into the log, in words
sounding    one of these ways: a program that is run, a webhook that is called
preserving  what the law has kept of it goes into the vault first
holding     what people put under legal hold, and the end of every hold
auditing    acts into the audit log, and the ANCHOR by which peers witness it
mirroring   the erasure journal has a copy elsewhere
"""
