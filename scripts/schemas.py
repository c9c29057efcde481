"""What each command prints with --json, as JSON Schema: letters as protos/ has them, and what commands add.

A letter becomes an object with the fields of protos/ by name: all of them, but those of a choice that was
not made. A new field of a letter is in the schema when this has run again; a new command is entered below.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

from node.v1 import (
    accountability_pb2,
    admin_pb2,
    alarms_pb2,
    charter_pb2,
    forks_pb2,
    holds_pb2,
    ignores_pb2,
    membership_pb2,
    opinions_pb2,
    policy_pb2,
    profile_pb2,
    record_pb2,
    tools_pb2,
    withdrawals_pb2,
)

ROOT = Path(__file__).parent.parent
FILE = ROOT / "node" / "cli" / "schemas.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
HEX: Schema = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
ROLE: Schema = {"type": "string", "description": "In words."}
ACTS = (  # commands that say something of a crisis
    *("cosign", "refuse", "update", "extend", "hand-over", "de-escalate", "end", "review", "close"),
    *("join", "observe", "decline", "leave", "comment", "dispute", "report", "link", "point", "order"),
)
SCALARS = {
    FieldDescriptor.TYPE_BYTES: HEX,
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_BOOL: FLAG,
}


def main() -> None:
    text = json.dumps(written(), indent=1) + "\n"
    if "--check" not in sys.argv:
        FILE.write_text(text)
    elif not FILE.exists() or FILE.read_text() != text:
        sys.exit(f"{FILE.relative_to(ROOT)} is not what protos/ say: run scripts/schemas")


def written() -> Schema:
    """The whole file."""
    letters = Letters(_comments())
    commands = _commands(letters)
    return {
        "$schema": DIALECT,
        "title": "What each command of tocsin prints with --json",
        "description": "Bytes are in hex, times in milliseconds since 1970 (UTC). Fields may be added.",
        "commands": commands,
        "$defs": {name: letters.found[name] for name in sorted(letters.found)},
    }


# ---- The commands


def _commands(letters: "Letters") -> dict[str, Schema]:
    crisis = letters.of(tools_pb2.CrisisView)
    reached = letters.spread(tools_pb2.ListAcknowledgementsResponse, {}, without={"crisis"})
    match = letters.spread(tools_pb2.Match, {"value": TEXT, "kind": TEXT}, without={"index"})
    member = letters.spread(admin_pb2.MemberView, {"role": ROLE, "endorser_roles": _many(ROLE)})
    voices = _many(letters.spread(membership_pb2.Voice, {"author_role": ROLE, "role": ROLE}))
    standing = letters.spread(
        membership_pb2.Standing,
        {"member": member, "endorsements": voices, "suspensions": voices, "revocations": voices},
    )
    peer = letters.spread(admin_pb2.PeerView, {"role": ROLE})
    waited = _record(dict.fromkeys(("name", "fingerprint", "reason"), TEXT))
    status = letters.spread(
        admin_pb2.GetStatusResponse,
        {
            "role": ROLE,
            "membership": {"anyOf": [member, {"type": "null"}]},
            "lists": NUMBER,
            "crises": NUMBER,
            "not_connected": _many(waited),
            "mass_withdrawals": _many(letters.of(withdrawals_pb2.MassWithdrawalView)),
            "amendment": {**NUMBER, "description": "That is in force; 0: the charter itself."},
            "rules": {
                **TEXT,
                "description": "charter, amended, waiting or unreadable; by the last two nobody may anything.",
            },
        },
    )
    status["required"].remove("index_digest")
    return {
        "config check": _record(
            dict.fromkeys(
                (
                    "name",
                    "data_folder",
                    "peers.listen",
                    "peers.address",
                    "tools.listen",
                    "admin.socket",
                    "lists.follow",
                    "erasures.copy",
                    "metrics.listen",
                    "log.format",
                    "log.level",
                    "audit.keep_days",
                    "audit.justify",
                    "alarm.routes",
                    "member",
                    "federation",
                    "federation_id",
                ),
                TEXT,
            )
        ),
        **_charter(letters),
        "upgrade": _record(
            {
                "version": NUMBER,
                "needed": FLAG,
                "seconds": NUMBER,
                "room_bytes": NUMBER,
                "free_bytes": NUMBER,
                "stores": _many(_record({"path": TEXT, "version": NUMBER, "action": TEXT})),
            }
        ),
        "backup": _record(
            {
                "version": NUMBER,
                "made_ms": NUMBER,
                "program": TEXT,
                "schema_version": NUMBER,
                "federation_id": HEX,
                "member_id": HEX,
                "node_id": HEX,
                "name": TEXT,
                "log_entries": {**NUMBER, "description": "Of the member's identity log."},
                "files": _many(_record({"name": TEXT, "bytes": NUMBER, "sha256": HEX})),
                "only_here": {
                    **_many(_record({"list": TEXT, "records": NUMBER})),
                    "description": "Lists of ours of which no other member is known to hold these records.",
                },
            }
        ),
        "identity show": _record({"asks": _many(TEXT), "asked_ms": NUMBER, "signed": FLAG}),
        **_policy(letters),
        "key show": _record(
            {
                "member": HEX,
                "log_entries": NUMBER,
                "spares": {**NUMBER, "description": "That the root certified."},
                "spares_left": {**NUMBER, "description": "Of them, those that opened no feed yet."},
                "keys": _many(_record({"use": TEXT, "public": TEXT, "since_ms": NUMBER, "where": TEXT, "state": TEXT})),
            }
        ),
        "erase prove": _record(
            {
                "entry": TEXT,
                "position": {"type": ["integer", "null"], "description": "Absent of a whole record."},
                "erased": FLAG,
                "erased_ms": {"type": ["integer", "null"]},
                "reason": TEXT,
                "journal_line": NUMBER,
                "journal_size": NUMBER,
                "journal_head": TEXT,
                "left": _many(TEXT),
                "shown": _many(_record({"path": TEXT, "byte": NUMBER})),
                "searched_bytes": NUMBER,
            }
        ),
        "hold add": letters.of(holds_pb2.HoldView),
        "hold list": _many(letters.of(holds_pb2.HoldView)),
        "hold review": letters.of(holds_pb2.HoldView),
        "hold release": letters.of(holds_pb2.HoldView),
        "hold open": _many(
            _record(
                {
                    "entry": HEX,
                    "member_id": HEX,
                    "member": TEXT,
                    "created_ms": NUMBER,
                    "received_ms": NUMBER,
                    "proven": {**FLAG, "description": "Its author signed for these very bytes: it is held whole."},
                    "values": _many(TEXT),
                    "record": letters.of(record_pb2.Record),
                }
            )
        ),
        **_audit(),
        **_accountability(letters),
        "log level": _record({"level": TEXT, "before": TEXT}),
        "status": status,
        "member": _many(member),
        "member show": standing,
        "profile show": letters.of(profile_pb2.GetProfilesResponse),
        "profile set": letters.of(profile_pb2.ProfileView),
        "profile confirm": letters.of(profile_pb2.ProfileView),
        "peer list": _many(peer),
        "peer show": peer,
        "peer check": letters.spread(admin_pb2.CheckPeerResponse, {"peer": peer}),
        "fork list": _many(letters.of(forks_pb2.ForkView)),
        "fork show": letters.of(forks_pb2.GetForkResponse),
        "doctor": _record(
            {
                "summary": _record(dict.fromkeys(("ok", "warning", "fault", "unknown"), NUMBER)),
                "findings": _many(letters.of(admin_pb2.Finding)),
            }
        ),
        "crisis declare": crisis,
        "crisis list": _many(crisis),
        "crisis show": letters.spread(
            tools_pb2.CrisisView, {"contacts": _many(letters.of(record_pb2.Contact)), "reached": reached}
        ),
        **{f"crisis {name}": crisis for name in ACTS},
        "crisis alert": crisis,
        "crisis promote": crisis,
        "crisis watch": letters.spread(tools_pb2.CrisisView, {"reached": reached}),
        "crisis verify": letters.of(tools_pb2.VerifyCrisisResponse),
        "framework list": _many(letters.of(charter_pb2.FrameworkView)),
        "framework show": letters.of(charter_pb2.FrameworkView),
        "framework check": _record({"name": TEXT, "version": TEXT, "sha256": HEX, "words": _many(TEXT)}),
        "framework publish": letters.of(charter_pb2.FrameworkView),
        "crisis acknowledge": letters.of(tools_pb2.ConfirmResponse),
        "crisis receipts": letters.of(tools_pb2.ListAcknowledgementsResponse),
        "alarm list": letters.of(alarms_pb2.ListRoutesResponse),
        "alarm test": letters.of(alarms_pb2.TestRoutesResponse),
        **_lists(letters),
        "withdraw": {
            "description": "What was taken back; with status that of the last 90 days, or one with all answers.",
            "oneOf": [
                letters.spread(withdrawals_pb2.WithdrawalView, {"erased_after_hours": NUMBER}),
                letters.of(withdrawals_pb2.ListWithdrawalsResponse),
                letters.of(withdrawals_pb2.GetWithdrawalResponse),
            ],
        },
        "opine": {
            "description": "What counts of what was said; with list who said what.",
            "oneOf": [letters.of(opinions_pb2.OpineResponse), letters.of(opinions_pb2.ListOpinionsResponse)],
        },
        "ignore": {
            "description": "One decision; with list all of them.",
            "oneOf": [letters.of(ignores_pb2.IgnoredView), _many(letters.of(ignores_pb2.IgnoredView))],
        },
        "lookup": {
            "description": "Of values on the command line one array. With --from or --file each match is a "
            "document on a line.",
            "oneOf": [_many(match), _with(match, {"line": NUMBER}), _with(match, {"file": TEXT})],
        },
        "watch": _arrivals(letters),
        "subscribe": _arrivals(letters),
    }


def _accountability(letters: "Letters") -> dict[str, Schema]:
    position = {"anyOf": [NUMBER, {"type": "null"}], "description": "Of an item; null: it stands in a text."}
    keeping = letters.spread(policy_pb2.ExplainKeepingResponse, {"position": position})
    held = letters.spread(accountability_pb2.HeldPlace, {"position": position, "keeping": keeping})
    return {
        "subject search": letters.spread(accountability_pb2.SearchSubjectResponse, {"places": _many(held)}),
        "report processing": letters.of(accountability_pb2.Report),
        "report dpia-annex": letters.of(accountability_pb2.Report),
    }


def _audit() -> dict[str, Schema]:
    line = _record(
        {
            "n": {**NUMBER, "description": "The line's number."},
            "at_ms": NUMBER,
            **dict.fromkeys(("operation", "act", "who", "from", "to"), TEXT),
            "what": {**_many(TEXT), "description": "References, each with positions behind a colon; never a value."},
            "counts": {"type": "object", "additionalProperties": NUMBER},
            "why": {**_many(TEXT), "description": "Code and words."},
            **dict.fromkeys(("salt", "previous", "hash"), HEX),
        }
    )
    return {
        "audit show": _many(line),
        "audit search": _many(line),
        "audit verify": _record(
            {
                "first": {**NUMBER, "description": "The first line that is there."},
                "size": {**NUMBER, "description": "How many there ever were."},
                "root": HEX,
                "witnesses": NUMBER,
                "matching": {**NUMBER, "description": "Of the witnesses, those that saw this very log."},
                "erased": {**NUMBER, "description": "Of the witnesses, those that saw only what is erased by now."},
                "confirmed": {**NUMBER, "description": "Up to which line a witness saw what stands before the fault."},
                "keep_days": {**NUMBER, "description": "For how long every line must be there."},
                "keep_days_word": {**TEXT, "description": "Who says that: option, folder (node.toml) or node."},
                "fault": {**TEXT, "description": "CHANGED, REMOVED, REORDERED, CUT, LOST, or absent."},
                "from": NUMBER,
                "to": NUMBER,
                "journal": {
                    **_record({"size": NUMBER, "witnesses": NUMBER, "fault": TEXT, "from": NUMBER, "to": NUMBER}),
                    "type": ["object", "null"],
                    "description": "The erasure journal; null where a node on another machine was asked.",
                },
            }
        ),
    }


def _lists(letters: "Letters") -> dict[str, Schema]:
    counts = {"type": "object", "additionalProperties": NUMBER}
    read = {"rejected": NUMBER, "reasons": counts, "kinds": counts}  # of a file
    one, published = letters.of(tools_pb2.ListView), letters.of(tools_pb2.PublishListResponse)
    grown = letters.spread(tools_pb2.PublishListResponse, read)
    compared = letters.spread(tools_pb2.Compared, read)
    quality = {"type": ["integer", "null"], "description": "Of a PDQ; null where it is not known."}
    item = {"kind": TEXT, "value": TEXT}
    return {
        "list": _many(one),
        "list show": one,
        "list create": published,
        "list publish": grown,
        "list add": grown,
        "list remove": letters.spread(tools_pb2.RemoveItemsResponse, read),
        "list diff": {
            "description": "A document on a line for each difference, and behind them one with the numbers.",
            "oneOf": [_record({"change": {"enum": ["+", "-"]}, **item, "quality": quality}), compared],
        },
        "list export": letters.spread(
            tools_pb2.ListRecord,
            {
                **item,
                "quality": quality,
                "item": {**TEXT, "description": "Header hash of its record, and position."},
                "opinion": {**TEXT, "description": "As in Match."},
                "advice": {**TEXT, "description": "A review at most where a member objects."},
            },
            without={"values", "positions", "judged"},
            description="A document on each line.",
        ),
        "list follow": one,
        "list unfollow": one,
        "list preview": {
            "description": "With --show a document on a line for each match, and behind them the numbers.",
            "oneOf": [_record(item), compared],
        },
    }


def _policy(letters: "Letters") -> dict[str, Schema]:
    policy = letters.spread(policy_pb2.PolicyView, {"text": TEXT})
    place = {"anyOf": [NUMBER, {"type": "null"}], "description": "Of an item; null: the whole record."}
    return {
        "policy check": _record(
            {
                "name": TEXT,
                "policy_id": HEX,
                "rules": NUMBER,
                "warnings": _many(_record({"line": NUMBER, "words": TEXT})),
            }
        ),
        "policy show": policy,
        "policy explain": letters.spread(policy_pb2.ExplainKeepingResponse, {"position": place}),
        "policy preview": letters.spread(policy_pb2.PreviewPolicyResponse, {"policy": policy}),
    }


def _charter(letters: "Letters") -> dict[str, Schema]:
    founder = {**dict.fromkeys(("fingerprint", "name", "role", "country", "address"), TEXT), "member_id": HEX}
    of_file = _record({"federation_id": HEX, "name": TEXT, "founders": _many(_record(founder))})
    amendment = letters.of(charter_pb2.AmendmentView)
    in_force = _record(
        {"federation_id": HEX, "name": TEXT, "state": TEXT, "amendment": amendment, "words": _many(TEXT)}
    )
    change = {"changes": _many(TEXT), "warnings": _many(TEXT), "repeated_call": FLAG}
    return {
        "charter show": {
            "description": "The tables of the text stand beside, if it can be read. Of a file, or of a running node.",
            "oneOf": [{**one, "additionalProperties": True} for one in (of_file, in_force)],
        },
        "charter amend": letters.spread(charter_pb2.AmendmentView, change),
        "charter history": _many(amendment),
    }


def _arrivals(letters: "Letters") -> Schema:
    record = letters.of(record_pb2.Record)
    received = _record(
        {
            "event": {"const": "received"},
            "kind": TEXT,
            "member_id": HEX,
            "member_name": TEXT,
            "object_id": HEX,
            "entry": HEX,
            "exercise": FLAG,
            "urgent": FLAG,
            "created_ms": NUMBER,
            "expires_ms": NUMBER,
            "received_ms": NUMBER,
            "cursor": letters.of(tools_pb2.Cursor),
            "record": {"oneOf": [record, {"type": "null"}], "description": "Absent in statements."},
        }
    )
    # Digests are shown one by one, not end to end.
    items = letters.found["Items"]["properties"]
    items["digests"] = {**items["digests"], **_many(HEX)}
    items["digests"].pop("pattern", None)
    others = _record({"event": {"enum": ["caught_up", "interrupted", "reset"]}})
    return {"description": "A document on each line.", "oneOf": [received, others]}


def _record(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": sorted(properties)}


def _with(made: Schema, more: Mapping[str, Schema]) -> Schema:
    return {**made, "properties": {**more, **made["properties"]}, "required": sorted({*more, *made["required"]})}


def _many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


# ---- Letters


class Letters:
    """Schemas of letters by name, each with what protos/ says of its fields."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self.found: dict[str, Schema] = {}
        self._comments = comments

    def of(self, letter: type[Message]) -> Schema:
        """A reference to the letter."""
        return self._named(letter.DESCRIPTOR)

    def spread(
        self,
        letter: type[Message],
        more: Mapping[str, Schema],
        without: Collection[str] = (),
        description: str = "",
    ) -> Schema:
        """The letter's own fields with some more, or others in their place."""
        made = self._letter(letter.DESCRIPTOR)
        kept = {name: one for name, one in made["properties"].items() if name not in without}
        required = [name for name in made["required"] if name not in without]
        described = {"description": description} if description else {}
        return {**made, **described, "properties": {**kept, **more}, "required": sorted({*required, *more})}

    def _named(self, descriptor: Any) -> Schema:
        if descriptor.name not in self.found:
            self.found[descriptor.name] = {}  # one that has itself inside
            self.found[descriptor.name] = self._letter(descriptor)
        return {"$ref": f"#/$defs/{descriptor.name}"}

    def _letter(self, descriptor: Any) -> Schema:
        required = [field.name for field in descriptor.fields if not field.containing_oneof]
        made: Schema = {
            "type": "object",
            "properties": {field.name: self._field(field) for field in descriptor.fields},
            "required": sorted(required),
        }
        comment = self._comments.get(descriptor.full_name)
        return {"description": comment, **made} if comment else made

    def _field(self, field: FieldDescriptor) -> Schema:
        schema = self._type(field)
        comment = self._comments.get(field.full_name)
        return {**schema, "description": comment} if comment else schema

    def _type(self, field: FieldDescriptor) -> Schema:
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._type(kind.fields_by_name["value"])}
        one = self._named(kind) if kind is not None else SCALARS.get(field.type, NUMBER)
        if field.is_repeated:
            return _many(one)
        absent = kind is not None and not field.containing_oneof
        return {"oneOf": [one, {"type": "null"}]} if absent else dict(one)


def _comments() -> dict[str, str]:
    """What stands above each letter and field in protos/."""
    files = sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos").glob("node/v1/*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "protos"
        command = [sys.executable, "-m", "grpc_tools.protoc", "-Iprotos", "--include_source_info"]
        subprocess.run([*command, f"--descriptor_set_out={made}", *files], check=True, cwd=ROOT)
        described = FileDescriptorSet.FromString(made.read_bytes())
    found: dict[str, str] = {}
    for file in described.file:
        for place in file.source_code_info.location:
            if place.leading_comments and (name := _place(file, tuple(place.path))):
                found[name] = " ".join(place.leading_comments.split())
    return found


def _place(file: Any, path: tuple[int, ...]) -> str:
    """The full name of a letter or of a field: 4 is a file's letters, 3 its inner ones, 2 a letter's fields."""
    if path[:1] != (4,):
        return ""
    letter, name = file.message_type[path[1]], f"{file.package}.{file.message_type[path[1]].name}"
    for kind, number in zip(path[2::2], path[3::2], strict=False):
        if kind == 2:
            return f"{name}.{letter.field[number].name}"
        if kind != 3:
            return ""
        letter = letter.nested_type[number]
        name += f".{letter.name}"
    return name


if __name__ == "__main__":
    main()
