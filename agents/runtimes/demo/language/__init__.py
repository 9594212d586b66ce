"""Language of questions, English and German: tokens, stems and synonyms."""
