"""What lies behind Sidegate: the agent, over connections that are pooled, bounded and watched.

Each module stands upon the ones above it:

    breaker     whether it is worth trying now
    handler     one connection, and whether it may be used again
    connector   a connection on which a request may go out
    session     one request, and the head of its answer or why there is none
    answers     what of an answer may be passed on, and how
    agent       `Backend` for the agent, made of these
"""

from proxy.isolation.upstream.agent import Upstream

__all__ = ["Upstream"]
