"""What other servers of the network tell: names, and who has which address."""
