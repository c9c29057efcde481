"""What is true of all commands: exit codes, which node is asked, the environment, and the JSON that they print."""

from collections.abc import Callable, Sequence

import click

from node.cli import errors, options, printing, schemas


@click.command(
    name="help",
    epilog=options.examples(
        "tocsin help exit-codes", "tocsin help crisis declare", "tocsin help json", "tocsin help json crisis list"
    ),
)
@click.argument("words", nargs=-1, metavar="[COMMAND|TOPIC]...")
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Explain a command, or what is true of all of them.

    The topics are exit-codes, node, environment and json.
    """
    root = ctx.find_root()
    if words and words[0] in TOPICS:
        TOPICS[words[0]](words[1:])
    else:
        _explain(root, words)


def _explain(ctx: click.Context, words: Sequence[str]) -> None:
    """As --help of the command does."""
    command = ctx.command
    for word in words:
        found = command.get_command(ctx, word) if isinstance(command, click.Group) else None
        if found is None:
            topics = ", ".join(TOPICS)
            raise click.UsageError(f"There is no command and no topic {' '.join(words)!r}. The topics are {topics}.")
        ctx = click.Context(found, info_name=word, parent=ctx)
        command = found
    click.echo(command.get_help(ctx))


def _exit_codes(_: Sequence[str]) -> None:
    for code, (word, more) in errors.MEANINGS.items():
        click.echo(f"  {code}  {word}{f': {more}' if more else ''}.")
    click.echo("\nCommands whose codes say something else, as `lookup`, explain them in their --help.")


def _node(_: Sequence[str]) -> None:
    click.echo(_NODE)


def _environment(_: Sequence[str]) -> None:
    for name, what in ENVIRONMENT.items():
        click.echo(f"  {name:<24}{what}")


def _json(words: Sequence[str]) -> None:
    if words:
        printing.print_json(schemas.of(" ".join(words)))
        return
    click.echo("Commands with --json; `tocsin help json COMMAND` prints the JSON Schema of its output.\n")
    for name in schemas.names():
        click.echo(f"  {name}")
    click.echo(f"\n{_JSON}")


TOPICS: dict[str, Callable[[Sequence[str]], None]] = {
    "exit-codes": _exit_codes,
    "node": _node,
    "environment": _environment,
    "json": _json,
}

ENVIRONMENT = {
    "TOCSIN_CONFIG": "as --folder: the node's folder, or its configuration file",
    "TOCSIN_NODE": "as --node: host:port of a node on another machine",
    "TOCSIN_AS": "as --as: who asks, a file of `tocsin tool issue`",
    "TOCSIN_FEDERATION_ID": "as --federation-id: what to believe, where the file does not have it",
    "TOCSIN_PASSPHRASE_FILE": "as --passphrase-file: where the root passphrase is read from",
    "NO_COLOR": "set to anything: nothing bold or coloured, on terminals too",
}

_NODE = """\
Which node is asked, the first that was said:

  --node HOST:PORT      a node on another machine, where it listens for tools (tools.listen)
  --folder, --config    a node of this machine, by its folder or its configuration file
  TOCSIN_NODE
  the node that the file of --as was made by, where --as was typed
  TOCSIN_CONFIG
  the node that the file of TOCSIN_AS was made by
  ~/.config/tocsin, then /etc/tocsin: the first that has a node.toml; for root the other way round

The current folder is not looked into: what lies there may be somebody else's.

As whom:

  --as FILE, TOCSIN_AS  a tool or a person of the node's member, with the scopes it was given. Make one
                        with `tocsin tool issue NAME --scope SCOPE`, on the node's machine. Administrators'
                        commands (status, member, peer) need the scope admin.
  otherwise             the administrator, over the socket in the node's folder: on its machine only

From another machine:

  node$    tocsin tool issue officer --scope read --scope declare --node node.acme.example:7444
  laptop$  tocsin crisis list --as officer.pem

FILE has the federation's id and the node's address, so nothing else has to be said. Keep it as you would
a key: it is one."""

_JSON = """\
Names are those of protos/; bytes are in hex, times in milliseconds since 1970 (UTC). Fields may be added,
none is removed or renamed. All of it: schemas.json beside the program's modules."""
