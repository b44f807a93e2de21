"""Pictures of a tuning: a page of its own, drawn as SVG, without anything from elsewhere."""
