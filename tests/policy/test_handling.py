"""Marks in words: as labels, and what each lets readers do."""

import pytest

from node.policy import handling
from node.v1 import record_pb2


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ({}, "not marked"),
        ({"tlp": 2}, "TLP:GREEN"),
        ({"tlp": 4, "europol_codes": 0b0110, "pap": 3}, "TLP:AMBER+STRICT, H1, H2, PAP:AMBER"),
        ({"tlp": 1, "source_evaluation": 5, "information_evaluation": 4}, "TLP:CLEAR, evaluation X4"),
        ({"tlp": 1, "source_evaluation": 1}, "TLP:CLEAR, evaluation A"),
        ({"tlp": 9, "europol_codes": 0b100000, "pap": 9, "source_evaluation": 9}, "TLP:RED, H5, PAP:RED, evaluation ?"),
    ],
)
def test_every_scale_is_named_and_what_is_not_known_is_the_strictest(said: dict[str, int], label: str) -> None:
    assert handling.words(record_pb2.Handling(**said)) == label


def test_each_mark_says_what_readers_may_do_and_what_is_for_all_anyway_says_nothing() -> None:
    assert handling.meanings(record_pb2.Handling(tlp=2)) == []
    said = record_pb2.Handling(tlp=5, europol_codes=0b10100, pap=4, source_evaluation=2, information_evaluation=3)
    assert handling.meanings(said) == [
        "TLP:RED: for its readers themselves, and nobody else",
        "H2: passed on to nobody without its author's permission",
        "H4: of a later version: as the strictest",
        "PAP:RED: nothing that can be noticed from outside",
        "source B: mostly reliable",
        "information 3: not known to the source itself, but confirmed by others",
    ]


def test_a_number_that_is_not_known_means_what_the_strictest_means() -> None:
    later, strictest = record_pb2.Handling(tlp=9, pap=9), record_pb2.Handling(tlp=5, pap=4)
    assert handling.meanings(later) == handling.meanings(strictest)
