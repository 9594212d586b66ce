"""From the words of a question and the columns of a table to a `Request`, or to what a person has to say first."""
