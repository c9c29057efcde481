"""The deterministic simulator: real feed, protocol, exchange and store; time, chance, network and disk are made."""
