"""What the daemon's parts share: what is known of webspaces, how they are served, and what an operator looks at."""
