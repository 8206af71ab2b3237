"""Settings of the documentation site; `build.py` gathers the sources and runs Sphinx with warnings as errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import plain_docstrings

import expint

project = "expint"
author = "The expint developers"
project_copyright = author
version = release = expint.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
root_doc = "index"
exclude_patterns = ["docs/site"]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # build.py --execute switches it on; the tests run every notebook by themselves
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_merge_streams = True

suppress_warnings = ["ref.python"]  # types in docstrings are words: "length" is no reference to one of two attributes
default_role = "code"

add_module_names = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = "expint"
html_copy_source = False
html_show_sphinx = False


def setup(app):
    """Let Sphinx read docstrings that are written for a terminal."""
    app.connect("autodoc-process-docstring", plain_docstrings.process, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", plain_docstrings.skipped)
