"""What was found out about a model, as HTML and SVG: a first screen for whoever decides, and all below it."""
