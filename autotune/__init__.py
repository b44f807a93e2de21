"""The search for better schedules, by measuring them."""
