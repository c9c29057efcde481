"""What acts on a folder without a daemon: keys, certificates and the files they lie in.

With the daemon, the client and the command line this is the only place with a real clock and real
randomness; times are arguments all the same, so that tests can be in any year.

files        secrets 0600 and whole or not there, and the one lock of a data folder
passphrase   root and spare keys under a passphrase
issuer       certificates: a member's TLS issuers, and leaves for nodes and tools
"""
