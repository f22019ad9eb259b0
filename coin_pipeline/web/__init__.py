"""What protects both HTTP servers: access rules, limits and time-outs, as plain ASGI and uvicorn."""
