"""The error tree, by whose fault it is; what the fault is called elsewhere is decided at the edge."""


class NodeError(Exception):
    """Anything this program raises on purpose: what is wrong, why, and the next step if there is one."""

    def __init__(self, reason: str, *, next_step: str = "", field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.next_step = next_step
        self.field = field

    def __str__(self) -> str:
        return f"{self.reason}\n  {self.next_step}" if self.next_step else self.reason


class PeerFault(NodeError):
    """The sender alone could have known better: hang up and remember."""

    rule = "other"


class Malformed(PeerFault):
    """Bytes that no conforming implementation writes. Names the rule they break."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule


class Refused(NodeError):
    """The caller asked for what it may not have or what cannot be: tell it what and why."""


class Unavailable(NodeError):
    """Not now; the same call may succeed later."""


class ConfigError(NodeError):
    """The operator has to mend something on this machine."""
