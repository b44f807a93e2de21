"""The search for better schedules: tasks, their spaces, a learned cost model, measurement."""
