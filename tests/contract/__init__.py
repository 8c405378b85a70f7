"""What the socket and REST have promised: snapshots, and what may not be taken back."""
