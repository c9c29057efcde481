"""Tocsin: the exchange node of a crisis protocol. Imports go only down this list.

cli          commands: parse, call, print
daemon       puts the parts together, runs them, stops
client       what in-house tools import
logs | metrics | systemd     what the daemon tells people, Prometheus and systemd
custody      acts on a folder without a daemon: init, charter, join
config       TOML to one frozen Config
rpc          gRPC in and out: who calls, may they, parse, call one thing, answer
runtime      asyncio: the only tasks
exchange     what the node does, synchronously: ingest, publish, project, consult
protocol | store     what peers say, without I/O | what we remember, without opinions
policy       what we allow and keep: pure
crisis | content     what it means: pure
feed         what is said, and by whom: pure
errors | limits | v1     by whose fault | every bound | generated messages
"""
