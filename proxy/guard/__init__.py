"""docker-guard: stands before a Docker engine, and does only what the life of a sandbox needs.

Whoever holds the engine's socket is root on its host. So a process of its own holds it, and takes
Sidegate for an attacker:

    listener    the socket that Sidegate connects to
    server      what is judged, in this order:
    intake      one request, whole, in time, and alone
    head        of exact form
    calls       one of the few calls that there are
    create      what a container may be, field by field, written anew
    rules       what of that the configuration decides
    containers  whose container it is
    relay       one request up, the answer down as it comes
    engine      the socket that only the guard holds

Everything is refused that is not named here. No byte of a client's reaches the engine as it came,
but for the input of a container's program.
"""
