"""`python -m text`: list the commands."""

from common.cli import list_commands

if __name__ == "__main__":
    list_commands("text", ("train", "generate", "evaluate"))
