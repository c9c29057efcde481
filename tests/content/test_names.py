import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.content import names
from node.errors import Refused

IDS = st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20, unique=True)


def test_a_slug_is_what_one_would_type() -> None:
    assert names.slug("Acme Video") == "acme-video"
    assert names.slug("Ministère de l'Intérieur (FR)") == "ministere-de-l-interieur-fr"
    assert names.slug("警察庁") == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ministry A", "Ministry A"),
        ("Ministry \u0410", r"Ministry \u0410"),
        ("\u0410cme Video", r"\u0410cme Video"),
        ("Eur\u03bfpol", r"Eur\u03bfpol"),
        ("\uff21cme", r"\uff21cme"),
        ("ГД БОП", "ГД БОП"),
        ("Ελληνική Αστυνομία 1", "Ελληνική Αστυνομία 1"),
        ("Ministère de l'Intérieur (FR)", "Ministère de l'Intérieur (FR)"),
        ("警察庁サイバー", "警察庁サイバー"),
    ],
)
def test_a_letter_of_another_script_is_not_taken_for_one_that_looks_like_it(name: str, shown: str) -> None:
    assert names.unmistakable(name) == shown


@given(IDS)
def test_references_tell_all_objects_apart_and_begin_no_other(ids: list[bytes]) -> None:
    rising = sorted(ids)
    short = [names.reference("c", one, rising) for one in rising]
    assert all(one.startswith("c-") and len(one) >= 6 for one in short)
    assert not any(a != b and b.startswith(a) for a in short for b in short)


def test_two_that_begin_alike_have_longer_references() -> None:
    rising = [bytes(16), bytes(15) + b"\x08"]
    assert names.reference("c", rising[0], rising) != names.reference("c", rising[1], rising)
    assert len(names.reference("c", rising[0], rising)) > 20


@given(st.binary(min_size=32, max_size=32))
def test_a_reference_begins_the_id_it_was_made_of_and_one_too_long_begins_none(id_: bytes) -> None:
    whole = names.shortest(id_, [id_, id_[:-1] + bytes([id_[-1] ^ 1])])
    assert all(names.begins(typed, id_) for typed in (whole, whole[:4], whole.upper()))
    assert not any(names.begins(typed, id_) for typed in ("", whole + whole, whole[:-1] + "!"))


def test_an_id_is_named_by_all_of_it_in_hex_and_by_no_part_of_that() -> None:
    id_ = bytes(range(0xA0, 0xC0))
    assert names.begins(id_.hex(), id_)
    assert names.begins(id_.hex().upper(), id_)
    assert not names.begins(id_.hex()[:-1], id_)
    assert not names.begins(id_.hex()[:-1] + "0", id_)


def test_of_things_that_are_called_alike_the_references_are_given() -> None:
    every = [names.Called(bytes([one]) * 16, ("a/halle", f"l-{one}xyz")) for one in (1, 2)]
    with pytest.raises(names.Several, match="any of 2: l-1xyz, l-2xyz"):
        names.closest("a/halle", "list", every)
    apart = [names.Called(bytes([one]) * 16, (f"a/halle{one}", f"l-{one}xyz")) for one in (1, 2)]
    with pytest.raises(names.Several, match="any of 2: a/halle1, a/halle2"):
        names.closest("a/halle", "list", apart)


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("7f3k", ("7f3k", None)),
        (" 7F3K:1042 ", ("7F3K", 1042)),
        ("europol/halle/7f3k:0", ("7f3k", 0)),
        ("7f3k:4095", ("7f3k", 4095)),
        ("7f3k:4096", None),
        ("7f3k:" + 5000 * "9", None),
        ("7f3k:", None),
        ("7f3k:-1", None),
        ("7f3k:1:2", None),
        (":1", None),
        ("europol/halle/", None),
    ],
)
def test_the_place_of_an_item_is_read_as_it_is_printed_and_nothing_else_is(
    typed: str, place: tuple[str, int | None] | None
) -> None:
    assert names.place(typed) == place


NAMED = {b"a" * 16: ("europol/halle", "l-aaaa"), b"b" * 16: ("europol/hamburg", "l-abbb")}


def test_a_name_a_reference_an_id_and_a_beginning_all_work() -> None:
    for typed in ("europol/halle", "L-AAAA", (b"a" * 16).hex(), "europol/hal", " l-aa"):
        assert names.resolve(typed, "list", NAMED) == b"a" * 16


def test_what_may_be_several_or_none_is_refused_with_what_there_is() -> None:
    with pytest.raises(Refused, match=r"may be any of 2: europol/halle, europol/hamburg"):
        names.resolve("europol/ha", "list", NAMED)
    with pytest.raises(Refused, match=r"there is no list 'bka/halle'") as refused:
        names.resolve("bka/halle", "list", NAMED)
    assert "europol/halle" in refused.value.next_step
    with pytest.raises(Refused):
        names.resolve("", "list", NAMED)
