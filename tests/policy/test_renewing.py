"""How long a profile lasts, and what its member hears of it."""

from node import limits
from node.content.profiles import OFFICE_HOURS, OUT_OF_HOURS, Contact, Endpoint, Profile
from node.policy import renewing
from node.policy.renewing import DAY_MS

NOW_MS = 1_800_000_000_000
YEAR_MS = 365 * DAY_MS
LIFE_MS = limits.PROFILE_LIFE_MS_MAX
DESK, DUTY = Contact(OFFICE_HOURS, "Desk", "+49 611 5550100"), Contact(OUT_OF_HOURS, "Duty", "+49 611 5550100")
ADDRESS = Profile((Endpoint(b"n" * 16, "node.example:7443"),))


def checked(days: int, *contacts: Contact) -> Profile:
    return Profile(contacts=contacts or (DESK, DUTY), checked_ms=NOW_MS - days * DAY_MS)


def warned(profile: Profile | None, left_days: int = 200, *, may_declare: bool = True) -> list[str]:
    until_ms = NOW_MS + left_days * DAY_MS
    return [words for words, _ in renewing.warnings(profile, until_ms, NOW_MS, may_declare=may_declare)]


def test_it_is_said_again_in_its_last_month_if_its_contacts_were_confirmed_within_a_year() -> None:
    last_month, before = NOW_MS + 29 * DAY_MS, NOW_MS + 31 * DAY_MS
    assert renewing.is_to_be_said_again(checked(364), last_month, NOW_MS)
    assert not renewing.is_to_be_said_again(checked(364), before, NOW_MS)
    assert not renewing.is_to_be_said_again(checked(366), last_month, NOW_MS)
    assert renewing.is_to_be_said_again(ADDRESS, last_month, NOW_MS), "an address is nobody's to confirm"


def test_a_new_address_does_not_lengthen_the_life_of_contacts_that_nobody_confirmed() -> None:
    before_ms = NOW_MS + 20 * DAY_MS
    assert renewing.ends_ms(checked(366), before_ms, NOW_MS) == before_ms
    assert renewing.ends_ms(checked(364), before_ms, NOW_MS) == NOW_MS + LIFE_MS
    assert renewing.ends_ms(ADDRESS, before_ms, NOW_MS) == NOW_MS + LIFE_MS
    assert renewing.ends_ms(checked(0), 0, NOW_MS) == NOW_MS + LIFE_MS


def test_its_member_hears_what_is_wrong_with_it() -> None:
    assert warned(checked(179)) == []
    assert "there is none" in warned(None)[0]
    assert "names no contact" in warned(ADDRESS)[0]
    assert warned(Profile(contacts=(DESK, DUTY))) == ["its contacts were never checked"]
    assert warned(checked(181)) == ["its contacts were last checked 181 days ago"]
    assert "ends in 29 days" in warned(checked(366), left_days=29)[1]
    assert len(warned(checked(364), left_days=29)) == 1
    assert "nobody for out of hours" in warned(checked(0, DESK))[0]
    assert warned(checked(0, DESK), may_declare=False) == []
