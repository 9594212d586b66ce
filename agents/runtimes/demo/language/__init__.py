"""Words: tokens and stems, English and German, and which words mean the same."""
