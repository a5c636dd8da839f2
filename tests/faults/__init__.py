"""What goes wrong in a long sweep, done on purpose and for real."""
