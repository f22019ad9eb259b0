"""Who may use the platform: API tokens with scopes, and the audit log of what was done with them."""
