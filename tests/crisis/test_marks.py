"""Marks by their keys: nothing of a mark is lost where it is read, changed and said again."""

from itertools import product

import pytest

from node.crisis import marks
from node.crisis.marks import Marks
from node.errors import Refused
from node.v1 import record_pb2


def test_every_mark_that_is_known_is_said_again_as_it_was() -> None:
    for tlp, codes, pap, source, information in product(range(1, 6), range(16), range(5), range(6), range(5)):
        said = record_pb2.Handling(
            tlp=tlp, europol_codes=codes, pap=pap, source_evaluation=source, information_evaluation=information
        )
        assert marks.letter(marks.read(said)) == said


def test_the_keys_are_those_that_people_write() -> None:
    said = record_pb2.Handling(tlp=4, europol_codes=0b0101, pap=4, source_evaluation=5, information_evaluation=2)
    assert marks.read(said) == Marks("amber+strict", "red", ["H0", "H2"], "X2")
    assert marks.letter(Marks()) == record_pb2.Handling(tlp=2)


@pytest.mark.parametrize(
    "later", [{"tlp": 6}, {"tlp": 2, "pap": 5}, {"tlp": 2, "europol_codes": 16}, {"tlp": 2, "source_evaluation": 6}]
)
def test_a_mark_of_a_later_version_is_not_left_out(later: dict[str, int]) -> None:
    with pytest.raises(Refused, match="later version"):
        marks.read(record_pb2.Handling(**later))
