"""What peers say: machines without I/O.

Each takes the time first, returns a list of effects, and reads no clock, no store and no socket.
Whoever drives them (``runtime.peering`` and the simulator, alike) does what the effects say.
"""
