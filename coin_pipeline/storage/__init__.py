"""Where results lie: one object-store protocol over a local directory."""
