"""Understanding: from the words of a question and the columns of a table to a `Request` or an `Unclear`."""
