"""The place of the search for better schedules by measuring them; it is not written yet."""
