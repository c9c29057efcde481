"""The daemon: the parts of a node put together, run in one TaskGroup, and stopped.

clock       this machine's clocks: nothing below this package reads one
parts       what a node is made of
listening   what it answers: the two listeners and the socket
life        start, run, stop
"""

from node.daemon.clock import RealClock
from node.daemon.life import Daemon, serve

__all__ = ["Daemon", "RealClock", "serve"]
