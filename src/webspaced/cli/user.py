"""``webspaced user``: the members of the static provider, in its users file."""

from __future__ import annotations

import argparse
from pathlib import Path

from webspaced.cli.command import Command, add_config_option, give, say, settings_of
from webspaced.errors import Invalid
from webspaced.iam.users_file import edited, parse_users
from webspaced.lib.trusted import spot

HIGHEST_ID = 10**18 - 1
"""What instances' names can carry."""


def _users_file(arguments: argparse.Namespace) -> Path:
    if arguments.users_file is not None:
        path: Path = arguments.users_file
        return path
    iam = settings_of(arguments).iam
    if iam.provider != "static":
        message = f"iam.provider is {iam.provider}: members are there, and not in a file"
        raise Invalid(message)
    return iam.users_file


def _user_id(text: str) -> int:
    number = int(text)
    if not 0 <= number <= HIGHEST_ID:
        raise ValueError(text)
    return number


def _add(arguments: argparse.Namespace) -> int:
    path = _users_file(arguments)
    with edited(path) as users:
        token = users.add(arguments.name, arguments.id, admin=arguments.admin)
        user = users.users()[-1][0]
    say(f"{user.username} is a member now, with the id {user.id}, in {path}. This is the token; it is not shown again:")
    give(token)
    return 0


def _token(arguments: argparse.Namespace) -> int:
    with edited(_users_file(arguments)) as users:
        token = users.new_token(arguments.name)
    say("This is the new token; it is not shown again, and the old one does not count any more:")
    give(token)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    with edited(_users_file(arguments)) as users:
        user = users.remove(arguments.name)
    say(f"{user.username} (id {user.id}) is no member any more. A webspace of theirs stays until it is deleted in LXD.")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    path = _users_file(arguments)
    with spot(path) as where:
        content, _ = where.read()
    for user, token_hash in sorted(parse_users(path, content), key=lambda pair: pair[0].id):
        marks = [*(["admin"] if user.is_admin else []), *([] if token_hash else ["no token"])]
        give("\t".join([str(user.id), user.username, ", ".join(marks)]).rstrip())
    return 0


def _configure(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(required=True, metavar="ACTION")
    add = _action(words, "add", _add, "add a member and print the token")
    add.add_argument("name", metavar="NAME", help="the username: letters, digits and hyphens, part of the domain")
    add.add_argument(
        "--id", type=_user_id, metavar="N",
        help="the user id, which names the webspace in LXD for good (default: one above the highest ever given)",
    )  # fmt: skip
    add.add_argument("--admin", action="store_true", help="may act on everybody's webspace")
    _action(words, "list", _list, "list the members: id, username, and whether admin or without a token")
    remove = _action(words, "remove", _remove, "remove a member; the webspace stays")
    remove.add_argument("name", metavar="NAME", help="the username")
    token = _action(words, "token", _token, "give a member a new token and print it; the old one ends")
    token.add_argument("name", metavar="NAME", help="the username")


def _action(
    words: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: object, text: str
) -> argparse.ArgumentParser:
    description = f"{text[0].upper()}{text[1:]}. The daemon sees a change at once. Comments in the file are not kept."
    action = words.add_parser(name, help=text, description=description)
    where = action.add_mutually_exclusive_group()
    where.add_argument("--users-file", type=Path, metavar="FILE", help="the users file (default: that of the settings)")
    add_config_option(where)
    action.set_defaults(run=run)
    return action


USER = Command(name="user", help="the members, where they come from a file (iam.provider static)", configure=_configure)
