"""Rebuilding: what is made anew from the files that hold it, while no daemon runs."""

import time

from node.config import Config
from node.custody import folder, joining, renewal
from node.store import counts


def rebuild_index(config: Config) -> tuple[int, int]:
    """Make index and digests anew; how many records and items they have then. Raises ConfigError while in use."""
    with renewal.held(config.data_folder):
        keys, charter = folder.read_keys(config.data_folder), joining.read_charter(config)
        exchange = joining.open_exchange(config, keys, charter)
        try:
            exchange.start(time.time_ns() // 1_000_000)  # noqa: TID251 - custody has the real clock
            exchange.rebuild()
            return counts.record_total(exchange.stores.index), counts.item_total(exchange.stores.index)
        finally:
            joining.close_exchange(exchange)
