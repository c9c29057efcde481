"""gRPC in and out, thin: who calls, may they, parse, call one thing, answer.

tls       names in certificates, pinned roots, credentials
gate      who is calling and whether they may, on every call and every open stream
channel   open an authenticated channel to a peer or to the administrator's socket
bundle    a tool's file: its key, its leaf, the root its node is known by
status    errors to status codes and back: one table
peer      service Peer: either end of a stream is a link
approval  which members this node talks to: pins, dials, ended streams
tools     service Tools
admin     service Admin
forks     service Forks
holds     service Holds: what is under legal hold
profiles  service Profiles
levels    from which level on the log is written
meter     counts calls and times look-ups, where metrics are on
server    the two listeners and the socket, each with its gate

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
