"""Where results lie: one object-store protocol over a folder or a bucket."""
