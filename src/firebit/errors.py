"""The errors Firebit raises on purpose: one line of what is wrong, one line of what to do about it."""


class FirebitError(Exception):
    """Base of every deliberate error.

    Args:
        problem: what is wrong, in one line, naming the file, layer or value.
        remedy: what to do about it, in one line.

    The command line prints both lines and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}"


class UsageError(FirebitError, ValueError):
    """A wrong argument, option or recipe."""

    exit_code = 2


class DataError(FirebitError):
    """A data set that is missing, truncated, corrupt or not what it claims to be."""

    exit_code = 3


class ModelFileError(FirebitError):
    """A model, checkpoint or plan file that is missing, corrupt or of another kind."""

    exit_code = 4


class DivergedError(FirebitError):
    """Training whose loss is no longer finite."""

    exit_code = 5


class UnavailableError(FirebitError):
    """A store, server or download that cannot be reached."""

    exit_code = 6
