"""Which of several daemons leads."""
