"""Tests, in folders that mirror node/; vectors/ is for every implementation, not only this one."""
