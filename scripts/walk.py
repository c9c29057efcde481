"""A new administrator and a colleague at an authority, each with an empty machine: the guide, and what goes wrong.

Everything is done by commands as configs/README.md has them; nothing of the node is imported here.
"""

import hashlib
import json
import re
import secrets
import signal
import sys
import tempfile
from pathlib import Path

import click
from demo_federation import Failed, console
from walk_machines import Machine, Walk, here, obstacle

BKA, ACME = "bka", "acme"
HOSTS = {BKA: "node.bka.example", ACME: "node.acme.example"}
WHO = {
    BKA: '--name "Bundeskriminalamt" --role authority --country DE',
    ACME: '--name "Acme Video" --role platform --country IE',
}
LIST = "bundeskriminalamt/halle"
DECLARE = (
    'tocsin crisis declare --framework national-example --title "Shooting, livestream" --place DE-ST --kind shooting '
    '--harm high --virality high --criterion objectionable=yes --legal-basis "Police Act 12" --yes'
)
METRICS = "127.0.0.1:7445"
CLIP = bytes(range(256)) * 1000


def found(walk: Walk, bka: Machine, acme: Machine) -> None:
    """From nothing to a charter that both have signed."""
    walk.chapter("Two members, one charter")
    words = secrets.token_hex(16)
    for machine in (bka, acme):
        secret = machine.folder / "passphrase"
        secret.touch(0o600)
        secret.write_text(f"{words}\n")
        walk.type(machine, "tocsin doctor", "tocsin init", code=3)
        walk.type(machine, f"tocsin init {WHO[machine.name]} --address {machine.host}:7443", "Made ")
        walk.type(machine, "tocsin status", "has not joined", code=3)
    walk.send(acme, "acme-video.card", bka)
    walk.type(bka, "tocsin charter template > federation.toml")
    walk.type(bka, "tocsin charter create federation.toml *.card --yes", "needs 4 of", code=1)
    walk.edit(bka, "federation.toml", for_two, "two founders accept, admit and amend")
    walk.type(bka, "tocsin charter create federation.toml *.card --yes", "in force after 2 of 2")
    walk.send(bka, "charter.tocsin", acme)
    for machine in (bka, acme):
        walk.type(machine, "tocsin charter show charter.tocsin", "In force after acceptance by 2")
        walk.type(machine, "mkdir -m 700 ../stick ../vault && mv root.key ../stick && mv next-root.key ../vault")
        walk.type(machine, "tocsin join charter.tocsin --yes", "--root-key", code=3)
        walk.type(machine, "tocsin join charter.tocsin --root-key ../stick/root.key --yes", "joined")
        walk.type(machine, "tocsin config check", "in order")


def for_two(text: str) -> str:
    """The template for two founders: what one authority and one platform can do, and no co-signature of a second."""
    text = text.replace("count = 4", "count = 2").replace("count = 3", "count = 2")
    text = re.sub(r'\[\[frameworks\]\]\nname = "eu-ocrf"\n(.+\n)+', "", text)
    text = re.sub(r'# (\[\[frameworks\]\]\n)# (name = "national-example"\n)# (.*\n)# (.*\n)', r"\1\2\3\4", text)
    return re.sub(r"(?m)^(platform|amend) = .*", r'\1 = { count = 2, roles = ["authority", "platform"] }', text)


def connect(walk: Walk, bka: Machine, acme: Machine) -> None:
    """Each has to approve the other; until then each is told what is missing."""
    walk.chapter("Down, then up; a stranger, then a peer")
    walk.type(acme, "tocsin status", "is not running", "Start it", code=4)
    walk.type(acme, "tocsin doctor", "is not running", code=3)
    walk.run(bka)
    walk.type(bka, "tocsin peer add --founders --yes --no-wait", "1 approved")
    walk.until(bka, "tocsin peer check acme-video", "nothing listens", code=5)
    walk.run(acme)
    walk.until(bka, "tocsin peer check acme-video", "not approved there", code=5)
    walk.type(acme, "tocsin peer add --founders --yes", "1 approved; 1 connected")
    for machine, other in ((bka, "acme-video"), (acme, "bundeskriminalamt")):
        walk.until(machine, "tocsin status", "charter in force (2 of 2), 1 peer, in step")
        walk.type(machine, f"tocsin peer check {other}", "approved on both sides")
        walk.type(machine, "tocsin doctor", "connected to 1 of 1")


def declare(walk: Walk, bka: Machine, acme: Machine) -> None:
    """A crisis, and its end."""
    walk.chapter("A crisis, and its end")
    walk.type(acme, DECLARE, "may not declare", code=1)
    walk.type(bka, DECLARE, "active")
    walk.until(acme, "tocsin crisis list", "Shooting, livestream", "active")
    walk.type(bka, "tocsin crisis end Shooting --yes", "ended")
    walk.until(acme, "tocsin crisis show Shooting", "ended")
    walk.type(bka, "tocsin crisis end Shooting --yes", "over already", code=1)


def exchange(walk: Walk, bka: Machine, acme: Machine) -> None:
    """A list is published, tried, followed, looked up, changed, and let go."""
    walk.chapter("A list")
    (acme.etc / "clip.mp4").write_bytes(CLIP)
    clip = hashlib.sha256(CLIP).hexdigest()
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(500)]
    bka.has("halle.txt", "\n".join([*digests, clip, ""]))
    bka.has("bad.txt", f"{clip}\nabc\n")
    acme.has("last-week.txt", f"{digests[7]}\n{'0' * 64}\n")
    walk.type(bka, "tocsin list publish bad.txt --name bad --kind sha256", "bad.txt:2", code=1)
    published = "tocsin list publish halle.txt --label attack-footage --ground 'streamed by the attacker'"
    walk.type(bka, published, "no exemption is given", "news", code=1)
    walk.type(bka, f"{published} --exemption none-known", "+501 -0")
    walk.until(acme, "tocsin list", LIST, "offered")
    walk.type(acme, "tocsin lookup --file clip.mp4", "0 of 1", code=1)
    walk.type(acme, f"tocsin list preview {LIST} --sample last-week.txt", "1 of 2 would match")
    walk.type(acme, f"tocsin list follow {LIST}", "501 items")
    walk.type(acme, f"tocsin lookup {clip}", f"MATCH {LIST}", "attack-footage")
    walk.type(acme, "tocsin lookup --file clip.mp4", "MATCH", "clip.mp4")
    walk.type(acme, "tocsin lookup --from last-week.txt", "1 of 2 match")
    walk.until(bka, "tocsin list show halle", "held by other members")
    walk.type(acme, f"tocsin list export {LIST} --output halle.csv", "501 items")
    walk.send(acme, "halle.csv", bka)
    walk.type(bka, "tocsin list diff halle halle.csv", "+0 -0, 501 in both")
    walk.type(bka, f"tocsin list remove halle {clip}", "--value", code=3)
    walk.type(bka, f"tocsin list remove halle --value {clip} --reason false-positive", "-1")
    walk.until(acme, f"tocsin lookup {clip}", "no match", code=1)
    walk.type(bka, "tocsin list diff halle halle.csv", "+1 -0, 500 in both", code=1)
    walk.type(acme, f"tocsin list unfollow {LIST}", "no longer followed")
    walk.type(acme, f"tocsin lookup {digests[7]}", "no match", code=1)


def operate(walk: Walk, bka: Machine, acme: Machine) -> None:
    """A colleague's machine, the log, the figures, an upgrade."""
    walk.chapter("From another machine; log, figures, upgrade")
    issue = "tocsin tool issue officer --scope read --scope declare --node node.bka.example:7444"
    walk.type(bka, issue, "officer.pem (0600)", "Other machines cannot connect")
    walk.send(bka, "officer.pem", acme)
    walk.type(acme, "tocsin crisis list --as officer.pem", "nobody listens", code=4)
    walk.edit(bka, "node.toml", lambda text: text.replace('"127.0.0.1:7444"', '"[::]:7444"'), "tools.listen")
    walk.edit(bka, "node.toml", lambda text: text.replace('listen = ""', f'listen = "{METRICS}"'), METRICS)
    walk.type(bka, "tocsin config check", METRICS)
    walk.restart(bka)
    walk.type(acme, "tocsin crisis list --as officer.pem", "Shooting, livestream")
    walk.type(acme, f"{DECLARE} --exercise --as officer.pem", "EXERCISE")
    walk.type(acme, "tocsin status --as officer.pem", "scope admin", code=1)
    walk.type(
        bka,
        f"python3 -c \"import urllib.request as u; print(u.urlopen('http://{METRICS}/metrics').read().decode())\""
        " | grep ^tocsin_peer",
        "tocsin_peer_connected",
    )
    walk.type(bka, 'eval "$(tocsin completion bash)"; complete -p tocsin', "tocsin")
    walk.type(bka, "tocsin log level debug", "it was info")
    walk.type(bka, "tocsin log level info", "it was debug")
    walk.type(bka, "tocsin upgrade --check", "Nothing to do.")
    walk.type(bka, "tocsin upgrade", "is in use", code=3)


def break_(walk: Walk, bka: Machine, acme: Machine) -> None:
    """Each fault is named on the other side, and over when its cause is."""
    walk.chapter("What goes wrong")
    walk.stop(acme, signal.SIGKILL)
    walk.until(bka, "tocsin peer check acme-video", "nothing listens", code=5)
    walk.type(bka, "tocsin doctor", "connected to none of 1", code=3)
    walk.run(acme)
    walk.until(bka, "tocsin status", "1 peer, in step")
    walk.stop(acme)
    walk.edit(acme, "node.toml", lambda text: text.replace('"[::]:7443"', '"[::]:7449"'), "a wrong port")
    walk.run(acme)
    walk.until(bka, "tocsin peer check acme-video", "nothing listens", code=5)
    walk.stop(acme)
    walk.edit(acme, "node.toml", lambda text: text.replace('"[::]:7449"', '"[::]:7443"'), "the right one")
    walk.run(acme)
    walk.until(bka, "tocsin peer check acme-video", "approved on both sides")
    walk.type(acme, "tocsin peer remove bundeskriminalamt --yes", "Removed")
    walk.until(bka, "tocsin peer check acme-video", "not approved there", code=5)
    walk.type(acme, "tocsin peer add bundeskriminalamt --yes", "1 approved")
    walk.until(bka, "tocsin status", "1 peer, in step")
    walk.cable(acme, "down")
    walk.type(bka, "tocsin peer check acme-video", "fault", code=5)
    walk.cable(acme, "up")
    walk.until(bka, "tocsin peer check acme-video", "approved on both sides")
    for machine in (bka, acme):
        walk.until(machine, "tocsin doctor", "connected to 1 of 1")
    statuses = [json.loads(walk.type(one, "tocsin status --json")) for one in (bka, acme)]
    if statuses[0]["heads_digest"] != statuses[1]["heads_digest"]:
        raise Failed("the two do not hold the same in the end")
    for machine in (bka, acme):
        walk.stop(machine)
        walk.type(machine, "tocsin doctor --deep", "journal", code=3)


def play(walk: Walk, *, install: bool) -> None:
    """All of it; raises Failed at the first thing that is not as it should be."""
    walk.chapter("Two empty machines")
    names = (BKA, ACME)
    bka, acme = walk.connect(walk.install(names) if install else here(names), HOSTS)
    walk.type(acme, f"hostname; getent hosts {bka.host}", ACME, bka.address)
    for part in (found, connect, declare, exchange, operate, break_):
        part(walk, bka, acme)


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  scripts/walk\n  scripts/walk --here\n\n"
    "Exit codes: 0 all was as it should be, or skipped with its reason; 1 something was not; 130 interrupted.",
)
@click.option("--here", "here_", is_flag=True, help="Install nothing: use this environment's program on both.")
def main(here_: bool) -> None:
    """Walk through configs/README.md on two machines that were empty before, and through what may go wrong.

    The machines are network namespaces with a host name, /etc/hosts, folder and installation each, joined by a
    cable. They need no root where the system lets users make namespaces; where it does not, nothing is done.
    Each line is a command as its user types it; what it wrote stands below.
    """
    if reason := obstacle():
        console.print(f"SKIPPED: {reason}", style="bold yellow")
        return
    walk = Walk(Path(tempfile.mkdtemp(prefix="tocsin-walk-")))
    try:
        play(walk, install=not here_)
    except Failed as failed:
        console.print(f"\nFAILED: {failed}", style="bold red")
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("\nInterrupted.", style="bold red")
        sys.exit(130)
    finally:
        walk.close()
    console.print("\nThe walk is through: every command did and said what the guide has.", style="bold green")


if __name__ == "__main__":
    main(prog_name="scripts/walk")
