"""The policy of a folder: its own file, or the one that comes with the program for its role; never half of one."""

from pathlib import Path

import pytest

from node.custody import custodian, policies
from node.errors import ConfigError
from node.policy import policies as rules
from node.policy.retention import Policy
from node.store import stores
from tests.simulator.members import federation


def load(folder: Path, number: int = 0) -> Policy:
    world = federation(25)
    opened = stores.open_folder(folder)
    try:
        return policies.load(folder, opened, world.charter, world.members[number].member_id)
    finally:
        opened.close()


def test_a_folder_without_a_policy_goes_by_the_one_for_its_role_and_says_so(tmp_path: Path) -> None:
    authority, platform = load(tmp_path, 0), load(tmp_path, 12)
    assert (authority.name, platform.name) == ("authority", "platform")
    assert authority.text == policies.shipped(1)
    assert policies.source(tmp_path, authority).startswith("authority, as it comes with the program: ")


def test_its_own_file_counts_and_one_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    text = policies.shipped(4).replace(b'name = "platform"', b'name = "ours"')
    policies.write(tmp_path, text)
    found = load(tmp_path)
    assert (found.name, policies.source(tmp_path, found)) == ("ours", str(tmp_path / policies.FILE))
    assert (tmp_path / policies.FILE).stat().st_mode & 0o777 == 0o600
    policies.write(tmp_path, text.replace(b'"30 d"', b'"30 days"', 1))
    with pytest.raises(ConfigError, match=r"policy.toml:8: rules\[1\].keep: '30 days' is no time"):
        load(tmp_path)


def test_who_stands_in_no_charter_and_has_no_log_yet_has_the_platforms(tmp_path: Path) -> None:
    world = federation(26)
    opened = stores.open_folder(tmp_path)
    assert policies.load(tmp_path, opened, world.charter, world.members[25].member_id).name == rules.shipped_name(0)
    opened.close()


def test_a_policy_with_a_legal_minimum_needs_somebody_to_seal_to(tmp_path: Path) -> None:
    rule = (
        '{ class = "any", keep = "1 d", ground = "all", minimum = { keep = "1 y", ground = "law", authority = "BKA" } }'
    )
    found = rules.decode(f'name = "law"\nrules = [\n{rule}\n]\n'.encode(), "law.toml")
    with pytest.raises(ConfigError, match=r"rule 1 of law has a legal minimum, and .*custodian.pub is not there"):
        custodian.require_for(tmp_path, found)
    custodian.require_for(tmp_path, rules.decode(policies.shipped(1), "authority"))
    (tmp_path / custodian.PUBLIC).touch()
    custodian.require_for(tmp_path, found)
