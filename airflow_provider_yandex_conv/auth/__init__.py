"""Ways to authenticate, one per file. A credential never does HTTP itself."""
