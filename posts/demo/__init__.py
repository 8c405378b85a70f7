"""Demo data: people, rooms, posts, and pictures that are drawn when they are needed."""
