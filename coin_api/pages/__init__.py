"""The app at /app: pages rendered on the server, for people who use a browser."""
