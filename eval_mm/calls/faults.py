"""How a call to a server fails: for good, for now, or for this question alone."""

from eval_mm.errors import UserError


class Stop(UserError):
    """No further call will do better: a wrong key, an unknown model, an empty account."""


class Gone(Stop):
    """The server answers no more: what it failed to answer is recorded and asked again next time."""

    code = 3


class Again(Exception):
    """A call failed and may do better if repeated.

    Args:
        reason: what went wrong, without the key.
        after: the seconds the server asks to wait.
        overloaded: whether fewer calls at once would help.
    """

    def __init__(self, reason: str, after: float | None = None, overloaded: bool = False):
        super().__init__(reason)
        self.after, self.overloaded = after, overloaded


class Silent(Again):
    """A call had no reply in time, and neither had any other for long: the server answers nobody."""


class Refused(Exception):
    """A call failed and will fail again; that of another question may not. `code` is the server's own."""

    def __init__(self, reason: str, code: str | None = None):
        super().__init__(reason)
        self.code = code
