"""Asyncio: the only tasks. What they do with news is in ``growth``, which needs none."""
