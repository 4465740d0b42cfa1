"""`python -m music`: list the commands."""

from common.cli import list_commands

if __name__ == "__main__":
    list_commands("music", ("train", "generate", "evaluate"))
