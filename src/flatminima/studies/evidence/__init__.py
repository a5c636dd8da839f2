"""What it all says."""
