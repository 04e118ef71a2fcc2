"""Sidegate: a security sidecar for AI agents.

One request, five layers, in this order:

    network ───────▶ authentication ──▶ authorization ──▶ isolation ──▶ protection
    Ingress          Authenticator      Authorizer        Executor      Redactor
    .admit           .authenticate      .authorize        .execute      .redact
    Inbound ▶ Peer ▶ Principal ───────▶ Grant ──────────▶ Raw ────────▶ Clean

The five folders of those names are the layers; `pipeline` is the order, in five lines. A layer
answers `Allow` or `Deny` (`decision`) with a `Reason` (`reasons`); `trace` records every answer and
stops at the first refusal. `exchange` holds the values that pass from one to the next.

Modules stand on floors and import only from floors below; layers never import each other.

    0  values jsonrpc reasons mcp decision scope     what is said
       actions duplex origin exchange holding
    1  config beneath process durable enc2 seal     what is stood upon
       limits websocket
    2  protocols state                              the wire and the memory
    3  network authentication authorization isolation protection
    4  trace metrics audit hints running readiness  what is known of it
       places unsealing redaction mounting runtimes servers operator routes
       pipeline delivery detached resumption upkeep
    5  server connection listeners sockets          the edge
       writing guard
    6  app assembly settings admin logs limiters    put together
       explain
    7  cli
"""
