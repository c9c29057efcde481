from node.feed.turns import in_turn


def test_the_first_of_each_comes_before_the_second_of_any_and_what_is_of_one_turn_stays_as_it_was() -> None:
    said = ["b1", "b2", "b3", "a1", "c1", "a2"]
    assert in_turn(said, lambda one: one[0]) == ["b1", "a1", "c1", "b2", "a2", "b3"]
    assert in_turn([], len) == []
