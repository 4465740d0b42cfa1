"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Bad input from outside: its text names the file or flag, what is wrong with it and what to do.

    The command line prints it as one line and exits with code 2 (`common.cli.run`). A fault of the program itself is
    never a `UserError`, so it keeps its traceback.
    """
