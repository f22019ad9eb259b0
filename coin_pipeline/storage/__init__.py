"""Object storage: one protocol over a local directory or an S3 bucket."""
