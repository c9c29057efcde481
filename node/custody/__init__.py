"""What acts on a folder without a daemon: keys, certificates and the files they lie in.

With the daemon, the client and the command line this is the only place with a real clock and real
randomness; times are arguments all the same, so that tests can be in any year.

files        secrets 0600 and whole or not there, and the one lock of a data folder
passphrase   root and spare keys under a passphrase
issuer       certificates: a member's TLS issuers, and leaves for nodes and tools
folder       the data folder: which file holds what, the keys in it, who may read them
host         whether a node's signing folder is still where it was made
policies     the retention policy's own file, or the one for its member's role
member       a new member, whole or not at all
charters     the charter file: made of the text and cards, read whole or not at all
invites      the file that a candidate joins by
cards        what a member hands over, made anew
joining      a member's log and feed begin under a charter; opening the exchange over a folder
identities   what the root signs goes into the member's own log
recency      whether the own identity log is as long here as anywhere, before the root signs behind it
ceremonies   what only the root may say: rotate, retire, spares, successor
requests     the same for a root key on a machine without a network
reopening    a feed begins anew, by a spare or by the root: never resumed
renewal      fresh keys in the place of the present ones, whole or not at all
spares       one-use keys under a passphrase, with the TLS issuer
departing    what it means to leave, and the root's word on it
custodian    the key that opens what is under legal hold
keyring      which keys there are
backups      everything that may come back, and neither payload nor key
restoring    a node out of a backup
journals     the erasure journal's copy takes its place after a restore, and where the journal is an older one
auditing     the audit log without a daemon
proof        whether anything is left of what was erased
soundness    stores and sign journal looked at from outside: whole, known, in agreement
examination  what can be examined without the daemon: who may read it, keys, room, clock, ports
looking      the stores read from outside, whether the node runs or not
settling     the root names a branch of a forked feed
tools        key and certificate for a program of the member's own
rebuilding   the index anew from the files that hold it
upgrading    an older program's stores become this one's
"""
