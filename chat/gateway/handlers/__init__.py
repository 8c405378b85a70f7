"""Routes that an operator mounts: functions `handler(event, context)`, as on API Gateway."""
