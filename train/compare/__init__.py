"""Results of several methods side by side: the table of a benchmark, in every format that one is asked for.

entries    results that may stand side by side, refused where data or protocol differ; paired differences
tables     what is shown, as text in cells: made once, so that every format prints the same digits
formats    cells as terminal text, Markdown, LaTeX and HTML
charts     errors by part, framing, distance and light, as SVG
page       all of it, and the pictures, in one HTML file
"""
