"""What a supervisor is told: one order, on its control socket, and the end of it is its own end.

The counterparts are `supervisor_process`, which writes it, and `supervisor`. It holds what must not
stand on a command line, where every user of the machine could read it.
"""

import marshal

LENGTH_BYTES = 8

MARK = "SIDEGATE_SANDBOX"
"""The variable in the environment of a supervisor, and of what it starts, that says whose it is."""

CLEARED = "cleared"
"""The last word of a supervisor: nothing is left of its command."""


class Order:
    """One command, and how to confine it; all is bytes and numbers.

    `argv`: the program, by its full path. `folder`: the descriptor of where it starts; None: in
    `tmp`. `ids`: become this user and group. `files`: the bytes to be read on each of these
    descriptors. `tmp`: a folder to make for it, and to remove. `rules`: what Landlock leaves to it;
    None: there is no Landlock. `filter`: of its system calls. `tells`: it has the control socket
    too, to tell of what it starts itself.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        *,
        argv: list[bytes],
        env: dict[bytes, bytes],
        folder: int | None = None,
        ids: tuple[int, int] | None = None,
        files: dict[int, bytes] | None = None,
        tmp: bytes | None = None,
        rules: list[tuple[bytes | int, int]] | None = None,
        filter: bytes | None = None,  # noqa: A002 - the kernel's word
        tells: bool = False,
    ) -> None:
        self.argv, self.env = argv, env
        self.folder = folder
        self.ids = ids
        self.files = files or {}
        self.tmp = tmp
        self.rules = rules
        self.filter = filter
        self.tells = tells

    def packed(self) -> bytes:
        """The order with its length before it."""
        data = marshal.dumps(vars(self))
        return len(data).to_bytes(LENGTH_BYTES, "big") + data

    @classmethod
    def unpacked(cls, data: bytes) -> "Order":
        """The order, from what follows its length."""
        return cls(**marshal.loads(data))  # noqa: S302 - by Sidegate alone, on a socket of its own
