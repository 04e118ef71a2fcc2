"""How fast Sidegate is, as ratios to its peers in one run: `make bench`.

    measure     time calls: in turns, as they arrive, or so many at one time
    report      the figures, as a table or as JSON
    sidegate    a Sidegate in a process of its own, and a client that has paired
    engine      what a Docker engine holds for us, and the client that people use
    bare        the peer of pass-through: the least proxy that aiohttp makes
    sandbox     commands: cold, warm, and so many at one time
    requests    requests: served, relayed and decided on
    redaction   text through layer 5, beside a bare automaton and a loop of expressions
    corpus      the texts for that, made up

Nothing here is a test: a slow machine fails nothing. `docs/benchmarks.md` says what each figure is.
"""
