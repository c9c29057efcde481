"""What is said of a crisis, in words: every act has some, and the log has nothing that somebody wrote."""

import pytest

from node.crisis import wording
from node.crisis.wording import Manner
from node.v1 import record_pb2
from node.v1.record_pb2 import CrisisAct

SECRET = "what somebody wrote"
NOTES = ("de_escalate", "end", "review", "close", "withdraw", "comment", "dispute", "agree")


def noted(verb: str) -> CrisisAct:
    made = CrisisAct()
    getattr(made, verb).text = SECRET
    return made


ACTS = [
    CrisisAct(cosign=record_pb2.Cosign(code_verified=True)),
    CrisisAct(refuse=record_pb2.Refuse(ground=SECRET)),
    CrisisAct(update=record_pb2.Crisis(title=SECRET)),
    CrisisAct(extend=record_pb2.Extend(ends_ms=1, ground=SECRET)),
    CrisisAct(hand_over=record_pb2.HandOver()),
    *map(noted, NOTES),
    CrisisAct(participation=record_pb2.Participation(stance=1, measures=[SECRET])),
    CrisisAct(situation=record_pb2.Situation(text=SECRET, counts={SECRET: 2})),
    CrisisAct(link=record_pb2.Link()),
    CrisisAct(pointer=record_pb2.Pointer(places=[SECRET], channel=SECRET, reference=SECRET)),
    CrisisAct(order=record_pb2.Order(reference=SECRET, channel=SECRET, ground=SECRET, state=2)),
]
WHOLE = Manner(lambda ms: f"{ms}:00", lambda text: text)
BARE = Manner(lambda ms: f"{ms}:00", lambda _: "")


def test_every_act_is_tried() -> None:
    fields = {field.name for field in CrisisAct.DESCRIPTOR.fields if field.containing_oneof}
    assert {one.WhichOneof("act") for one in ACTS} == fields


@pytest.mark.parametrize("said", ACTS, ids=lambda one: one.WhichOneof("act"))
def test_an_act_has_words_of_its_own_and_the_log_none_of_what_somebody_wrote(said: CrisisAct) -> None:
    whole, bare = wording.act(said, WHOLE), wording.act(said, BARE)
    assert "does not know" not in whole.removesuffix("version does not know")
    assert SECRET not in bare
    assert bare
    assert (SECRET in whole) == (said.WhichOneof("act") not in ("cosign", "hand_over", "link"))


def test_what_is_not_known_says_so_and_a_threat_is_first() -> None:
    assert wording.act(CrisisAct(), WHOLE) == "says something that this version does not know"
    told = record_pb2.Pointer(places=["DE", "FR"], channel="PERCI", reference="118", told_ms=7)
    words = "IMMINENT THREAT TO LIFE: DE, FR were told by PERCI, number 118 at 7:00"
    assert wording.act(CrisisAct(pointer=told), WHOLE) == words


def test_a_correction_says_why() -> None:
    said = CrisisAct(update=record_pb2.Crisis(title="Attack"), reason=9)
    assert wording.act(said, WHOLE) == "corrects it (appeal-upheld) to: Attack"
    said.reason = 200
    assert wording.act(said, WHOLE) == "updates it to: Attack"
