"""Commands: parse, call, print. No logic.

main        the list of commands, loaded when they are named
errors      one table: whose fault it is, and the exit code
options     what several commands share: where the folder is, examples in help texts
asking      what is asked on a terminal, and where it comes from without one
calling     the running node of a folder: its client, and what to do where it does not run
printing    tables and fields for people, JSON for programs; what others wrote cannot steer a terminal
records     what stands in records, one by one
clock       now, and times as people read them
times       for how long, until when
digests     files of digests, and the bar while they are read and sent
items       items of such a file on their way to the node: options of columns and kinds, what becomes of bad lines
naming      which list is meant
contacts    whom to call at a member

Everything else is a module a command or a family of commands. Heavy imports (gRPC, cryptography,
SQLAlchemy) stand inside the functions that need them: `tocsin --help` loads every command's module
and has to answer at once, and gRPC and SQLAlchemy alone take half a second.
"""
