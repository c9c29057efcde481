"""gRPC in and out, thin: who calls, may they, parse, call one thing, answer.

tls          names in certificates, pinned roots, credentials
leaf         whose a leaf says it is, and which root issued it
trial        whether gRPC itself can load a certificate
gate         who is calling and whether they may, on every call and every open stream
wrapping     another handler of the same kind around a method's
noting       calls into the audit log
acts         what each method is to the audit log: one table
meter        counts calls and times look-ups, where metrics are on
overriding   what a person decides against a rule of the border
channel      open an authenticated channel to a peer or to the administrator's socket
bundle       a tool's file: its key, its leaf, the root its node is known by
status       errors to status codes and back: one table
levels       from which level on the log is written
server       the two listeners and the socket, each with its gate

peer         service Peer: either end of a stream is a link
greeting     the first words of a session, to hear what stands in its way
probe        a peer's address called step by step, so that each obstacle has its own name
checking     what stands in the way to a peer, and on whose side
approval     which members this node talks to: pins, dials, ended streams
pinning      which roots stand for which members, by decisions here and by their logs

tools        service Tools
admin        service Admin
portraits    one peer with all that is known of it
membership   service Membership: what members say of one another
charter      service Charters: the rules in force, and amending them
forks        service Forks
signing      service Signing: whether the node may sign, and the word on its clock
profiles     service Profiles
policies     service Policies: until when things are kept here
withdrawals  service Withdrawals: take things back, and see what others did about it
opinions     service Opinions: what members make of each other's items, lists and crises
ignores      service Ignores: what counts as no match here, by our own decision
alarms       service Alarms: who is woken here when a crisis is declared
holds        service Holds: what is under legal hold
accountability  service Accountability: what is held of a data subject, and reports
audit        service Audit: the audit log for its auditors
examination  what only the running node knows of its peers, its clock, and how far behind it is
finding      what was looked at, how it is, and what to do about it

This file is the one that has more than a docstring, and the reason is TLS 1.2. gRPC offers no
lowest version; what turns 1.2 off is a list of its cipher suites with none that a certificate of
ours can use. gRPC reads that list from the environment when it is imported, never again, and every
way to it in this program leads through this package, so this is the one place that is always in
time. The variable is put back at once: programs we start do not inherit it. Where some other
library imported gRPC before us the list has no effect, which is why the gate checks the version
on every call; the list only spares strangers the attempt.

Rejected: setting it in the daemon (then the order of its imports would carry the guarantee).
"""

import os

_VARIABLE = "GRPC_SSL_CIPHER_SUITES"
_BEFORE = os.environ.get(_VARIABLE)

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its notes name nobody, and what matters we say ourselves
os.environ[_VARIABLE] = "PSK"  # suites of TLS 1.2 with a shared key, which nobody has; 1.3 has its own list
import grpc as _grpc  # noqa: E402, F401 - must come after the line above

if _BEFORE is None:
    del os.environ[_VARIABLE]
else:
    os.environ[_VARIABLE] = _BEFORE
