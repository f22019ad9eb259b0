"""Who may use the servers, and who did what: API tokens with scopes, and the audit log."""
