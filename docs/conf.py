"""How Sphinx builds these pages: Markdown in, HTML out that loads nothing from the network."""

project = "Headrace"
author = "The Headrace authors"
copyright = "The Headrace authors, Apache-2.0"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Headrace"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_copy_source = False
html_last_updated_fmt = None
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5d75", "color-brand-content": "#0b5d75"},
    "dark_css_variables": {"color-brand-primary": "#6cc3da", "color-brand-content": "#6cc3da"},
}
