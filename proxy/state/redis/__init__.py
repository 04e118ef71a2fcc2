"""What replicas remember together: a Redis or Valkey server."""
