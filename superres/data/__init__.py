"""Photos to learn from, large and small, and patches of them."""
