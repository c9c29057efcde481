"""Metrics for Prometheus: read from the parts when they are asked for; off unless configured.

look        one look at the running node, on its event loop; the stores are read beside their writers
families    what was seen, as Prometheus names it
exposition  HTTP on a thread of its own, one request at a time, where all the text is made

Labels hold names of members, methods, rules and files: nothing else. Only what no part keeps by itself
is counted: calls and look-ups by ``rpc.meter``, which stands there only where metrics are on, and what
peers sent that does not hold. Rejected: counters of the library all over the parts (then the machines
would know of it), and HTTP on the event loop (then text for a reader would delay a declaration).
"""
