"""`python -m superres`: list the commands."""

from importlib import import_module

COMMANDS = ("train", "upscale", "evaluate")

if __name__ == "__main__":
    for command in COMMANDS:
        name = f"superres.{command}"
        summary = (import_module(name).__doc__ or "").splitlines()[0].partition(": ")[2]
        print(f"python -m {name:<18} {summary}")
