"""`python -m superres`: list the commands."""

from common.cli import list_commands

COMMANDS = ("train", "upscale", "compare", "evaluate", "export")

if __name__ == "__main__":
    list_commands("superres", COMMANDS)
