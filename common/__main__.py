"""`python -m common`: list the commands."""

from common.cli import list_commands

COMMANDS = ("provenance", "hub", "shards")

if __name__ == "__main__":
    list_commands("common", COMMANDS)
