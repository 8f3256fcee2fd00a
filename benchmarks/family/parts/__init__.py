"""One question a file.

A part has a docstring, whose first line is its title and whose rest says what was measured and how, and

- ``measure(data, results)``: fills the dict of results and yields a line after every piece, so that it can be kept;
  pieces that are already in the dict are not measured again,
- ``table(results)``: the results as Markdown,
- ``draw(results, figure)``: the results as a figure, 7 inches wide.

A part may be run before all is measured; table and figure show what is there.
"""
