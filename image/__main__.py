"""`python -m image`: list the commands."""

from common.cli import list_commands

COMMANDS = (
    "data",
    "train",
    "generate",
    "evaluate",
    "export",
    "translate",
    "translate.train",
    "translate.evaluate",
    "edit",
    "edit.evaluate",
    "judges.classifier",
    "judges.scorer",
)

if __name__ == "__main__":
    list_commands("image", COMMANDS)
