"""Real Debian test hosts in Linux namespaces: images, hosts, personas and the pytest fixtures for them."""
