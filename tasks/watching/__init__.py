"""What the page of one run shows, read from its rows. Only reads."""
