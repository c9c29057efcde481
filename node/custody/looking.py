"""Looking into a node's stores from outside, whether it runs or not; changes nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from node.config import Config
from node.custody import joining, renewal
from node.errors import ConfigError
from node.exchange import ingest
from node.exchange import trust as trusts
from node.exchange.trust import Trust
from node.store import migrations, stores
from node.store.stores import Stores


@contextmanager
def into(config: Config) -> Iterator[tuple[Stores, Trust]]:
    """The stores and what they amount to; of a node that runs, as they are at this moment."""
    charter = joining.read_charter(config)
    migrations.check(config.data_folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(renewal.held(config.data_folder))
        except ConfigError:
            opened = stores.open_to_read(config.data_folder)
        else:
            opened = stores.open_to_read(config.data_folder, alone=True)
        stack.callback(opened.close)
        yield opened, ingest.load(opened, trusts.begin(charter))
