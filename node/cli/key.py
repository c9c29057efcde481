"""The member's keys: which there are, and changing them. The node is stopped meanwhile."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import asking, ceremony, clock, noting, options, printing
from node.cli.ceremony import Signing
from node.errors import ConfigError, Refused

if TYPE_CHECKING:
    from node.custody.keyring import Keyring
    from node.feed.keys import FeedId, MemberId

SPARES = 4


@click.group(epilog=options.examples("tocsin key show", "tocsin key rotate node --root-key /media/stick/root.key"))
def key() -> None:
    """Show the member's keys, rotate and retire them, make spares.

    All but `show` act on the folder of a stopped node. What the root signs can be signed on a machine
    without a network instead: --export FILE, then `tocsin identity sign`.
    """


@key.command(epilog=options.examples("tocsin key show", "tocsin key show --json | jq .spares_left"))
@options.own_folder
@options.as_json
def show(folder: Path, as_json: bool) -> None:
    """Show which keys there are, since when, and where they lie; no secrets."""
    from node import config as configs
    from node.custody import keyring

    found = keyring.read(configs.load(options.config_file(folder)))
    if as_json:
        printing.print_json(_fields(found))
        return
    click.echo(printing.plain(f"{found.name}, {found.fingerprint}: identity log of {found.log_entries} entries"))
    rows = [(one.use, one.key, printing.day(one.since_ms), one.place, one.state) for one in found.keys]
    printing.print_table(("key", "public", "since", "where", "state"), rows, wrapped=("where", "state"))
    click.echo(f"Spares left: {found.spares_left} of {found.spares}.")
    if not found.spares_left:
        click.echo("Next: `tocsin key spare --to FOLDER`: without one, a lost disk needs the root key.")


def _fields(found: "Keyring") -> dict[str, Any]:
    return {
        "member": found.member_id.hex(),
        "log_entries": found.log_entries,
        "spares": found.spares,
        "spares_left": found.spares_left,
        "keys": [
            {"use": one.use, "public": one.key, "since_ms": one.since_ms, "where": one.place, "state": one.state}
            for one in found.keys
        ],
    }


# ---- Rotating


@key.group(epilog=options.examples("tocsin key rotate node --dry-run", "tocsin key rotate tls --finish"))
def rotate() -> None:
    """Put a new key in the place of one that was not stolen, or that nobody can be sure of any more."""


@rotate.command(
    epilog=options.examples(
        "tocsin key rotate root --next-root-key /media/stick/next-root.key --to /media/other/next-root-2.key",
        "tocsin key rotate root --export request --dry-run",
    )
)
@click.option(
    "--next-root-key", "next_root", type=click.Path(path_type=Path), metavar="FILE", help="The key that takes over."
)
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Where the key after it is written, new.")
@ceremony.signing
def root(next_root: Path | None, to: Path | None, signing: Signing) -> None:
    """The next root key takes over. The present one is not asked: it may be lost or stolen.

    Makes the key after it, under the same passphrase.
    """
    consequences = [
        "Members take what the new key signs as soon as they have this entry, and nothing of the old one.",
        "Nodes, feeds and spares stay as they are. Cards by the old key are refused from then on: `tocsin key card`.",
    ]
    done = ["Done. Destroy the old root key's file; keep the two new ones apart."]
    if signing.export or signing.dry_run:
        from node.custody import requests
        from node.custody.ceremonies import Ceremony

        ceremony.perform(signing, Ceremony((requests.ROTATION,)), consequences, done)
        return
    if not next_root or not to:
        raise click.UsageError("Give --next-root-key FILE and --to FILE, or --export FILE to sign elsewhere.")
    _rotate_root(signing, next_root, to, consequences, done)


def _rotate_root(signing: Signing, next_root: Path, to: Path, consequences: list[str], done: list[str]) -> None:
    from nacl.signing import SigningKey

    from node.custody import ceremonies, passphrase, requests

    ceremony.show([*requests.preview(signing.config, (requests.ROTATION,)), *consequences])
    if signing.passphrase_file:
        asking.confirm("Go on?", yes=signing.yes)
    words = asking.passphrase("Passphrase of the next root key", signing.passphrase_file)
    taking_over = SigningKey(passphrase.open_file(next_root, "root", words))
    requests.require_next_root(signing.config, bytes(taking_over.verify_key))
    after = SigningKey.generate()
    passphrase.seal_file(to, "root", bytes(after), words)  # before it is committed to
    made = ceremonies.rotate_root(taking_over, bytes(after.verify_key))
    ceremonies.carry_out(signing.config, made, lambda _: taking_over, clock.now_ms())
    ceremony.show(done)


@rotate.command(
    epilog=options.examples(
        "tocsin key rotate node --dry-run",
        "tocsin key rotate node --root-key /media/stick/root.key",
        "tocsin key rotate node --export request",
    )
)
@ceremony.signing
def node(signing: Signing) -> None:
    """Make fresh feed and KEM keys for this node. The old feed ends where it is, and all in it stands."""
    from node.custody import ceremonies

    made = ceremonies.rotate_node(signing.config)
    ceremony.perform(
        signing,
        made,
        [
            "Here: the feed key is destroyed, its journal kept; the KEM key is kept to read what was sealed to it.",
            "At the peers: they learn the new feed when the node connects; what was published stands.",
        ],
        ["Done. Next: start the node; it ends the old feed when it has heard its peers."],
    )


@rotate.command(
    epilog=options.examples(
        "tocsin key rotate tls --root-key /media/stick/root.key",
        "tocsin key rotate tls --finish",
    )
)
@click.option("--finish", is_flag=True, help="Show the new issuer from the next start on. When all peers were in step.")
@ceremony.signing
def tls(finish: bool, signing: Signing) -> None:
    """Make a new TLS issuer, in two steps: peers have to know it before this node shows it.

    The first certifies it together with new node keys; peers then accept both. The second, once
    `tocsin status` has said that all are in step, makes this node show it.
    """
    from node.custody import ceremonies

    if finish:
        after = [
            "Peers that were connected since the first step let this node in as before. One that was away all the time",
            "learns the issuer from any other member it talks to; one that talks to this node alone needs a way to it:",
            "have it talk to another member first. Tools pin the issuer: give them new files, `tocsin tool issue`.",
            "Spares carry the old issuer: make new ones with `tocsin key spare`, then retire the old feeds.",
        ]
        ceremony.show(after)
        if signing.dry_run:
            click.echo("Nothing was changed.")
            return
        asking.confirm("Show the new issuer from now on?", yes=signing.yes)
        ceremonies.finish_tls(signing.config, clock.now_ms())
        click.echo("Done. Next: start the node.")
        return
    ceremony.perform(
        signing,
        ceremonies.rotate_tls(signing.config, clock.now()),
        ["At the peers: both issuers are accepted as soon as they have this entry; this node shows the old one still."],
        ["Done. Next: start the node, wait until `tocsin status` is in step; stop it; `key rotate tls --finish`."],
    )


# ---- Retiring, successor, spares


@key.command(
    epilog=options.examples(
        "tocsin key retire                     (a stolen feed key: all that this node signed stands, nothing else)",
        "tocsin key retire 4f1c09aa --at 1200  (another feed of this member)",
    )
)
@click.argument("feed", required=False)
@click.option("--at", type=click.IntRange(0), metavar="SEQ", help="The last entry that stands; 0: none of it.")
@ceremony.signing
def retire(feed: str | None, at: int | None, signing: Signing) -> None:
    """End a feed whose key was stolen, or whose node is no more. Without FEED: this node's, which gets fresh keys.

    The end is the last entry that a journal here has, or --at. What stands above it counts no more.
    """
    from node.custody import ceremonies

    config = signing.config
    made = ceremonies.retire(config, _feed(signing, feed) if feed else None, at)
    ceremony.perform(
        signing,
        made,
        [
            "At the peers: what stands above the end is kept and shown as superseded, whenever it comes, whatever its",
            "date; the TLS issuer of a retired feed is let in only if another feed of this member has it.",
        ],
        ["Done. Next: start the node."],
    )


def _feed(signing: Signing, typed: str) -> "FeedId":
    from node.custody import keyring

    found = [feed for feed in keyring.feeds(signing.config) if feed.hex().startswith(typed.lower())]
    if len(found) != 1:
        raise Refused(
            f"{typed} names {'several feeds' if found else 'no feed'} of this member",
            next_step="`tocsin key show` lists them: type as much as tells them apart.",
            field="feed",
        )
    return found[0]


@key.command(
    epilog=options.examples("tocsin key card acme.card", "tocsin key card acme.card --root-key /media/stick/root.key")
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--root-key", type=click.Path(path_type=Path), metavar="FILE", help="Default: root.key in the folder.")
@options.own_folder
@asking.passphrase_file
@asking.yes
def card(file: Path, root_key: Path | None, folder: Path, passphrase_file: str | None, yes: bool) -> None:
    """Write this member's card anew: with its present issuer and address, by its present root key.

    The node may run. Peers that had another card run `tocsin peer add` with this one.
    """
    from node import config as configs
    from node.custody import cards

    config = configs.load(options.config_file(folder))
    path = root_key or config.folder / "root.key"
    noting.note(config, "key card")
    cards.write(config, ceremony.unlocking(path, passphrase_file, yes=yes), file)
    click.echo(f"Wrote {file} (public).")


@key.command(epilog=options.examples("tocsin key successor new.card", "tocsin key successor 7F3KQ2WM4DX8RTA9BCE5"))
@click.argument("member")
@ceremony.signing
def successor(member: str, signing: Signing) -> None:
    """Name the member that goes on in this one's place: by its card, or its fingerprint where it is known here."""
    from node.custody import ceremonies

    member_id = _member(signing, member)
    ceremony.perform(
        signing,
        ceremonies.name_successor(member_id),
        ["At the peers: shown beside this member. What it may do changes only by endorsements of the other."],
        ["Done. Next: start the node."],
    )


def _member(signing: Signing, typed: str) -> "MemberId":
    from node.custody import charters, keyring
    from node.feed import keys

    if Path(typed).exists():
        card = charters.read_card(Path(typed))[1]
        if not signing.yes:
            asking.confirm_fingerprint(card.inception.name, keys.fingerprint(card.inception.member_id))
        return card.inception.member_id
    wanted = "".join(typed.split()).upper()
    for member_id in keyring.members(signing.config):
        if wanted == keys.fingerprint(member_id).replace(" ", ""):
            return member_id
    raise Refused(
        f"{typed} is no card, and no fingerprint of a member that is known here",
        next_step="Name the successor's card, or all twenty characters of its fingerprint.",
        field="member",
    )


@key.command(
    epilog=options.examples(
        "tocsin key spare --to /media/stick",
        "tocsin key spare --count 2 --to /media/stick --export request",
    )
)
@click.option("--count", default=SPARES, show_default=True, type=click.IntRange(1, 8), help="How many.")
@click.option("--to", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="Where they are written.")
@ceremony.signing
def spare(count: int, to: Path, signing: Signing) -> None:
    """Make spares: each lets this node in once more, without the root key, after its disk was lost.

    One passphrase file each, to be kept offline: whoever has one and its passphrase can speak as this
    member until the root retires the feed it opened. A --passphrase-file is for them and the root key alike.
    """
    from node.custody import ceremonies, spares

    config = signing.config
    made = ceremonies.make_spares(config, count)
    paths = [to / f"spare-{one.public.hex()[:8]}.key" for one in made]
    if not to.is_dir():
        raise ConfigError(f"{to} is no folder", next_step="Name the medium that the spares are kept on.")
    if not signing.dry_run:
        words = asking.passphrase("Passphrase of the spares", signing.passphrase_file, new=True)
        for path, one in zip(paths, made, strict=True):
            spares.seal(path, one, words)
    ceremony.perform(
        signing,
        ceremonies.certify_spares(made),
        ["At the peers: nothing changes before one of them is used."],
        [
            f"Wrote {', '.join(path.name for path in paths)} to {to}.",
            "Next: keep them offline, `tocsin backup FILE` (an older backup does not know these spares).",
        ],
    )
