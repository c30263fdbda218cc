"""A report of a fit or a model: one HTML file with everything in it, its charts drawn as SVG.

report      `dgd.report`                   sections    the parts of a report, each of what is known
charts      lines, intervals, maps as SVG  page        the page around them: style, no script, no network
"""
